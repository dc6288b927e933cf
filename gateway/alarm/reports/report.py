"""The figures of a journal: what was raised, who answered, how long it took. Pure.

Every figure is a function of journal rows alone. Drills are counted apart; troubles and tests are
counted, and have no clocks. A row that cannot be read is counted and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf

import msgspec

from gateway.alarm.journal.rows import Kind, Stored
from gateway.alarm.reports.figures import Figures, divided, figures_of
from gateway.alarm.reports.incidents import IncidentFigures, Incidents
from gateway.alarm.reports.rates import RateCount, Rates
from gateway.alarm.supervision import testing
from gateway.alarm.supervision.availability import Availability, availability
from gateway.link.messages import AlarmEvent
from gateway.moment import parse_timestamp

__all__ = ["Report", "report"]


@dataclass(frozen=True, slots=True)
class Report:
    """A journal's figures from ``since`` to ``until``; ``incidents`` has what they were counted from.

    ``by`` has, for each dimension asked for, the figures of real incidents for each of its values;
    ``drill_trend`` those of drills month by month; ``tests`` when each endpoint was last tested.
    """

    since: float
    until: float
    rows: int
    unreadable: int
    signals: Mapping[str, int]
    rates: Rates
    availability: Availability
    real: Figures
    drills: Figures
    drill_trend: Mapping[str, Figures]
    by: Mapping[str, Mapping[str, Figures]]
    tests: Mapping[str, float]
    incidents: tuple[IncidentFigures, ...]


_EVENT = msgspec.json.Decoder(AlarmEvent)


def report(
    rows: Iterable[Stored], since: float = 0.0, until: float = inf, by: Iterable[str] = ()
) -> Report:
    """The figures of what was raised in ``since`` <= time < ``until`` (POSIX seconds).

    ``rows`` in order, up to now: what happened after ``until`` to an incident raised before it
    still belongs to it. Rows of before ``since`` are needed for the availability only. A signal counts
    when its event says that it was: in a storm its row is stored later.
    """
    incidents = Incidents()
    signals: Counter[str] = Counter()
    count = RateCount()
    links: list[Stored] = []
    tests: list[Stored] = []
    read = unreadable = 0
    first = last = None
    for row in rows:
        if row.kind == Kind.LINK:
            links.append(row)
        if row.wall < since:
            continue
        read += 1
        try:
            if row.kind == Kind.SIGNAL:
                event = _EVENT.decode(row.body)
                at = parse_timestamp(event.time)
                if since <= at < until:
                    signals[event.signal] += 1
                    count.signal(event, at)
            elif row.kind in (Kind.INCIDENT, Kind.CLOSED):
                incidents.snapshot(row.body, row.wall)
            elif row.kind == Kind.TESTED and row.wall < until:
                tests.append(row)
        except (msgspec.MsgspecError, ValueError):
            unreadable += 1
        first = row.wall if first is None else first
        last = row.wall
    # A period without an end, or a beginning, is as long as its journal.
    begins = since or first or 0.0
    ends = until if until != inf else (last or begins)
    kept = tuple(one for one in incidents if since <= one.raised < until)
    real = [one for one in kept if not one.drill]
    drills = [one for one in kept if one.drill]
    return Report(
        since=begins,
        until=ends,
        rows=read,
        unreadable=unreadable,
        signals=dict(sorted(signals.items())),
        rates=count.rates(begins, ends),
        availability=availability(links, begins, ends),
        real=figures_of(real),
        drills=figures_of(drills),
        drill_trend=divided(drills, "month"),
        by={dimension: divided(real, dimension) for dimension in by},
        tests={name: last_test.time for name, last_test in testing.read(tests).items()},
        incidents=kept,
    )
