"""What the journal's rows are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a row is. Any other text may be stored too; only these mean something to a reader."""

    SIGNAL = "signal"
    """An AlarmEvent payload; key: its id. Stands until `PUBLISHED` with the same key."""
    PUBLISHED = "published"
    """The signal of this key has reached the broker; no body."""
    INCIDENT = "incident"
    """A snapshot of an incident; key: its id. JSON whose member ``state`` is the IncidentState."""
    CLOSED = "incident-closed"
    """The last snapshot of an incident; the same form."""
    ACTION = "action"
    """An Action payload; key: the incident's id."""
    PAGE_SEEN = "page-seen"
    """A page that this gateway has received; key: its id."""
    STARTED = "started"
    """A run of the gateway has begun; key: its boot id, body: ``{"version": text}``."""
    NOTE = "note"
    """Anything worth keeping for people."""
    HELD = "held"
    """A signal whose guard is running (hold, second press, confirmation); key: its subject."""
    LET_GO = "let-go"
    """The guard of this key has ended, one way or the other."""
    SHELVED = "shelved"
    """An endpoint's troubles raise no incident until the time in the body; key: the endpoint."""
    UNSHELVED = "unshelved"
    """The shelving of this key has ended."""
    SEALED = "drill-sealed"
    """The hash of a drill that is to come; key: its id."""
    REVEALED = "drill-revealed"
    """What was sealed under this key."""
    HANDED = "handed"
    """The newest snapshot of another owner's incident that this gateway stands by for; key: its id."""
    TAKEN_BACK = "taken-back"
    """This gateway no longer stands by for the incident of this key."""
    YIELDED = "incident-yielded"
    """Another gateway owns the incident of this key; what this one knew of it stands no longer."""
    TESTED = "tested"
    """A test of an endpoint was received; key: the endpoint."""
    ACCEPTED = "accepted"
    """Signals that are acknowledged and not decided yet; key: their batch's id (`gateway.alarm.signals.accepted`)."""
    DECIDED = "decided"
    """Each signal of the accepted row of this key has a `SIGNAL` row; no body."""
    PATCHED = "patched"
    """Talkgroups were patched by hand; key: the patch's id, body: its PatchState."""
    UNPATCHED = "unpatched"
    """The patch of this key has ended."""
    LINK = "link"
    """A link in the chain from button to person went up or down; key: its name, ``input/receiver-1``."""


ENDS = {
    Kind.PUBLISHED: Kind.SIGNAL,
    Kind.CLOSED: Kind.INCIDENT,
    Kind.YIELDED: Kind.INCIDENT,
    Kind.LET_GO: Kind.HELD,
    Kind.UNSHELVED: Kind.SHELVED,
    Kind.REVEALED: Kind.SEALED,
    Kind.TAKEN_BACK: Kind.HANDED,
    Kind.UNPATCHED: Kind.PATCHED,
    Kind.DECIDED: Kind.ACCEPTED,
}
"""Which kind of row ends the standing of which: the newest row of the latter's key stands until then."""

LASTING = frozenset({Kind.TESTED, Kind.LINK})
"""Kinds that nothing ends: the newest row of each key stands for good."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to be stored."""

    kind: str
    key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """One stored row; ``wall`` is the POSIX time at which it was handed to the journal."""

    seq: int
    wall: float
    kind: str
    key: str
    body: bytes
