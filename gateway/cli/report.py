"""`baiying report`: the figures of a gateway's journal, whether the gateway runs or not."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from gateway.alarm.journal import whole
from gateway.alarm.reports.figures import CLOSED_TARGET, DIMENSIONS, Figures
from gateway.alarm.reports.incidents import STAGES
from gateway.alarm.reports.report import Report
from gateway.alarm.reports.report import report as figures_of
from gateway.cli.live import CallError, journal_of
from gateway.moment import parse_timestamp, timestamp

CLOCKS = {
    "paged": "raised to first page",
    "received": "raised to first receipt",
    "acked": "raised to first ack",
    "answered": "raised to answered",
    "en_route": "raised to first en route",
    "arrived": "raised to first on scene",
    "handled": "raised to first handled",
    "resolved": "raised to resolved",
    "closed": "raised to closed",
}


class Format(StrEnum):
    """How a report is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


def report(
    config: Path | None,
    *,
    since: str | None,
    until: str | None = None,
    by: tuple[str, ...] = (),
    form: Format = Format.TEXT,
    out: Path | None = None,
) -> int:
    """Write the report to ``out``, or print it; the exit status.

    Raises:
        ConfigError: the configuration does not say where the journal is.
        CallError: a time or a dimension is none, or ``out`` cannot be written.
        StorageError: there is no journal, or it cannot be read.
    """
    begin, end = _time("--since", since, 0.0), _time("--until", until, math.inf)
    if end <= begin:
        raise CallError("--until: is not after --since")
    unknown = [one for one in by if one not in DIMENSIONS]
    if unknown:
        raise CallError(f"--by: there is no {unknown[0]}; there are {', '.join(DIMENSIONS)}")
    path, archive = journal_of(config)
    made = figures_of(whole.scan(path, archive, 0.0, math.inf), begin, end, by)
    text = _written(made, path, form)
    if out is None:
        print(text)
        return 0
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise CallError(f"{out}: cannot be written: {error.strerror}") from error
    print(f"report: {out}")
    return 0


def _time(option: str, text: str | None, default: float) -> float:
    try:
        return default if text is None else parse_timestamp(text)
    except ValueError as error:
        raise CallError(f"{option}: {error}; write a time such as 2026-11-24T05:45:00Z") from error


def _written(made: Report, path: Path, form: Format) -> str:
    match form:
        case Format.JSON:
            return msgspec.json.encode(members(made)).decode()
        case Format.CSV:
            return _table(made).rstrip("\n")
        case Format.HTML:
            from gateway.cli.report_html import page

            return page(made, str(path))
        case _:
            return "\n".join(_lines(path, made))


def members(made: Report) -> dict[str, Any]:
    """The report as JSON has it: times as RFC 3339."""
    found: dict[str, Any] = msgspec.to_builtins(made)
    found["since"], found["until"] = timestamp(made.since), timestamp(made.until)
    found["tests"] = {name: timestamp(at) for name, at in made.tests.items()}
    for one in found["incidents"]:
        one["raised"] = timestamp(one["raised"])
        for times in (one["times"], *one["groups"].values()):
            times.update({what: timestamp(wall) for what, wall in times.items()})
    return {"v": 1, **found}


def _table(made: Report) -> str:
    """One row for each incident; clocks in seconds from its raising."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        [
            "incident", "raised", "drill", "category", "severity", "class", "street", "grid",
            "site", "endpoint", "plan", "state", "level", "disposition", "verdict", "breaches",
            *(f"{stage}_s" for stage in STAGES), "groups",
        ]
    )  # fmt: skip
    for one in made.incidents:
        took = (one.took(stage) for stage in STAGES)
        writer.writerow(
            [
                one.id, timestamp(one.raised), one.drill, one.category or "", one.severity,
                one.site_class or "", one.street or "", one.grid or "", one.site or "",
                one.endpoint or "", one.plan or "", one.state, one.level, one.disposition or "",
                one.verdict or "", one.breaches,
                *("" if seconds is None else f"{seconds:.3f}" for seconds in took),
                " ".join(sorted(one.groups)),
            ]
        )  # fmt: skip
    return text.getvalue()


def _lines(path: Path, made: Report) -> list[str]:
    lines = [
        f"journal {path}, from {timestamp(made.since)} to {timestamp(made.until)}: {made.rows} rows"
    ]
    if made.unreadable:
        lines.append(f"warning: {made.unreadable} rows cannot be read and are left out")
    lines.append(f"signals: {counts(made.signals)}")
    lines += _rates(made)
    lines += _availability(made)
    lines += _section("incidents", made.real)
    if made.drills.incidents:
        lines += _section("drills", made.drills)
        lines += [
            f"  {month}: {figures.incidents} drills, first on scene {_median(figures, 'arrived')}"
            for month, figures in made.drill_trend.items()
        ]
    for dimension, parts in made.by.items():
        lines.append(f"by {dimension}:")
        lines += [f"  {value}: {_brief(figures)}" for value, figures in parts.items()]
    unclosed = [one for one in made.incidents if one.state != "closed"]
    lines += [
        f"not closed: {one.id} {one.state}, level {one.level}, raised {timestamp(one.raised)}"
        + (" (drill)" if one.drill else "")
        for one in unclosed
    ]
    return lines


def _rates(made: Report) -> list[str]:
    rates = made.rates
    if not rates.alarms:
        return []
    share = "" if rates.busiest_share is None else f" ({rates.busiest_share:.0%} of all signals)"
    return [
        (
            f"alarms in 10 minutes: {rates.mean:.2f} on average, {rates.peak} at most;"
            f" {rates.floods} of {rates.windows} windows were a flood"
        ),
        f"busiest sources: {counts(rates.busiest)}{share}",
    ]


def _availability(made: Report) -> list[str]:
    found = made.availability
    if found.figure is None:
        return []
    lines = [f"available from button to person: {found.figure:.4%} over {found.sources} sources"]
    lines += [
        f"  {link}: down {times.down:.1f} s in {times.outages} outages, {times.longest:.1f} s at most"
        for link, times in found.links.items()
    ]
    if found.unmeasured:
        lines.append(f"  nobody says whether these are there: {', '.join(found.unmeasured)}")
    return lines


def _section(title: str, figures: Figures) -> list[str]:
    if not figures.incidents:
        return [f"{title}: none"]
    lines = [
        f"{title}: {figures.incidents}",
        f"  closed: {figures.closed} ({figures.closed_share:.1%}; target {CLOSED_TARGET:.0%})",
        f"  categories: {counts(figures.categories)}",
        f"  dispositions: {counts(figures.dispositions)}",
        f"  verdicts: {counts(figures.verdicts)}" + _precision(figures),
        f"  highest level: {counts(figures.levels)}",
        f"  breaches: {figures.breaches}"
        + (f" ({counts(figures.breach_kinds)})" if figures.breaches else ""),
    ]
    for what, clock in figures.clocks.items():
        line = (
            f"  {CLOCKS[what]:26} median {clock.median:9.3f} s  p90 {clock.p90:9.3f} s"
            f"  p95 {clock.p95:9.3f} s  worst {clock.worst:9.3f} s  of {clock.count}"
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


def _brief(figures: Figures) -> str:
    return (
        f"{figures.incidents} raised, {figures.closed} closed, {figures.breaches} breaches,"
        f" acked {_median(figures, 'acked')}, on scene {_median(figures, 'arrived')}"
        f"{_precision(figures)}"
    )


def _median(figures: Figures, clock: str) -> str:
    found = figures.clocks.get(clock)
    return "-" if found is None else f"median {found.median:.1f} s (p90 {found.p90:.1f} s)"


def _precision(figures: Figures) -> str:
    return "" if figures.precision is None else f", precision {figures.precision:.0%}"


def counts(found: Mapping[str, int]) -> str:
    """``word number, word number``."""
    return ", ".join(f"{name} {count}" for name, count in found.items()) or "none"
