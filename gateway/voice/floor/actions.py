"""What a floor controller is set to, what it is asked, and what it wants done. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.rtp import Token


class State(StrEnum):
    """The floor of one talkgroup (contract: FloorState.state)."""

    IDLE = "idle"
    TAKEN = "taken"
    REVOKING = "revoking"
    HANG = "hang"


LIVE = frozenset((State.TAKEN, State.REVOKING))
"""The states in which a grant is in force."""


class Op(StrEnum):
    """What a controller answers (contract: FloorAnswer.op)."""

    GRANTED = "granted"
    DENIED = "denied"
    QUEUED = "queued"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorOptions:
    """How one talkgroup's floor is run. Times in seconds."""

    tot: float = 30.0
    """Talk limit, from the first media packet."""
    hang_time: float = 2.0
    """How long the talkgroup is kept for its conversation after a burst; 0 for not at all."""
    retry_after: float = 2.0
    """How long a talker who ran into the talk limit is denied the floor, unless in an emergency."""
    priority_cap: int = 255
    """The highest priority that is believed."""
    queue_length: int = 0
    """Requests that may wait while another talks."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants to talk. ``talker`` is ``<client>/<endpoint>``, ``seq`` what the answer repeats."""

    talker: str
    priority: int = 100
    emergency: bool = False
    seq: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Heir:
    """Who talks by the grant of a former or a newer controller, and is about to ask this one."""

    talker: str
    priority: int = 100

    def keeps(self, request: Request) -> bool:
        """Whether the floor is kept from ``request``: only a strictly higher priority takes it."""
        return request.talker != self.talker and request.priority <= self.priority


def client_of(talker: str) -> str:
    """``zju1`` of ``zju1/police-radio``."""
    return talker.partition("/")[0]


@dataclass(frozen=True, slots=True)
class StoreTerm:
    """Put ``term`` on disk, then call `Floor.stored` with it."""

    term: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Send a FloorAnswer to ``talker``. Fields that do not apply are None; times in seconds."""

    op: Op
    talker: str
    seq: int
    token: Token
    tot: float | None = None
    cause: Deny | Revoke | None = None
    position: int | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """Publish this as the FloorState."""

    state: State
    talker: str | None
    priority: int
    emergency: bool
    token: Token
    queue: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stray:
    """An event that means nothing in this state: it changed nothing and is to be counted."""

    what: str


Action = StoreTerm | Answer | Show | Stray
"""What a `Floor` wants done."""
