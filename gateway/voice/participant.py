"""One member's side of the floor: it asks, it is told, it stops. Pure.

Rules:

1. A request is sent again each second, three times (TS 24.380 T101), then given up as refused
   (cause 255). A release is not repeated: without media the floor frees itself within a second.
2. Only the answer to the newest request counts; an answer that repeats an older ``seq`` is stray.
   Only the elected controller's answers come here.
3. A grant that nobody wants any more is given back at once.
4. When another gateway becomes the controller, whatever is wanted is asked of it anew. A talker
   talks on meanwhile, under the old token; if the new controller denies it, it is revoked.
5. A talker stops when it is revoked; when the controller shows that its grant is over; when a new
   controller does not answer; and, whatever the controller does, `LIMIT_SLACK` after its talk
   limit, which counts from the first packet.
6. An event that means nothing in a state changes nothing and is a `Stray`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from gateway.voice.causes import Deny, Revoke
from gateway.voice.floor_actions import Answer, Op, State, Stray
from gateway.voice.rtp import Token

RESEND = 1.0
"""Between two sendings of a request (TS 24.380 T101)."""
RESENDS = 3
"""How often a request is sent again (TS 24.380 C101)."""
LIMIT_SLACK = 0.5
"""How long after its talk limit a talker waits for the controller's revoke."""
DEFAULT_TOT = 30.0
"""The talk limit where a controller names none (TS 24.380 T2)."""
ASK_LATER = 1.0
"""What a member is told to wait when no controller answered."""


class Stage(Enum):
    """How far a member has come."""

    SILENT = auto()
    ASKING = auto()
    QUEUED = auto()
    TALKING = auto()


@dataclass(frozen=True, slots=True)
class Send:
    """Send a FloorRequest."""

    op: Literal["request", "release", "cancel"]
    seq: int
    priority: int
    emergency: bool


@dataclass(frozen=True, slots=True)
class Granted:
    """The member may talk under ``token`` for ``tot`` seconds from its first packet."""

    token: Token
    tot: float


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


Action = Send | Granted | Refused | Revoked | Stray


class Participant:
    """The floor as one member has it. ``seq`` is where its numbers start."""

    def __init__(self, seq: int = 0) -> None:
        self._seq = seq
        self._stage = Stage.SILENT
        self._asked = 0  # seq of the newest request
        self._priority = 0
        self._emergency = False
        self._token: Token | None = None
        self._tot = 0.0
        self._sending = False
        self._limit: float | None = None  # counts from the first packet
        self._resend_at: float | None = None  # None: the newest request is answered
        self._resends = 0

    @property
    def stage(self) -> Stage:
        return self._stage

    @property
    def seq(self) -> int:
        """The number of its newest request."""
        return self._seq

    @property
    def token(self) -> Token | None:
        """The grant it talks under; None where it may not talk."""
        return self._token

    # What the member wants

    def ask(self, priority: int, emergency: bool, now: float) -> list[Action]:
        """The member wants to talk. Asking again tells a changed priority, or the time that is left."""
        same = (priority, emergency) == (self._priority, self._emergency)
        if same and self._stage in (Stage.ASKING, Stage.QUEUED):
            return []
        self._priority, self._emergency = priority, emergency
        if self._stage is Stage.SILENT:
            self._stage = Stage.ASKING
        return [self._request(now)]

    def release(self) -> list[Action]:
        """The member has said what it had to say, or wants to talk no more."""
        if self._stage is Stage.SILENT:
            return []
        op: Literal["release", "cancel"] = "cancel" if self._stage is Stage.QUEUED else "release"
        self._silence()
        return [self._send(op)]

    def sent(self, now: float) -> None:
        """A packet has gone out under the grant."""
        if not self._sending:
            self._sending = True
            self._limit = now + self._tot + LIMIT_SLACK

    # What the controller says

    def answer(self, answer: Answer, now: float) -> list[Action]:
        """The controller has answered."""
        if answer.op is Op.REVOKED:
            return self._revoked(answer)
        if answer.op is Op.GRANTED and self._stage is Stage.SILENT:
            return [Stray("unwanted grant"), self._send("release")]
        if self._stage is Stage.SILENT or answer.seq != self._asked:
            return [Stray(f"late {answer.op}")]
        if answer.op is Op.GRANTED:
            return self._granted(answer, now)
        if answer.op is Op.QUEUED:
            self._resend_at = None
            if self._stage is Stage.ASKING:
                self._stage = Stage.QUEUED
            return []
        return self._denied(answer)

    def controller_changed(self, now: float) -> list[Action]:
        """Another gateway controls the floor from now on."""
        return [] if self._stage is Stage.SILENT else [self._request(now)]

    def shown(self, state: State, talker: bool, token: Token) -> list[Action]:
        """The controller's FloorState; ``talker`` says whether it names this member."""
        if self._stage is not Stage.TALKING or self._token is None or self._resend_at is not None:
            return []
        held = talker and state in (State.TAKEN, State.REVOKING)
        if token < self._token or (token == self._token and held):
            return []
        if held:  # granted again under a newer token: the answer that says so is on its way
            return []
        self._silence()
        return [Revoked(Revoke.NO_PERMISSION)]

    # Time

    def deadline(self) -> float | None:
        """When `tick` is to be called, if nothing happens before."""
        times = [time for time in (self._resend_at, self._limit) if time is not None]
        return min(times, default=None)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self._limit is not None and now >= self._limit:
            return self._stop(Revoke.MEDIA_BURST_TOO_LONG)
        if self._resend_at is None or now < self._resend_at:
            return []
        if self._resends > 0:
            self._resends -= 1
            self._resend_at = now + RESEND
            return [Send("request", self._asked, self._priority, self._emergency)]
        if self._stage is Stage.TALKING:
            return self._stop(Revoke.OTHER)
        self._silence()
        return [self._send("release"), Refused(Deny.OTHER, ASK_LATER)]

    # Parts

    def _granted(self, answer: Answer, now: float) -> list[Action]:
        if self._token is not None and answer.token < self._token:
            return [Stray("old grant")]
        if answer.token == self._token and self._resend_at is None:
            return [Stray("repeated grant")]
        self._stage = Stage.TALKING
        self._token = answer.token
        self._tot = DEFAULT_TOT if answer.tot is None else answer.tot
        self._resend_at = None
        if self._sending:
            self._limit = now + self._tot + LIMIT_SLACK
        return [Granted(self._token, self._tot)]

    def _denied(self, answer: Answer) -> list[Action]:
        talking = self._stage is Stage.TALKING
        cause = answer.cause if isinstance(answer.cause, Deny) else Deny.OTHER
        self._silence()
        if talking:
            return [Revoked(Revoke.ONLY_ONE_CLIENT, answer.retry_after)]
        return [Refused(cause, answer.retry_after)]

    def _revoked(self, answer: Answer) -> list[Action]:
        if self._stage is not Stage.TALKING or self._token is None or answer.token < self._token:
            return [Stray("late revoked")]
        cause = answer.cause if isinstance(answer.cause, Revoke) else Revoke.OTHER
        return self._stop(cause, answer.retry_after)

    def _stop(self, cause: Revoke, retry_after: float | None = None) -> list[Action]:
        self._silence()
        return [Revoked(cause, retry_after), self._send("release")]

    def _silence(self) -> None:
        self._stage = Stage.SILENT
        self._token = self._limit = self._resend_at = None
        self._sending = False

    def _request(self, now: float) -> Send:
        self._resends = RESENDS
        self._resend_at = now + RESEND
        send = self._send("request")
        self._asked = send.seq
        return send

    def _send(self, op: Literal["request", "release", "cancel"]) -> Send:
        self._seq += 1
        return Send(op, self._seq, self._priority, self._emergency)
