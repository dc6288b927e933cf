"""`baiying report`: the figures of a gateway's journal, whether the gateway runs or not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gateway.alarm import journal
from gateway.alarm.report import CLOSED_TARGET, Figures, Report
from gateway.alarm.report import report as figures_of
from gateway.cli.live import CallError, socket_of
from gateway.moment import parse_timestamp, timestamp

_CLOCKS = {
    "paged": "raised to first page",
    "received": "raised to first receipt",
    "acked": "raised to first ack",
    "answered": "raised to answered",
    "arrived": "raised to first on scene",
    "resolved": "raised to resolved",
    "closed": "raised to closed",
}


def report(config: Path | None, *, since: str | None, as_json: bool) -> int:
    """Print the report; the exit status.

    Raises:
        ConfigError: the configuration does not say where the journal is.
        CallError: ``since`` is no time.
        StorageError: there is no journal, or it cannot be read.
    """
    try:
        begin = 0.0 if since is None else parse_timestamp(since)
    except ValueError as error:
        raise CallError(f"--since: {error}; write a time such as 2026-11-24T05:45:00Z") from error
    path = socket_of(config).parent / "journal.db"
    made = figures_of(journal.scan(path, begin, math.inf), begin)
    if as_json:
        print(msgspec.json.encode({"v": 1, "since": since, **_members(made)}).decode())
    else:
        print("\n".join(_lines(path, begin, made)))
    return 0


def _members(made: Report) -> Mapping[str, object]:
    members = msgspec.to_builtins(made)
    for one in members["incidents"]:
        one["raised"] = timestamp(one["raised"])
        for times in (one["times"], *one["groups"].values()):
            times.update({what: timestamp(wall) for what, wall in times.items()})
    return dict(members)


def _lines(path: Path, begin: float, made: Report) -> list[str]:
    told = "all of it" if not begin else f"from {timestamp(begin)} on"
    lines = [f"journal {path}, {told}: {made.rows} rows"]
    if made.unreadable:
        lines.append(f"warning: {made.unreadable} rows cannot be read and are left out")
    lines.append(f"signals: {_counts(made.signals)}")
    lines += _section("incidents", made.real)
    if made.drills.incidents:
        lines += _section("drills", made.drills)
    unclosed = [one for one in made.incidents if one.state != "closed"]
    lines += [
        f"not closed: {one.id} {one.state}, level {one.level}, raised {timestamp(one.raised)}"
        + (" (drill)" if one.drill else "")
        for one in unclosed
    ]
    return lines


def _section(title: str, figures: Figures) -> list[str]:
    if not figures.incidents:
        return [f"{title}: none"]
    lines = [
        f"{title}: {figures.incidents}",
        f"  closed: {figures.closed} ({figures.closed_share:.1%}; target {CLOSED_TARGET:.0%})",
        f"  categories: {_counts(figures.categories)}",
        f"  dispositions: {_counts(figures.dispositions)}",
        f"  highest level: {_counts(figures.levels)}",
        f"  breaches: {figures.breaches}",
    ]
    for what, clock in figures.clocks.items():
        line = (
            f"  {_CLOCKS[what]:26} median {clock.median:9.3f} s  p95 {clock.p95:9.3f} s"
            f"  worst {clock.worst:9.3f} s  of {clock.count}"
        )
        if clock.target is not None:
            line += f"; {clock.within} within {clock.target:.0f} s"
        lines.append(line)
    for name, group in figures.groups.items():
        ack = "-" if group.ack_median is None else f"{group.ack_median:.3f} s"
        lines.append(
            f"  group {name}: paged {group.paged}, received {group.received}, acked {group.acked}"
            f" (median {ack}), declined {group.declined}, on scene {group.arrived}"
        )
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
