from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.journal.journal import Journal, Kind, Row, Stored
from gateway.alarm.reports import figures as report_figures
from gateway.alarm.reports.report import report
from gateway.cli.live import CallError
from gateway.cli.report import Format
from gateway.cli.report import report as report_command
from gateway.errors import ConfigError, StorageError
from gateway.link.messages import AlarmEvent, Breach, GroupState, IncidentState
from gateway.moment import timestamp
from tests.alarm.test_inbox import INCIDENT, OTHER, a_state

NOON = 1_795_500_000.0


def at(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(NOON + seconds)


def a_group(state: str = "paged", *, paged=0.0, received=None, acked=None, arrived=None):
    return GroupState(
        party="police",
        state=state,
        level=1,
        paged=at(paged),
        received=at(received),
        acked=at(acked),
        arrived=at(arrived),
        by=None,
    )


def state_at(**changes) -> IncidentState:
    return a_state(raised=at(0.0), **changes)


class Log:
    """Journal rows as a desk writes them."""

    def __init__(self) -> None:
        self.rows: list[Stored] = []

    def incident(self, seconds: float, state: IncidentState) -> None:
        kind = Kind.CLOSED if state.state == "closed" else Kind.INCIDENT
        body = msgspec.json.encode({"v": 1, "state": state, "record": {"whatever": 1}})
        self._add(seconds, kind, state.id, body)

    def signal(self, seconds: float, signal: str = "alarm") -> None:
        event = AlarmEvent(
            id=INCIDENT,
            gateway="zju1",
            site="zju1",
            endpoint="south-gate-button",
            signal=signal,
            category="panic",
            code="E120",
            account="1234",
            zone="001",
            text="",
            time=at(seconds),
            seq=1,
            boot=OTHER,
            drill=False,
            stored=True,
        )
        self._add(seconds, Kind.SIGNAL, event.id, msgspec.json.encode(event))

    def note(self, kind: str, body: bytes) -> None:
        self._add(0.0, kind, "k", body)

    def _add(self, seconds: float, kind: str, key: str, body: bytes) -> None:
        self.rows.append(Stored(len(self.rows) + 1, NOON + seconds, kind, key, body))


def a_case(log: Log, incident: str = INCIDENT, *, drill: bool = False, shift: float = 0.0) -> None:
    """Paged at 0.01, received at 0.05, acked at 20, answered, on scene at 170, closed at 290."""
    groups = {"police": a_group(paged=0.01)}
    common = {"id": incident, "drill": drill}
    log.signal(0.0)
    log.incident(0.01, state_at(groups=groups, **common))
    groups = {"police": a_group("received", paged=0.01, received=0.05)}
    log.incident(0.05, state_at(groups=groups, **common))
    groups = {"police": a_group("acked", paged=0.01, received=0.05, acked=20.0)}
    log.incident(20.0, state_at(state="answered", groups=groups, **common))
    groups = {"police": a_group("on_scene", paged=0.01, received=0.05, acked=20.0, arrived=170.0)}
    log.incident(170.0, state_at(state="answered", groups=groups, **common))
    log.incident(280.0, state_at(state="resolved", groups=groups, **common))
    closed = state_at(
        state="closed", groups=groups, disposition="handled", closed=at(290.0 + shift), **common
    )
    log.incident(290.0 + shift, closed)


def test_a_cases_clocks_are_what_its_snapshots_say():
    log = Log()
    a_case(log)
    made = report(log.rows)
    (one,) = made.incidents
    took = {what: round(seconds - one.raised, 3) for what, seconds in one.times.items()}
    assert took == {
        "paged": 0.01,
        "received": 0.05,
        "acked": 20.0,
        "answered": 20.0,
        "arrived": 170.0,
        "resolved": 280.0,
        "closed": 290.0,
    }
    assert made.signals == {"alarm": 1}
    assert (made.real.incidents, made.real.closed, made.real.closed_share) == (1, 1, 1.0)
    assert made.real.dispositions == {"handled": 1}
    assert made.real.groups["police"].ack_median == pytest.approx(19.99)
    assert made.drills.incidents == 0


@pytest.mark.parametrize(("shift", "within"), [(10.0, 1), (10.001, 0)])
def test_a_case_of_exactly_five_minutes_is_within_the_target(shift: float, within: int):
    log = Log()
    a_case(log, shift=shift)
    assert report(log.rows).real.clocks["closed"].within == within


def test_an_ack_that_was_taken_back_keeps_its_time():
    log = Log()
    log.incident(1.0, state_at(groups={"police": a_group("acked", acked=1.0)}))
    log.incident(2.0, state_at(groups={"police": a_group("paged")}))
    log.incident(9.0, state_at(groups={"police": a_group("acked", acked=9.0)}))
    made = report(log.rows)
    assert made.incidents[0].times["acked"] == pytest.approx(NOON + 1.0)
    assert made.incidents[0].groups["police"]["acked"] == pytest.approx(NOON + 1.0)
    assert made.real.groups["police"].acked == 1


def test_drills_are_counted_apart():
    log = Log()
    a_case(log)
    a_case(log, OTHER, drill=True)
    made = report(log.rows)
    assert (made.real.incidents, made.drills.incidents) == (1, 1)


def test_troubles_and_tests_are_counted_and_have_no_clocks():
    log = Log()
    log.incident(1.0, state_at(category="trouble", groups={"police": a_group("acked", acked=1.0)}))
    made = report(log.rows)
    assert made.real.categories == {"trouble": 1}
    assert made.real.clocks == {}
    assert made.real.groups["police"].acked == 1


def test_an_incident_that_nobody_closed_lowers_the_share():
    log = Log()
    a_case(log)
    log.incident(5.0, state_at(id=OTHER, level=2, groups={"street": a_group("declined")}))
    made = report(log.rows)
    assert made.real.closed_share == 0.5
    assert made.real.states == {"closed": 1, "open": 1}
    assert made.real.levels == {"1": 1, "2": 1}
    assert made.real.groups["street"].declined == 1


def test_breaches_are_counted():
    log = Log()
    breaches = (Breach(kind="unanswered", level=1, time=at(30.0)),)
    log.incident(30.0, state_at(breaches=breaches))
    log.incident(31.0, state_at(breaches=breaches))
    assert report(log.rows).real.breaches == 1


def test_rows_that_cannot_be_read_are_counted_and_left_out():
    log = Log()
    log.note(Kind.SIGNAL, b"\xff")
    log.note(Kind.INCIDENT, b"{")
    log.note(Kind.CLOSED, b'{"state": {"id": 1}}')
    log.note(Kind.INCIDENT, b'{"state": null}')  # a snapshot of what was not published
    log.note("of-tomorrow", b"\x00")
    a_case(log)
    made = report(log.rows)
    assert (made.unreadable, made.real.incidents) == (3, 1)


def test_what_was_raised_before_is_left_out():
    log = Log()
    a_case(log)
    assert report(log.rows, NOON).real.incidents == 1
    assert report(log.rows, NOON + 0.001).real.incidents == 0


def test_the_95th_percentile_is_by_nearest_rank():
    log = Log()
    for number in range(20):
        groups = {"police": a_group("acked", acked=float(number + 1))}
        log.incident(1.0, state_at(id=f"00000000-0000-7000-8000-{number:012x}", groups=groups))
    clock = report(log.rows).real.clocks["acked"]
    assert (clock.count, clock.median, clock.p95, clock.worst) == pytest.approx((20, 10.5, 19, 20))


@given(st.randoms(use_true_random=False), st.integers(0, 20))
def test_every_figure_can_be_counted_again_from_the_incidents(rng: random.Random, count: int):
    log = Log()
    for number in range(count):
        incident = f"00000000-0000-7000-8000-{number:012x}"
        for _ in range(rng.randint(1, 5)):
            acked = rng.choice([None, rng.uniform(1, 400)])
            log.incident(
                rng.uniform(0, 500),
                state_at(
                    id=incident,
                    drill=number % 3 == 0,
                    state=rng.choice(["open", "answered", "resolved"]),
                    groups={"police": a_group("acked" if acked else "paged", acked=acked)},
                ),
            )
    made = report(log.rows)
    for figures, drill in ((made.real, False), (made.drills, True)):
        mine = [one for one in made.incidents if one.drill is drill]
        assert figures.incidents == len(mine) == sum(figures.states.values())
        acked = [one.times["acked"] - one.raised for one in mine if "acked" in one.times]
        clock = figures.clocks.get("acked")
        assert (clock.count if clock else 0) == len(acked)
        if clock:
            assert clock.worst == max(acked)
            assert clock.median <= clock.p95 <= clock.worst


# The command


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "baiying.yaml"
    path.write_text("gateway: zju1\ndata_dir: ./here\n")
    return path


@pytest.fixture
def filled(config: Path) -> Path:
    log = Log()
    a_case(log)
    log.incident(5.0, state_at(id=OTHER))

    async def store() -> None:
        async with Journal(config.parent / "here" / "journal.db", wall=lambda: NOON) as journal:
            await journal.append([Row(row.kind, row.key, row.body) for row in log.rows])

    asyncio.run(store())
    return config


def test_the_report_is_printed_for_people(filled: Path, capsys):
    assert report_command(filled, since=None, form=Format.TEXT) == 0
    text = capsys.readouterr().out
    assert "signals: alarm 1" in text
    assert "closed: 1 (50.0%; target 98%)" in text
    assert "raised to first on scene   median   170.000 s" in text
    assert f"not closed: {OTHER} open, level 1" in text


def test_the_report_is_printed_for_machines(filled: Path, capsys):
    assert report_command(filled, since=at(0.0), form=Format.JSON) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["v"], made["since"], made["real"]["incidents"]) == (1, at(0.0), 2)
    assert made["real"]["clocks"]["arrived"]["target"] == report_figures.RESPONSE_TARGET
    assert [one["id"] for one in made["incidents"]] == [INCIDENT, OTHER]
    assert made["incidents"][0]["times"]["closed"] == at(290.0)
    assert made["incidents"][0]["groups"]["police"]["acked"] == at(20.0)
    assert report_command(filled, since=at(1.0), form=Format.JSON) == 0
    assert json.loads(capsys.readouterr().out)["real"]["incidents"] == 0


def test_a_report_while_the_gateway_runs(filled: Path, capsys):
    async def run() -> None:
        async with Journal(filled.parent / "here" / "journal.db") as journal:
            await journal.append([Row("note", "k", b"")])
            assert (
                await asyncio.to_thread(report_command, filled, since=None, form=Format.JSON) == 0
            )
            assert json.loads(capsys.readouterr().out)["rows"] == 9

    asyncio.run(run())


@pytest.mark.parametrize("since", ["yesterday", "2026-11-24T05:45:00"])
def test_a_time_that_is_none_is_the_callers_mistake(filled: Path, since: str):
    with pytest.raises(CallError, match="2026-11-24T05:45:00Z"):
        report_command(filled, since=since, form=Format.TEXT)


def test_without_a_journal_there_is_no_report(config: Path):
    with pytest.raises(StorageError):
        report_command(config, since=None, form=Format.TEXT)
    with pytest.raises(ConfigError):
        report_command(config.with_name("none.yaml"), since=None, form=Format.TEXT)
