"""Blocks of one endpoint that wait to be sent, and how fast they may go. Pure; seconds.

Rule 1. Faster than real time, but not all at once: `AT_ONCE` blocks with the grant, then `CATCH_UP`
        in the time of one, until nothing waits. So the longest wait is made up for in 0.2 s, and no
        socket, broker or receiver meets 75 packets in one go. Slower is worse: a receiver that could
        skip a second of silence must wait for it (measured: at half of this rate by 0.1 s more).
Rule 2. With a ``tail_cut`` each block is held back for that long, rounded up to whole blocks, and
        those that came within it before the squelch closed are dropped: between the end of the
        carrier and the closing of the squelch a receiver gives a burst of noise.
Rule 3. After `MAX_WAITING` blocks the oldest is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from gateway.ports import BLOCK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AT_ONCE = 10
"""Blocks sent in one go: the pre-roll of VOX; 1 kB, less than one TCP segment."""

CATCH_UP = 8
"""Blocks sent in the time of one while any wait."""

MAX_WAITING = 75
"""Blocks; 1.5 s of speech. With the time for catching up it stays below ``max_age_s``."""

_SLACK = 1e-6  # sums of 0.02 are not exact


@dataclass(frozen=True, slots=True)
class Block:
    """One captured block; ``captured`` is when its first sample was, POSIX seconds."""

    samples: NDArray[np.int16]
    captured: float


Came = tuple[Block, float]
"""A block, and when it came."""


class Backlog:
    """``dropped`` counts blocks that waited too long, ``cut`` those of the squelch's tail."""

    def __init__(self, tail_cut: float) -> None:
        self.dropped = self.cut = 0
        self.cuts = tail_cut > 0
        self._tail_cut = tail_cut
        self._hold = ceil(tail_cut / BLOCK - _SLACK)
        self._waiting: deque[Came] = deque()
        self._credit = 0.0  # blocks that may be sent now
        self._credited = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, block: Block, now: float) -> None:
        """A block that is to be sent."""
        self._waiting.append((block, now))
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.dropped += 1

    def extend(self, blocks: Iterable[Came]) -> None:
        """Blocks that came earlier, in their order."""
        for block, came in blocks:
            self.put(block, came)

    def open(self, now: float) -> None:
        """Sending begins: the first are sent at once."""
        self._credit = float(AT_ONCE)
        self._credited = now

    def due(self, now: float, *, over: bool) -> Iterator[Came]:
        """What is to be sent now, oldest first; ``over`` says that nothing is held back any more."""
        self._credit = min(AT_ONCE, self._credit + (now - self._credited) * CATCH_UP / BLOCK)
        self._credited = now
        hold = 0 if over else self._hold
        while len(self._waiting) > hold and self._credit > 1 - _SLACK:
            self._credit -= 1
            yield self._waiting.popleft()

    def due_at(self, *, over: bool) -> float | None:
        """When more may be sent, as many together as in the time of one block; None if none wait."""
        if len(self._waiting) <= (0 if over else self._hold):
            return None
        return self._credited + max(CATCH_UP - self._credit, 0.0) * BLOCK / CATCH_UP

    def everything(self) -> Iterator[Came]:
        """All that waits, in one go: no more will come."""
        while self._waiting:
            yield self._waiting.popleft()

    def cut_tail(self, now: float) -> None:
        """The squelch has closed."""
        while self._waiting and self._waiting[-1][1] > now - self._tail_cut + _SLACK:
            self._waiting.pop()
            self.cut += 1

    def clear(self) -> None:
        self._waiting.clear()
