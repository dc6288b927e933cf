"""Chooses the groups of a level that depend on the hour and on where people are. Pure.

Rules:

Rule 1. A rota calls every group whose shift it is; while it is nobody's, the rota's ``otherwise``.
Rule 2. ``nearest`` calls the ``count`` groups of its party that are nearest to the site: by the
        freshest position of any of a group's clients that is on duty, not older than ``max_age``,
        or by the group's own configured position, which does not age. Groups called already do
        count for it where they are near enough, and are not called twice.
Rule 3. Whom a level wanted and did not get is said in words: a plan that calls too few people must
        not look like one that called them all.
Rule 4. When a group that a rota or ``nearest`` chose declines, the next one is chosen: the next
        nearest, or the rota's ``otherwise``.
Rule 5. A drill chooses only among groups that are marked for drills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from math import asin, cos, radians, sin, sqrt
from typing import TYPE_CHECKING

from gateway.alarm.calendars import Rota, local
from gateway.alarm.choice import Choice, Fix, Whereabouts
from gateway.alarm.plan import GroupFacts, Nearest
from gateway.moment import Moment

if TYPE_CHECKING:
    from gateway.alarm.record import Case, Step

EARTH_RADIUS = 6_371_008.8
"""Metres; the mean radius of the WGS 84 ellipsoid (IUGG)."""

Position = tuple[float, float]


def distance(one: Position, other: Position) -> float:
    """Metres between two WGS 84 positions on the sphere (haversine; within 0.6 % of the ellipsoid)."""
    latitude, longitude = (radians(other[axis] - one[axis]) for axis in (0, 1))
    half = (
        sin(latitude / 2) ** 2
        + cos(radians(one[0])) * cos(radians(other[0])) * sin(longitude / 2) ** 2
    )
    return 2 * EARTH_RADIUS * asin(sqrt(min(half, 1.0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A group that ``nearest`` may call; ``distance`` in metres, None where it is not known.

    ``why_not`` says why it cannot be called; None where it can.
    """

    group: str
    distance: float | None
    why_not: str | None


class Unheard:
    """Knows of nobody: until a client has said where it is."""

    def fixes(self, _group: str, _now: Moment) -> tuple[()]:
        return ()


class Choosing:
    """The `gateway.alarm.choice.Chooser` of a configuration and of what is known of people now."""

    def __init__(
        self,
        groups: Mapping[str, GroupFacts],
        rotas: Mapping[str, Rota],
        whereabouts: Whereabouts,
        zone: tzinfo | None = None,
    ) -> None:
        self._groups = groups
        self._rotas = rotas
        self._whereabouts = whereabouts
        self._zone = zone

    def choose(self, case: Case, index: int, called: frozenset[str], now: Moment) -> Choice:
        step = case.steps[index]
        found: dict[str, str] = {}
        shortfalls: list[str] = []
        for name in step.rotas:
            self._from_rota(name, case, now, found, shortfalls)
        if step.nearest is not None:
            self._from_nearest(step.nearest, case, called | found.keys(), now, found, shortfalls)
        return Choice(found, tuple(f"{step.name}: {words}" for words in shortfalls))

    def instead(
        self, case: Case, index: int, declined: str, called: frozenset[str], now: Moment
    ) -> Choice:
        step = case.steps[index]
        found: dict[str, str] = {}
        shortfalls: list[str] = []
        for rota in self._rotas_with(step, declined):
            if rota.otherwise is None:
                shortfalls.append(f"rota {rota.name}: {declined} declined, and it names no other")
            else:
                self._add(rota.otherwise, f"rota {rota.name}", case, found, shortfalls)
        nearest = step.nearest
        if nearest is not None and self._is_wanted(nearest, declined):
            chosen = next(
                (
                    one
                    for one in self.candidates(nearest, case.position, now, drill=case.drill)
                    if one.why_not is None and one.group not in called
                ),
                None,
            )
            if chosen is None:
                shortfalls.append(f"{declined} declined, and nobody else is near enough")
            else:
                found[chosen.group] = self._groups[chosen.group].party
        fresh = {name: party for name, party in found.items() if name not in called}
        return Choice(fresh, tuple(f"{step.name}: {words}" for words in shortfalls))

    def candidates(
        self, nearest: Nearest, site: Position | None, now: Moment, *, drill: bool = False
    ) -> tuple[Candidate, ...]:
        """Every group of the wanted party: those that can be called first, nearest first."""
        found = [
            self._candidate(group, nearest, site, now, drill=drill)
            for group in self._groups.values()
            if not nearest.party or group.party in nearest.party
        ]
        return tuple(sorted(found, key=_order))

    def _from_rota(
        self, name: str, case: Case, now: Moment, found: dict[str, str], shortfalls: list[str]
    ) -> None:
        rota = self._rotas.get(name)
        if rota is None:
            shortfalls.append(f"rota {name} is no longer configured")
            return
        on_duty = rota.on_duty(local(now.wall, self._zone))
        if not on_duty:
            words = f"rota {name}: nobody is on duty"
            if rota.otherwise is not None:
                words += f"; {rota.otherwise} is called instead"
                on_duty = (rota.otherwise,)
            shortfalls.append(words)
        for group in on_duty:
            self._add(group, f"rota {name}", case, found, shortfalls)

    def _from_nearest(
        self,
        nearest: Nearest,
        case: Case,
        called: frozenset[str] | set[str],
        now: Moment,
        found: dict[str, str],
        shortfalls: list[str],
    ) -> None:
        candidates = self.candidates(nearest, case.position, now, drill=case.drill)
        able = [one for one in candidates if one.why_not is None][: nearest.count]
        for one in able:
            if one.group not in called:
                found[one.group] = self._groups[one.group].party
        if len(able) < nearest.count:
            others = "; ".join(f"{one.group} {one.why_not}" for one in candidates if one.why_not)
            party = " or ".join(nearest.party) or "groups"
            shortfalls.append(
                f"{len(able)} of {nearest.count} {party} nearby" + (f": {others}" if others else "")
            )

    def _add(
        self, group: str, whence: str, case: Case, found: dict[str, str], shortfalls: list[str]
    ) -> None:
        facts = self._groups.get(group)
        if facts is None:
            shortfalls.append(f"{whence}: group {group} is no longer configured")
        elif case.drill and not facts.drills:
            shortfalls.append(f"{whence}: {group} takes part in no drill")
        else:
            found[group] = facts.party

    def _candidate(
        self,
        group: GroupFacts,
        nearest: Nearest,
        site: Position | None,
        now: Moment,
        *,
        drill: bool,
    ) -> Candidate:
        if drill and not group.drills:
            return Candidate(group=group.name, distance=None, why_not="takes part in no drill")
        if site is None:
            return Candidate(
                group=group.name, distance=None, why_not="cannot be measured: no site position"
            )
        fixes = tuple(self._whereabouts.fixes(group.name, now))
        fresh = [fix for fix in fixes if fix.on_duty and fix.age <= nearest.max_age]
        positions = [fix.position for fix in fresh]
        if not positions and group.position is not None:
            positions = [group.position]
        if not positions:
            return Candidate(group=group.name, distance=None, why_not=_unknown(fixes, nearest))
        metres = min(distance(site, position) for position in positions)
        limit = nearest.max_distance
        far = limit is not None and metres > limit
        why_not = f"is {metres:.0f} m away (limit {limit:.0f})" if far else None
        return Candidate(group=group.name, distance=metres, why_not=why_not)

    def _rotas_with(self, step: Step, group: str) -> Iterable[Rota]:
        for name in step.rotas:
            rota = self._rotas.get(name)
            if rota is not None and any(shift.group == group for shift in rota.shifts):
                yield rota

    def _is_wanted(self, nearest: Nearest, group: str) -> bool:
        facts = self._groups.get(group)
        return facts is not None and (not nearest.party or facts.party in nearest.party)


def _unknown(fixes: tuple[Fix, ...], nearest: Nearest) -> str:
    ages = sorted(fix.age for fix in fixes if fix.on_duty)
    if ages:
        return f"was not heard of for {ages[0]:.0f} s (limit {nearest.max_age:.0f})"
    return "is not on duty" if fixes else "has no known position"


def _order(one: Candidate) -> tuple[bool, float, str]:
    return one.why_not is not None, one.distance or 0.0, one.group
