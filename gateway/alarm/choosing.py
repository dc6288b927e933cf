"""Chooses the groups of a level that depend on the hour and on where people are. Pure.

Rules:

Rule 1. A rota calls every group whose shift it is; while it is nobody's, the rota's ``otherwise``.
Rule 2. ``nearest`` calls the ``count`` groups of its party that are nearest to the site: by the
        nearest of a group's clients that are on duty and were heard of within ``max_age``, or by the
        group's own configured position, which does not age. A group whose clients are heard of and
        all off duty is not called. Groups called already do count for it where they are near
        enough, and are not called twice.
Rule 3. Whom a level wanted and did not get is said in words: a plan that calls too few people must
        not look like one that called them all.
Rule 4. When a group that a rota or ``nearest`` of this level or an earlier one chose declines, the
        next one is chosen: the next nearest, or the rota's ``otherwise``.
Rule 5. A drill chooses only among groups that are marked for drills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from math import asin, cos, radians, sin, sqrt
from typing import TYPE_CHECKING

from gateway.alarm.calendars import Rota, local
from gateway.alarm.choice import Choice, Fix, Whereabouts
from gateway.alarm.levels import Groups
from gateway.alarm.plan import GroupFacts, Nearest
from gateway.moment import Moment

if TYPE_CHECKING:
    from gateway.alarm.record import Case, Step

EARTH_RADIUS = 6_371_008.8
"""Metres; the mean radius of the WGS 84 ellipsoid (IUGG)."""

MAX_NAMED = 6
"""Groups that a shortfall names; a district has hundreds of a party, and a message has an end."""

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
        self._whereabouts = whereabouts
        self.reload(groups, rotas, zone)

    def reload(
        self, groups: Mapping[str, GroupFacts], rotas: Mapping[str, Rota], zone: tzinfo | None
    ) -> None:
        """A new configuration: it holds for all that is chosen from now on."""
        self._groups = Groups(groups)
        self._rotas = rotas
        self._zone = zone

    def choose(self, case: Case, index: int, called: frozenset[str], now: Moment) -> Choice:
        step = case.steps[index]
        found: dict[str, str] = {}
        shortfalls: list[str] = []
        if step.spared:
            shortfalls.append(f"takes part in no drill: {_some(step.spared)}")
        for name in step.rotas:
            self._from_rota(name, case, now, found, shortfalls)
        if step.nearest is not None:
            self._from_nearest(step.nearest, case, called | found.keys(), now, found, shortfalls)
        return _choice(step, found, shortfalls)

    def instead(
        self, case: Case, index: int, declined: str, called: frozenset[str], now: Moment
    ) -> Choice:
        shortfalls: list[str] = []
        for step in reversed(case.steps[: index + 1]):
            found: dict[str, str] = {}
            for rota in self._rotas_with(step, declined):
                if rota.otherwise is None:
                    shortfalls.append(
                        f"rota {rota.name}: {declined} declined, and it names no other"
                    )
                else:
                    self._add(rota.otherwise, f"rota {rota.name}", case, found, shortfalls)
            nearest = step.nearest
            if nearest is not None and self._is_wanted(nearest, declined):
                self._next_nearest(nearest, case, declined, called, now, found, shortfalls)
            fresh = {name: party for name, party in found.items() if name not in called}
            if fresh:
                return _choice(step, fresh, ())
        return _choice(case.steps[index], {}, shortfalls)

    def candidates(
        self, nearest: Nearest, site: Position | None, now: Moment, *, drill: bool = False
    ) -> tuple[Candidate, ...]:
        """Every group of the wanted party: those that can be called first, nearest first."""
        found = (
            self._candidate(group, nearest, site, now, drill=drill)
            for group in self._groups.of_party(nearest.party)
        )
        return tuple(sorted(found, key=_order))

    def on_duty(self, rota: str, now: Moment) -> tuple[str, ...]:
        """Whose shift it is by ``rota``."""
        known = self._rotas.get(rota)
        return known.on_duty(local(now.wall, self._zone)) if known is not None else ()

    def _from_rota(
        self, name: str, case: Case, now: Moment, found: dict[str, str], shortfalls: list[str]
    ) -> None:
        rota = self._rotas.get(name)
        if rota is None:
            shortfalls.append(f"rota {name} is no longer configured")
            return
        on_duty = self.on_duty(name, now)
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
        called: frozenset[str],
        now: Moment,
        found: dict[str, str],
        shortfalls: list[str],
    ) -> None:
        able = self._able(nearest, case, now)[: nearest.count]
        for name in able:
            if name not in called:
                found[name] = self._groups[name].party
        if len(able) < nearest.count:
            others = [
                f"{one.group} {one.why_not}"
                for one in self.candidates(nearest, case.position, now, drill=case.drill)
                if one.why_not is not None
            ]
            party = " or ".join(nearest.party) or "groups"
            words = f"{len(able)} of {nearest.count} {party} nearby"
            shortfalls.append(f"{words}: {_some(others, '; ')}" if others else words)

    def _next_nearest(
        self,
        nearest: Nearest,
        case: Case,
        declined: str,
        called: frozenset[str],
        now: Moment,
        found: dict[str, str],
        shortfalls: list[str],
    ) -> None:
        able = self._able(nearest, case, now)
        chosen = next((name for name in able if name not in called), None)
        if chosen is None:
            shortfalls.append(f"{declined} declined, and nobody else is near enough")
        else:
            found[chosen] = self._groups[chosen].party

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

    def _able(self, nearest: Nearest, case: Case, now: Moment) -> list[str]:
        """Who can be called, nearest first; without the words for those who cannot."""
        if case.position is None:
            return []
        able: list[tuple[float, str]] = []
        for group in self._groups.of_party(nearest.party):
            if case.drill and not group.drills:
                continue
            metres = self._distance(group, nearest, case.position, now)
            if metres is not None and not _too_far(metres, nearest):
                able.append((metres, group.name))
        return [name for _, name in sorted(able)]

    def _distance(
        self, group: GroupFacts, nearest: Nearest, site: Position, now: Moment
    ) -> float | None:
        """Metres (rule 2); None where it is not known, or nobody is on duty."""
        fresh = [
            fix for fix in self._whereabouts.fixes(group.name, now) if fix.age <= nearest.max_age
        ]
        if fresh:
            there = (distance(site, fix.position) for fix in fresh if fix.on_duty)
            return min(there, default=None)
        return None if group.position is None else distance(site, group.position)

    def _candidate(
        self,
        group: GroupFacts,
        nearest: Nearest,
        site: Position | None,
        now: Moment,
        *,
        drill: bool,
    ) -> Candidate:
        metres = None if site is None else self._distance(group, nearest, site, now)
        why_not: str | None = None
        if drill and not group.drills:
            why_not = "takes part in no drill"
        elif site is None:
            why_not = "cannot be measured: no site position"
        elif metres is None:
            why_not = _unknown(tuple(self._whereabouts.fixes(group.name, now)), nearest)
        elif _too_far(metres, nearest):
            why_not = f"is {metres:.0f} m away (limit {nearest.max_distance:.0f})"
        return Candidate(group=group.name, distance=metres, why_not=why_not)

    def _rotas_with(self, step: Step, group: str) -> Iterable[Rota]:
        for name in step.rotas:
            rota = self._rotas.get(name)
            if rota is not None and any(shift.group == group for shift in rota.shifts):
                yield rota

    def _is_wanted(self, nearest: Nearest, group: str) -> bool:
        facts = self._groups.get(group)
        return facts is not None and (not nearest.party or facts.party in nearest.party)


def _choice(step: Step, found: Mapping[str, str], shortfalls: Iterable[str]) -> Choice:
    return Choice(found, tuple(f"{step.name}: {words}" for words in shortfalls))


def _too_far(metres: float, nearest: Nearest) -> bool:
    return nearest.max_distance is not None and metres > nearest.max_distance


def _unknown(fixes: tuple[Fix, ...], nearest: Nearest) -> str:
    """Why no position of a group counts."""
    if any(fix.age <= nearest.max_age for fix in fixes):
        return "is not on duty"
    if not fixes:
        return "has no known position"
    age = min(fix.age for fix in fixes)
    return f"was not heard of for {age:.0f} s (limit {nearest.max_age:.0f})"


def _some(words: Sequence[str], separator: str = ", ") -> str:
    more = len(words) - MAX_NAMED
    shown = separator.join(words[:MAX_NAMED])
    return shown if more <= 0 else f"{shown} and {more} more"


def _order(one: Candidate) -> tuple[bool, bool, float, str]:
    return one.why_not is not None, one.distance is None, one.distance or 0.0, one.group
