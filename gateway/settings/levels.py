"""Checks of a plan's levels: whom they can call, and whether that can answer them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import compress

from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.agenda import Agenda
from gateway.alarm.plans.calendars import Rota
from gateway.alarm.plans.levels import Groups, own_groups
from gateway.settings.document import Loc
from gateway.settings.facts import groups_of, plans_of, rotas_of, sites_of
from gateway.settings.findings import Finding, Subject
from gateway.settings.wording import suggestion_or_list

MAX_NAMED = 3
"""Sites that a finding names; the rest are counted."""


def check(subject: Subject) -> Iterator[Finding]:
    """Levels that add nobody, quorums that nobody can meet, rotas that nobody is on."""
    rotas = rotas_of(subject.settings)
    for rota in rotas.values():
        yield from _hours_of_nobody(subject, rota)
    if not subject.validated.sound("groups") or not subject.validated.sound("sites"):
        return
    groups = Groups(groups_of(subject.settings))
    sites = sites_of(subject.settings).values()
    for plan in plans_of(subject.settings):
        if _all_there(subject, plan.name):
            own_sites = tuple(site for site in sites if plans.is_for_site(plan.when, site))
            callers = _Callers(groups, rotas, own_sites)
            yield from _levels(subject, plan, callers)
            yield from _unmeasured(subject, plan, callers)


def _hours_of_nobody(subject: Subject, rota: Rota) -> Iterator[Finding]:
    if rota.otherwise is not None or not subject.sound("rotas", rota.name):
        return
    if not subject.sound("calendars"):
        return
    on_duty = Agenda((shift.hours for shift in rota.shifts), subject.today).ask(
        lambda at: bool(rota.on_duty(at))
    )
    if False in on_duty.different():
        what = f"nobody is on duty {on_duty.when(answer=False)}"
        yield Finding(("rotas", rota.name), what, "add a shift, or otherwise:", warning=True)


@dataclass(frozen=True, slots=True)
class _Callers:
    """Whom the levels of a plan can call, at any of ``sites``: those that it may be for."""

    groups: Groups
    rotas: dict[str, Rota]
    sites: tuple[plans.SiteFacts, ...]

    def places(self, plan: plans.Plan) -> Collection[plans.SiteFacts | None]:
        """A site of each kind that the levels' ``page_where`` tell apart."""
        wheres = [level.page_where for level in plan.levels if level.page_where is not None]
        own = [
            any(plans.AT_SITE in asked for asked in every)
            for every in (
                [where.street for where in wheres],
                [where.grid for where in wheres],
                [where.class_ for where in wheres],
            )
        ]
        if not any(own):
            return (None,)
        return {
            tuple(compress((site.street, site.grid, site.class_), own)): site for site in self.sites
        }.values()

    def chosen_by(self, level: plans.Level) -> set[str]:
        """Whom its rotas and ``nearest`` may add."""
        chosen: set[str] = set()
        for name in level.page_rota:
            rota = self.rotas.get(name)
            if rota is not None:
                chosen.update(group for group in rota.groups() if group in self.groups)
        if level.nearest is not None:
            chosen.update(group.name for group in self.groups.of_party(level.nearest.party))
        return chosen

    def adds(self, plan: plans.Plan) -> list[bool]:
        """Of each level, whether it can call anybody whom those before it do not call anyway."""
        adds = [False] * len(plan.levels)
        chosen = [self.chosen_by(level) for level in plan.levels]
        for place in self.places(plan):
            certain: set[str] = set()
            for index, level in enumerate(plan.levels):
                named = set(own_groups(level, self.groups, place))
                adds[index] = adds[index] or not (named | chosen[index]) <= certain
                certain |= named
            if all(adds):
                break
        return adds

    def may_call(self, level: plans.Level) -> set[str]:
        """Everybody whom it can call, were a site of any street, grid cell and class."""
        named = own_groups(replace(level, page_where=_anywhere(level.page_where)), self.groups)
        return self.chosen_by(level).union(named)


def _anywhere(where: plans.Where | None) -> plans.Where | None:
    """Without what it asks of the site."""
    if where is None:
        return None
    street, grid, class_ = (
        () if plans.AT_SITE in asked else asked
        for asked in (where.street, where.grid, where.class_)
    )
    return replace(where, street=street, grid=grid, class_=class_)


def _levels(subject: Subject, plan: plans.Plan, callers: _Callers) -> Iterator[Finding]:
    loc = ("plans", plan.name, "levels")
    adds = callers.adds(plan)
    sound = [
        all(
            subject.sound(*loc, index, key)
            for key in ("page", "page_where", "page_rota", "nearest")
        )
        and all(subject.sound("rotas", name) for name in level.page_rota)
        for index, level in enumerate(plan.levels)
    ]
    if all(sound) and not any(adds):
        hint = "add page:, page_where:, page_rota: or nearest:"
        yield Finding(("plans", plan.name), "this plan calls nobody", hint)
        return
    called: set[str] = set()
    for index, level in enumerate(plan.levels):
        called |= callers.may_call(level)
        if not all(sound[: index + 1]):
            called = set(callers.groups)  # whom a mistyped name means is not known: anybody
        elif not adds[index]:
            what = f"level {level.name} adds nobody"
            yield Finding((*loc, index), what, "add page: or page_where:", warning=True)
        yield from _quorum(subject, (*loc, index, "answered_by"), level, called, callers.groups)


def _all_there(subject: Subject, plan: str) -> bool:
    """Whether no level was left out, so that indices and sums are those of the file."""
    loc = ("plans", plan, "levels")
    return not any(
        damage == loc[: len(damage)] or (damage[:3] == loc and len(damage) == 4)
        for damage in subject.validated.damaged
    )


def _quorum(
    subject: Subject, loc: Loc, level: plans.Level, called: set[str], groups: Groups
) -> Iterator[Finding]:
    wanted = level.answered_by
    if wanted is None or not subject.sound(*loc):
        return
    if wanted.count > len(called):
        what = f"it asks for {wanted.count} groups and at most {len(called)} can be called"
        yield Finding(loc, f"{what}, so it is never answered", "ask for fewer, or call more")
    parties = {groups[name].party for name in called}
    for position, party in enumerate(wanted.parties):
        if party not in parties:
            what = f"no group that this level calls is of party {party!r}, so it is never answered"
            yield Finding((*loc, position), what, suggestion_or_list(party, sorted(parties)))


def _unmeasured(subject: Subject, plan: plans.Plan, callers: _Callers) -> Iterator[Finding]:
    """Sites from which nothing can be measured, in a plan that calls whoever is nearest."""
    levels = [index for index, level in enumerate(plan.levels) if level.nearest is not None]
    if not levels or not subject.sound("plans", plan.name, "when"):
        return
    lost = [site.name for site in callers.sites if site.position is None]
    if lost:
        named = ", ".join(lost[:MAX_NAMED])
        more = f" and {len(lost) - MAX_NAMED} more" if len(lost) > MAX_NAMED else ""
        what = f"nobody is near to a site without position: {named}{more}"
        loc = ("plans", plan.name, "levels", levels[0], "nearest")
        yield Finding(loc, what, "add position: to it", warning=True)
