"""The figures of a journal: what was raised, who answered, how long it took. Pure.

Every figure is a function of journal rows alone. An incident's clocks start at its ``raised`` and
stop at the first time that any of its snapshots names: an ``unack`` or a second alarm takes an
ack out of the newest snapshot, not out of the report. Drills are counted apart; troubles and tests
are counted, and have no clocks. A row that cannot be read is counted and left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from statistics import median

import msgspec

from gateway.alarm.journal_rows import Kind, Stored
from gateway.alarm.plan import QUIET_CATEGORIES
from gateway.link.messages import AlarmEvent, GroupState, IncidentState
from gateway.moment import parse_timestamp

RESPONSE_TARGET = 180.0
"""Seconds to the first group on the scene that the district asks for (design, "Who it is for")."""

CASE_TARGET = 300.0
"""Seconds to the end of a case, from the same place."""

CLOSED_TARGET = 0.98
"""Share of incidents closed with a disposition, from the same place."""

_TARGETS = {"arrived": RESPONSE_TARGET, "closed": CASE_TARGET}


@dataclass(slots=True)
class IncidentFigures:
    """One incident; times in POSIX seconds, None for what did not happen."""

    id: str
    raised: float
    drill: bool
    category: str | None
    severity: int
    site: str | None
    endpoint: str | None
    plan: str | None
    state: str = "open"
    level: int = 1
    disposition: str | None = None
    breaches: int = 0
    times: dict[str, float] = field(default_factory=dict)
    """First ``paged``, ``received``, ``acked``, ``answered``, ``arrived``, ``resolved``, ``closed``."""
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    """The same for each group, and whether it ``declined`` (when that was stored)."""

    @property
    def timed(self) -> bool:
        """Whether its clocks count: troubles and tests call nobody to a scene."""
        return self.category not in QUIET_CATEGORIES


@dataclass(frozen=True, slots=True)
class Clock:
    """How long something took, over ``count`` incidents, in seconds; ``p95`` by nearest rank."""

    count: int
    median: float
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


@dataclass(frozen=True, slots=True)
class Figures:
    """A number of incidents, taken together."""

    incidents: int
    closed: int
    closed_share: float | None
    states: Mapping[str, int]
    categories: Mapping[str, int]
    dispositions: Mapping[str, int]
    levels: Mapping[str, int]
    """How many incidents reached which level and no higher."""
    breaches: int
    clocks: Mapping[str, Clock]
    groups: Mapping[str, GroupFigures]


@dataclass(frozen=True, slots=True)
class Report:
    """A journal's figures; ``incidents`` has what each of them was counted from."""

    rows: int
    unreadable: int
    signals: Mapping[str, int]
    real: Figures
    drills: Figures
    incidents: tuple[IncidentFigures, ...]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The one part of an incident's row that is read here."""

    state: IncidentState | None


_SNAPSHOT = msgspec.json.Decoder(_Snapshot)
_EVENT = msgspec.json.Decoder(AlarmEvent)


def report(rows: Iterable[Stored], since: float = 0.0) -> Report:
    """The figures of what was raised from ``since`` (POSIX seconds) on; ``rows`` in order."""
    incidents: dict[str, IncidentFigures] = {}
    signals: Counter[str] = Counter()
    read = unreadable = 0
    for row in rows:
        read += 1
        try:
            if row.kind == Kind.SIGNAL:
                signals[_EVENT.decode(row.body).signal] += 1
            elif row.kind in (Kind.INCIDENT, Kind.CLOSED):
                state = _SNAPSHOT.decode(row.body).state
                if state is not None:
                    _fold(incidents, state, row.wall)
        except (msgspec.MsgspecError, ValueError):
            unreadable += 1
    kept = tuple(
        sorted(
            (one for one in incidents.values() if one.raised >= since),
            key=lambda one: (one.raised, one.id),
        )
    )
    return Report(
        rows=read,
        unreadable=unreadable,
        signals=dict(sorted(signals.items())),
        real=_figures([one for one in kept if not one.drill]),
        drills=_figures([one for one in kept if one.drill]),
        incidents=kept,
    )


def _fold(incidents: dict[str, IncidentFigures], state: IncidentState, wall: float) -> None:
    """Take one more snapshot of an incident into account; ``wall`` is when it was stored."""
    one = incidents.get(state.id)
    if one is None:
        one = incidents[state.id] = IncidentFigures(
            id=state.id,
            raised=parse_timestamp(state.raised),
            drill=state.drill,
            category=state.category,
            severity=state.severity,
            site=state.site,
            endpoint=state.endpoint,
            plan=state.plan,
        )
    one.state = state.state
    one.level = max(one.level, state.level)
    one.disposition = state.disposition
    one.breaches = max(one.breaches, len(state.breaches))
    if state.state != "open":
        one.times.setdefault(state.state, wall)
    if state.closed is not None:
        one.times["closed"] = parse_timestamp(state.closed)
    for name, group in state.groups.items():
        known = one.groups.setdefault(name, {})
        for what, at in _times(group, wall):
            known.setdefault(what, at)
            one.times[what] = min(one.times.get(what, at), at)


def _times(group: GroupState, wall: float) -> Iterator[tuple[str, float]]:
    for what, text in (
        ("paged", group.paged),
        ("received", group.received),
        ("acked", group.acked),
        ("arrived", group.arrived),
    ):
        if text is not None:
            yield what, parse_timestamp(text)
    if group.state == "declined":
        yield "declined", wall


def _figures(incidents: list[IncidentFigures]) -> Figures:
    closed = sum(one.state == "closed" for one in incidents)
    return Figures(
        incidents=len(incidents),
        closed=closed,
        closed_share=closed / len(incidents) if incidents else None,
        states=_count(one.state for one in incidents),
        categories=_count(one.category or "none" for one in incidents),
        dispositions=_count(one.disposition for one in incidents if one.disposition is not None),
        levels=_count(str(one.level) for one in incidents),
        breaches=sum(one.breaches for one in incidents),
        clocks=_clocks([one for one in incidents if one.timed]),
        groups=_groups(incidents),
    )


def _clocks(incidents: list[IncidentFigures]) -> dict[str, Clock]:
    clocks = {}
    for what in ("paged", "received", "acked", "answered", "arrived", "resolved", "closed"):
        took = sorted(one.times[what] - one.raised for one in incidents if what in one.times)
        if not took:
            continue
        target = _TARGETS.get(what)
        clocks[what] = Clock(
            count=len(took),
            median=median(took),
            p95=took[ceil(0.95 * len(took)) - 1],
            worst=took[-1],
            target=target,
            within=None if target is None else sum(seconds <= target for seconds in took),
        )
    return clocks


def _groups(incidents: list[IncidentFigures]) -> dict[str, GroupFigures]:
    names = sorted({name for one in incidents for name in one.groups})
    found = {}
    for name in names:
        times = [one.groups[name] for one in incidents if name in one.groups]
        acks = [at["acked"] - at["paged"] for at in times if "acked" in at and "paged" in at]
        found[name] = GroupFigures(
            paged=sum("paged" in at for at in times),
            received=sum("received" in at for at in times),
            acked=sum("acked" in at for at in times),
            declined=sum("declined" in at for at in times),
            arrived=sum("arrived" in at for at in times),
            ack_median=median(acks) if acks else None,
        )
    return found


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
