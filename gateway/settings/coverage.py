"""Checks that every source has someone to call at every moment of the week. Pure.

Rules:

Rule 1. A source that no plan is for, whatever the hour, is an error: its press can call nobody. So is
        one that can raise a duress alarm that no plan is for. Both do not depend on the date, so that
        what loaded yesterday loads today.
Rule 2. A source whose plans leave out hours of the coming year, or then call nobody for certain, is a
        warning that says when. Certain is who is named, who is on duty or stands in for them, and
        whose configured position is near enough; where people are is not known beforehand.
Rule 3. A level that finds nobody is passed over at once (`gateway.alarm.incidents.incident`), so it is enough
        that some level has somebody at that very moment.
Rule 4. Where only the event code tells which plan it is, each that may be it is looked at.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import compress

from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.agenda import Agenda, Answers
from gateway.alarm.plans.calendars import ALWAYS, Rota
from gateway.alarm.plans.levels import Groups, own_groups
from gateway.alarm.plans.places import distance
from gateway.settings.facts import groups_of, plans_of, rotas_of, sites_of, source_of
from gateway.settings.findings import Finding, Subject
from gateway.settings.model import Endpoint

MAX_NAMED = 3
"""Further sources that a warning names; the rest are counted."""


def check(subject: Subject) -> Iterator[Finding]:
    """Sources that no plan covers, ever or at times, or that have no second level."""
    settings = subject.settings
    sound = all(name in settings.plans for name in subject.names("plans")) and all(
        subject.sound("plans", name, "when") for name in settings.plans
    )
    if not sound or not subject.sound("calendars"):
        return
    outlook = Outlook(
        plans_of(settings), Groups(groups_of(settings)), rotas_of(settings), subject.today
    )
    sites = sites_of(settings)
    alike: dict[Takers, list[str]] = {}
    for name, endpoint in settings.endpoints.items():
        site = sites.get(endpoint.site)
        if endpoint.input is None or site is None or not subject.validated.sound("endpoints", name):
            continue
        if not subject.sound("sites", endpoint.site):
            continue
        takers = outlook.takers(name, endpoint, site, has_codes=_has_codes(subject, endpoint))
        yield from _source(outlook, takers, name, endpoint, site)
        if takers:
            alike.setdefault(takers, []).append(name)
    if all(map(subject.sound, ("groups", "rotas", "plans"))):
        for takers, names in alike.items():
            yield from _gaps(outlook, takers, names)


def _has_codes(subject: Subject, endpoint: Endpoint) -> bool:
    choice = subject.settings.inputs.get(endpoint.input or "")
    return choice is None or getattr(choice.options, "addressed_by", "") == "account"


def _source(
    outlook: Outlook,
    takers: Takers,
    name: str,
    endpoint: Endpoint,
    site: plans.SiteFacts,
) -> Iterator[Finding]:
    loc = ("endpoints", name)
    if not takers:
        kind = f"of category {endpoint.category} " if endpoint.category else ""
        what = f"no plan covers its alarms {kind}at site {site.name} (class {site.class_})"
        yield Finding(loc, what, "add a plan for it, or one with when: {} as the last")
    duress = endpoint.duress_codes or endpoint.duress_zones
    if duress and not outlook.takes_duress(name, endpoint, site):
        what = "no plan covers its alarms under duress"
        yield Finding(loc, what, "add a plan for category: duress")
    for taker in takers:
        if len(outlook.plans[taker.plan].levels) == 1:
            what = f"its plan {taker.plan} has no second level, should nobody answer"
            yield Finding(loc, what, "add a level", warning=True)


def _gaps(outlook: Outlook, takers: Takers, names: list[str]) -> Iterator[Finding]:
    """Rule 2, told once for all sources that are alike in it."""
    first, *others = names
    also = ""
    if others:
        named = ", ".join(others[:MAX_NAMED])
        more = f" and {len(others) - MAX_NAMED} more" if len(others) > MAX_NAMED else ""
        also = f" (so of {named}{more})"
    for plan, when in outlook.gaps(takers):
        if plan is None:
            what = f"no plan is for its alarms{also} {when}"
            hint = "add a plan without hours as the last"
        else:
            what = f"its plan {plan}{also} has nobody that is sure to be called {when}"
            hint = "add page: or page_where:, or otherwise: to its rota"
        yield Finding(("endpoints", first), what, hint, warning=True)


_FEATURES = ("site", "class_", "street", "grid", "tag")
"""What a `When` can ask of a site."""


@dataclass(frozen=True, slots=True)
class Taker:
    """A plan that an alarm may meet.

    ``sure``: in its hours it takes every alarm that gets to it. ``certain``: it has someone to call
    at any hour.
    """

    plan: str
    sure: bool
    certain: bool


Takers = tuple[Taker, ...]


class Outlook:
    """What becomes of alarms at any time of the coming year; asked once for all that are alike."""

    def __init__(
        self,
        every: tuple[plans.Plan, ...],
        groups: Groups,
        rotas: dict[str, Rota],
        today: date,
    ) -> None:
        self.plans = {plan.name: plan for plan in every}
        self._groups = groups
        self._rotas = rotas
        self._possible = _Possible(every)
        self._endpoints = {name for plan in every for name in plan.when.endpoint}
        self._asked = [any(getattr(plan.when, key) for plan in every) for key in _FEATURES]
        hours = [plan.when.hours for plan in every]
        hours += [shift.hours for rota in rotas.values() for shift in rota.shifts]
        self._agenda = Agenda(hours, today)
        self._chosen: dict[Hashable, list[tuple[plans.Plan, bool]]] = {}
        self._takers: dict[Hashable, Takers] = {}
        self._certain: dict[tuple[str, str], bool] = {}

    def takers(
        self, name: str, endpoint: Endpoint, site: plans.SiteFacts, *, has_codes: bool
    ) -> Takers:
        """The plans that an alarm of an endpoint may meet, in order."""
        own = name if name in self._endpoints else None
        key = (own, site.name, endpoint.category, has_codes)
        if key not in self._takers:
            features = (site.name, site.class_, site.street, site.grid, site.tags)
            alike = (*key[:1], tuple(compress(features, self._asked)), *key[2:])
            if alike not in self._chosen:
                source = source_of(name, endpoint)
                self._chosen[alike] = self._possible.plans(source, site, has_codes=has_codes)
            self._takers[key] = tuple(
                Taker(plan.name, sure, self._is_certain(plan, site))
                for plan, sure in self._chosen[alike]
            )
        return self._takers[key]

    def takes_duress(self, name: str, endpoint: Endpoint, site: plans.SiteFacts) -> bool:
        """Whether a plan is for a duress alarm of it, at some hour."""
        source = source_of(name, endpoint)
        return plans.select(self.plans.values(), source, site, plans.DURESS) is not None

    def gaps(self, takers: Takers) -> Iterator[tuple[str | None, str]]:
        """When nobody is called for certain, in words, and the plan that has nobody; None: no plan."""
        if takers[0].sure and takers[0].certain and self.plans[takers[0].plan].when.hours == ALWAYS:
            return
        answers = self.answers(takers)
        for answer in answers.different():
            if answer is not None:
                assert isinstance(answer, _Failing)
                yield answer.plan, answers.when(answer)

    def answers(self, takers: Takers) -> Answers:
        """`failing` at every moment of the coming year."""
        return self._agenda.ask(lambda at: self.failing(takers, at))

    def failing(self, takers: Takers, at: datetime) -> _Failing | None:
        """What is missing at a local time; None where someone is called."""
        found = False
        for taker in takers:
            plan = self.plans[taker.plan]
            if not plan.when.hours.hold(at):
                continue
            found = True
            if not taker.certain and not self._is_rota_filled(plan, at):
                return _Failing(plan.name)
            if taker.sure:
                break
        return None if found else _Failing(None)

    def _is_certain(self, plan: plans.Plan, site: plans.SiteFacts) -> bool:
        key = (plan.name, site.name)
        if key not in self._certain:
            self._certain[key] = any(
                own_groups(level, self._groups, site) or self._is_near(level.nearest, site)
                for level in plan.levels
            )
        return self._certain[key]

    def _is_near(self, nearest: plans.Nearest | None, site: plans.SiteFacts) -> bool:
        here = site.position
        if nearest is None or here is None:
            return False
        limit = nearest.max_distance
        return any(
            group.position is not None
            and (limit is None or distance(here, group.position) <= limit)
            for group in self._groups.of_party(nearest.party)
        )

    def _is_rota_filled(self, plan: plans.Plan, at: datetime) -> bool:
        rotas = (self._rotas.get(name) for level in plan.levels for name in level.page_rota)
        return any(rota is not None and (rota.otherwise or rota.on_duty(at)) for rota in rotas)


@dataclass(frozen=True, slots=True)
class _Failing:
    """Nobody is called for certain: by this plan, or since there is none."""

    plan: str | None


class _Possible:
    """The plans that an alarm of a source may meet, where its event code is not known yet."""

    def __init__(self, every: tuple[plans.Plan, ...]) -> None:
        self._relaxed: dict[tuple[bool, bool], list[tuple[plans.Plan, plans.When]]] = {}
        for any_category in (False, True):
            for any_code in (False, True):
                of_kind = self._relaxed.setdefault((any_category, any_code), [])
                for plan in every:
                    when = plan.when
                    if any_category:
                        if when.category and set(when.category) <= plans.QUIET_CATEGORIES:
                            continue
                        when = dataclasses.replace(when, category=())
                    if any_code:
                        when = dataclasses.replace(when, code=())
                    of_kind.append((plan, when))

    def plans(
        self, source: plans.SourceFacts, site: plans.SiteFacts, *, has_codes: bool
    ) -> list[tuple[plans.Plan, bool]]:
        """In order, each with whether it takes every such alarm in its hours."""
        found = []
        for plan, when in self._relaxed[source.category is None, has_codes]:
            if plans.matches(when, source, site, source.category, None):
                sure = when == plan.when
                found.append((plan, sure))
                if sure and when.hours == ALWAYS:
                    break  # it takes all that the plans after it might
        return found
