"""What one endpoint says: from the squelch to the last packet of the burst. Pure; seconds.

Rule 1. The squelch is not listened to while the endpoint transmits, nor for ``rx_mute`` after it;
        what was captured meanwhile is not sent. A squelch still open then opens at that moment.
Rule 2. The squelch opening asks for the floor at once. Blocks from before it (``pre_roll``) and
        until the answer wait and are sent first, marked as pre-roll, in their order.
Rule 3. The squelch closing lets the block then being captured through, and after it a last one of
        silence, which carries what the coder holds back; then the floor is given back.
Rule 4. The same holds for a word that was over before the answer: it is sent whole. Unanswered for
        `ANSWER`, it is given up.
Rule 5. Refused or revoked, the endpoint is silent. A squelch that is still open asks again with the
        next block once the floor has become idle or the time to wait is over; so a device that
        brings no audio never asks.
Rule 6. With no block for `STALLED` while talking, the floor is given back; the next block asks.
Rule 7. A grant that nobody waits for is given back. Another token while talking begins a new burst.
Rule 8. Queued, what was said until now is dropped: the talker hears that it is to wait, and what it
        said would be old by its turn. Where an open squelch means that a key is held, closing it
        takes the request back; where it only means that somebody speaks (``waits``), the place is
        kept. While the endpoint transmits nobody knows, and the place is kept too.
Rule 9. The turn has come: an open squelch talks at once. Else nobody is granted into silence: a key
        known to be let go gives the floor back at once, anybody else after `REACTION`
        (TS 24.380 T132).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from gateway.ports import BLOCK
from gateway.voice.rtp import Token

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ANSWER = 1.5
"""Seconds of speech that wait for an answer at most; what is older is dropped."""

STALLED = 0.3
"""Seconds without audio after which a burst is over; less than the 0.4 after which those who hear it
release: the burst's last packet would key them once more, for nothing."""

REACTION = 2.0
"""Seconds within which a queued talker whose turn has come must speak (TS 24.380 T132)."""

_CLOSING = 0.04  # seconds within which the block being captured must come, if one comes at all
_WAITING_BLOCKS = round(ANSWER / BLOCK)


@dataclass(frozen=True, slots=True)
class Block:
    """One captured block; ``captured`` is when its first sample was, POSIX seconds."""

    samples: NDArray[np.int16]
    captured: float


@dataclass(frozen=True, slots=True)
class Ask:
    """Request the floor. Always the last action of a list: its answer may come meanwhile."""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Release the floor, or take the request back."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A new talk burst under ``token``."""

    token: Token


@dataclass(frozen=True, slots=True)
class Send:
    """Send one block of the burst; None is a block of silence."""

    block: Block | None
    pre_roll: bool = False
    last: bool = False


Action = Ask | GiveBack | Begin | Send


class State(Enum):
    """What an endpoint that may speak is doing."""

    QUIET = "quiet"
    ASKING = "asking"
    TALKING = "talking"
    CLOSING = "closing"  # talking, but the squelch has closed
    REFUSED = "refused"  # the squelch is open, and somebody else has the floor
    QUEUED = "queued"  # the request waits for its turn
    TURN = "turn"  # the floor is ours, and nobody speaks yet


class Uplink:
    """The speaking side of one endpoint. ``dropped`` counts blocks that waited too long.

    ``waits`` says that a closed squelch does not mean that a key was let go (VOX).
    """

    def __init__(self, *, pre_roll: float, rx_mute: float, waits: bool = False) -> None:
        self.state = State.QUIET
        self._waits = waits
        self._turn_until = 0.0
        self.dropped = 0
        self._rx_mute = rx_mute
        self._before: deque[Block] = deque(maxlen=max(round(pre_roll / BLOCK), 0))
        self._waiting: deque[Block] = deque()
        self._raw = False  # the squelch as it is
        self._muted = False
        self._muted_until = float("-inf")
        self._closed_at: float | None = None  # asking or closing: when the word was over
        self._token: Token | None = None
        self._heard = 0.0  # the last block while talking
        self._again = False  # refused: the floor has become idle
        self._not_before = float("-inf")  # refused: the time to wait

    @property
    def talking(self) -> bool:
        """The endpoint has the floor."""
        return self.state in (State.TALKING, State.CLOSING)

    def open(self, now: float) -> bool:
        """Whether the squelch is open and listened to."""
        return self._raw and self.listening(now)

    def listening(self, now: float) -> bool:
        """Whether the squelch is listened to (rule 1)."""
        return not self._muted and now >= self._muted_until

    def squelch(self, is_open: bool, now: float) -> list[Action]:
        """The squelch has opened or closed."""
        self._raw = is_open
        return self._look(now)

    def transmitting(self, active: bool, now: float) -> list[Action]:
        """The endpoint begins or ends to transmit, or to play."""
        if self._muted and not active:
            self._muted_until = now + self._rx_mute
        self._muted = active
        if active:
            self._before.clear()
        return self._look(now)

    def deaf(self, until: float, now: float) -> list[Action]:
        """Do not listen until then: what the microphone hears is a tone of ours."""
        self._muted_until = max(self._muted_until, until)
        self._before.clear()
        return self._look(now)

    def block(self, block: Block, now: float) -> list[Action]:
        """A block was captured."""
        if not self.listening(now):
            self._before.clear()
            return []
        actions = self._look(now)
        match self.state:
            case State.TALKING:
                self._heard = now
                return [*actions, Send(block)]
            case State.CLOSING:
                return [*actions, Send(block), *self._finish()]
            case State.ASKING:
                if self._closed_at is None or now < self._closed_at + _CLOSING:
                    self._waiting.append(block)
                if len(self._waiting) > _WAITING_BLOCKS:
                    self._waiting.popleft()
                    self.dropped += 1
                return actions
            case State.REFUSED if self._again and now >= self._not_before:
                self._ask()
                self._waiting.append(block)
                return [*actions, Ask()]
            case _:
                self._before.append(block)
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
        self._heard = now
        actions: list[Action] = [Begin(token)]
        actions += [Send(block, pre_roll=True) for block in self._waiting]
        self._waiting.clear()
        if self._closed_at is None:
            self.state = State.TALKING
            return actions
        if now < self._closed_at + _CLOSING:
            self.state = State.CLOSING
            return actions
        return [*actions, *self._finish()]

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

    def revoked(self) -> None:
        """The floor was taken from us."""
        if self.state is State.TURN:
            self._quiet()
        elif self.talking:
            self._refuse()

    def idle(self) -> None:
        """Nobody has the floor any more."""
        if self.state is State.REFUSED:
            self._again = True

    def stop(self) -> list[Action]:
        """End the burst or the request: the device is gone, or the endpoint is tuned elsewhere."""
        actions: list[Action] = []
        if self.talking:
            actions = self._finish()
        elif self.state in (State.ASKING, State.QUEUED, State.TURN):
            actions = [GiveBack()]
        self._quiet()
        return actions

    def deadline(self, now: float) -> float | None:
        """When `tick` is to be called at the latest; None where only an event can change something."""
        times = []
        if self._raw and not self._muted and now < self._muted_until:
            times.append(self._muted_until)
        if self.state is State.TALKING:
            times.append(self._heard + STALLED)
        elif self.state is State.CLOSING and self._closed_at is not None:
            times.append(self._closed_at + _CLOSING)
        elif self.state is State.ASKING and self._closed_at is not None:
            times.append(self._closed_at + ANSWER)
        elif self.state is State.TURN:
            times.append(self._turn_until)
        if self.state in (State.QUEUED, State.TURN) and not self._muted and now < self._muted_until:
            times.append(self._muted_until)
        return min(times, default=None)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        return self._look(now)

    def _look(self, now: float) -> list[Action]:
        """What the squelch and the time make of the state."""
        is_open = self.open(now)
        match self.state:
            case State.QUIET if is_open:
                self._ask()
                return [Ask()]
            case State.REFUSED if not is_open:
                self._quiet()
            case State.ASKING if not self.listening(now):
                self._quiet()
                return [GiveBack()]
            case State.TALKING | State.CLOSING if not self.listening(now):
                return self._finish()
            case State.TURN if is_open:
                return self._begin(now)
            case State.QUEUED | State.TURN if self._let_go(now):
                self._quiet()
                return [GiveBack()]
            case State.QUEUED:
                pass
            case State.ASKING | State.CLOSING if is_open:
                self._closed_at = None
                if self.state is State.CLOSING:
                    self.state = State.TALKING
                    self._heard = now
            case State.ASKING:
                if self._closed_at is None:
                    self._closed_at = now
                elif now >= self._closed_at + ANSWER:
                    self._quiet()
                    return [GiveBack()]
            case State.TALKING if not is_open:
                self.state = State.CLOSING
                self._closed_at = now
            case State.CLOSING if self._closed_at is not None and now >= self._closed_at + _CLOSING:
                return self._finish()
            case State.TALKING if now >= self._heard + STALLED:
                actions = self._finish()
                self.state = State.REFUSED
                self._again = True
                return actions
            case _:
                pass
        return []

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
        return self._look(now)

    def _begin(self, now: float) -> list[Action]:
        """Speak under the grant that waited for it."""
        assert self._token is not None
        self.state = State.TALKING
        self._heard = now
        before = [Send(block, pre_roll=True) for block in self._before]
        self._before.clear()
        return [Begin(self._token), *before]

    def _ask(self) -> None:
        self.state = State.ASKING
        self._closed_at = None
        self._waiting = deque(self._before)
        self._before.clear()

    def _refuse(self) -> None:
        self._quiet()
        self.state = State.REFUSED

    def _finish(self) -> list[Action]:
        self._quiet()
        return [Send(None, last=True), GiveBack()]

    def _quiet(self) -> None:
        self.state = State.QUIET
        self._token = None
        self._closed_at = None
        self._again = False
        self._not_before = float("-inf")
        self._waiting.clear()
        self._before.clear()
