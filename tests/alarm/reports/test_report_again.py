"""The report's figures computed a second way: by SQLite over the journal's file, from raw JSON.

A district's hour is played through the real machines into a real journal; nothing of the report's
own code, nor of the message classes, is used to count it again.
"""

import asyncio
import json
import math
import random
import sqlite3
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.saying import saying_of
from gateway.alarm.incidents.wire import event_of
from gateway.alarm.journal import journal as journal_module
from gateway.alarm.journal.journal import Journal, Kind, Row
from gateway.alarm.plans.plan import Targets
from gateway.alarm.reports.report import report
from gateway.alarm.signals.contact import sighting_of
from gateway.cli.report import members
from gateway.cli.report_html import page
from gateway.link.messages import encode
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import (
    HOSPITAL,
    NORTH_BUTTON,
    PLAN,
    POLICE,
    RULES,
    SOUTH_BUTTON,
    START,
    STREET,
    action,
    counted_ids,
)

BOOT = "00000000-0000-7000-8000-00000000b007"


class History:
    """A docket whose decisions become journal rows, at times of our choosing."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.ids = counted_ids()
        plan = replace(
            PLAN, targets=Targets(ack=60.0, en_route=90.0, on_scene=180.0, handled=300.0)
        )
        groups = {name: replace(group, drills=True) for name, group in RULES.groups.items()}
        self.docket = Docket("zju1", replace(RULES, plans=(plan,), groups=groups), self.ids)
        self.journal = Journal(path, wall=lambda: self.now.wall)

    async def run(self, cases: int) -> None:
        async with self.journal:
            for _ in range(cases):
                await self._case()
                await self._pass(self.random.uniform(1, 900))

    async def _case(self) -> None:
        source = self.random.choice([SOUTH_BUTTON, NORTH_BUTTON])
        drill = self.random.random() < 0.2
        await self._signal(source, SignalKind.ALARM, drill=drill)
        found = [one for one in self.docket if one.record.state.value != "closed"]
        incident = found[-1]
        for group in (POLICE, HOSPITAL, STREET):
            page_ids = [one.id for one in incident.record.pages if one.group == group]
            await self._pass(self.random.uniform(0, 3))
            if page_ids:
                await self._act(incident, "receipt", group, page=page_ids[-1])
        for what in ("ack", "en_route", "on_scene", "handled"):
            for group in (POLICE, HOSPITAL, STREET):
                if self.random.random() < 0.85:
                    await self._pass(self.random.expovariate(1 / 25))
                    await self._act(incident, what, group)
        await self._signal(source, SignalKind.RESTORE, drill=drill)
        if self.random.random() < 0.9:
            await self._act(incident, "reset")
            word = self.random.choice(["handled", "false-alarm", "test", "other"])
            await self._act(incident, "close", disposition=word)

    async def _pass(self, seconds: float) -> None:
        until = self.now.later(seconds)
        while (due := self.docket.deadline()) is not None and due <= until.elapsed:
            self.now = START.later(due - START.elapsed)
            await self._store(self.docket.tick(self.now))
        self.now = until

    async def _signal(self, source, kind, *, drill):
        seen = sighting_of(source, AlarmSignal(signal=kind, zone=source.zone, line=source.line))
        event = event_of(
            seen,
            event_id=self.ids(),
            gateway="zju1",
            time=self.now.wall,
            seq=1,
            boot=BOOT,
            drill=drill,
            stored=True,
        )
        rows = [Row(Kind.SIGNAL, event.id, encode(event))]
        await self._store(self.docket.signal(seen, self.now, drill=drill), rows)

    async def _act(self, incident, what, group=None, **more):
        done = self.docket.act(action(incident.id, what, group, **more), self.now)
        assert done is not None
        await self._store(done[0])

    async def _store(self, changes, rows=()):
        stored = list(rows)
        for incident, effects in changes:
            stored += saying_of(incident.record, effects, self.now, "kernel").rows
        if stored:
            await self.journal.append(stored)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("report") / "journal.db"
    asyncio.run(History(made, seed=7).run(50))
    return made


def seconds_of(text):
    return datetime.fromisoformat(text).timestamp()


def last_states(path):
    """Every incident's snapshots, as SQLite reads them from the file."""
    connection = sqlite3.connect(path)
    found = connection.execute(
        "SELECT key, wall, json(json_extract(body, '$.state')) FROM events"
        " WHERE kind IN ('incident', 'incident-closed') ORDER BY seq"
    ).fetchall()
    connection.close()
    histories = {}
    for key, wall, state in found:
        histories.setdefault(key, []).append((wall, json.loads(state)))
    return histories


def nearest_rank(values, share):
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def middle(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def test_every_figure_is_the_same_when_it_is_counted_by_sql(path):
    made = report(journal_module.scan(path, 0.0, math.inf))
    histories = last_states(path)
    for drill, figures in ((False, made.real), (True, made.drills)):
        mine = {key: all_ for key, all_ in histories.items() if all_[0][1]["drill"] is drill}
        assert figures.incidents == len(mine)
        newest = [states[-1][1] for states in mine.values()]
        closed = [state for state in newest if state["state"] == "closed"]
        assert figures.closed == len(closed)
        assert figures.closed_share == pytest.approx(len(closed) / len(mine))
        words = [state["disposition"] for state in closed]
        assert figures.dispositions == {word: words.count(word) for word in sorted(set(words))}
        true = sum(state["verdict"] == "true" for state in closed)
        false = sum(state["verdict"] == "false" for state in closed)
        assert figures.precision == pytest.approx(true / (true + false))
        kinds = {}
        for state in newest:
            for breach in state["breaches"]:
                kinds[breach["kind"]] = kinds.get(breach["kind"], 0) + 1
        assert figures.breach_kinds == kinds
        for clock, name in (("received", "received"), ("acked", "acked"), ("arrived", "arrived")):
            took = []
            for states in mine.values():
                times = [
                    seconds_of(group[name])
                    for _, state in states
                    for group in state["groups"].values()
                    if group[name] is not None
                ]
                if times:
                    took.append(min(times) - seconds_of(states[0][1]["raised"]))
            assert figures.clocks[clock].count == len(took)
            assert figures.clocks[clock].median == pytest.approx(middle(took), abs=0.0015)
            assert figures.clocks[clock].p90 == pytest.approx(nearest_rank(took, 0.9), abs=0.0015)
            assert figures.clocks[clock].worst == pytest.approx(max(took), abs=0.0015)


def test_en_route_and_handled_are_when_the_first_group_said_so(path):
    made = report(journal_module.scan(path, 0.0, math.inf))
    for clock, states_reached in (
        ("en_route", {"en_route", "on_scene", "handled"}),
        ("handled", {"handled"}),
    ):
        took = []
        for states in last_states(path).values():
            if states[0][1]["drill"]:
                continue
            first = next(
                (
                    wall
                    for wall, state in states
                    if states_reached & {group["state"] for group in state["groups"].values()}
                ),
                None,
            )
            if first is not None:
                took.append(first - seconds_of(states[0][1]["raised"]))
        assert made.real.clocks[clock].count == len(took)
        assert made.real.clocks[clock].median == pytest.approx(middle(took), abs=0.0015)


def test_parts_add_up_to_the_whole(path):
    dimensions = ("class", "street", "grid", "plan", "source", "category", "month")
    made = report(journal_module.scan(path, 0.0, math.inf), by=dimensions)
    for dimension in dimensions:
        assert sum(part.incidents for part in made.by[dimension].values()) == made.real.incidents
        assert sum(part.breaches for part in made.by[dimension].values()) == made.real.breaches
    assert set(made.by["class"]) == {"hospital"}
    assert set(made.by["source"]) == {"south-gate-button", "north-gate-button"}
    assert sum(part.incidents for part in made.drill_trend.values()) == made.drills.incidents


def test_two_halves_of_the_time_are_the_whole(path):
    whole = report(journal_module.scan(path, 0.0, math.inf))
    middle_of = (whole.since + whole.until) / 2
    first = report(journal_module.scan(path, 0.0, math.inf), 0.0, middle_of)
    second = report(journal_module.scan(path, 0.0, math.inf), middle_of)
    for part in ("real", "drills"):
        assert (
            getattr(first, part).incidents + getattr(second, part).incidents
            == getattr(whole, part).incidents
        )
    assert first.signals["alarm"] + second.signals["alarm"] == whole.signals["alarm"]


def test_json_and_page_say_the_same_numbers(path):
    made = report(journal_module.scan(path, 0.0, math.inf), by=("source",))
    said = members(made)
    json.dumps(said)
    text = page(made, "journal.db")
    assert f"<b>{said['real']['incidents']}</b>incidents" in text
    assert f"{said['real']['clocks']['acked']['median']:.1f}" in text
    assert text.startswith("<!DOCTYPE html>")


def test_page_of_an_empty_journal_is_a_page():
    assert "</html>" in page(report([]), "nowhere")


def test_page_fetches_nothing_and_names_are_escaped(path):
    made = report(journal_module.scan(path, 0.0, math.inf), by=("source",))
    nasty = replace(made, by={"source": {"<script>alert(1)</script>": made.real}})
    text = page(nasty, "a&b.db")
    assert "<script" not in text
    for word in ("http://", "https://", "src=", "@import", "url("):
        assert word not in text
