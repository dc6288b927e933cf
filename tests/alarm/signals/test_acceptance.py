"""A storm on a desk: what is acknowledged before it is decided, and what becomes of it over a restart."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest

from gateway.alarm import recall
from gateway.alarm.journal.journal import Journal, Kind, Row
from gateway.alarm.reports.report import report
from gateway.alarm.signals import acceptance, accepted, reception
from gateway.errors import StorageError
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.desk_world import Bench, GatedJournal, WireEnd, settled, until

MANY = 3 * acceptance.MANY


@pytest.fixture
async def journal(tmp_path: Path):
    async with GatedJournal(tmp_path / "journal.db") as opened:
        yield opened


def trouble(bench: Bench, number: int) -> asyncio.Future[bool]:
    signal = AlarmSignal(
        signal=SignalKind.BATTERY, account="9999", zone=f"{number:03}", code="E302"
    )
    return bench.hand_over(signal)


def press(bench: Bench, kind: SignalKind = SignalKind.ALARM) -> asyncio.Future[bool]:
    signal = AlarmSignal(signal=kind, account="1234", zone="001", code="E120", category="panic")
    return bench.hand_over(signal)


@pytest.fixture
def undecided(monkeypatch):
    """Nothing is decided until this is called."""
    decides = False
    work = reception.Reception._work

    def held(self: reception.Reception) -> None:
        if decides:
            work(self)
        else:
            self._next = asyncio.get_running_loop().call_later(0.01, self._work)

    def let_go() -> None:
        nonlocal decides
        decides = True

    monkeypatch.setattr(reception.Reception, "_work", held)
    return let_go


async def rows_of(journal: Journal, kind: Kind) -> list:
    return [row for row in await journal.events(0, 1e11) if row.kind == kind]


async def storm(bench: Bench) -> None:
    """Many troubles and a press, all acknowledged."""
    told = [trouble(bench, number) for number in range(MANY)]
    told.append(press(bench))
    async with asyncio.timeout(3):
        assert all(await asyncio.gather(*told))


async def test_many_that_wait_are_acknowledged_before_they_are_decided(journal, undecided):
    async with Bench(journal, WireEnd()).running() as bench:
        await storm(bench)
        assert await rows_of(journal, Kind.SIGNAL) == []
        (row,) = await rows_of(journal, Kind.ACCEPTED)
        batch = accepted.from_row(row)
        assert len(batch.entries) == MANY + 1
        assert batch.entries[0].signal.category == "panic"
        undecided()
        await until(lambda: len(bench.wire.events) == MANY + 1)
        signals = await rows_of(journal, Kind.SIGNAL)
        assert {row.key for row in signals} == {one.id for one in batch.entries}
        assert json.loads(signals[0].body)["category"] == "panic"
        assert {row.key for row in signals} == {event.id for event in bench.wire.events}
        await asyncio.sleep(0.05)
        assert await journal.standing(Kind.ACCEPTED) == ()
        assert len(await rows_of(journal, Kind.DECIDED)) == 1


async def test_few_that_wait_are_decided_before_they_are_acknowledged(journal):
    async with Bench(journal, WireEnd()).running() as bench:
        told = [trouble(bench, number) for number in range(acceptance.MANY - 1)]
        assert all(await asyncio.gather(*told))
        assert await bench.press()
        assert await rows_of(journal, Kind.ACCEPTED) == []
        assert len(await rows_of(journal, Kind.SIGNAL)) == acceptance.MANY


async def test_nothing_is_acknowledged_before_the_row_is_on_disk(journal, undecided):
    async with Bench(journal, WireEnd()).running() as bench:
        journal.gate.clear()
        told = [trouble(bench, number) for number in range(MANY)]
        await asyncio.sleep(0.05)
        assert not any(one.done() for one in told)
        journal.gate.set()
        assert all(await asyncio.gather(*told))


async def test_restart_decides_what_was_accepted_once_as_of_when_it_was_said(journal, undecided):
    async with Bench(journal, WireEnd()).running() as before:
        await storm(before)
    (row,) = await rows_of(journal, Kind.ACCEPTED)
    batch = accepted.from_row(row)
    await asyncio.sleep(0.1)
    undecided()
    async with Bench(journal, WireEnd()).running() as bench:
        await until(lambda: len(bench.wire.events) == MANY + 1)
        assert {event.id for event in bench.wire.events} == {one.id for one in batch.entries}
        assert len({event.time for event in bench.wire.events}) == 1
        assert len(bench.wire.pages) == 3
        panic = next(event for event in bench.wire.events if event.category == "panic")
        assert bench.state.raised == panic.time
        assert {group.paged > panic.time for group in bench.state.groups.values()} == {True}
    async with Bench(journal, WireEnd()).running() as again:
        await settled()
        assert len(again.desk.incidents()) == 1
        assert len(await rows_of(journal, Kind.SIGNAL)) == MANY + 1


async def test_control_recall_that_ignores_accepted_rows_loses_them(
    journal, undecided, monkeypatch
):
    async with Bench(journal, WireEnd()).running() as before:
        await storm(before)
    undecided()

    async def nothing(*_: object) -> tuple[()]:
        return ()

    monkeypatch.setattr(recall, "_undecided", nothing)
    async with Bench(journal, WireEnd()).running() as bench:
        await asyncio.sleep(0.1)
        assert bench.desk.incidents() == ()
        assert await rows_of(journal, Kind.SIGNAL) == []


async def test_restart_after_half_of_it_decides_the_other_half(journal, undecided, monkeypatch):
    monkeypatch.setattr(acceptance, "CALM_AFTER", 60.0)
    monkeypatch.setattr(reception, "PAUSE", 0.2)
    async with Bench(journal, WireEnd()).running() as before:
        await storm(before)
        undecided()
        await until(lambda: before.wire.events)
    decided = {row.key for row in await rows_of(journal, Kind.SIGNAL)}
    assert 0 < len(decided) < MANY + 1
    async with Bench(journal, WireEnd()).running() as bench:
        await until(lambda: not bench.desk.figures().waiting)
        await until(lambda: len(bench.wire.events) >= MANY + 1 - len(decided))
        keys = [row.key for row in await rows_of(journal, Kind.SIGNAL)]
        assert len(keys) == len(set(keys)) == MANY + 1
        assert len(bench.desk.incidents()) == 1


async def test_press_of_the_start_waits_behind_what_was_accepted_of_its_button(journal, undecided):
    async with Bench(journal, WireEnd()).running() as before:
        told = [trouble(before, number) for number in range(MANY)]
        told += [press(before), press(before, SignalKind.RESTORE)]
        assert all(await asyncio.gather(*told))
    undecided()
    bench = Bench(journal, WireEnd())
    early = press(bench)
    async with bench.running():
        assert await early
        await until(lambda: not bench.desk.figures().waiting)
        await until(lambda: len(bench.wire.events) == MANY + 3)
        events = sorted(bench.wire.events, key=lambda one: one.seq)
        assert [one.signal for one in events if one.category == "panic"] == [
            "alarm", "restore", "alarm",
        ]  # fmt: skip
        assert bench.state.input == "alarm"


async def test_full_disk_accepts_nothing_and_what_is_decided_goes_out_as_not_stored(
    journal, undecided, monkeypatch
):
    async with Bench(journal, WireEnd()).running() as bench:

        async def refuse(_rows: object) -> int:
            raise StorageError("the disk is full")

        monkeypatch.setattr(journal, "append", refuse)
        told = [trouble(bench, number) for number in range(MANY)]
        await settled()
        assert not any(one.done() for one in told)
        undecided()
        assert not any(await asyncio.gather(*told))
        await until(lambda: len(bench.wire.events) == MANY)
        assert {event.stored for event in bench.wire.events} == {False}
        assert bench.counters["alarm.not_accepted"] == MANY


async def test_decision_that_a_full_disk_refused_is_stored_later_and_made_no_second_time(
    journal, undecided, monkeypatch
):
    async with Bench(journal, WireEnd()).running() as bench:
        await storm(bench)
        append = journal.append

        async def refuse(_rows: object) -> int:
            raise StorageError("the disk is full")

        monkeypatch.setattr(journal, "append", refuse)
        undecided()
        await until(lambda: len(bench.wire.events) == MANY + 1)
        assert await rows_of(journal, Kind.SIGNAL) == []
        monkeypatch.setattr(journal, "append", append)
        bench.desk.store_again()
        await asyncio.sleep(0.1)
        assert len(await rows_of(journal, Kind.SIGNAL)) == MANY + 1
        assert await journal.standing(Kind.ACCEPTED) == ()
        assert await journal.standing(Kind.SIGNAL) == ()
    async with Bench(journal, WireEnd()).running() as again:
        await asyncio.sleep(0.1)
        assert len(await rows_of(journal, Kind.SIGNAL)) == MANY + 1
        assert len(again.desk.incidents()) == 1


async def test_damaged_accepted_row_is_said_and_holds_nothing_up(journal, caplog):
    await journal.append([Row(Kind.ACCEPTED, "batch", b"{")])
    async with Bench(journal, WireEnd()).running() as bench:
        assert await bench.press()
    assert "batch: accepted signals" in caplog.text


async def test_report_counts_each_signal_once_and_when_it_was_said(journal, undecided):
    async with Bench(journal, WireEnd()).running() as bench:
        await storm(bench)
        (row,) = await rows_of(journal, Kind.ACCEPTED)
        await asyncio.sleep(0.05)
        after = row.wall + 0.04
        undecided()
        await until(lambda: len(bench.wire.events) == MANY + 1)
    rows = await journal.events(0, math.inf)
    made = report(rows, until=after)
    assert made.signals == {"alarm": 1, "battery": MANY}
    assert report(rows, since=after).signals == {}
    assert report(rows).real.incidents == 1
