"""From button to person, as configured: what each source depends on, for the availability figure. Pure."""

from __future__ import annotations

from collections import Counter

from gateway.alarm import plan as plans
from gateway.alarm.availability import Chain
from gateway.alarm.calendars import ALWAYS
from gateway.alarm.levels import Groups, own_groups
from gateway.alarm.supervision import Name, Part
from gateway.settings import facts
from gateway.settings.model import Settings
from gateway.settings.supervised import intervals_of

_Key = tuple[str | None, str | None, tuple[str, ...], tuple[str, ...]]


class Chains:
    """Counts endpoints by what they depend on.

    Who is called are the groups of the first level of the first plan that takes the endpoint's alarms;
    where that plan has hours, those of the plans after it too, up to one that always holds. A rota
    stands for all of its groups, ``nearest`` for all of its parties.
    """

    def __init__(self, settings: Settings) -> None:
        self._sites = facts.sites_of(settings)
        self._groups = Groups(facts.groups_of(settings))
        self._plans = facts.plans_of(settings)
        self._rotas = facts.rotas_of(settings)
        self._serves = facts.serves_of(settings)
        self._supervised = intervals_of(settings).keys()
        self._found: Counter[_Key] = Counter()
        self._called: dict[tuple[str, str | None, str | None, str], tuple[str, ...]] = {}

    def add(self, source: plans.SourceFacts) -> None:
        """One endpoint; one that raises nothing has no chain."""
        if source.input is None:
            return
        site = self._sites[source.site]
        called: dict[str, None] = {}
        category = source.category or plans.PANIC
        for plan in self._plans:
            if plans.matches(plan.when, source, site, category, None):
                called.update(dict.fromkeys(self._first_level(plan, site)))
                if plan.when.hours is ALWAYS:
                    break
        groups = tuple(sorted(called))
        watched = Name(Part.ENDPOINT, source.endpoint) in self._supervised
        local = tuple(name for name in groups if name in self._serves)
        self._found[source.input, source.endpoint if watched else None, groups, local] += 1

    def chains(self) -> tuple[Chain, ...]:
        """What was counted."""
        return tuple(
            Chain(input=input_, endpoint=endpoint, groups=groups, local=local, sources=count)
            for (input_, endpoint, groups, local), count in self._found.items()
        )

    def _first_level(self, plan: plans.Plan, site: plans.SiteFacts) -> tuple[str, ...]:
        key = (plan.name, site.street, site.grid, site.class_)
        if key not in self._called:
            level = plan.levels[0]
            called = list(own_groups(level, self._groups, site))
            for name in level.page_rota:
                if (rota := self._rotas.get(name)) is not None:
                    called += [shift.group for shift in rota.shifts]
                    called += [rota.otherwise] if rota.otherwise else []
            if level.nearest is not None:
                called += [one.name for one in self._groups.of_party(level.nearest.party)]
            self._called[key] = tuple(dict.fromkeys(called))
        return self._called[key]
