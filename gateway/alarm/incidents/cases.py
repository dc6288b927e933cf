"""What a new incident is about and whom its plan calls, by the configuration of this moment. Pure.

A `Case` is frozen when its incident opens: a later configuration changes nothing about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from gateway.alarm.incidents.order import Order
from gateway.alarm.incidents.record import Case
from gateway.alarm.plans.calendars import local
from gateway.alarm.plans.levels import Groups, steps_of
from gateway.alarm.plans.plan import (
    DEFAULT_TARGETS,
    SUPERVISION,
    GroupFacts,
    Plan,
    SiteFacts,
    SourceFacts,
    counted_code,
    place_mates,
    select,
    severity_of,
)
from gateway.alarm.signals.contact import Sighting
from gateway.alarm.signals.folding import FlappingRule
from gateway.moment import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says about alarms.

    ``dispositions``, with the verdict of each: the only ones that close an incident; None allows any.
    ``zone`` None is the machine's own.
    """

    sources: Mapping[str, SourceFacts] = field(default_factory=dict)
    sites: Mapping[str, SiteFacts] = field(default_factory=dict)
    groups: Mapping[str, GroupFacts] = field(default_factory=dict)
    plans: tuple[Plan, ...] = ()
    dispositions: Mapping[str, str] | None = None
    flapping: FlappingRule = field(default_factory=FlappingRule)
    zone: tzinfo | None = None


class Cases:
    """Makes the cases of the gateway ``owner`` by ``rules``."""

    def __init__(self, owner: str, rules: Rules, new_id: Callable[[], str]) -> None:
        self._owner = owner
        self._rules = rules
        self._new_id = new_id
        self._groups = Groups.of(rules.groups)
        named = [plan.when for plan in rules.plans]
        self._named_categories = {category for when in named for category in when.category}
        self._named_codes = {counted_code(code) for when in named for code in when.code}
        self._mates: dict[tuple[str, str | None], list[SourceFacts]] = {}
        for source in rules.sources.values():
            self._mates.setdefault((source.site, source.place), []).append(source)

    def of_signal(
        self, sighting: Sighting, now: Moment, *, drill: bool, raised: float | None = None
    ) -> Case | None:
        """The case of a signal that joins no incident; None where it opens none.

        ``raised`` (POSIX seconds) is when it was said, where that is not ``now``.
        """
        if sighting.quiet and not self._is_named(sighting):
            return None
        source = sighting.source
        site = self._rules.sites.get(source.site) if source else None
        plan = self._plan(source, site, sighting.category, sighting.code, now)
        if plan is None and sighting.quiet and sighting.category != SUPERVISION:
            return None
        return self._case(
            subject=sighting.subject,
            source=source,
            site=site,
            plan=plan,
            category=sighting.category,
            now=now,
            quiet=sighting.quiet,
            drill=drill,
            covert=sighting.covert,
            by=sighting.by,
            text=sighting.text if source is None and sighting.text else None,
            raised=raised,
        )

    def of_order(self, order: Order, source: SourceFacts | None, now: Moment) -> Case:
        """The case of what a person raises; ``source`` is its endpoint, if it has one here."""
        site = self._rules.sites[order.site]
        plan = next((one for one in self._rules.plans if one.name == order.plan), None)
        if order.plan is None:
            plan = self._plan(source, site, order.category, order.code, now)
        return self._case(
            subject=source.endpoint if source else f"{order.site}:{self._new_id()}",
            source=source,
            site=site,
            plan=plan,
            category=order.category,
            now=now,
            drill=order.drill,
            covert=order.covert,
            text=order.text,
            by=order.by,
        )

    def _plan(
        self,
        source: SourceFacts | None,
        site: SiteFacts | None,
        category: str | None,
        code: str | None,
        now: Moment,
    ) -> Plan | None:
        at = local(now.wall, self._rules.zone)
        return select(self._rules.plans, source, site, category, code, at)

    def _is_named(self, sighting: Sighting) -> bool:
        """Whether a quiet signal may have a plan at all: in a storm most of them have none."""
        return (
            sighting.category == SUPERVISION
            or sighting.category in self._named_categories
            or counted_code(sighting.code) in self._named_codes
        )

    def _case(
        self,
        *,
        subject: str,
        source: SourceFacts | None,
        site: SiteFacts | None,
        plan: Plan | None,
        category: str | None,
        now: Moment,
        quiet: bool = False,
        drill: bool = False,
        covert: bool = False,
        text: str | None = None,
        by: str | None = None,
        raised: float | None = None,
    ) -> Case:
        groups = self._groups
        steps = steps_of(plan, groups, site, drill=drill) if plan else ()
        called = steps[-1].groups if steps else ()
        return Case(
            id=self._new_id(),
            subject=subject,
            quiet=quiet,
            drill=drill,
            category=category,
            severity=severity_of(plan, category),
            endpoint=source.endpoint if source else None,
            endpoint_title=source.title if source else None,
            endpoints=place_mates(source, self._mates[source.site, source.place]) if source else (),
            site=source.site if source else None,
            site_title=site.title if site else None,
            position=site.position if site else None,
            raised=now.wall if raised is None else raised,
            plan=plan.name if plan else None,
            steps=steps,
            parties={name: groups[name].party for name in called},
            ack_expires=plan.ack_expires if plan else None,
            targets=plan.targets if plan else DEFAULT_TARGETS,
            covert=covert,
            text=text,
            by=by,
            home=self._owner,
            site_class=site.class_ if site else None,
            street=site.street if site else None,
            grid=site.grid if site else None,
            place=_place(source, site),
        )


def _place(source: SourceFacts | None, site: SiteFacts | None) -> str | None:
    """Where at the site, for people: the place's name, else the endpoint's, else the place's key."""
    if source is None:
        return None
    named = source.title if source.title != source.endpoint else None
    titles = site.places if site is not None else {}
    return titles.get(source.place or "") or named or source.place
