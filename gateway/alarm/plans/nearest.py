"""Which groups are nearest to a site, and why others are not called. Pure.

Rules:

Rule 1. A group is where the nearest of its clients is that is on duty and was heard of within
        ``max_age``; else at its own configured position, which does not age. One whose clients were
        heard of and are all off duty is nowhere.
Rule 2. It can be called within ``max_distance``; of a drill only if it is marked for drills.
Rule 3. Whoever is near is found by cells, in widening circles: a district has thousands of groups,
        and a storm asks thousands of times.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from itertools import islice

from gateway.alarm.plans.choice import Fix, Whereabouts
from gateway.alarm.plans.levels import Groups
from gateway.alarm.plans.places import FARTHEST, Places, Position, distance
from gateway.alarm.plans.plan import GroupFacts, Nearest
from gateway.moment import Moment

FIRST_CIRCLE = 500.0
"""Metres."""
WIDER = 4.0
"""Each circle is so many times as wide as the one before."""
ROUNDING = 1.0
"""Metres by which cells are looked at beyond a circle, so that nobody on its very edge is missed."""
FEW = 64
"""Groups of a party that are looked at one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A group that ``nearest`` may call; ``distance`` in metres, None where it is not known.

    ``why_not`` says why it cannot be called; None where it can.
    """

    group: str
    distance: float | None
    why_not: str | None


@dataclass(frozen=True, slots=True)
class Survey:
    """Candidates, those that can be called first, nearest first, and how many ``more`` there are."""

    shown: tuple[Candidate, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for, and from where; ``site`` None: its position is not known."""

    nearest: Nearest
    site: Position | None
    drill: bool = False

    @property
    def limit(self) -> float:
        most = self.nearest.max_distance
        return FARTHEST if most is None else most


class Unheard:
    """Whereabouts of nobody: until a client has said where it is."""

    def fixes(self, _group: str, _now: Moment) -> tuple[()]:
        return ()

    def near(self, _position: Position, _metres: float) -> tuple[()]:
        return ()


class Surroundings:
    """Groups by where they are now."""

    def __init__(self, groups: Groups, whereabouts: Whereabouts) -> None:
        self._groups = groups
        self._whereabouts = whereabouts
        self._configured = Places()
        for group in groups.values():
            if group.position is not None:
                self._configured.put(group.name, group.position)

    def able(self, search: Search, wanted: int, now: Moment, but: Container[str] = ()) -> list[str]:
        """At least ``wanted`` groups that can be called, nearest first; fewer where there are fewer.

        ``but`` are not looked for.
        """
        site = search.site
        if site is None:
            return []
        circle = min(FIRST_CIRCLE, search.limit)
        while True:
            found: list[tuple[float, str]] = []
            for group in self._around(search.nearest, site, circle):
                if group.name in but or (search.drill and not group.drills):
                    continue
                metres = self._distance(group, search.nearest, site, now)
                if metres is not None and metres <= circle:
                    found.append((metres, group.name))
            if len(found) >= wanted or circle >= search.limit:
                return [name for _, name in sorted(found)]
            circle = min(circle * WIDER, search.limit)

    def survey(self, search: Search, most: int, now: Moment) -> Survey:
        """At most ``most`` candidates, with all that can be called if those are not more."""
        party = self._groups.of_party(search.nearest.party)
        total = self._groups.count(search.nearest.party)
        if search.site is None or total <= FEW:
            looked_at = list(party if total <= FEW else islice(party, most))
        else:
            looked_at = self._some_around(search.nearest, search.site, most)
            if len(looked_at) < most:
                seen = {group.name for group in looked_at}
                others = (group for group in party if group.name not in seen)
                looked_at += islice(others, most - len(looked_at))
        found = sorted((self._candidate(group, search, now) for group in looked_at), key=_order)
        return Survey(tuple(found[:most]), max(total - most, 0))

    def _some_around(self, nearest: Nearest, site: Position, most: int) -> list[GroupFacts]:
        circle = FIRST_CIRCLE
        while True:
            found = self._around(nearest, site, circle)
            if circle >= FARTHEST:
                return found
            if len(found) >= most:
                # Some of them lie beyond the circle, where others may be nearer than they.
                return self._around(nearest, site, circle * WIDER)
            circle *= WIDER

    def _around(self, nearest: Nearest, site: Position, metres: float) -> list[GroupFacts]:
        """The groups of the party that are within ``metres``, and some that are not."""
        if self._groups.count(nearest.party) <= FEW:
            return list(self._groups.of_party(nearest.party))
        wide = metres + ROUNDING
        names = dict.fromkeys(self._configured.near(site, wide))
        names |= dict.fromkeys(self._whereabouts.near(site, wide))
        found = (self._groups.get(name) for name in names)
        return [
            group
            for group in found
            if group is not None and (not nearest.party or group.party in nearest.party)
        ]

    def _distance(
        self, group: GroupFacts, nearest: Nearest, site: Position, now: Moment
    ) -> float | None:
        """Rule 1; None where it is not known, or nobody is on duty."""
        fixes = self._whereabouts.fixes(group.name, now)
        fresh = [fix for fix in fixes if fix.age <= nearest.max_age]
        if fresh:
            there = (distance(site, fix.position) for fix in fresh if fix.on_duty)
            return min(there, default=None)
        return None if group.position is None else distance(site, group.position)

    def _candidate(self, group: GroupFacts, search: Search, now: Moment) -> Candidate:
        nearest, site = search.nearest, search.site
        metres = None if site is None else self._distance(group, nearest, site, now)
        why_not: str | None = None
        if search.drill and not group.drills:
            why_not = "takes part in no drill"
        elif site is None:
            why_not = "cannot be measured: no site position"
        elif metres is None:
            why_not = _unknown(tuple(self._whereabouts.fixes(group.name, now)), nearest)
        elif metres > search.limit:
            why_not = f"is {metres:.0f} m away (limit {search.limit:.0f})"
        return Candidate(group=group.name, distance=metres, why_not=why_not)


def _unknown(fixes: tuple[Fix, ...], nearest: Nearest) -> str:
    """Why no position of a group counts."""
    if any(fix.age <= nearest.max_age for fix in fixes):
        return "is not on duty"
    if not fixes:
        return "has no known position"
    age = min(fix.age for fix in fixes)
    return f"was not heard of for {age:.0f} s (limit {nearest.max_age:.0f})"


def _order(one: Candidate) -> tuple[bool, bool, float, str]:
    return one.why_not is not None, one.distance is None, one.distance or 0.0, one.group
