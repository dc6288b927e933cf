"""A start: what earlier runs left goes on, at once or as soon as the journal can be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alarm.journal.journal import Kind, Row
from gateway.alarm.plans.plan import Guard
from gateway.errors import StorageError
from gateway.ports import SignalKind
from tests.alarm.alarm_world import HOSPITAL, NORTH_BUTTON, POLICE, RULES, STREET, action
from tests.alarm.desk_world import (
    TOPICS,
    Bench,
    GatedJournal,
    WireEnd,
    close,
    until,
    until_published,
)


@pytest.fixture
async def journal(tmp_path: Path):
    async with GatedJournal(tmp_path / "journal.db") as opened:
        yield opened


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
