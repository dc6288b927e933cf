"""A number of incidents taken together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from statistics import median

from gateway.alarm.reports.incidents import STAGES, IncidentFigures

RESPONSE_TARGET = 180.0
"""Seconds to the first group on the scene that the district asks for (design, "Who it is for")."""

CASE_TARGET = 300.0
"""Seconds to the end of a case, from the same place."""

CLOSED_TARGET = 0.98
"""Share of incidents closed with a disposition, from the same place."""

_TARGETS = {"arrived": RESPONSE_TARGET, "closed": CASE_TARGET}


@dataclass(frozen=True, slots=True)
class Clock:
    """How long something took, over ``count`` incidents, in seconds; percentiles by nearest rank."""

    count: int
    median: float
    p90: float
    p95: float
    worst: float
    target: float | None = None
    within: int | None = None
    """How many kept the target."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """One group, over the incidents that paged it."""

    paged: int
    received: int
    acked: int
    declined: int
    arrived: int
    ack_median: float | None
    """Seconds from the group's page to its ack."""
    ack_p90: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """A number of incidents, taken together.

    ``closed_share`` is the closed-loop rate: closed with a disposition, of all that were raised.
    ``precision`` is the share of true ones among those with a verdict true or false.
    """

    incidents: int
    closed: int
    closed_share: float | None
    states: Mapping[str, int]
    categories: Mapping[str, int]
    dispositions: Mapping[str, int]
    verdicts: Mapping[str, int]
    precision: float | None
    levels: Mapping[str, int]
    """How many incidents reached which level and no higher."""
    breaches: int
    breach_kinds: Mapping[str, int]
    clocks: Mapping[str, Clock]
    groups: Mapping[str, GroupFigures]


def figures_of(incidents: Sequence[IncidentFigures]) -> Figures:
    """All of them together."""
    closed = sum(one.state == "closed" for one in incidents)
    verdicts = _count(one.verdict for one in incidents if one.verdict is not None)
    judged = verdicts.get("true", 0) + verdicts.get("false", 0)
    kinds: Counter[str] = Counter()
    for one in incidents:
        kinds.update(one.breach_kinds)
    return Figures(
        incidents=len(incidents),
        closed=closed,
        closed_share=closed / len(incidents) if incidents else None,
        states=_count(one.state for one in incidents),
        categories=_count(one.category or "none" for one in incidents),
        dispositions=_count(one.disposition for one in incidents if one.disposition is not None),
        verdicts=verdicts,
        precision=verdicts.get("true", 0) / judged if judged else None,
        levels=_count(str(one.level) for one in incidents),
        breaches=sum(one.breaches for one in incidents),
        breach_kinds=dict(sorted(kinds.items())),
        clocks=_clocks([one for one in incidents if one.timed]),
        groups=_groups(incidents),
    )


DIMENSIONS: Mapping[str, Callable[[IncidentFigures], Iterable[str | None]]] = {
    "class": lambda one: (one.site_class,),
    "street": lambda one: (one.street,),
    "grid": lambda one: (one.grid,),
    "site": lambda one: (one.site,),
    "plan": lambda one: (one.plan,),
    "category": lambda one: (one.category,),
    "source": lambda one: (one.endpoint or one.site,),
    "group": lambda one: one.groups,
    "month": lambda one: (month_of(one.raised),),
}
"""By what a report can be divided; an incident counts for each value that it has."""


def divided(incidents: Iterable[IncidentFigures], by: str) -> dict[str, Figures]:
    """The figures for each value of a dimension; ``none`` for incidents without one."""
    parts: dict[str, list[IncidentFigures]] = {}
    for one in incidents:
        for value in tuple(DIMENSIONS[by](one)) or (None,):
            parts.setdefault(value or "none", []).append(one)
    return {value: figures_of(parts[value]) for value in sorted(parts)}


def month_of(wall: float) -> str:
    """``2026-11``, in UTC: the same wherever the report is made."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m")


def rank(ordered: Sequence[float], share: float) -> float:
    """A percentile by nearest rank, of numbers in order."""
    return ordered[max(ceil(share * len(ordered)), 1) - 1]


def _clocks(incidents: list[IncidentFigures]) -> dict[str, Clock]:
    clocks = {}
    for what in STAGES:
        took = sorted(_known(one.took(what) for one in incidents))
        if not took:
            continue
        target = _TARGETS.get(what)
        clocks[what] = Clock(
            count=len(took),
            median=median(took),
            p90=rank(took, 0.90),
            p95=rank(took, 0.95),
            worst=took[-1],
            target=target,
            within=None if target is None else sum(seconds <= target for seconds in took),
        )
    return clocks


def _groups(incidents: Sequence[IncidentFigures]) -> dict[str, GroupFigures]:
    names = sorted({name for one in incidents for name in one.groups})
    found = {}
    for name in names:
        times = [one.groups[name] for one in incidents if name in one.groups]
        acks = sorted(at["acked"] - at["paged"] for at in times if "acked" in at and "paged" in at)
        found[name] = GroupFigures(
            paged=sum("paged" in at for at in times),
            received=sum("received" in at for at in times),
            acked=sum("acked" in at for at in times),
            declined=sum("declined" in at for at in times),
            arrived=sum("arrived" in at for at in times),
            ack_median=median(acks) if acks else None,
            ack_p90=rank(acks, 0.90) if acks else None,
        )
    return found


def _known(values: Iterable[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
