"""What announcements to the groups served here may have to say, so that it is rendered ahead. Pure.

And the checks of what is configured for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.levels import Groups, own_groups
from gateway.settings.facts import groups_of, plans_of, rotas_of, serves_of, sites_of
from gateway.settings.findings import Finding, Subject
from gateway.settings.model import Settings

SPEAKER = "announcer"
"""The name that announcements speak under; no endpoint's."""


def check(subject: Subject) -> Iterator[Finding]:
    """An endpoint with the announcer's name, and one that pre-empts nobody."""
    if SPEAKER in subject.settings.endpoints:
        what = f"{SPEAKER} is the name that announcements speak under"
        yield Finding(("endpoints", SPEAKER), what, "choose another")
    wanted = subject.settings.announcements
    if wanted.pre_empt_priority <= wanted.priority:
        loc = ("announcements", "pre_empt_priority")
        what = f"{wanted.pre_empt_priority} is not above priority, {wanted.priority}"
        yield Finding(loc, what, "only a strictly higher one pre-empts", warning=True)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Names for people, each once, in the order of the configuration."""

    levels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


def vocabulary_of(settings: Settings) -> Vocabulary:
    """The levels that may call a group served here, and the sites from which they may."""
    served = serves_of(settings)
    if not served:
        return Vocabulary()
    callers = _Callers(settings, served)
    sites = sites_of(settings)
    levels: dict[str, None] = {}
    categories: dict[str, None] = {}
    found: dict[str, None] = {}
    for plan in plans_of(settings):
        calling = [
            site for site in sites.values() if plans.is_for_site(plan.when, site)
            and callers.calls(plan, site)
        ]  # fmt: skip
        if calling:
            levels.update(dict.fromkeys(level.name for level in plan.levels))
            categories.update(dict.fromkeys(plan.when.category))
            found.update(dict.fromkeys(site.name for site in calling))
    places = {title: None for name in found for title in sites[name].places.values()}
    for endpoint in settings.endpoints.values():
        if endpoint.input is not None and endpoint.site in found:
            if endpoint.category is not None:
                categories[endpoint.category] = None
            title = sites[endpoint.site].places.get(endpoint.place or "")
            spoken = title or endpoint.name or endpoint.place
            if spoken is not None:
                places[spoken] = None
    return Vocabulary(
        tuple(levels), tuple(categories), tuple(sites[name].title for name in found), tuple(places)
    )


class _Callers:
    """Which plans may call ``served`` from where; what does not depend on the site is asked once."""

    def __init__(self, settings: Settings, served: frozenset[str]) -> None:
        self._served = served
        self._groups = Groups(groups_of(settings))
        self._parties = {self._groups[name].party for name in served if name in self._groups}
        self._rotas = rotas_of(settings)
        self._anywhere: dict[str, bool] = {}
        self._at: dict[tuple[str, str | None, str | None, str], bool] = {}

    def calls(self, plan: plans.Plan, site: plans.SiteFacts) -> bool:
        if plan.name not in self._anywhere:
            self._anywhere[plan.name] = any(map(self._calls_anywhere, plan.levels))
        if self._anywhere[plan.name]:
            return True
        key = (plan.name, site.street, site.grid, site.class_)
        if key not in self._at:
            self._at[key] = any(
                _depends_on_site(level) and self._names(level, site) for level in plan.levels
            )
        return self._at[key]

    def _calls_anywhere(self, level: plans.Level) -> bool:
        if not _depends_on_site(level) and self._names(level, None):
            return True
        rotas = (self._rotas[name] for name in level.page_rota if name in self._rotas)
        if any(not self._served.isdisjoint(rota.groups()) for rota in rotas):
            return True
        near = level.nearest
        return near is not None and not (near.party and self._parties.isdisjoint(near.party))

    def _names(self, level: plans.Level, site: plans.SiteFacts | None) -> bool:
        return not self._served.isdisjoint(own_groups(level, self._groups, site))


def _depends_on_site(level: plans.Level) -> bool:
    where = level.page_where
    return where is not None and plans.AT_SITE in (*where.street, *where.grid, *where.class_)
