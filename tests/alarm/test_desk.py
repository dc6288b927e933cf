from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alarm import dispatch
from gateway.alarm.incidents.order import Order
from gateway.alarm.journal.journal import Journal, Kind, Row
from gateway.alarm.plans.plan import Guard
from gateway.alarm.signals.contact import InputState
from gateway.errors import LocalProtocolError, StorageError
from gateway.link.messages import IncidentState
from gateway.ports import SignalKind
from tests.alarm.alarm_world import HOSPITAL, NORTH_BUTTON, POLICE, RULES, STREET, WHISTLE, action
from tests.alarm.desk_world import TOPICS, Bench, GatedJournal, WireEnd, settled, until


@pytest.fixture
async def journal(tmp_path: Path):
    async with GatedJournal(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
async def bench(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as running:
        yield running


# A press


async def test_press_goes_out_as_event_pages_and_state(bench: Bench):
    assert await bench.press()
    await until(lambda: len(bench.wire.published) == 4)
    (event,) = bench.wire.events
    assert (event.gateway, event.site, event.endpoint) == ("zju1", "zju1", "south-gate-button")
    assert (event.signal, event.category, event.code) == ("alarm", "panic", "E120")
    assert (event.account, event.zone, event.seq, event.stored, event.drill) == (
        "1234", "001", 1, True, False,
    )  # fmt: skip
    pages = bench.wire.pages
    assert sorted(page.group for page in pages) == sorted(WHISTLE)
    assert len({page.id for page in pages}) == 3
    for page in pages:
        assert (page.incident, page.level, page.severity) == (bench.incident, 1, 1)
        assert page.endpoints == ("south-gate-button", "south-gate-intercom")
        assert (page.site_name, page.position) == ("浙大一院", (30.2573, 120.1776))
        assert (page.talkgroup, page.ack_within_s) == (None, 30.0)
        assert page.title == "吹哨响应: 浙大一院 南门按钮"
    paged = [one for one in bench.wire.published if "/page/" in one.topic]
    assert {one.expiry for one in paged} == {60}
    assert {one.topic for one in paged} == {TOPICS.page(group, "zju1") for group in WHISTLE}
    (state,) = bench.wire.states
    assert (state.state, state.level, state.seq, state.owner, state.owner_term) == (
        "open", 1, 1, "zju1", 1,
    )  # fmt: skip
    assert bench.wire.retained[TOPICS.incident(state.id, "zju1")].expiry is None


async def test_nothing_says_so_before_the_press_is_in_the_journal(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    pressing = asyncio.create_task(bench.press())
    await settled()
    await asyncio.sleep(0.1)
    assert (bench.wire.published, bench.wire.states, bench.told) == ([], [], [])
    assert not pressing.done()
    journal.gate.set()
    assert await pressing
    assert len(bench.wire.states) == 1


async def test_signal_and_incident_are_one_unit_in_the_journal(bench: Bench, journal: Journal):
    await bench.press()
    kinds = [row.kind for row in await journal.events(0, 1e11)]
    assert kinds[:5] == ["signal", "page", "page", "page", "incident"]
    snapshot = json.loads((await journal.open_incidents())[0].body)
    assert snapshot["state"]["id"] == bench.incident


async def test_journal_that_does_not_answer_holds_the_alarm_up_for_half_a_second(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    began = time.monotonic()
    assert await bench.press() is False
    assert 0.45 < time.monotonic() - began < 1.0
    await until(lambda: len(bench.wire.published) == 4)
    assert bench.wire.events[0].stored is False
    assert len(bench.wire.states) == 1
    journal.gate.set()
    assert await bench.press()  # the panel asks again: joins, and is stored
    await until(lambda: len(bench.wire.events) == 2)
    assert bench.wire.events[1].stored is True
    assert len(bench.desk.incidents()) == 1
    assert bench.counters["alarm.not_stored"] == 1


async def test_journal_that_fails_lets_the_alarm_out_at_once(
    bench: Bench, journal: Journal, monkeypatch
):
    def fails(_rows):
        future = asyncio.get_running_loop().create_future()
        future.set_exception(StorageError("disk full"))
        return future

    with monkeypatch.context() as broken:
        broken.setattr(journal, "append", fails)
        assert await bench.press() is False
        await until(lambda: len(bench.wire.pages) == 3)
        assert bench.wire.events[0].stored is False
    assert await journal.open_incidents() == ()
    # The repeat is acknowledged only with the whole incident behind it.
    assert await bench.press()
    assert len(await journal.open_incidents()) == 1


class UnreadableJournal(GatedJournal):
    """A journal that stores, and cannot be read while ``readable`` is not set."""

    readable = False

    async def standing(self, kind):
        if not self.readable:
            raise StorageError("EIO")
        return await super().standing(kind)


async def test_journal_that_cannot_be_read_at_the_start_is_taken_up_when_it_can(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("gateway.alarm.resumption.PATIENCE", 0.05)
    async with UnreadableJournal(tmp_path / "journal.db") as journal:
        journal.readable = True
        async with Bench(journal, WireEnd()).running() as bench:
            await bench.press()
            old = bench.incident
            bench.wire.send(action(old, "ack", group=POLICE))
            await until(lambda: bench.state.groups[POLICE].state == "acked")
        journal.readable = False
        async with Bench(journal, WireEnd()).running() as bench:
            assert await bench.press(), "it serves, and stores"
            new = bench.incident
            assert new != old
            journal.readable = True
            await until(lambda: {one.id for one in bench.desk.incidents()} == {old, new})
            states = {one.id: one for one in bench.desk.incidents()}
            assert (states[new].state, states[new].merged_into) == ("closed", old)
            assert states[old].groups[POLICE].state == "acked"
            await bench.press()
            assert len(bench.desk.incidents()) == 2, "later signals join the one that goes on"


async def test_driver_that_is_stopped_while_it_waits_takes_no_page_with_it(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    driver = asyncio.create_task(bench.press())
    await settled()
    driver.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await driver
    journal.gate.set()
    # Within the second in which no page would be sent again anyway.
    await until(lambda: len(bench.wire.pages) == 3 and bench.wire.events, within=0.7)


async def test_group_that_acks_while_the_disk_is_waited_for_is_not_paged(
    bench: Bench, journal: GatedJournal
):
    journal.gate.clear()
    pressing = asyncio.create_task(bench.press())
    await settled()
    assert bench.desk.deliver(action(bench.incident, "ack", POLICE))
    journal.gate.set()
    assert await pressing
    await until(lambda: len(bench.wire.pages) == 2)
    assert {page.group for page in bench.wire.pages} == {HOSPITAL, STREET}


async def test_second_press_is_an_event_of_its_own_and_no_page(bench: Bench):
    await bench.press()
    await bench.press()
    await until(lambda: len(bench.wire.events) == 2)
    assert len({event.id for event in bench.wire.events}) == 2
    assert len(bench.wire.pages) == 3
    assert len(bench.wire.states) == 1


async def test_hundred_presses_at_once_are_stored_in_order_and_are_one_incident(
    bench: Bench, journal: Journal
):
    assert all(await asyncio.gather(*(bench.press() for _ in range(100))))
    await until(lambda: len(bench.wire.events) == 100)
    rows = [row for row in await journal.events(0, 1e11) if row.kind == Kind.SIGNAL]
    assert [json.loads(row.body)["seq"] for row in rows] == list(range(1, 101))
    assert len(bench.wire.pages) == 3
    assert await until_published(journal) == ()


async def until_published(journal: Journal) -> tuple[object, ...]:
    for _ in range(100):
        left = await journal.unpublished_signals()
        if not left:
            return left
        await asyncio.sleep(0.01)
    return left


async def test_unknown_account_is_stored_acknowledged_and_raised_as_a_trouble(bench: Bench):
    assert await bench.press(account="9999")
    await until(lambda: bench.wire.events)
    (event,) = bench.wire.events
    assert (event.signal, event.category, event.endpoint, event.site) == (
        "fault", "trouble", None, None,
    )  # fmt: skip
    assert (event.account, event.code) == ("9999", "E120")
    assert (bench.wire.pages, bench.desk.incidents()) == ([], ())


async def test_test_of_a_panic_button_pages_nobody(bench: Bench):
    assert await bench.press(SignalKind.TEST, code="E602", category="test")
    assert await bench.press(SignalKind.BATTERY, code="E302", category="trouble")
    await until(lambda: len(bench.wire.events) == 2)
    assert [event.category for event in bench.wire.events] == ["test", "trouble"]
    assert bench.wire.pages == []


async def test_press_by_hand_and_in_a_drill(bench: Bench):
    assert await bench.desk.press("nobody") is None
    marked = {name: replace(group, drills=True) for name, group in RULES.groups.items()}
    bench.desk.reload(replace(RULES, groups=marked))
    raised = await bench.desk.press("north-gate-button", drill=True)
    assert raised is not None
    assert raised.event is not None
    assert (raised.stored, raised.event.drill) == (True, True)
    assert raised.incidents[0].drill
    await until(lambda: len(bench.wire.pages) == 3)
    assert all(page.drill and page.title.startswith("演练") for page in bench.wire.pages)
    assert await bench.press()
    assert [state.drill for state in bench.desk.incidents()] == [True, False]


async def test_listener_that_fails_keeps_nothing_back(bench: Bench):
    bench.desk._clerk._listeners = replace(
        bench.desk._clerk._listeners, page=lambda _page: 1 / 0, incident=lambda _state: 1 / 0
    )
    assert await bench.press()
    await until(lambda: len(bench.wire.pages) == 3)
    assert len(bench.wire.states) == 1
    assert bench.counters["alarm.callback_failed"] == 4


async def test_listeners_hear_it_also_while_the_broker_is_away(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        await bench.press()
        kinds = [type(one).__name__ for one in bench.told]
        assert kinds == ["Page", "Page", "Page", "IncidentState", "Raised"]
        assert bench.wire.published == []


# Actions


async def test_state_follows_every_action(bench: Bench):
    await bench.press()
    acts = [("ack", POLICE), ("ack", HOSPITAL), ("on_scene", POLICE), ("handled", HOSPITAL)]
    for number, (what, group) in enumerate(acts, start=2):
        made = action(bench.incident, what, group)
        bench.wire.send(made)
        await until(lambda: len(bench.wire.states) == number)  # noqa: B023
        assert bench.wire.states[-1].applied[-1] == made.id
        assert bench.wire.states[-1].seq == number
    assert bench.wire.states[-1].state == "answered"
    bench.wire.send(action(bench.incident, "handled", POLICE))
    await until(lambda: bench.wire.states[-1].state == "resolved")


async def test_action_is_in_the_journal_before_the_state_follows(
    bench: Bench, journal: GatedJournal
):
    await bench.press()
    journal.gate.clear()
    bench.wire.send(action(bench.incident, "ack", POLICE))
    await asyncio.sleep(0.05)
    assert len(bench.wire.states) == 1
    journal.gate.set()
    await until(lambda: len(bench.wire.states) == 2)
    rows = [row for row in await journal.events(0, 1e11) if row.kind == Kind.ACTION]
    assert [row.key for row in rows] == [bench.incident]


async def test_refused_action_is_told_why_and_kept_in_the_journal(bench: Bench, journal: Journal):
    await bench.press()
    made = action(bench.incident, "close", disposition="handled")
    bench.wire.send(made)
    await until(lambda: len(bench.wire.states) == 2)
    refused = bench.wire.states[-1].refused
    assert refused is not None
    assert refused.id == made.id
    assert "latched" in refused.reason
    assert bench.wire.states[-1].seq == 2
    rows = [row for row in await journal.events(0, 1e11) if row.kind == "action-refused"]
    assert json.loads(rows[0].body)["reason"] == refused.reason
    assert json.loads(rows[0].body)["action"]["id"] == made.id


async def test_repeated_action_changes_nothing(bench: Bench, journal: Journal):
    await bench.press()
    made = action(bench.incident, "ack", POLICE)
    for _ in range(3):
        bench.wire.send(made)
    await until(lambda: len(bench.wire.states) == 2)
    await settled()
    assert len(bench.wire.states) == 2
    assert bench.counters["alarm.actions_repeated"] == 2
    assert sum(row.kind == Kind.ACTION for row in await journal.events(0, 1e11)) == 1


async def test_retained_action_is_an_echo_and_counted(bench: Bench):
    await bench.press()
    bench.wire.send(action(bench.incident, "ack", POLICE), retain=True)
    await settled()
    assert (bench.state.seq, bench.counters["alarm.actions_retained"]) == (1, 1)


async def test_hostile_actions_are_counted_and_harm_nothing(bench: Bench):
    await bench.press()
    topic = TOPICS.action(bench.incident, "police")
    for payload in (b"", b"{", b"[]", b"\xff", b"null", b'{"v":1}', b"[" * 5_000, b"x" * 100_000):
        bench.wire.receive(topic, payload)
    other = action("00000000-0000-7000-8000-00000000000f", "ack", POLICE)
    bench.wire.send(other, topic=topic)  # of another incident than its topic's
    bench.wire.send(other)  # of another owner
    bench.wire.receive("elsewhere/x", b"{}")
    await settled()
    assert bench.counters["alarm.actions_malformed"] == 10
    assert bench.state.seq == 1


async def test_action_of_a_local_caller_needs_no_broker(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        await bench.press()
        answer = await bench.desk.act(action(bench.incident, "ack", POLICE))
        assert answer is not None
        assert answer.outcome == "applied"
        answer = await bench.desk.act(action(bench.incident, "close"))
        assert answer is not None
        assert answer.outcome == "refused"
        assert await bench.desk.act(action("00000000-0000-7000-8000-00000000000f", "ack")) is None
        assert bench.desk.deliver(action(bench.incident, "note", note="x"))
        with pytest.raises(LocalProtocolError):
            await bench.desk.act(replace(action(bench.incident, "ack", POLICE), group="Nö"))
        assert bench.state.seq == 4


async def test_closed_incident_stays_retained_for_a_day(bench: Bench, journal: Journal):
    await bench.press()
    await bench.press(SignalKind.RESTORE, code="R120")
    await close(bench)
    state = bench.wire.states[-1]
    assert (state.state, state.disposition) == ("closed", "handled")
    assert bench.wire.retained[TOPICS.incident(state.id, "zju1")].expiry == 86_400
    assert await journal.open_incidents() == ()


async def close(bench: Bench) -> None:
    for what in ("reset", "close"):
        made = action(bench.incident, what, disposition="handled")
        answer = await bench.desk.act(made)
        assert answer is not None
        assert answer.outcome == "applied"


async def test_input_shows_alarm_until_the_latch_is_reset(bench: Bench):
    def shown() -> InputState:
        return bench.desk.input_state("south-gate-button")

    assert shown() is InputState.NORMAL
    await bench.press()
    assert shown() is InputState.ALARM
    await bench.press(SignalKind.RESTORE, code="R120")
    assert (shown(), bench.state.input, bench.state.latched) == (
        InputState.ALARM, "restored", True,
    )  # fmt: skip
    await bench.desk.act(action(bench.incident, "reset"))
    assert shown() is InputState.NORMAL
    await bench.press(SignalKind.TAMPER, category="trouble")
    assert shown() is InputState.TAMPER


# Pages and the broker


async def test_page_is_sent_again_after_a_second_until_its_receipt(bench: Bench):
    await bench.press()
    await until(lambda: len(bench.wire.pages) == 3)
    first = {page.group: page for page in bench.wire.pages}
    made = action(bench.incident, "receipt", POLICE, page=first[POLICE].id)
    bench.wire.send(made)
    bench.wire.send(action(bench.incident, "ack", HOSPITAL))
    await until(lambda: len(bench.wire.pages) > 3, within=2.0)
    again = bench.wire.pages[3:]
    assert [(page.group, page.id) for page in again] == [(STREET, first[STREET].id)]
    assert again[0].sent > first[STREET].sent
    assert bench.state.groups[POLICE].state == "received"


async def test_broker_that_comes_back_gets_what_it_missed_at_once(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        await bench.press()
        await bench.press(SignalKind.RESTORE, code="R120")
        await bench.desk.act(action(bench.incident, "ack", POLICE))
        assert bench.wire.attempts == 0
        assert len(await journal.unpublished_signals()) == 2
        bench.wire.connect()
        await until(lambda: len(bench.wire.events) == 2, within=0.5)
        assert sorted(page.group for page in bench.wire.pages) == sorted((HOSPITAL, STREET))
        assert [event.seq for event in bench.wire.events] == [1, 2]
        assert await until_published(journal) == ()


async def test_broker_lost_before_its_answer_gets_everything_again(bench: Bench):
    bench.wire.answers.clear()
    await bench.press()
    await until(lambda: bench.wire.attempts == 4)
    bench.wire.connect(False)
    bench.wire.answers.set()
    await settled()
    assert bench.wire.published == []
    bench.wire.connect()
    await until(lambda: len(bench.wire.published) == 4, within=0.5)


async def test_broker_that_withholds_its_answers_has_each_page_under_way_once(bench: Bench):
    bench.wire.answers.clear()
    await bench.press()
    await asyncio.sleep(1.3)  # past the first repetition
    assert bench.wire.attempts == 4
    bench.wire.answers.set()


async def test_event_that_the_broker_refuses_is_tried_again_without_haste(
    bench: Bench, monkeypatch
):
    monkeypatch.setattr(dispatch, "_PAUSE", 0.1)
    bench.wire.refuse = lambda topic: topic.endswith("alarm/zju1")
    await bench.press()
    await asyncio.sleep(0.35)
    assert 4 <= bench.wire.attempts - 3 <= 8
    bench.wire.refuse = lambda _topic: False
    await until(lambda: bench.wire.events, within=0.5)


async def test_backlog_lets_a_fresh_alarm_pass(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        for _ in range(200):
            await bench.press(account="9999")
        bench.wire.answers.clear()
        bench.wire.connect()
        await settled()
        assert bench.wire.attempts == 16
        await bench.press()
        assert bench.wire.attempts == 16 + 4
        bench.wire.answers.set()
        await until(lambda: len(bench.wire.events) == 201)
        assert len({event.id for event in bench.wire.events}) == 201


# Restart and reload


async def test_restart_goes_on_with_incident_event_and_pages(journal: GatedJournal):
    async with Bench(journal, WireEnd(connected=False)).running() as before:
        await before.press()
        await before.desk.act(action(before.incident, "ack", POLICE))
        old = before.state
        pages = {one.group: one.id for one in before.told if hasattr(one, "ack_within_s")}
    async with Bench(journal, WireEnd(connected=False)).running() as bench:
        assert bench.state.id == old.id
        await until(lambda: bench.wire.states)
        assert (bench.state.owner_term, bench.state.seq) == (2, 3)
        assert bench.state.groups == old.groups
        bench.wire.connect()
        await until(lambda: len(bench.wire.pages) >= 2, within=2.5)
        assert {page.group: page.id for page in bench.wire.pages} == {
            group: pages[group] for group in (HOSPITAL, STREET)
        }
        assert len(bench.wire.events) == 1
        assert await bench.press()
        assert len(bench.desk.incidents()) == 1
        await until(lambda: len(bench.wire.events) == 2)
        assert await until_published(journal) == ()


async def test_restart_publishes_a_closed_incident_for_the_rest_of_its_day(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as before:
        await before.press()
        await before.press(SignalKind.RESTORE, code="R120")
        await close(before)
        incident = before.incident
    async with Bench(journal, WireEnd()).running() as bench:
        message = bench.wire.retained[TOPICS.incident(incident, "zju1")]
        assert message.expiry is not None
        assert 86_390 <= message.expiry <= 86_400
        assert bench.wire.states[-1].state == "closed"
        answer = await bench.desk.act(action(incident, "ack", POLICE))
        assert answer is not None
        assert answer.reason == "the incident is closed"
        assert await bench.press()
        assert bench.state.id != incident


async def test_damaged_incident_in_the_journal_keeps_no_other_from_going_on(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as before:
        await before.press()
        incident = before.incident
    damaged = Row(Kind.INCIDENT, "00000000-0000-7000-8000-00000000000f", b"{}")
    await journal.append([damaged])
    async with Bench(journal, WireEnd()).running() as bench:
        assert [state.id for state in bench.desk.incidents()] == [incident]
        assert bench.counters["alarm.incidents_unreadable"] == 1


async def test_reload_leaves_running_incidents_and_their_timers_alone(bench: Bench):
    await bench.press()
    due = bench.desk._docket.deadline()
    bench.desk.reload(replace(RULES, plans=()))
    await settled()
    assert bench.desk._docket.deadline() == due
    assert len(bench.wire.states) == 1
    bench.desk.reload(replace(RULES, sources={}))
    await until(lambda: len(bench.wire.states) == 2)
    assert bench.wire.states[-1].input == "restored"
    assert await bench.press()
    await until(lambda: len(bench.wire.events) == 2)
    assert bench.wire.events[1].category == "trouble"


async def test_states_go_out_only_forward(bench: Bench):
    await bench.press()
    old: IncidentState = bench.wire.states[0]
    await bench.desk.act(action(bench.incident, "ack", POLICE))
    assert not bench.desk._clerk._dispatch.state(old, b"old")
    assert bench.wire.states[-1].seq == 2


async def test_drill_pages_nobody_who_is_not_marked_for_drills(bench: Bench):
    raised = await bench.desk.press("north-gate-button", drill=True)
    assert raised is not None
    assert raised.incidents[0].groups == {}
    assert bench.wire.pages == []


async def test_incident_raised_by_hand_pages_like_a_press_and_says_by_whom(bench: Bench):
    order = Order(site="zju1", category="panic", text="两名伤者", by="li")
    assert bench.desk.problem_with(order) is None
    raised = await bench.desk.raise_incident(order)
    assert raised.stored
    assert raised.event is not None
    assert (raised.event.site, raised.event.endpoint, raised.event.by) == ("zju1", None, "li")
    await until(lambda: len(bench.wire.pages) == 3)
    assert {page.text for page in bench.wire.pages} == {"两名伤者"}
    again = await bench.desk.raise_incident(order)
    assert again.incidents[0].id != raised.incidents[0].id


async def test_incident_raised_by_hand_at_an_endpoint_joins_that_of_its_press(bench: Bench):
    pressed = await bench.desk.press("north-gate-button")
    assert pressed is not None
    order = Order(site="zju1", endpoint="north-gate-button", text="两名伤者", by="li")
    raised = await bench.desk.raise_incident(order)
    (state,) = raised.incidents
    assert state.id == pressed.incidents[0].id
    assert [(note.by, note.text) for note in state.notes] == [("li", "两名伤者")]
    assert raised.event is not None
    assert raised.event.category == "panic"


async def test_order_that_cannot_be_carried_out_is_told_in_words(bench: Bench):
    for order, why in (
        (Order(site="nowhere"), "knows no site"),
        (Order(site="zju1", endpoint="nothing"), "no endpoint"),
        (Order(site="zju1", plan="none"), "no plan"),
    ):
        assert why in (bench.desk.problem_with(order) or "")


async def test_guard_that_was_running_at_the_end_is_raised_at_the_next_start(
    journal: GatedJournal,
):
    guarded = replace(NORTH_BUTTON, guard=Guard(hold=30.0))
    rules = replace(RULES, sources={**RULES.sources, guarded.endpoint: guarded})
    first = Bench(journal, WireEnd(), rules=rules)
    async with first.running():
        raised = await first.desk.press("north-gate-button")
        assert raised is not None
        assert raised.event is not None
        assert (raised.stored, raised.event.category, raised.incidents) == (True, "touch", ())
    async with Bench(journal, WireEnd(), rules=rules).running() as second:
        await until(lambda: len(second.wire.pages) == 3)
        assert [state.category for state in second.desk.incidents()] == ["panic"]
    async with Bench(journal, WireEnd(), rules=rules).running() as third:
        assert len(third.desk.incidents()) == 1


async def test_guard_that_was_let_go_raises_nothing_at_the_next_start(journal: GatedJournal):
    guarded = replace(NORTH_BUTTON, guard=Guard(hold=30.0))
    rules = replace(RULES, sources={**RULES.sources, guarded.endpoint: guarded})
    async with Bench(journal, WireEnd(), rules=rules).running() as first:
        await first.desk.press("north-gate-button")
        await first.desk.press("north-gate-button", SignalKind.RESTORE)
    async with Bench(journal, WireEnd(), rules=rules).running() as second:
        assert second.desk.incidents() == ()
