"""A desk under many signals: who goes first, what is refused, what is told as a count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alarm.dispatch import EVENTS_IN_FLIGHT
from gateway.alarm.gauges import Gauges
from gateway.alarm.journal.journal import Kind
from gateway.alarm.signals import acceptance, admission, reception
from gateway.alarm.signals.acceptance import Acceptance
from gateway.alarm.signals.contact import sighting_of
from gateway.alarm.signals.folding import FlappingRule
from gateway.alarm.signals.reception import Reception
from gateway.alarm.signals.waiting import Waiting
from gateway.errors import StorageError
from gateway.link.messages import AlarmFigures, decode
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import NORTH_BUTTON, RULES, SOUTH_BUTTON, action
from tests.alarm.desk_world import TOPICS, Bench, GatedJournal, WireEnd, settled, until

ALARM, RESTORE, BATTERY = SignalKind.ALARM, SignalKind.RESTORE, SignalKind.BATTERY
EAGER = replace(RULES, flapping=FlappingRule(changes=4, within=60.0, every=0.3))


@pytest.fixture
async def journal(tmp_path: Path):
    async with GatedJournal(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
async def bench(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as running:
        yield running


def trouble(bench: Bench, number: int) -> asyncio.Future[bool]:
    signal = AlarmSignal(signal=BATTERY, account="9999", zone=f"{number:03}", code="E302")
    return bench.hand_over(signal)


def press(bench: Bench) -> asyncio.Future[bool]:
    signal = AlarmSignal(signal=ALARM, account="1234", zone="001", code="E120", category="panic")
    return bench.hand_over(signal)


# The order of decisions


async def test_press_is_decided_before_the_troubles_that_came_first(
    bench: Bench, journal: GatedJournal
):
    troubles = [trouble(bench, number) for number in range(50)]
    pressed = press(bench)
    assert await pressed
    assert all(await asyncio.gather(*troubles))
    await until(lambda: len(bench.wire.events) == 51)
    rows = [row for row in await journal.events(0, 1e11) if row.kind == Kind.SIGNAL]
    assert json.loads(rows[0].body)["category"] == "panic"
    assert [json.loads(row.body)["seq"] for row in rows] == list(range(1, 52))


async def test_what_one_turn_decides_is_one_unit_in_the_journal(
    bench: Bench, journal: GatedJournal
):
    units = []
    append = journal.append

    def counted(rows):
        units.append(len(rows))
        return append(rows)

    journal.append = counted  # type: ignore[method-assign]
    await asyncio.gather(*(trouble(bench, number) for number in range(acceptance.MANY - 1)))
    assert units == [acceptance.MANY - 1]


async def test_receipts_of_one_turn_are_one_state_and_all_are_applied(bench: Bench):
    await bench.press()
    await until(lambda: len(bench.wire.pages) == 3)
    receipts = [
        action(bench.incident, "receipt", page.group, page=page.id) for page in bench.wire.pages
    ]
    before = len(bench.wire.states)
    for one in receipts:
        bench.wire.send(one)
    await until(lambda: len(bench.wire.states) > before)
    assert len(bench.wire.states) == before + 1
    assert set(bench.wire.states[-1].applied) == {one.id for one in receipts}
    assert {group.state for group in bench.wire.states[-1].groups.values()} == {"received"}


async def test_receipts_that_come_in_a_storm_are_taken_together_a_moment_later(
    bench: Bench, journal: GatedJournal
):
    await bench.press()
    await until(lambda: len(bench.wire.pages) == 3)
    journal.gate.clear()
    troubles = [trouble(bench, number) for number in range(10)]
    await settled()
    for page in bench.wire.pages:
        bench.wire.send(action(bench.incident, "receipt", page.group, page=page.id))
        await settled()
    bench.wire.send(action(bench.incident, "note", note="a person is heard at once"))
    assert bench.state.notes
    assert {group.state for group in bench.state.groups.values()} == {"paged"}
    journal.gate.set()
    await until(lambda: {one.state for one in bench.state.groups.values()} == {"received"})
    assert all(await asyncio.gather(*troubles))
    assert len(bench.wire.pages) == 3


async def test_refusal_is_said_even_if_the_same_turn_changes_the_incident_again(bench: Bench):
    await bench.press()
    refused = action(bench.incident, "close")
    bench.wire.send(refused)
    bench.wire.send(action(bench.incident, "note", note="still here"))
    await until(lambda: len(bench.wire.states) == 3)
    assert bench.wire.states[1].refused is not None
    assert bench.wire.states[1].refused.id == refused.id
    assert bench.wire.states[2].refused is None


async def test_refusal_is_said_even_if_the_journal_refuses_what_follows_before_it_has_stored_it(
    bench: Bench, journal: GatedJournal, monkeypatch
):
    await bench.press()
    await until(lambda: len(bench.wire.states) == 1)
    journal.gate.clear()
    refused = action(bench.incident, "close")
    bench.wire.send(refused)
    await settled()

    def full(_rows):
        future = asyncio.get_running_loop().create_future()
        future.set_exception(StorageError("the disk does not keep up"))
        return future

    monkeypatch.setattr(journal, "append", full)
    bench.wire.send(action(bench.incident, "note", note="still here"))
    await settled()
    journal.gate.set()
    await until(lambda: bench.wire.states[-1].seq == 3)
    await settled()
    assert [one.seq for one in bench.wire.states] == [1, 2, 3]
    assert bench.wire.states[1].refused is not None
    assert bench.wire.states[1].refused.id == refused.id


# A journal that lags


async def test_troubles_wait_for_a_journal_that_lags_and_a_press_does_not(
    bench: Bench, journal: GatedJournal, monkeypatch
):
    monkeypatch.setattr(reception, "MAX_STORING", 10)
    journal.gate.clear()
    troubles = [trouble(bench, number) for number in range(10)]
    await settled()
    later = trouble(bench, 11)
    await settled()
    assert bench.desk.figures().waiting == 1
    pressed = press(bench)
    await settled()
    assert bench.desk.figures().waiting == 1
    assert len(bench.desk.incidents()) == 1
    journal.gate.set()
    assert all(await asyncio.gather(*troubles, later, pressed))


async def test_journal_has_two_units_at_a_time_and_the_next_takes_what_came_meanwhile(
    bench: Bench, journal: GatedJournal
):
    units: list[int] = []
    append = journal.append

    def counted(rows):
        units.append(len(rows))
        return append(rows)

    journal.append = counted  # type: ignore[method-assign]
    journal.gate.clear()
    told = []
    for number in range(6):
        told.append(trouble(bench, number))
        await settled()
    assert units == [1, 1]
    journal.gate.set()
    assert all(await asyncio.gather(*told))
    assert units == [1, 1, 4]


async def test_journal_that_hangs_holds_nothing_up_longer_behind_others(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    loop = asyncio.get_running_loop()
    told = []
    for number in range(4):
        told.append(trouble(bench, number))
        await settled()
    began = loop.time()
    assert await asyncio.gather(*told) == [False] * 4
    assert loop.time() - began < 0.7
    await until(lambda: len(bench.wire.events) == 4)
    assert {event.stored for event in bench.wire.events} == {False}
    journal.gate.set()


async def test_what_waits_when_the_desk_ends_is_not_stored(journal: GatedJournal, monkeypatch):
    monkeypatch.setattr(reception, "MAX_STORING", 1)
    async with Bench(journal, WireEnd()).running() as bench:
        journal.gate.clear()
        told = [trouble(bench, number) for number in range(3)]
        await settled()
    journal.gate.set()
    assert await asyncio.gather(*told) == [False] * 3


async def test_signals_that_come_before_the_desk_runs_wait_for_it(journal: GatedJournal):
    bench = Bench(journal, WireEnd())
    early = press(bench)
    await settled()
    assert not early.done()
    async with bench.running():
        assert await early


# Reception


class Never:
    """A journal that nothing is stored in."""

    def append(self, _rows: object) -> Awaitable[int]:
        raise AssertionError

    append_soon = append


class Desk:
    """Decides nothing and remembers everything."""

    def __init__(self) -> None:
        self.counters = Counters()
        self.decided: list[str] = []
        self.storing = 0
        self.reception = Reception(
            SystemClock(), self.counters, self.decide, lambda: self.storing, self.acceptance_of
        )

    def acceptance_of(self, reception: Reception) -> Acceptance:
        """One that never begins, and so accepts nothing."""
        return Acceptance(
            Never(),
            SystemClock(),
            lambda: "",
            self.counters,
            waiting=reception.waiting_of,
            answered=reception.go,
            is_out=lambda _: False,
        )

    def decide(self, waiting: Waiting, _now: object) -> None:
        if waiting.sighting.text == "defect":
            raise RuntimeError("a defect")
        self.decided.append(waiting.sighting.text)

    def admit(self, text: str, kind: SignalKind = BATTERY, source=SOUTH_BUTTON) -> list[bool]:
        told: list[bool] = []
        seen = sighting_of(source, AlarmSignal(signal=kind, text=text))
        self.reception.admit(Waiting(seen, False, lambda raised: told.append(raised.stored)))
        return told


async def test_loop_gets_its_turn_after_each_slice(monkeypatch):
    monkeypatch.setattr(reception, "SLICE", 0.0)
    desk = Desk()
    desk.reception.open()
    for number in range(3):
        desk.admit(str(number))
    seen = []
    for _ in range(5):
        await asyncio.sleep(0)
        seen.append(len(desk.decided))
    assert seen == [1, 2, 3, 3, 3]


async def test_while_devices_wait_for_acknowledgements_silent_sites_go_first_and_others_a_few_at_a_time(
    monkeypatch,
):
    desk = Desk()
    monkeypatch.setattr(desk.reception.acceptance, "is_dense", lambda _now: True)
    monkeypatch.setattr(reception, "PAUSE", 0.005)
    sites = [replace(SOUTH_BUTTON, site=f"site-{number}") for number in range(10)]
    for again in range(2):
        for number, source in enumerate(sites):
            desk.admit(f"{number}-{again}", ALARM, replace(source, endpoint=f"e-{number}-{again}"))
    desk.admit("trouble", source=NORTH_BUTTON)
    slices = []
    decide = desk.reception._work

    def noted():
        before = len(desk.decided)
        decide()
        slices.append(desk.decided[before:])

    monkeypatch.setattr(desk.reception, "_work", noted)
    desk.reception.open()
    await until(lambda: "0-1" in desk.decided)
    desk.admit("elsewhere", ALARM, replace(NORTH_BUTTON, site="elsewhere", endpoint="e"))
    await until(lambda: len(desk.decided) == 22)
    assert slices[0] == [*(f"{number}-0" for number in range(10)), "0-1", "1-1", "2-1"]
    assert slices[1] == ["elsewhere", "3-1", "4-1", "5-1"]
    assert slices[2:] == [["6-1", "7-1", "8-1"], ["9-1", "trouble"]]


async def test_refused_signal_is_counted_and_hears_it_at_once(monkeypatch):
    monkeypatch.setattr(admission.Admission.__init__, "__defaults__", (2, 2))
    desk = Desk()
    told = [desk.admit(str(number)) for number in range(4)]
    assert told == [[], [], [False], [False]]
    assert desk.counters["alarm.refused"] == 2
    assert desk.admit("press", ALARM, NORTH_BUTTON) == []  # a lane of its own
    assert len(desk.reception) == 3
    desk.reception.open()
    await settled()
    assert desk.decided == ["press", "0", "1"]


async def test_defect_in_one_signals_path_ends_no_other_ones(caplog):
    desk = Desk()
    desk.reception.open()
    told = desk.admit("defect")
    desk.admit("next")
    await settled()
    assert told == [False]
    assert desk.decided == ["next"]
    assert desk.counters["alarm.signals_failed"] == 1


# Flapping


async def flap(bench: Bench, changes: int, *, first: int = 0) -> None:
    for number in range(first, first + changes):
        kind = RESTORE if number % 2 else ALARM
        assert await bench.press(kind, code="R120" if number % 2 else "E120")


async def test_flapping_panic_pages_once_and_is_told_as_a_count(
    journal: GatedJournal,
):
    async with Bench(journal, WireEnd(), EAGER).running() as bench:
        await flap(bench, 25)
        await until(lambda: any(event.folded for event in bench.wire.events))
        events = sorted(bench.wire.events, key=lambda one: one.seq)
        assert [event.folded for event in events] == [0, 0, 0, 0, 0, 0, 20]
        assert [event.category for event in events] == ["panic"] * 5 + ["trouble"] * 2
        assert events[5].text.startswith("flapping: 5 changes")
        assert len(bench.wire.pages) == 3
        assert len(bench.desk.incidents()) == 1
        rows = [row for row in await journal.events(0, 1e11) if row.kind == Kind.SIGNAL]
        assert len(rows) == 27
        await until(lambda: bench.desk.figures().folded == 20)
        for _ in range(100):
            if not await journal.standing(Kind.SIGNAL):
                break
            await asyncio.sleep(0.01)
        assert await journal.standing(Kind.SIGNAL) == ()


async def test_alarm_of_a_flapping_input_that_pages_is_told_by_itself(journal: GatedJournal):
    async with Bench(journal, WireEnd(), EAGER).running() as bench:
        await flap(bench, 6)
        closing = (
            action(bench.incident, "reset"),
            action(bench.incident, "close", disposition="handled"),
        )
        for one in closing:
            answer = await bench.desk.act(one)
            assert answer is not None
            assert answer.outcome == "applied"
        await bench.press(ALARM)  # silent by itself, but it opens and pages
        await until(lambda: len(bench.wire.pages) == 6)
        await until(lambda: len([one for one in bench.wire.events if one.category == "panic"]) == 6)
        await until(lambda: any(one.folded for one in bench.wire.events))
        assert [one.folded for one in bench.wire.events if one.folded] == [1]


async def test_restart_tells_one_by_one_what_was_not_counted_yet(journal: GatedJournal):
    slow = replace(RULES, flapping=FlappingRule(changes=4, within=60.0, every=60.0))
    async with Bench(journal, WireEnd(), slow).running() as before:
        await flap(before, 10)
        await until(lambda: len(before.wire.events) == 6)
        await asyncio.sleep(0.1)  # until it is noted that they are out
    async with Bench(journal, WireEnd(), slow).running() as bench:
        await until(lambda: len(bench.wire.events) == 5)
        assert [event.seq for event in bench.wire.events] == [7, 8, 9, 10, 11]


async def test_drill_is_never_folded(journal: GatedJournal):
    async with Bench(journal, WireEnd(), EAGER).running() as bench:
        for number in range(20):
            kind = RESTORE if number % 2 else ALARM
            await bench.desk.press(NORTH_BUTTON.endpoint, kind, drill=True)
        await until(lambda: len(bench.wire.events) == 20)
        assert {event.folded for event in bench.wire.events} == {0}


# What goes out first


async def test_pages_and_alarm_events_overtake_a_backlog_of_troubles(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as bench:
        bench.wire.answers.clear()
        await asyncio.gather(*(trouble(bench, number) for number in range(300)))
        await until(lambda: bench.wire.attempts == EVENTS_IN_FLIGHT)
        await until(lambda: not bench.desk.figures().waiting)
        assert await bench.press()
        await until(lambda: bench.wire.attempts == EVENTS_IN_FLIGHT + 4)  # three pages, the event
        bench.wire.answers.set()
        await until(lambda: len(bench.wire.events) == 301)


# Figures


async def test_figures_say_what_came_and_are_published_when_they_change(bench: Bench):
    said: list[AlarmFigures] = []

    class Link:
        def set_retained(self, topic: str, payload: bytes) -> None:
            assert topic == TOPICS.figures("zju1")
            said.append(decode(AlarmFigures, payload))

    gauges = Gauges("zju1", TOPICS, Link(), bench.desk.figures)
    gauges.look()
    gauges.look()
    assert len(said) == 1
    await bench.press()
    await bench.press(RESTORE, code="R120")
    await trouble(bench, 1)
    gauges.look()
    assert len(said) == 2
    assert (said[1].signals, said[1].alarms_10min, said[1].standing, said[1].stale) == (3, 1, 1, 0)
    assert said[1].busiest == {SOUTH_BUTTON.endpoint: 2, "receiver-1:9999/001": 1}
    assert (said[1].flood, said[1].waiting, said[1].refused) == (False, 0, 0)
