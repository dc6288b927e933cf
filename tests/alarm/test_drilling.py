"""Drills that are held by themselves, on a clock of our own and a real journal."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import date

import pytest

from gateway.alarm import drills
from gateway.alarm.drilling import Drilling
from gateway.alarm.drills import Schedule
from gateway.alarm.journal.journal import Journal, Kind
from gateway.alarm.plans.calendars import Days, DayTime
from gateway.moment import Moment
from tests.alarm.alarm_world import RULES
from tests.alarm.desk_world import Bench, WireEnd, until
from tests.alarm.test_drills import DRILL, ZONE, wall


class Clock:
    def __init__(self, at):
        self.wall = at

    def now(self):
        return Moment(self.wall, self.wall)


@pytest.fixture
async def journal(tmp_path):
    async with Journal(tmp_path / "journal.db") as opened:
        yield opened


def fixed(at, **changes):
    """A drill at the minute of ``at``."""
    minute = int((at - wall("2026-11-24T00:00")) // 60)
    return replace(
        DRILL,
        endpoint="north-gate-button",
        schedule=Schedule(hours=DayTime(minute, minute), dates=(TODAY,)),
        **changes,
    )


@contextlib.asynccontextmanager
async def drilling(journal, tmp_path, clock, *configured):
    marked = {name: replace(group, drills=True) for name, group in RULES.groups.items()}
    rules = replace(RULES, groups={**marked, "street-xiaoying": RULES.groups["street-xiaoying"]})
    async with Bench(journal, WireEnd(), rules=rules).running() as bench:
        one = Drilling(bench.desk, journal, clock, tmp_path / "drill.key")
        one.configure(configured, ZONE)
        task = asyncio.create_task(one.run())
        try:
            yield bench, one
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def kinds(journal):
    rows = await journal.events(0.0, float("inf"))
    return [row.kind for row in rows if row.kind in (Kind.SEALED, Kind.REVEALED)]


NOON = wall("2026-11-24T12:00")
TODAY = Days(date(2026, 11, 24), date(2026, 11, 24))


async def test_drill_is_sealed_ahead_held_at_its_time_and_revealed(journal, tmp_path):
    clock = Clock(NOON - 0.3)
    async with drilling(journal, tmp_path, clock, fixed(NOON)) as (bench, one):
        for _ in range(500):
            if await kinds(journal):
                break
            await asyncio.sleep(0.01)
        assert await kinds(journal) == [Kind.SEALED]
        assert bench.wire.pages == []
        clock.wall = NOON
        await until(lambda: len(bench.wire.pages) == 2)
        assert {page.group for page in bench.wire.pages} == {"police-xiaoying", "hospital-security"}
        assert all(page.drill for page in bench.wire.pages)
        for _ in range(500):
            if len(await kinds(journal)) == 2:
                break
            await asyncio.sleep(0.01)
        (proof,) = await one.proofs(0.0)
        assert (proof.outcome, proof.why_not) == ("held", None)
        assert proof.incident == bench.desk.incidents()[0].id


async def test_drill_that_was_held_is_not_held_again_after_a_restart(journal, tmp_path):
    clock = Clock(NOON + 1)
    async with drilling(journal, tmp_path, clock, fixed(NOON)) as (bench, _):
        await until(lambda: len(bench.wire.pages) == 2)
        for _ in range(500):
            if await kinds(journal):
                break
            await asyncio.sleep(0.01)
    clock.wall += 10
    async with drilling(journal, tmp_path, clock, fixed(NOON)) as (bench, _):
        await asyncio.sleep(0.2)
        assert len(await kinds(journal)) == 1


async def test_sealed_drill_whose_hours_passed_meanwhile_is_recorded_as_missed(journal, tmp_path):
    clock = Clock(NOON - 100)
    async with drilling(journal, tmp_path, clock, fixed(NOON)) as _:
        for _ in range(500):
            if await kinds(journal):
                break
            await asyncio.sleep(0.01)
    clock.wall = NOON + drills.LATE + 1
    async with drilling(journal, tmp_path, clock, fixed(NOON)) as (bench, one):
        for _ in range(500):
            if len(await kinds(journal)) == 2:
                break
            await asyncio.sleep(0.01)
        (proof,) = await one.proofs(0.0)
        assert (proof.outcome, proof.why_not, proof.incident) == ("missed", None, None)
        assert bench.wire.pages == []


async def test_real_press_during_a_drill_is_an_incident_of_its_own_and_pages_everybody(
    journal, tmp_path
):
    clock = Clock(NOON + 1)
    async with drilling(journal, tmp_path, clock, fixed(NOON)) as (bench, _):
        await until(lambda: len(bench.wire.pages) == 2)
        await bench.desk.press("north-gate-button")
        await until(lambda: len(bench.wire.pages) == 5)
        real = [page for page in bench.wire.pages if not page.drill]
        assert {page.group for page in real} == {
            "police-xiaoying", "hospital-security", "street-xiaoying",
        }  # fmt: skip
        assert sorted(state.drill for state in bench.desk.incidents()) == [False, True]


async def test_drill_by_hand_and_one_that_there_is_not(journal, tmp_path):
    async with drilling(journal, tmp_path, Clock(NOON)) as (_, one):
        raised = await one.hold("north-gate-button", "li")
        assert not isinstance(raised, str)
        assert raised.incidents[0].drill
        assert raised.event is not None
        assert raised.event.by == "li"
        assert "no drill" in await one.hold("nothing", "li")


async def test_key_is_made_once_and_for_the_gateway_alone(journal, tmp_path):
    async with drilling(journal, tmp_path, Clock(NOON)):
        await until((tmp_path / "drill.key").exists)
        first = (tmp_path / "drill.key").read_bytes()
    assert (tmp_path / "drill.key").stat().st_mode & 0o077 == 0
    async with drilling(journal, tmp_path, Clock(NOON)):
        await asyncio.sleep(0.05)
    assert (tmp_path / "drill.key").read_bytes() == first
