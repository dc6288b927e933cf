"""What is kept of an incident: frozen data that only the machine in `incident` replaces. Pure.

A record is complete: the plan is frozen inside, with the groups of every level, so a restart or a
reload of the configuration changes nothing about an incident that runs. Deadlines (``.._due``)
are seconds on `Moment.elapsed`; all other times are POSIX seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.alarm.contact import Contact
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


WORKING = frozenset({Progress.ACKED, Progress.EN_ROUTE, Progress.ON_SCENE})
"""A group in one of these has the incident in hand; nothing is resolved while one is."""
STANDING = WORKING | {Progress.HANDLED}
"""The group's ack stands: it counts for the quorum, and the group is not paged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One level of the frozen plan. ``groups`` are all that it calls, earlier levels' included."""

    name: str
    groups: tuple[str, ...]
    patch: bool
    quorum: tuple[str, ...] | None
    ack_within: float


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRecord:
    """One page id of a group, and when it is sent next; ``due`` None: never again."""

    id: str
    group: str
    level: int
    sends: int
    due: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachRecord:
    """A clock that ran out; ``level`` counts from 1."""

    kind: str
    level: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """An action that changed nothing, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRecord:
    """An incident as it is now. ``level`` counts from 1; ``saved`` is when it was last changed."""

    case: Case
    state: State
    level: int
    saved: Moment
    active: tuple[Contact, ...] = ()
    """Contacts of the endpoint that are in alarm."""
    latched: bool = False
    talkgroup: str | None = None
    groups: Mapping[str, GroupRecord] = field(default_factory=dict)
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
