"""One member's side of the floor: it asks, it is told, it stops. Pure.

Rules (TS 24.380, 6.2.4; docs/voice.md has the table of states and every deviation):

1. A request is sent again each second, three times (T101), then given up as refused (cause 255).
2. Only the answer to the newest request counts; an answer that repeats an older ``seq`` is stray.
   Only the elected controller's answers come here.
3. Queued, it is told its place whenever that changes. Having heard nothing for `QUEUE_CHECK` it asks
   for its place, again each second, three times (T104); then it is refused (cause 255).
4. A grant out of the queue is acknowledged. Its member has `REACTION` (T132) to send the first
   packet, else the floor is given back.
5. A grant that nobody wants any more is given back at once. A release is sent again each second,
   three times (T100), until the controller shows that the grant is over.
6. When another gateway becomes the controller, whatever is wanted is asked of it anew, and what was
   given back is given back to it. A talker talks on meanwhile, under the old token; if the new
   controller gives the floor to another, it is revoked.
7. A talker is warned ``pre_alert`` seconds before its talk limit, which counts from the first
   packet.
8. A talker stops when it is revoked; when the controller shows that its grant is over; when a new
   controller does not answer; and, whatever the controller does, `LIMIT_SLACK` after its talk
   limit.
9. Each request that the member makes has one `Outcome`.
10. An event that means nothing in a state changes nothing and is a `Stray`.
"""

from __future__ import annotations

from gateway.voice.floor.actions import Answer, Op, State, Stray
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.participant_actions import (
    Action,
    Granted,
    Outcome,
    OutcomeKind,
    Queued,
    Refused,
    Revoked,
    Send,
    SendOp,
    Stage,
    Warn,
)
from gateway.voice.rtp import Token

RESEND = 1.0
"""Between two sendings of a release, request or queue position request (TS 24.380 T100, T101, T104)."""
RESENDS = 3
"""How often each is sent again (TS 24.380 C100, C101, C104)."""
REACTION = 2.0
"""For the first packet under a grant out of the queue (TS 24.380 T132)."""
QUEUE_CHECK = 5.0
"""How long a queued member that hears nothing believes that it still waits."""
LIMIT_SLACK = 0.5
"""How long after its talk limit a talker waits for the controller's revoke."""
DEFAULT_TOT = 30.0
"""The talk limit where a controller names none (TS 24.380 T2)."""
ASK_LATER = 1.0
"""What a member is told to wait when no controller answered."""

_HOLDS = (Stage.TURN, Stage.TALKING)
_WANTS = (Stage.ASKING, Stage.QUEUED)
_NOTHING = (Stage.SILENT, Stage.RELEASING)
_FAULTS = (Deny.INTERNAL_ERROR, Deny.NO_RESOURCES)


class Participant:
    """The floor as one member has it. ``seq`` is where its numbers start.

    ``pre_alert`` is how long before the talk limit it is warned; 0 for never.
    """

    def __init__(self, seq: int = 0, *, pre_alert: float = 5.0) -> None:
        self._seq = seq
        self._pre_alert = pre_alert
        self._stage = Stage.SILENT
        self._asked = 0  # seq of the newest request
        self._asked_at = 0.0  # when its member wanted to talk
        self._priority = 0
        self._emergency = False
        self._position: int | None = None
        self._token: Token | None = None
        self._tot = 0.0
        self._sending = False
        self._react_by: float | None = None  # T132
        self._warn_at: float | None = None
        self._limit: float | None = None  # counts from the first packet
        self._repeated: Send | None = None
        self._resend_at: float | None = None  # None: nothing waits for its answer
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
        return self._token if self._stage in _HOLDS else None

    def warn_before(self, pre_alert: float) -> None:
        """Warn so long before the talk limit from the next burst on."""
        self._pre_alert = pre_alert

    # What the member wants

    def ask(self, priority: int, emergency: bool, now: float) -> list[Action]:
        """The member wants to talk. Asking again tells a changed priority, or the time that is left."""
        same = (priority, emergency) == (self._priority, self._emergency)
        if same and self._stage in _WANTS:
            return []
        self._priority, self._emergency = priority, emergency
        if self._stage in _NOTHING:
            self._silence(Stage.ASKING)
            self._asked_at = now
        return [self._request(now)]

    def release(self, now: float) -> list[Action]:
        """The member has said what it had to say, or wants to talk no more."""
        if self._stage in _NOTHING:
            return []
        if self._stage in _HOLDS:
            return [self._give_back(now)]
        op: SendOp = "cancel" if self._stage is Stage.QUEUED else "release"
        return [self._outcome("abandoned", now), self._end(op)]

    def sent(self, now: float) -> None:
        """A packet has gone out under the grant."""
        if self._sending:
            return
        self._stage = Stage.TALKING
        self._sending = True
        self._react_by = None
        self._count_from(now)

    # What the controller says

    def answer(self, answer: Answer, now: float) -> list[Action]:
        """The controller has answered."""
        if answer.op is Op.REVOKED:
            return self._revoked(answer, now)
        if answer.op is Op.GRANTED and self._stage in _NOTHING:
            if self._stage is Stage.RELEASING and answer.token == self._token:
                return [Stray("late granted")]
            return [Stray("unwanted grant"), self._send("release")]
        if self._stage in _NOTHING or answer.seq != self._asked:
            return [Stray(f"late {answer.op}")]
        if answer.op is Op.GRANTED:
            return self._granted(answer, now)
        if answer.op is Op.QUEUED:
            return self._queued(answer, now)
        return self._denied(answer, now)

    def controller_changed(self, now: float) -> list[Action]:
        """Another gateway controls the floor from now on."""
        if self._stage is Stage.RELEASING and self._repeated is not None:
            return [self._repeated]
        return [] if self._stage in _NOTHING else [self._request(now)]

    def shown(self, state: State, talker: bool, token: Token) -> list[Action]:
        """The controller's FloorState; ``talker`` says whether it names this member."""
        holds = self._stage in _HOLDS and self._resend_at is None
        if self._token is None or not (holds or self._stage is Stage.RELEASING):
            return []
        held = talker and state in (State.TAKEN, State.REVOKING)
        if token < self._token or (token == self._token and held):
            return []
        if self._stage is Stage.RELEASING:
            self._silence()
            return []
        if held:  # granted again under a newer token: the answer that says so is on its way
            return []
        return [self._lost(Revoke.NO_PERMISSION)]

    # Time

    def deadline(self) -> float | None:
        """When `tick` is to be called, if nothing happens before."""
        times = (self._resend_at, self._limit, self._warn_at, self._react_by)
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self._limit is not None and now >= self._limit:
            return self._stop(Revoke.MEDIA_BURST_TOO_LONG, now)
        if self._react_by is not None and now >= self._react_by:
            return self._stop(Revoke.OTHER, now)
        out: list[Action] = []
        if self._warn_at is not None and self._limit is not None and now >= self._warn_at:
            self._warn_at = None
            out.append(Warn(max(self._limit - LIMIT_SLACK - now, 0.0)))
        if self._resend_at is not None and now >= self._resend_at:
            out += self._again(now)
        return out

    # Parts

    def _again(self, now: float) -> list[Action]:
        """What waits for its answer is sent again, or no longer."""
        assert self._repeated is not None
        if self._resends > 0:
            self._resends -= 1
            self._resend_at = now + RESEND
            return [self._repeated]
        if self._stage in _HOLDS:
            return self._stop(Revoke.OTHER, now)
        if self._stage is Stage.RELEASING:
            self._silence()
            return []
        op: SendOp = "cancel" if self._stage is Stage.QUEUED else "release"
        failed = self._outcome("failed", now)
        return [failed, self._end(op), Refused(Deny.OTHER, ASK_LATER)]

    def _granted(self, answer: Answer, now: float) -> list[Action]:
        if self._token is not None and answer.token < self._token:
            return [Stray("old grant")]
        if answer.token == self._token and self._resend_at is None:
            told = Stray("repeated grant")
            return [told, self._ack()] if self._stage is Stage.TURN else [told]
        before = self._stage
        self._token = answer.token
        self._tot = DEFAULT_TOT if answer.tot is None else answer.tot
        self._resend_at = None
        granted = Granted(answer.token, self._tot)
        if before is Stage.QUEUED:
            self._stage = Stage.TURN
            self._react_by = now + REACTION
            return [self._outcome("queued", now), self._ack(), granted]
        if before is Stage.ASKING:
            self._stage = Stage.TALKING
            return [self._outcome("immediate", now), granted]
        if self._sending:
            unwarned = self._warn_at is not None
            self._count_from(now)
            self._warn_at = max(now, now + self._tot - self._pre_alert) if unwarned else None
        return [granted]

    def _queued(self, answer: Answer, now: float) -> list[Action]:
        if self._stage in _HOLDS:  # a new controller has given the floor to another
            return self._stop(Revoke.ONLY_ONE_CLIENT, now)
        moved = self._stage is Stage.ASKING or answer.position != self._position
        self._stage = Stage.QUEUED
        self._position = answer.position
        op: SendOp = "queue_position"
        self._repeated = Send(op, self._asked, self._priority, self._emergency)
        self._resends = 1 + RESENDS
        self._resend_at = now + QUEUE_CHECK
        return [Queued(answer.position)] if moved else []

    def _denied(self, answer: Answer, now: float) -> list[Action]:
        cause = answer.cause if isinstance(answer.cause, Deny) else Deny.OTHER
        if self._stage in _HOLDS:
            return [self._lost(Revoke.ONLY_ONE_CLIENT, answer.retry_after)]
        outcome = self._outcome("failed" if cause in _FAULTS else "denied", now)
        self._silence()
        return [outcome, Refused(cause, answer.retry_after)]

    def _revoked(self, answer: Answer, now: float) -> list[Action]:
        if self._stage not in _HOLDS or self._token is None or answer.token < self._token:
            return [Stray("late revoked")]
        cause = answer.cause if isinstance(answer.cause, Revoke) else Revoke.OTHER
        return self._stop(cause, now, answer.retry_after)

    def _stop(self, cause: Revoke, now: float, retry_after: float | None = None) -> list[Action]:
        return [Revoked(cause, retry_after), self._give_back(now)]

    def _lost(self, cause: Revoke, retry_after: float | None = None) -> Revoked:
        """The controller knows already that the grant is over."""
        self._silence()
        return Revoked(cause, retry_after)

    def _count_from(self, now: float) -> None:
        """The talk limit counts from now on."""
        self._limit = now + self._tot + LIMIT_SLACK
        wanted = 0 < self._pre_alert < self._tot
        self._warn_at = now + self._tot - self._pre_alert if wanted else None

    def _give_back(self, now: float) -> Send:
        token = self._token
        self._silence(Stage.RELEASING)
        self._token = token
        return self._repeat(self._send("release"), now)

    def _end(self, op: SendOp) -> Send:
        self._silence()
        return self._send(op)

    def _silence(self, stage: Stage = Stage.SILENT) -> None:
        self._stage = stage
        self._token = self._position = None
        self._limit = self._warn_at = self._react_by = self._resend_at = None
        self._sending = False

    def _request(self, now: float) -> Send:
        send = self._repeat(self._send("request"), now)
        self._asked = send.seq
        return send

    def _repeat(self, send: Send, now: float) -> Send:
        self._repeated = send
        self._resends = RESENDS
        self._resend_at = now + RESEND
        return send

    def _ack(self) -> Send:
        return Send("ack", self._asked, self._priority, self._emergency)

    def _outcome(self, kind: OutcomeKind, now: float) -> Outcome:
        return Outcome(kind, now - self._asked_at)

    def _send(self, op: SendOp) -> Send:
        self._seq += 1
        return Send(op, self._seq, self._priority, self._emergency)
