"""Checks of plans: whom they call, whether they can be answered, and for whom nobody comes. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from gateway.alarm import plan as plans
from gateway.alarm.levels import Groups, added_groups, level_groups
from gateway.settings.document import Loc
from gateway.settings.facts import groups_of, plans_of, sites_of, sources_of
from gateway.settings.findings import Finding, Subject
from gateway.settings.wording import suggestion_or_list


def check(subject: Subject) -> Iterator[Finding]:
    """Levels that add nobody, quorums that nobody can meet, sources that no plan covers."""
    groups = Groups(groups_of(subject.settings))
    every = plans_of(subject.settings)
    for plan in every:
        yield from _levels(subject, plan, groups)
    if all(name in subject.settings.plans for name in subject.names("plans")) and all(
        subject.sound("plans", name, "when") for name in subject.settings.plans
    ):
        yield from _sources(subject, every)


def _levels(subject: Subject, plan: plans.Plan, groups: Groups) -> Iterator[Finding]:
    loc = ("plans", plan.name, "levels")
    if not subject.validated.sound("groups"):
        return
    if not _all_there(subject, plan.name):
        return
    adding = [bool(added_groups(plan, index, groups)) for index in range(len(plan.levels))]
    sound = [
        all(subject.sound(*loc, index, key) for key in ("page", "page_where"))
        for index in range(len(plan.levels))
    ]
    if all(sound) and not any(adding):
        yield Finding(("plans", plan.name), "this plan calls nobody", "add page: or page_where:")
        return
    for index, level in enumerate(plan.levels):
        called = level_groups(plan, index, groups)
        if not all(sound[: index + 1]):
            called = tuple(groups)  # whom a mistyped name means is not known: anybody
        elif not adding[index]:
            what = f"level {level.name} adds nobody"
            yield Finding((*loc, index), what, "add page: or page_where:", warning=True)
        parties = {groups[name].party for name in called}
        yield from _quorum(subject, (*loc, index, "answered_by"), level.answered_by, parties)


def _all_there(subject: Subject, plan: str) -> bool:
    """Whether no level was left out, so that indices and sums are those of the file."""
    loc = ("plans", plan, "levels")
    return not any(
        damage == loc[: len(damage)] or (damage[:3] == loc and len(damage) == 4)
        for damage in subject.validated.damaged
    )


def _quorum(
    subject: Subject, loc: Loc, wanted: plans.Quorum | None, parties: set[str]
) -> Iterator[Finding]:
    asked = wanted.parties if wanted is not None and subject.sound(*loc) else ()
    for position, party in enumerate(asked):
        if party not in parties:
            what = f"no group that this level calls is of party {party!r}, so it is never answered"
            yield Finding((*loc, position), what, suggestion_or_list(party, sorted(parties)))


def _sources(subject: Subject, every: tuple[plans.Plan, ...]) -> Iterator[Finding]:
    sites = sites_of(subject.settings)
    possible = _Possible(every)
    for name, source in sources_of(subject.settings).items():
        loc = ("endpoints", name)
        site = sites.get(source.site)
        if source.input is None or site is None or not subject.validated.sound(*loc):
            continue
        if not subject.sound("sites", source.site):
            continue
        choice = subject.settings.inputs.get(source.input)
        addressed_by = getattr(getattr(choice, "options", None), "addressed_by", "")
        chosen = possible.plans(source, site, has_codes=addressed_by == "account" or choice is None)
        if not chosen:
            kind = f"of category {source.category} " if source.category else ""
            what = f"no plan covers its alarms {kind}at site {site.name} (class {site.class_})"
            yield Finding(loc, what, "add a plan for it, or one with when: {} as the last")
        if (source.guard.duress_codes or source.guard.duress_zones) and not plans.select(
            every, source, site, plans.DURESS
        ):
            what = "no plan covers its alarms under duress"
            yield Finding(loc, what, "add a plan for category: duress")
        for plan in chosen:
            if len(plan.levels) == 1:
                what = f"its plan {plan.name} has no second level, should nobody answer"
                yield Finding(loc, what, "add a level", warning=True)


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
    ) -> list[plans.Plan]:
        found = []
        for plan, when in self._relaxed[source.category is None, has_codes]:
            if plans.matches(when, source, site, source.category, None):
                found.append(plan)
                if when == plan.when:
                    break  # it takes all that the plans after it might
        return found
