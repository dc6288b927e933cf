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
