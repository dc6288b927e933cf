"""What one endpoint says: from the squelch to the last packet of the burst. Pure; seconds.

Rule 1. The squelch is not listened to while the endpoint transmits, nor for ``rx_mute`` after it;
        what was captured meanwhile is not sent. A squelch still open then opens at that moment.
Rule 2. The squelch opening asks for the floor at once. Blocks from before it (``pre_roll``) and
        until the answer wait and are sent first, in their order, faster than real time
        (`gateway.voice.uplink.backlog`); those older than the grant are marked as pre-roll.
Rule 3. The squelch closing lets the block then being captured through, and after it a last one of
        silence, which carries what the coder holds back; then the floor is given back. With a
        ``tail_cut`` it lets nothing through: what came last is dropped.
Rule 4. The same holds for a word that was over before the answer: it is sent whole. Unanswered for
        `ANSWER`, it is given up.
Rule 5. Refused or revoked, the endpoint is silent. A squelch that is still open asks again with the
        next block once the floor has become idle or the time to wait is over; so a device that
        brings no audio never asks. Revoked for talking too long, it lets others go first: it asks
        `YIELD` after the floor has become idle, and after twice as long each further time, until
        its squelch has closed.
Rule 6. With no block for `STALLED` while talking, the floor is given back; the next block asks.
Rule 7. A grant that nobody waits for is given back. Another token while talking begins a new burst.
Rule 8. Queued, what was said until now is dropped: the talker hears that it is to wait, and what it
        said would be old by its turn. Where an open squelch means that a key is held, closing it
        takes the request back; where it only means that somebody speaks (``waits``), the place is
        kept. While the endpoint transmits nobody knows, and the place is kept too; so is a request
        that has no answer yet when the endpoint begins to transmit.
Rule 9. The turn has come: an open squelch talks at once. Else nobody is granted into silence: a key
        known to be let go gives the floor back at once, anybody else after `REACTION`
        (TS 24.380 T132).
Rule 10. A squelch open for ``input_timeout``, whoever had the floor meanwhile, is taken out: it is a
        stuck carrier, or a fan. The floor is given back, and the squelch is listened to again once
        it has been closed for `CLOSED_FOR`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import Enum

from gateway.ports import BLOCK
from gateway.voice.rtp import Token
from gateway.voice.uplink.actions import Action, Ask, Begin, GiveBack, Send
from gateway.voice.uplink.backlog import MAX_WAITING, Backlog, Block, Came

ANSWER = MAX_WAITING * BLOCK
"""Seconds of speech that wait for an answer at most; what is older is dropped."""

STALLED = 0.3
"""Seconds without audio after which a burst is over; less than the 0.4 after which those who hear it
release: the burst's last packet would key them once more, for nothing."""

REACTION = 2.0
"""Seconds within which a queued talker whose turn has come must speak (TS 24.380 T132)."""

YIELD = 1.0
"""Seconds that one who was cut off for talking too long leaves to others before it asks again."""

CLOSED_FOR = 1.0
"""Seconds that the squelch of an input that was taken out must be closed: a bad carrier flutters."""

_LONGEST_YIELD = 64.0
_CLOSING = 0.04  # seconds within which the block being captured must come, if one comes at all
_NEVER = float("-inf")


class State(Enum):
    """What an endpoint that may speak is doing."""

    QUIET = "quiet"
    ASKING = "asking"
    TALKING = "talking"
    CLOSING = "closing"  # talking, but the squelch has closed
    REFUSED = "refused"  # the squelch is open, and somebody else has the floor
    QUEUED = "queued"  # the request waits for its turn
    TURN = "turn"  # the floor is ours, and nobody speaks yet
    OUT = "taken out"  # the squelch was open for too long


class Uplink:
    """The speaking side of one endpoint.

    ``waits`` says that a closed squelch does not mean that a key was let go (VOX). ``timed_out``
    counts how often it was taken out; ``input_timeout`` may be set at any time, None is never.
    """

    def __init__(
        self,
        *,
        pre_roll: float,
        rx_mute: float,
        waits: bool = False,
        tail_cut: float = 0.0,
        input_timeout: float | None = None,
    ) -> None:
        self.state = State.QUIET
        self.input_timeout = input_timeout
        self.timed_out = 0
        self.backlog = Backlog(tail_cut)
        self._waits = waits
        self._turn_until = 0.0
        self._rx_mute = rx_mute
        self._before: deque[Came] = deque(maxlen=max(round(pre_roll / BLOCK), 0))
        self._raw = False  # the squelch as it is
        self._changed = _NEVER  # ... since when
        self._muted = False
        self._muted_until = _NEVER
        self._closed_at: float | None = None  # asking or closing: when the word was over
        self._awaits = False  # closing: the block then being captured is still to come
        self._token: Token | None = None
        self._granted_at = _NEVER
        self._heard = 0.0  # the last block while talking
        self._again = False  # refused: the floor has become idle
        self._not_before = _NEVER  # refused: the time to wait
        self._yield = 0.0  # revoked for talking too long: what others are left

    @property
    def talking(self) -> bool:
        """The endpoint has the floor."""
        return self.state in (State.TALKING, State.CLOSING)

    def open(self, now: float) -> bool:
        """Whether the squelch is open and listened to."""
        return self._raw and self.state is not State.OUT and self.listening(now)

    def listening(self, now: float) -> bool:
        """Whether the squelch is listened to (rule 1)."""
        return not self._muted and now >= self._muted_until

    def squelch(self, is_open: bool, now: float) -> list[Action]:
        """The squelch has opened or closed."""
        if is_open != self._raw:
            self._raw, self._changed = is_open, now
            if not is_open:
                self._yield = 0.0
        return self._look(now)

    def transmitting(self, active: bool, now: float) -> list[Action]:
        """The endpoint begins or ends to transmit, or to play."""
        if self._muted and not active:
            self._muted_until = now + self._rx_mute
        self._muted = active
        if active:
            self._before.clear()
        return self._look(now)

    def reckon(self, now: float) -> None:
        """Count the time of an open squelch from now on (rule 10)."""
        self._changed = now

    def block(self, block: Block, now: float) -> list[Action]:
        """A block was captured."""
        if not self.listening(now):
            self._before.clear()
            return []
        actions = self._look(now)
        match self.state:
            case State.TALKING:
                self._heard = now
                self.backlog.put(block, now)
                return [*actions, *self._flow(now)]
            case State.CLOSING if self._awaits:
                self._awaits = False
                self.backlog.put(block, now)
                return [*actions, *self._flow(now)]
            case State.ASKING:
                if self._closed_at is None or self._awaited(now):
                    self.backlog.put(block, now)
            case State.REFUSED if self._again and now >= self._not_before:
                self._ask()
                self.backlog.put(block, now)
                return [*actions, Ask()]
            case State.OUT:
                pass
            case _:
                self._before.append((block, now))
        return actions

    def granted(self, token: Token, now: float) -> list[Action]:
        """The floor is ours, by ``token``."""
        if self.talking:
            if token == self._token:
                return []  # the controller has said it once more
            self._token = token
            return [Begin(token)]
        if self.state in (State.QUEUED, State.TURN):
            return self._take_turn(token, now)
        if self.state is not State.ASKING:
            return [GiveBack()]
        self._token = token
        self._granted_at = now
        self.state = State.TALKING if self._closed_at is None else State.CLOSING
        self._awaits = self._awaited(now)
        return self._begin(now)

    def queued(self, now: float) -> list[Action]:
        """The request waits for its turn (rule 8)."""
        if self.state is not State.ASKING:
            return []
        self._quiet()
        self.state = State.QUEUED
        return self._look(now)

    def refused(self, retry_after: float | None, now: float) -> None:
        """The request was denied; ``retry_after`` in seconds, where the controller named it."""
        if self.state in (State.ASKING, State.QUEUED):
            self._refuse()
            self._not_before = now + (retry_after or 0.0)
            self._again = retry_after is not None

    def revoked(self, *, too_long: bool = False) -> None:
        """The floor was taken from us; ``too_long`` says for having talked for too long."""
        if self.state is State.TURN:
            self._quiet()
        elif self.talking:
            self._refuse()
            if too_long:
                self._yield = min(self._yield * 2 or YIELD, _LONGEST_YIELD)

    def idle(self, now: float) -> None:
        """Nobody has the floor any more."""
        if self.state is State.REFUSED:
            self._again = True
            self._not_before = max(self._not_before, now + self._yield)

    def stop(self) -> list[Action]:
        """End the burst or the request: the device is gone, or the endpoint is tuned elsewhere."""
        if self.state is State.OUT:
            return []
        return self._leave()

    def deadline(self, now: float) -> float | None:
        """When `tick` is to be called at the latest; None where only an event can change something."""
        times = []
        asks = self._raw or self.state in (State.QUEUED, State.TURN)
        if asks and not self._muted and now < self._muted_until:
            times.append(self._muted_until)
        if self.state is State.OUT:
            if not self._raw:
                times.append(self._changed + CLOSED_FOR)
        elif self._raw and self.input_timeout is not None:
            times.append(self._changed + self.input_timeout)
        if self.state is State.TALKING:
            times.append(self._heard + STALLED)
        elif self.state is State.CLOSING and self._awaits and self._closed_at is not None:
            times.append(self._closed_at + _CLOSING)
        elif self.state is State.ASKING and self._closed_at is not None:
            times.append(self._closed_at + ANSWER)
        elif self.state is State.TURN:
            times.append(self._turn_until)
        if self.talking:
            due = self.backlog.due_at(over=self.state is State.CLOSING)
            if due is not None:
                times.append(due)
        return min(times, default=None)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        actions = self._look(now)
        return [*actions, *self._flow(now)] if self.talking else actions

    def _look(self, now: float) -> list[Action]:
        """What the squelch and the time make of the state."""
        if self.state is State.OUT:
            if not self._raw and now >= self._changed + CLOSED_FOR:
                self._quiet()
            return []
        if self._overdue(now):
            actions = self._leave()
            self.state = State.OUT
            self.timed_out += 1
            return actions
        is_open = self.open(now)
        match self.state:
            case State.QUIET if is_open:
                self._ask()
                return [Ask()]
            case State.REFUSED if not is_open:
                self._quiet()
            case State.ASKING if not self.listening(now):
                self._quiet()
                self.state = State.QUEUED  # another was first; our own answer is still to come
            case State.TALKING | State.CLOSING if not self.listening(now):
                return self._leave()
            case State.TURN if is_open:
                self.state = State.TALKING
                self.backlog.extend(self._before)
                self._before.clear()
                return self._begin(now)
            case State.QUEUED | State.TURN if self._let_go(now):
                self._quiet()
                return [GiveBack()]
            case State.ASKING | State.CLOSING if is_open:
                self._closed_at = None
                if self.state is State.CLOSING:
                    self.state = State.TALKING
                    self._heard = now
                    self.backlog.extend(self._before)  # came while the end was being sent
                    self._before.clear()
            case State.ASKING:
                if self._closed_at is None:
                    self._over(now)
                    if self.backlog.cuts and not self.backlog:
                        return self._leave()  # nothing but the squelch's tail
                elif now >= self._closed_at + ANSWER:
                    return self._leave()
            case State.TALKING if not is_open:
                self.state = State.CLOSING
                self._over(now)
                self._awaits = self._awaited(now)
                return self._flow(now)
            case State.CLOSING if self._awaits and not self._awaited(now):
                self._awaits = False
                return self._flow(now)
            case State.TALKING if now >= self._heard + STALLED:
                actions = [*self._sent(self.backlog.everything()), *self._leave()]
                self.state = State.REFUSED
                self._again = True
                return actions
            case _:
                pass
        return []

    def _overdue(self, now: float) -> bool:
        limit = self.input_timeout
        return self._raw and limit is not None and now >= self._changed + limit

    def _let_go(self, now: float) -> bool:
        """Whether nobody waits for the turn any more, or nobody has taken it."""
        if self.state is State.TURN and now >= self._turn_until:
            return True
        return not self._waits and not self._raw and self.listening(now)

    def _take_turn(self, token: Token, now: float) -> list[Action]:
        if self.state is State.QUEUED:
            self._turn_until = now + REACTION
        self.state = State.TURN
        self._token = token
        self._granted_at = now
        return self._look(now)

    def _ask(self) -> None:
        self.state = State.ASKING
        self._closed_at = None
        self.backlog.clear()
        self.backlog.extend(self._before)
        self._before.clear()

    def _begin(self, now: float) -> list[Action]:
        """A burst under the token; what waits begins to go."""
        assert self._token is not None
        self._heard = now
        self.backlog.open(now)
        return [Begin(self._token), *self._flow(now)]

    def _over(self, now: float) -> None:
        """The squelch has closed."""
        self._closed_at = now
        if self.backlog.cuts:
            self.backlog.cut_tail(now)

    def _awaited(self, now: float) -> bool:
        """Whether the block that was being captured when the squelch closed is still to come."""
        if self._closed_at is None or self.backlog.cuts:
            return False
        return now < self._closed_at + _CLOSING

    def _flow(self, now: float) -> list[Action]:
        """Send what may be sent now, and the burst's end after the last of it."""
        closing = self.state is State.CLOSING
        actions = self._sent(self.backlog.due(now, over=closing))
        if closing and not self.backlog and not self._awaits:
            actions += self._leave()
        return actions

    def _sent(self, blocks: Iterable[Came]) -> list[Action]:
        return [Send(block, pre_roll=came <= self._granted_at) for block, came in blocks]

    def _leave(self) -> list[Action]:
        """Give up what we have of the floor. What still waits is not sent."""
        actions: list[Action] = []
        if self.talking:
            actions = [Send(None, last=True), GiveBack()]
        elif self.state in (State.ASKING, State.QUEUED, State.TURN):
            actions = [GiveBack()]
        self._quiet()
        return actions

    def _refuse(self) -> None:
        self._quiet()
        self.state = State.REFUSED

    def _quiet(self) -> None:
        self.state = State.QUIET
        self._token = None
        self._granted_at = _NEVER
        self._closed_at = None
        self._awaits = False
        self._again = False
        self._not_before = _NEVER
        self.backlog.clear()
        self._before.clear()
