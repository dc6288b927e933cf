"""Chooses the groups of a level that depend on the hour and on where people are. Pure.

Rules:

Rule 1. A rota calls every group whose shift it is; while it is nobody's, the rota's ``otherwise``.
Rule 2. ``nearest`` calls the ``count`` groups of its party that are nearest to the site
        (`gateway.alarm.plans.nearest`). Groups called already do count for it where they are near enough,
        and are not called twice.
Rule 3. Whom a level wanted and did not get is said in words: a plan that calls too few people must
        not look like one that called them all.
Rule 4. When a group that a rota or ``nearest`` of this level or an earlier one chose declines, the
        next one is chosen: the next nearest, or the rota's ``otherwise``.
Rule 5. A drill chooses only among groups that are marked for drills.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING

from gateway.alarm.plans.calendars import Rota, local
from gateway.alarm.plans.choice import Choice, Whereabouts
from gateway.alarm.plans.levels import Groups
from gateway.alarm.plans.nearest import Search, Surroundings, Survey
from gateway.alarm.plans.plan import GroupFacts, Nearest
from gateway.moment import Moment

if TYPE_CHECKING:
    from gateway.alarm.incidents.record import Case, Step

MAX_NAMED = 6
"""Groups that a shortfall names; a district has hundreds of a party, and a message has an end."""


class Choosing:
    """The `gateway.alarm.plans.choice.Chooser` of a configuration and of what is known of people now."""

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
        self._groups = Groups.of(groups)
        self._surroundings = Surroundings(self._groups, self._whereabouts)
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

    def survey(self, case: Case, index: int, most: int, now: Moment) -> Survey:
        """The candidates of a level's ``nearest``, at most so many of them."""
        nearest = case.steps[index].nearest
        if nearest is None:
            return Survey()
        return self._surroundings.survey(_search(nearest, case), most, now)

    def on_duty(self, rota: str, now: Moment) -> tuple[str, ...]:
        """Whose shift it is by ``rota``."""
        known = self._rotas.get(rota)
        return known.on_duty(local(now.wall, self._zone)) if known is not None else ()

    def otherwise(self, rota: str) -> str | None:
        """Who stands in where nobody is on duty."""
        known = self._rotas.get(rota)
        return known.otherwise if known is not None else None

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
        search = _search(nearest, case)
        able = self._surroundings.able(search, nearest.count, now)[: nearest.count]
        for name in able:
            if name not in called:
                found[name] = self._groups[name].party
        if len(able) < nearest.count:
            survey = self._surroundings.survey(search, len(able) + MAX_NAMED, now)
            others = [f"{one.group} {one.why_not}" for one in survey.shown if one.why_not]
            party = " or ".join(nearest.party) or "groups"
            words = f"{len(able)} of {nearest.count} {party} nearby"
            shortfalls.append(f"{words}: {_some(others, '; ', survey.more)}" if others else words)

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
        able = self._surroundings.able(_search(nearest, case), 1, now, but=called)
        if able:
            found[able[0]] = self._groups[able[0]].party
        else:
            shortfalls.append(f"{declined} declined, and nobody else is near enough")

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


def _search(nearest: Nearest, case: Case) -> Search:
    return Search(nearest=nearest, site=case.position, drill=case.drill)


def _some(words: Sequence[str], separator: str = ", ", more: int = 0) -> str:
    """A few of them, and how many more there are; ``more`` beyond ``words``."""
    more += max(len(words) - MAX_NAMED, 0)
    shown = separator.join(words[:MAX_NAMED])
    return f"{shown} and {more} more" if more else shown
