"""What the journal says of each incident, and of each group in it. Pure.

An incident's clocks start at its ``raised`` and stop at the first time that any of its snapshots
names: an ``unack`` or a second alarm takes an ack out of the newest snapshot, not out of the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from gateway.alarm.plans.plan import QUIET_CATEGORIES
from gateway.link.messages import GroupState, IncidentState
from gateway.moment import parse_timestamp

STAGES = (
    "paged",
    "received",
    "acked",
    "answered",
    "en_route",
    "arrived",
    "handled",
    "resolved",
    "closed",
)
"""What an incident's clocks measure, in the order in which it usually happens."""

_STAGE_OF = {"ack": "acked", "en_route": "en_route", "on_scene": "arrived", "handled": "handled"}
"""Our name for each of the record's clocks."""


@dataclass(slots=True)
class IncidentFigures:
    """One incident; times in POSIX seconds, None for what did not happen or is not known."""

    id: str
    raised: float
    drill: bool
    category: str | None
    severity: int
    site: str | None
    endpoint: str | None
    plan: str | None
    site_class: str | None = None
    street: str | None = None
    grid: str | None = None
    state: str = "open"
    level: int = 1
    disposition: str | None = None
    verdict: str | None = None
    merged_into: str | None = None
    breaches: int = 0
    breach_kinds: dict[str, int] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    """The first time of each of `STAGES`."""
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    """The same for each group, and whether it ``declined`` (when that was stored)."""

    @property
    def timed(self) -> bool:
        """Whether its clocks count: troubles and tests call nobody to a scene."""
        return self.category not in QUIET_CATEGORIES

    def took(self, stage: str) -> float | None:
        """Seconds from the raising to ``stage``; 0 for what was so far already when it was merged in."""
        at = self.times.get(stage)
        return None if at is None else max(at - self.raised, 0.0)


@dataclass(frozen=True, slots=True)
class _Case:
    site_class: str | None = None
    street: str | None = None
    grid: str | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    case: _Case | None = None
    reached: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The parts of an incident's row that are read here."""

    state: IncidentState | None
    record: _Record | None = None


_SNAPSHOT = msgspec.json.Decoder(_Snapshot)


class Incidents:
    """Folds snapshots, in the order in which they were stored, into what happened."""

    def __init__(self) -> None:
        self._found: dict[str, IncidentFigures] = {}

    def __iter__(self) -> Iterator[IncidentFigures]:
        """In the order in which they were raised."""
        return iter(sorted(self._found.values(), key=lambda one: (one.raised, one.id)))

    def snapshot(self, body: bytes, wall: float) -> None:
        """One row of an incident; ``wall`` is when it was stored.

        Raises:
            msgspec.MsgspecError, ValueError: it cannot be read.
        """
        read = _SNAPSHOT.decode(body)
        if read.state is not None:
            self._fold(read.state, read.record or _Record(), wall)

    def _fold(self, state: IncidentState, record: _Record, wall: float) -> None:
        one = self._found.get(state.id)
        if one is None:
            case = record.case or _Case()
            one = self._found[state.id] = IncidentFigures(
                id=state.id,
                raised=parse_timestamp(state.raised),
                drill=state.drill,
                category=state.category,
                severity=state.severity,
                site=state.site,
                endpoint=state.endpoint,
                plan=state.plan,
                site_class=case.site_class,
                street=case.street,
                grid=case.grid,
            )
        one.state = state.state
        one.level = max(one.level, state.level)
        one.disposition, one.verdict = state.disposition, state.verdict
        one.merged_into = state.merged_into
        kinds: dict[str, int] = {}
        for breach in state.breaches:
            kinds[breach.kind] = kinds.get(breach.kind, 0) + 1
        # The state keeps a bounded number of them; what was counted once stays counted.
        for kind, count in kinds.items():
            one.breach_kinds[kind] = max(one.breach_kinds.get(kind, 0), count)
        one.breaches = max(one.breaches, len(state.breaches))
        if state.state != "open":
            one.times.setdefault(state.state, wall)
        for clock, at in record.reached.items():
            if clock in _STAGE_OF:
                one.times.setdefault(_STAGE_OF[clock], at)
        if state.closed is not None:
            one.times["closed"] = parse_timestamp(state.closed)
        for name, group in state.groups.items():
            known = one.groups.setdefault(name, {})
            for what, at in _times(group, wall):
                known.setdefault(what, at)
                if what != "declined":
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
    if group.state in ("declined", "en_route", "handled"):
        yield group.state, wall
