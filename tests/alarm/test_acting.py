"""Actions on incidents owned here, off the wire and of local callers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alarm.journal.journal import Journal, Kind
from gateway.errors import LocalProtocolError
from tests.alarm.alarm_world import HOSPITAL, POLICE, action
from tests.alarm.desk_world import (
    TOPICS,
    Bench,
    GatedJournal,
    WireEnd,
    settled,
    until,
)


@pytest.fixture
async def journal(tmp_path: Path):
    async with GatedJournal(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
async def bench(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as running:
        yield running


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
