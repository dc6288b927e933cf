"""An all-call: an incident that calls hundreds of groups, from the press to the last receipt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from gateway.alarm.incidents import snapshot
from gateway.alarm.incidents.actions import PUBLISHED_ACTIONS
from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.incident import MAX_BREACHES, MAX_NOTES
from gateway.alarm.incidents.record import MAX_TEXT, BreachRecord, NoteRecord
from gateway.alarm.incidents.saying import state_of
from gateway.alarm.journal.journal import Journal
from gateway.alarm.plans.plan import GroupFacts, Level, Where
from gateway.link.messages import MAX_STATE_BYTES, IncidentState, decode
from tests.alarm.alarm_world import PLAN, RULES, START, action
from tests.alarm.desk_world import Bench, WireEnd, settled, until
from tests.alarm.incidents.test_incident import Case

ALL_CALL = replace(
    PLAN, levels=(Level(name="一呼百应", page_where=Where(street=("xiaoying",)), ack_within=120.0),)
)


def calling(count: int) -> Rules:
    """Every press calls ``count`` groups at once."""
    names = [f"alliance-of-xiaoying-{number:04}" for number in range(count)]
    groups = {
        name: GroupFacts(name=name, title=name, party="alliance", talkgroup=name, street="xiaoying")
        for name in names
    }
    return replace(RULES, groups=groups, plans=(ALL_CALL,))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with (
        Journal(tmp_path / "journal.db") as journal,
        Bench(journal, WireEnd(), calling(600)).running() as running,
    ):
        yield running


async def test_all_call_to_600_groups_is_published_and_pages_each_of_them(bench: Bench) -> None:
    assert await bench.press()
    await until(lambda: len(bench.wire.pages) >= 600)
    assert len({page.group for page in bench.wire.pages}) == 600
    assert len(bench.wire.states[-1].groups) == 600


async def test_each_of_600_receipts_of_one_moment_is_seen_in_a_state(bench: Bench) -> None:
    await bench.press()
    await until(lambda: len(bench.wire.pages) >= 600)
    receipts = {
        page.id: action(bench.incident, "receipt", page.group, page=page.id)
        for page in bench.wire.pages
    }
    before = len(bench.wire.states)
    for receipt in receipts.values():
        bench.desk.deliver(receipt)
    await until(lambda: all(one.received for one in bench.wire.states[-1].groups.values()))
    await settled()
    states = bench.wire.states[before:]
    assert {one.id for one in receipts.values()} <= {
        one for state in states for one in state.applied
    }
    assert all(len(state.applied) <= PUBLISHED_ACTIONS for state in states)
    assert len(states) <= 600 // PUBLISHED_ACTIONS + 1, "one state for each window of actions"


def eventful(groups: int) -> Case:
    """With as many and as long remarks and breaches as an incident keeps."""
    case = Case(ALL_CALL, calling(groups))
    note = NoteRecord(by="值" * 128, text="\u0001" * MAX_TEXT, time=START.wall)
    breach = BreachRecord(kind="unanswered", level=1, time=START.wall)
    record = msgspec.structs.replace(
        case.record, notes=(note,) * MAX_NOTES, breaches=(breach,) * MAX_BREACHES
    )
    case.incident = type(case.incident)(record, lambda: "")
    return case


def test_longest_remarks_of_a_large_incident_are_published_with_it() -> None:
    state = state_of(eventful(600).record)
    assert state.payload is not None
    assert len(decode(IncidentState, state.payload).notes) == MAX_NOTES


def test_incident_too_large_with_its_remarks_is_published_without_them() -> None:
    record = eventful(2000).record
    state = state_of(record)
    assert state.payload is not None
    assert len(state.payload) <= MAX_STATE_BYTES
    told = decode(IncidentState, state.payload)
    assert len(told.groups) == 2000
    assert (len(told.notes), len(told.breaches)) == (1, 1)
    kept = snapshot.from_bytes(snapshot.to_bytes(record, "boot", state.payload)).record
    assert len(kept.notes) == MAX_NOTES


def test_long_remark_is_cut_in_the_state_and_says_so() -> None:
    case = Case()
    case.do("note", note="x" * (MAX_TEXT + 1))
    assert case.record.notes[0].text == "x" * (MAX_TEXT - 1) + "…"
    case.do("note", note="x" * MAX_TEXT)
    assert case.record.notes[1].text == "x" * MAX_TEXT
    assert case.record.notes[0].time == pytest.approx(START.wall)
