"""How far a member of a talkgroup has come, and what its side of the floor wants done. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from gateway.voice.floor.actions import Stray
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.rtp import Token

SendOp = Literal["request", "release", "cancel", "queue_position", "ack"]
"""Floor Request, Floor Release (twice: of the floor, and of a place in the queue), Floor Queue
Position Request and Floor Ack of TS 24.380."""

OutcomeKind = Literal["immediate", "queued", "denied", "failed", "abandoned"]
"""What became of a request: granted at once, granted out of the queue, denied, answered by nobody (or
refused for a fault of the controller), taken back before it was answered."""


class Stage(Enum):
    """How far a member has come."""

    SILENT = auto()
    ASKING = auto()
    QUEUED = auto()
    TURN = auto()
    """Granted out of the queue, and nothing has been sent yet."""
    TALKING = auto()
    RELEASING = auto()
    """Given back, and the controller has not shown it yet."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a FloorRequest."""

    op: SendOp
    seq: int
    priority: int
    emergency: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """The member may talk under ``token`` for ``tot`` seconds from its first packet."""

    token: Token
    tot: float


@dataclass(frozen=True, slots=True)
class Queued:
    """The member waits; ``position`` counts from 1, None where the controller does not say."""

    position: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The member may not talk. ``retry_after`` in seconds; None is: ask when the floor is idle."""

    cause: Deny
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    """The member must stop now."""

    cause: Revoke
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Warn:
    """The member's talk time runs out in ``left`` seconds."""

    left: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the member's request, ``seconds`` after it was made."""

    kind: OutcomeKind
    seconds: float


Action = Send | Granted | Queued | Refused | Revoked | Warn | Outcome | Stray
"""What a `Participant` wants done."""
