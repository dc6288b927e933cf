"""Checks of plans: whom they call, whether they can be answered, and for whom nobody comes. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from gateway.alarm import plan as plans
from gateway.settings.document import Loc
from gateway.settings.facts import groups_of, plans_of, sites_of, sources_of
from gateway.settings.findings import Finding, Subject
from gateway.settings.wording import suggestion_or_list


def check(subject: Subject) -> Iterator[Finding]:
    """Levels that add nobody, quorums that nobody can meet, sources that no plan covers."""
    groups = groups_of(subject.settings)
    every = plans_of(subject.settings)
    for plan in every:
        yield from _levels(subject, plan, groups)
    if all(name in subject.settings.plans for name in subject.names("plans")) and all(
        subject.sound("plans", name, "when") for name in subject.settings.plans
    ):
        yield from _sources(subject, every)


def _levels(
    subject: Subject, plan: plans.Plan, groups: Mapping[str, plans.GroupFacts]
) -> Iterator[Finding]:
    loc = ("plans", plan.name, "levels")
    if not subject.validated.sound("groups"):
        return
    if not _all_there(subject, plan.name):
        return
    adding = [bool(plans.added_groups(plan, index, groups)) for index in range(len(plan.levels))]
    sound = [
        all(subject.sound(*loc, index, key) for key in ("page", "page_where"))
        for index in range(len(plan.levels))
    ]
    if all(sound) and not any(adding):
        yield Finding(("plans", plan.name), "this plan calls nobody", "add page: or page_where:")
        return
    for index, level in enumerate(plan.levels):
        called = plans.level_groups(plan, index, groups)
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
    subject: Subject, loc: Loc, wanted: tuple[str, ...] | None, parties: set[str]
) -> Iterator[Finding]:
    for position, party in enumerate(wanted or () if subject.sound(*loc) else ()):
        if party not in parties:
            what = f"no group that this level calls is of party {party!r}, so it is never answered"
            yield Finding((*loc, position), what, suggestion_or_list(party, sorted(parties)))


def _sources(subject: Subject, every: tuple[plans.Plan, ...]) -> Iterator[Finding]:
    sites = sites_of(subject.settings)
    for name, source in sources_of(subject.settings).items():
        loc = ("endpoints", name)
        site = sites.get(source.site)
        if source.input is None or site is None or not subject.validated.sound(*loc):
            continue
        if not subject.sound("sites", source.site):
            continue
        choice = subject.settings.inputs.get(source.input)
        has_codes = getattr(getattr(choice, "options", None), "addressed_by", "") == "account"
        chosen = list(_possible(every, source, site, has_codes=has_codes or choice is None))
        if not chosen:
            kind = f"of category {source.category} " if source.category else ""
            what = f"no plan covers its alarms {kind}at site {site.name} (class {site.class_})"
            yield Finding(loc, what, "add a plan for it, or one with when: {} as the last")
        for plan in chosen:
            if len(plan.levels) == 1:
                what = f"its plan {plan.name} has no second level, should nobody answer"
                yield Finding(loc, what, "add a level", warning=True)


def _possible(
    every: tuple[plans.Plan, ...],
    source: plans.SourceFacts,
    site: plans.SiteFacts,
    *,
    has_codes: bool,
) -> Iterator[plans.Plan]:
    """The plans that an alarm of a source may meet: its event code, or none, is not known here."""
    for plan in every:
        when = plan.when
        if source.category is None:
            if when.category and set(when.category) <= plans.QUIET_CATEGORIES:
                continue
            when = dataclasses.replace(when, category=())
        if has_codes:
            when = dataclasses.replace(when, code=())
        if plans.matches(when, source, site, source.category, None):
            yield plan
            if when == plan.when:
                return  # it takes all that the plans after it might
