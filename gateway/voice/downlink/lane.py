"""The bursts of one talkgroup on their way to one endpoint. Pure; times are seconds.

`gateway.voice.downlink.downlink` has the rules; 3 to 5 of them are kept here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gateway.voice.downlink.jitter import Frame, Jitter
from gateway.voice.keying.ptt import Keyed
from gateway.voice.rtp import Token

LOOKAHEAD = 0.0065
"""Seconds that Opus holds back (`gateway.voice.opus.LOOKAHEAD`): what the last packet, of silence, brings."""

FRESH = 0.4
"""Seconds without a packet after which there is no audio any more (contract, section 6)."""

FRESH_IDLE = 0.1
"""The same, when the floor is idle: what still comes has only been held up on its way."""

MAX_BURSTS = 4
"""Whole bursts waiting for each other; the oldest that waits is dropped beyond."""

Key = tuple[str, str, int]
"""Talkgroup, talker, SSRC."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A talkgroup that is listened to; ``tot`` and ``hang_time`` in seconds."""

    talkgroup: str
    tot: float
    hang_time: float


class Burst:
    """One talk burst. ``closed``: it is not gone on with, whatever still comes of it (rule 5)."""

    __slots__ = ("closed", "confirmed", "jitter", "key", "keyed", "patience", "token")

    def __init__(self, key: Key, token: Token, jitter: Jitter) -> None:
        self.key = key
        self.token = token
        self.jitter = jitter
        self.patience = FRESH
        self.confirmed = False
        self.closed = False
        self.keyed: Keyed | None = None

    def has_gone(self, now: float) -> bool:
        """Nothing is left to play, and nothing comes (rule 4)."""
        return self.jitter.depth == 0 and now - self.jitter.arrived >= self.patience


class Lane:
    """The first of ``bursts`` is played, the others wait for it. ``ended`` is told of each that ends.

    ``counts`` gets ``overrun``.
    """

    def __init__(self, heard: Heard, ended: Callable[[Burst], None], counts: Counter[str]) -> None:
        self.heard = heard
        self.bursts: list[Burst] = []
        self._ended = ended
        self._counts = counts

    @property
    def keyed(self) -> Keyed:
        """What a transmitter is keyed for by the burst being played."""
        burst = self.bursts[0]
        if burst.keyed is None or burst.keyed.confirmed is not burst.confirmed:
            heard = self.heard
            burst.keyed = Keyed(heard.talkgroup, burst.token, heard.tot, burst.confirmed)
        return burst.keyed

    def find(self, key: Key) -> Burst | None:
        for burst in self.bursts:
            if burst.key == key:
                return burst
        return None

    def refuses(self, token: Token, *, confirmed: bool) -> bool:
        """Whether a burst under ``token`` is stale here (rule 3)."""
        if not self.bursts:
            return False
        current = self.bursts[-1]
        return token < current.token and (current.confirmed or not confirmed)

    def add(self, burst: Burst) -> None:
        """Play ``burst`` after the one that is whole, instead of one that is not (rule 3)."""
        if self.bursts and not self.bursts[-1].jitter.complete:
            for overtaken in self.bursts:
                overtaken.closed = burst.confirmed and overtaken.confirmed
            self.drop()
        elif len(self.bursts) == MAX_BURSTS:
            self._counts["overrun"] += 1
            self._ended(self.bursts.pop(1))
        self.bursts.append(burst)

    def advance(self, now: float, *, held: bool = False) -> bool:
        """Leave behind what is over; True where the last to go had not been whole.

        ``held`` says that not all of its last frame has been played: a whole burst waits for that.
        One that has gone does not: what conceals its absence would be held for ever.
        """
        vanished = False
        while self.bursts:
            burst = self.bursts[0]
            finished = burst.jitter.finished or burst.jitter.spent
            if held if finished else not burst.has_gone(now):
                break
            vanished = not finished
            burst.closed = finished
            self.end()
        return vanished

    @property
    def is_over(self) -> bool:
        """What was pulled last was the end, and but for what the coder held back it is silence."""
        return (
            len(self.bursts) == 1
            and self.bursts[0].jitter.finished
            and self.bursts[0].jitter.silent
        )

    def pull(self, now: float, ahead: float) -> Frame | None:
        return self.bursts[0].jitter.pull(now, ahead) if self.bursts else None

    def end(self) -> None:
        """The burst being played is over."""
        self._ended(self.bursts.pop(0))

    def drop(self) -> None:
        """All of them are."""
        while self.bursts:
            self.end()
