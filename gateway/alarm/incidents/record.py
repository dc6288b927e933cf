"""What is kept of an incident: frozen data that only the machine in `incident` replaces. Pure.

A record is complete: the plan is frozen inside, with the groups of every level, so a restart or a
reload of the configuration changes nothing about an incident that runs. Deadlines (``.._due``)
are seconds on `Moment.elapsed`; all other times are POSIX seconds.

What changes with each event is a msgspec struct: measured, a record is replaced in 0.2 µs and not 8,
and that happens a hundred thousand times in a storm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from gateway.alarm.plans.plan import ANY, DEFAULT_TARGETS, Announce, Nearest, Quorum, Targets
from gateway.alarm.signals.contact import Contact
from gateway.moment import Moment


class State(StrEnum):
    """Where an incident is (contract: IncidentState.state)."""

    OPEN = "open"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Progress(StrEnum):
    """How far one called group is (contract: IncidentState.groups)."""

    PAGED = "paged"
    RECEIVED = "received"
    ACKED = "acked"
    DECLINED = "declined"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    HANDLED = "handled"
    STOOD_DOWN = "stood_down"


CALLED = frozenset({Progress.PAGED, Progress.RECEIVED})
"""The group is being called, and nothing is known of anybody yet."""
WORKING = frozenset({Progress.ACKED, Progress.EN_ROUTE, Progress.ON_SCENE})
"""A group in one of these has the incident in hand; nothing is resolved while one is."""
STANDING = WORKING | {Progress.HANDLED}
"""The group's ack stands: it counts for the quorum, and the group is not paged."""


class Stage(StrEnum):
    """What an incident's clocks wait for, in order; each is also the kind of its breach."""

    ACK = "ack"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    HANDLED = "handled"


STAGE_OF = {
    Progress.ACKED: Stage.ACK,
    Progress.EN_ROUTE: Stage.EN_ROUTE,
    Progress.ON_SCENE: Stage.ON_SCENE,
    Progress.HANDLED: Stage.HANDLED,
}
"""The stage that a group in this state has reached, and with it every one before."""


MAX_TEXT = 1_000
"""Characters of a remark that an incident keeps; the journal's row of the action has it whole."""
MAX_NAME = 128
"""Characters of somebody's name, and of a disposition."""


def cut(text: str, longest: int) -> str:
    """``text``, or as much of it as may be kept."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One level of the frozen plan. ``groups`` are all that it names, earlier levels' included.

    Whom its ``rotas`` and ``nearest`` call is chosen when it starts (`gateway.alarm.plans.choice`).
    """

    name: str
    groups: tuple[str, ...]
    patch: bool
    quorum: Quorum = ANY
    ack_within: float
    rotas: tuple[str, ...] = ()
    nearest: Nearest | None = None
    spared: tuple[str, ...] = ()
    """Groups that it names and that take part in no drill; of a drill only."""
    hot_mic: float = 0.0
    announce: Announce = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What never changes about an incident: what was raised, where, and who is to be called."""

    id: str
    subject: str
    quiet: bool
    """Raised by a trouble or a test, which its plan names; alarms never join it."""
    drill: bool
    category: str | None
    severity: int
    endpoint: str | None
    endpoint_title: str | None
    endpoints: tuple[str, ...]
    site: str | None
    site_title: str | None
    position: tuple[float, float] | None
    raised: float
    plan: str | None
    steps: tuple[Step, ...]
    parties: Mapping[str, str]
    """Party of each group that a step names."""
    ack_expires: float | None
    targets: Targets = DEFAULT_TARGETS
    covert: bool = False
    text: str | None = None
    by: str | None = None
    """Who raised it by hand."""
    home: str | None = None
    """The gateway that raised it, whoever owns it now."""
    site_class: str | None = None
    street: str | None = None
    grid: str | None = None
    """What the site was when it was raised, for the report."""
    place: str | None = None
    """Where at the site, for people."""


class PageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One page id of a group, and when it is sent next; ``due`` None: never again."""

    id: str
    group: str
    level: int
    sends: int
    due: float | None


class GroupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One called group. ``level``, ``paged`` and ``received`` are those of its newest page."""

    party: str
    state: Progress
    level: int
    paged: float
    received: float | None = None
    acked: float | None = None
    arrived: float | None = None
    by: str | None = None
    ack_due: float | None = None


class BreachRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that ran out; ``level`` counts from 1."""

    kind: str
    level: int
    time: float


class NoteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody remarked."""

    by: str
    text: str
    time: float


class RefusedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An action that changed nothing, and why."""

    id: str
    reason: str


class IncidentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as it is now. ``level`` counts from 1; ``saved`` is when it was last changed."""

    case: Case
    state: State
    level: int
    saved: Moment
    active: tuple[Contact, ...] = ()
    """Contacts of the endpoint that are in alarm."""
    latched: bool = False
    talkgroup: str | None = None
    hot_mic_until: float | None = None
    """Until when the place's microphones are open on the talkgroup."""
    groups: Mapping[str, GroupRecord] = msgspec.field(default_factory=dict)
    pages: tuple[PageRecord, ...] = ()
    level_due: float | None = None
    breaches: tuple[BreachRecord, ...] = ()
    disposition: str | None = None
    closed: float | None = None
    owner: str
    owner_term: int = 1
    seq: int = 0
    applied: tuple[str, ...] = ()
    """Ids of actions, oldest first; more than are published, so that late repeats are known."""
    refused: RefusedRecord | None = None
    """What the newest publication refuses."""
    refusals: tuple[RefusedRecord, ...] = ()
    """Earlier refusals, so that a repeat gets the same answer."""
    chosen: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Groups that rotas and ``nearest`` have called, with the party of each."""
    brought: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Groups that merged incidents had called, with the party of each."""
    shortfalls: tuple[str, ...] = ()
    """Whom a level wanted and could not call, and why."""
    notes: tuple[NoteRecord, ...] = ()
    handler: str | None = None
    """The operator who has it."""
    verdict: str | None = None
    worst: int | None = None
    """The severity of a merged incident, where that is more severe than the case."""
    merged: tuple[str, ...] = ()
    """Incidents that go on in this one."""
    merged_into: str | None = None
    subjects: tuple[str, ...] = ()
    """Whose signals join it beside its own subject's: those of the incidents merged into it."""
    endpoints: tuple[str, ...] = ()
    """Endpoints beside the case's own, of the incidents merged into it."""
    clocks: Mapping[str, float] = msgspec.field(default_factory=dict)
    """Deadlines of the targets that are not reached yet, on `Moment.elapsed`, by `Stage`."""
    reached: Mapping[str, float] = msgspec.field(default_factory=dict)
    """When the first group was so far, by `Stage`."""

    @property
    def severity(self) -> int:
        """1 (highest) to 4."""
        return self.case.severity if self.worst is None else self.worst
