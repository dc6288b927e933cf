"""Checks of what plans ask for: values that nothing has, plans that are never reached. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from gateway.alarm.plans import plan as plans
from gateway.alarm.plans.calendars import ALWAYS
from gateway.settings.document import Loc
from gateway.settings.facts import plans_of
from gateway.settings.findings import Finding, Subject
from gateway.settings.model import Group, Site
from gateway.settings.wording import closest, suggestion

_KNOWN_CATEGORIES = (
    plans.PANIC,
    "fire",
    "medical",
    "burglary",
    plans.DURESS,
    plans.ASSIST,
    *sorted(plans.QUIET_CATEGORIES),
)


def check(subject: Subject) -> Iterator[Finding]:
    """Slips of the pen in ``when`` and ``page_where``, and plans that an earlier one hides."""
    yield from _values(subject)
    every = plans_of(subject.settings)
    for number, plan in enumerate(every):
        yield from _shadowed(subject, plan, every[:number])


def _values(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    if not (subject.validated.sound("sites") and subject.validated.sound("groups")):
        return
    of_sites = {key: _having(settings.sites, key) for key in ("class", "street", "grid", "tag")}
    keys = ("class", "street", "grid", "party", "tag")
    of_groups = {key: _having(settings.groups, key) for key in keys}
    categories = {endpoint.category for endpoint in settings.endpoints.values()}
    for name, plan in settings.plans.items():
        loc: Loc = ("plans", name)
        if not subject.validated.sound(*loc):
            continue
        yield from _nothing_has("site", (*loc, "when"), plan.when, of_sites)
        for value in plan.when.category:
            meant = closest(value, _KNOWN_CATEGORIES)
            if value not in categories and value not in _KNOWN_CATEGORIES and meant:
                what = f"no endpoint here has the category {value!r}"
                hint = f"did you mean {meant}?"
                yield Finding((*loc, "when", "category"), what, hint, warning=True)
        for index, level in enumerate(plan.levels):
            if level.page_where is not None:
                at = (*loc, "levels", index, "page_where")
                yield from _nothing_has("group", at, level.page_where, of_groups)
            if level.nearest is not None:
                at = (*loc, "levels", index, "nearest")
                parties = {"party": of_groups["party"]}
                yield from _nothing_has("group", at, level.nearest, parties)


def _having(entries: dict[str, Site] | dict[str, Group], key: str) -> frozenset[str]:
    """Every value that some site or group has for a key of ``when`` or ``page_where``."""
    if key == "tag":
        return frozenset(tag for entry in entries.values() for tag in entry.tags)
    values = (getattr(entry, _attribute(key)) for entry in entries.values())
    return frozenset(value for value in values if value is not None)


def _attribute(key: str) -> str:
    return "class_" if key == "class" else key


def _nothing_has(
    kind: str, loc: Loc, asked: object, have: dict[str, frozenset[str]]
) -> Iterator[Finding]:
    for key, known in have.items():
        for value in getattr(asked, _attribute(key)):
            if value not in known and value != plans.AT_SITE:
                what = f"no {kind} has the {key} {value!r}"
                yield Finding((*loc, key), what, suggestion(value, known), warning=True)


def _shadowed(
    subject: Subject, plan: plans.Plan, before: tuple[plans.Plan, ...]
) -> Iterator[Finding]:
    if not subject.sound("plans", plan.name, "when"):
        return
    for earlier in before:
        if subject.sound("plans", earlier.name, "when") and _takes_all(earlier.when, plan.when):
            what = f"this plan is never used: {earlier.name} before it takes all that it is for"
            yield Finding(("plans", plan.name), what, "change their order", warning=True)
            return


def _takes_all(first: plans.When, second: plans.When) -> bool:
    """Whether every signal that ``second`` matches is matched by ``first``."""
    quiet = plans.QUIET_CATEGORIES & set(second.category)
    if (quiet or second.code) and not first.category:
        return False  # troubles and tests pass by a plan that does not name them
    if first.hours not in (ALWAYS, second.hours):
        return False
    for field in dataclasses.fields(plans.When):
        if field.name == "hours":
            continue
        wide, narrow = getattr(first, field.name), getattr(second, field.name)
        if wide and not (narrow and set(narrow) <= set(wide)):
            return False
    return True
