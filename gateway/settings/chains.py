"""From button to person, as configured: what each source depends on, for the availability figure. Pure."""

from __future__ import annotations

from collections import Counter

from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.calendars import ALWAYS
from gateway.alarm.plans.levels import Groups, own_groups
from gateway.alarm.supervision.availability import Chain
from gateway.alarm.supervision.supervision import Name, Part
from gateway.settings import facts
from gateway.settings.model import Settings
from gateway.settings.supervised import intervals_of

_Whom = tuple[str, ...]


class Chains:
    """Counts endpoints by what they depend on.

    Who is called are the groups of the first level of the first plan that takes the endpoint's alarms;
    where that plan has hours, those of the plans after it too, up to one that always holds. A rota
    stands for all of its groups. Whom ``nearest`` finds depends on the moment: it stands for the groups
    of its parties only where the level names nobody else.
    """

    def __init__(self, settings: Settings) -> None:
        self._sites = facts.sites_of(settings)
        self._groups = Groups(facts.groups_of(settings))
        self._plans = facts.plans_of(settings)
        self._rotas = facts.rotas_of(settings)
        self._serves = facts.serves_of(settings)
        self._supervised = intervals_of(settings).keys()
        self._by_endpoint = any(plan.when.endpoint for plan in self._plans)
        self._found: Counter[tuple[str, str | None, int]] = Counter()
        self._whom: dict[_Whom, int] = {}
        """Every set of groups, with its number."""
        self._called: dict[tuple[str, str, str | None], int] = {}
        self._levels: dict[tuple[str, str | None, str | None, str], _Whom] = {}

    def add(self, source: plans.SourceFacts) -> None:
        """One endpoint; one that raises nothing has no chain."""
        if source.input is None:
            return
        category = source.category or plans.PANIC
        key = (source.site, category, source.endpoint if self._by_endpoint else None)
        number = self._called.get(key)
        if number is None:
            groups = self._groups_of(source, category)
            number = self._called[key] = self._whom.setdefault(groups, len(self._whom))
        watched = Name(Part.ENDPOINT, source.endpoint) in self._supervised
        self._found[source.input, source.endpoint if watched else None, number] += 1

    def chains(self) -> tuple[Chain, ...]:
        """What was counted."""
        whom = tuple(self._whom)
        local = tuple(tuple(name for name in groups if name in self._serves) for groups in whom)
        return tuple(
            Chain(
                input=input_,
                endpoint=endpoint,
                groups=whom[number],
                local=local[number],
                sources=count,
            )
            for (input_, endpoint, number), count in self._found.items()
        )

    def _groups_of(self, source: plans.SourceFacts, category: str) -> _Whom:
        site = self._sites[source.site]
        called: set[str] = set()
        for plan in self._plans:
            if plans.matches(plan.when, source, site, category, None):
                called.update(self._first_level(plan, site))
                if plan.when.hours is ALWAYS:
                    break
        return tuple(sorted(called))

    def _first_level(self, plan: plans.Plan, site: plans.SiteFacts) -> _Whom:
        key = (plan.name, site.street, site.grid, site.class_)
        if key not in self._levels:
            level = plan.levels[0]
            called = dict.fromkeys(own_groups(level, self._groups, site))
            for name in level.page_rota:
                if (rota := self._rotas.get(name)) is not None:
                    called.update(dict.fromkeys(shift.group for shift in rota.shifts))
                    called.update(dict.fromkeys([rota.otherwise] if rota.otherwise else []))
            if level.nearest is not None and not called:
                party = self._groups.of_party(level.nearest.party)
                called.update(dict.fromkeys(group.name for group in party))
            self._levels[key] = tuple(called)
        return self._levels[key]
