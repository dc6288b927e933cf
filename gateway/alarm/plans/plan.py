"""Plans (预案): what is called for by which signal. Pure; whom its levels call is in `levels`.

Rules (contract, section 2 "Alarms and incidents", and section 4):

Rule 1. The first plan, in the order of the configuration, whose `When` matches is used.
Rule 2. Every key of a `When` that is given must match; of a list any value matches.
Rule 3. Troubles, tests and routine reports never page as a panic: a plan takes them only where its
        ``category`` names them, or its ``code`` their code. An empty `When` is for every alarm.
Rule 4. A qualifier P (previous report) counts as E: ``P120`` matches ``E120``.
Rule 5. Severity comes from the plan; default 1 for panic and duress, 3 for assist, else 2.
Rule 6. Hours are those at which the incident opens: a plan that it began with goes on past them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from gateway.alarm.plans.calendars import ALWAYS, Hours

Announce = Literal["wait", "pre-empt", "off"]
"""How a page is spoken: once nobody talks, over whoever does, or not at all."""

PANIC = "panic"
TROUBLE = "trouble"
TEST = "test"
DURESS = "duress"
ASSIST = "assist"
TOUCH = "touch"
UNCONFIRMED = "unconfirmed"
SUPERVISION = "supervision"
QUIET_CATEGORIES = frozenset(
    {TROUBLE, TEST, TOUCH, UNCONFIRMED, SUPERVISION, "access", "bypass", "log"}
)
"""Categories that never page as a panic, join no incident, and need a plan that names them.

Beside troubles and tests they are a panel's routine reports (opening and closing, bypassed zones,
log entries), an alarm whose guard is not satisfied, one of two inputs that must confirm each other,
and silence (which opens an incident also where no plan names it).
"""

DEFAULT_TARGET = 180.0
"""Seconds: the district's first response is within 3 minutes (design, "Who it is for")."""

AT_SITE = "@site"
"""A value of ``page_where`` that stands for the site's own; no identifier can be it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """What plans and pages need of a site; ``name`` is its key, ``title`` its name for people."""

    name: str
    title: str
    class_: str
    street: str | None = None
    grid: str | None = None
    tags: tuple[str, ...] = ()
    position: tuple[float, float] | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    """Names for people of its places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What an alarm of an endpoint needs to count, and how it is raised; durations in seconds.

    ``stuck_after`` None: its input does not say how long it stays in alarm. ``duress_zones`` are
    the user digits of a panel.
    """

    hold: float = 0.0
    presses: int = 1
    presses_within: float = 2.0
    confirm_by: tuple[str, ...] = ()
    confirm_within: float = 30.0
    stuck_after: float | None = None
    covert: bool = False
    duress_codes: tuple[str, ...] = ()
    duress_zones: tuple[str, ...] = ()

    @property
    def guards(self) -> bool:
        """Whether an alarm may not count at once."""
        return self.hold > 0 or self.presses > 1 or bool(self.confirm_by)


NO_GUARD = Guard()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What alarms need of an endpoint; ``endpoint`` is its key, ``title`` its name for people.

    Every endpoint of the gateway is one, also those without an ``input``: they share places.
    ``latch`` None is the default of its alarm's category.
    """

    endpoint: str
    title: str
    site: str
    place: str | None = None
    input: str | None = None
    line: str | None = None
    account: str | None = None
    zone: str | None = None
    category: str | None = None
    latch: bool | None = None
    guard: Guard = NO_GUARD


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFacts:
    """What plans and pages need of a group; ``name`` is its key, ``title`` its name for people."""

    name: str
    title: str
    party: str
    talkgroup: str
    street: str | None = None
    grid: str | None = None
    class_: str | None = None
    tags: tuple[str, ...] = ()
    position: tuple[float, float] | None = None
    drills: bool = False
    """Whether it may be called by a drill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """When a level is answered: each of ``parties``, ``count`` groups, or ``everyone`` has acked.

    The default is any single ack.
    """

    parties: tuple[str, ...] = ()
    count: int = 1
    everyone: bool = False

    def met(self, groups: Iterable[tuple[str, bool]]) -> bool:
        """``groups``: of each called group its party, and whether its ack stands."""
        called = tuple(groups)
        standing = [party for party, stands in called if stands]
        if self.everyone:
            return bool(called) and len(standing) == len(called)
        if self.parties:
            return set(self.parties) <= set(standing)
        return len(standing) >= self.count


ANY = Quorum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The ``count`` groups nearest to the site; distances in metres, ``max_age`` in seconds."""

    count: int
    party: tuple[str, ...] = ()
    max_distance: float | None = None
    max_age: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Seconds from the raising within which the first group is to be so far; None: no such clock."""

    ack: float | None = DEFAULT_TARGET
    en_route: float | None = DEFAULT_TARGET
    on_scene: float | None = DEFAULT_TARGET
    handled: float | None = DEFAULT_TARGET


DEFAULT_TARGETS = Targets()


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What a plan is for; an empty key asks for nothing. ``hours`` are those of the local time."""

    endpoint: tuple[str, ...] = ()
    site: tuple[str, ...] = ()
    class_: tuple[str, ...] = ()
    street: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    hours: Hours = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Groups chosen by what they are; an empty key asks for nothing."""

    street: tuple[str, ...] = ()
    grid: tuple[str, ...] = ()
    class_: tuple[str, ...] = ()
    party: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One step of a plan; ``ack_within`` in seconds."""

    name: str
    page: tuple[str, ...] = ()
    page_where: Where | None = None
    page_rota: tuple[str, ...] = ()
    nearest: Nearest | None = None
    patch: bool = False
    hot_mic: float = 0.0
    """Seconds for which a patch opens the place's microphones."""
    announce: Announce = "wait"
    answered_by: Quorum | None = None
    ack_within: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan; ``name`` is its key, ``title`` its name for people."""

    name: str
    title: str
    when: When
    levels: tuple[Level, ...]
    severity: int | None = None
    ack_expires: float | None = None
    """Seconds after which an ack that nobody followed by ``en_route`` no longer stands."""
    targets: Targets = DEFAULT_TARGETS


def select(
    plans: Iterable[Plan],
    source: SourceFacts | None,
    site: SiteFacts | None,
    category: str | None,
    code: str | None = None,
    at: datetime | None = None,
) -> Plan | None:
    """The plan for a signal of ``category``, which is the effective one (`contact.category_of`).

    ``source`` and ``site`` are None for a trouble that no endpoint could be found for. ``at`` is
    the local time; None asks for no hours.
    """
    return next(
        (plan for plan in plans if matches(plan.when, source, site, category, code, at)), None
    )


def matches(
    when: When,
    source: SourceFacts | None,
    site: SiteFacts | None,
    category: str | None,
    code: str | None,
    at: datetime | None = None,
) -> bool:
    """Rules 2 to 4 and 6."""
    code = counted_code(code)
    codes = tuple(counted_code(wanted) for wanted in when.code)
    if category in QUIET_CATEGORIES and category not in when.category and code not in codes:
        return False
    return (
        (not when.endpoint or (source is not None and source.endpoint in when.endpoint))
        and is_for_site(when, site)
        and (not when.category or category in when.category)
        and (not codes or code in codes)
        and (at is None or when.hours is ALWAYS or when.hours.hold(at))
    )


def is_for_site(when: When, site: SiteFacts | None) -> bool:
    """Whether it is for signals of ``site``, as far as that goes."""
    if site is None:
        return not (when.site or when.class_ or when.street or when.grid or when.tag)
    return (
        (not when.site or site.name in when.site)
        and (not when.class_ or site.class_ in when.class_)
        and (not when.street or site.street in when.street)
        and (not when.grid or site.grid in when.grid)
        and (not when.tag or any(tag in when.tag for tag in site.tags))
    )


def counted_code(code: str | None) -> str | None:
    """An event code as plans see it (rule 4): the qualifier P of Contact ID counts as E."""
    if code is not None and len(code) == 4 and code[0] == "P" and code[1:].isdigit():
        return "E" + code[1:]
    return code


def severity_of(plan: Plan | None, category: str | None) -> int:
    """1 (highest) to 4 (rule 5)."""
    if plan is not None and plan.severity is not None:
        return plan.severity
    return _SEVERITIES.get(category or "", 2)


_SEVERITIES = {PANIC: 1, DURESS: 1, ASSIST: 3}


def latches(source: SourceFacts, category: str | None) -> bool:
    """Whether an alarm of ``category`` (effective) stays until a person resets it."""
    if category in QUIET_CATEGORIES:
        return False
    guard = source.guard
    if category == DURESS and (guard.duress_codes or guard.duress_zones):
        return True  # said under duress: what is said next may be too
    return category == PANIC if source.latch is None else source.latch


def place_mates(source: SourceFacts, sources: Sequence[SourceFacts]) -> tuple[str, ...]:
    """The endpoints of an incident of ``source``: itself first, then all at its site and place.

    An endpoint without ``place`` shares it with none.
    """
    if source.place is None:
        return (source.endpoint,)
    mates = (
        other.endpoint
        for other in sources
        if (other.site, other.place) == (source.site, source.place)
        and other.endpoint != source.endpoint
    )
    return (source.endpoint, *mates)
