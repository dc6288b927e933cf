"""Blocks on their way into the SIP stack, which takes a packet's worth every 20 ms. Pure.

Rules:

1. What waits inside the stack cannot be dropped, so at most `AHEAD` is given to it; the rest waits
   here. Past `DEPTH_BLOCKS` the oldest is dropped (``playback_dropped``).
2. What comes after silence is given `CUSHION` of silence before it, so that the next block, if it is
   a little late, makes no hole.
3. The stack running dry is a hole (``underruns``) if the next block comes within `RESUMED`; later
   it is a new burst.
"""

from __future__ import annotations

from collections import Counter, deque
from math import inf

from gateway.ports import BLOCK

DEPTH_BLOCKS = 10
"""200 ms, as with the other audio drivers."""
AHEAD = 0.04
"""Seconds: two packets."""
CUSHION = 0.01
"""Seconds."""
RESUMED = 0.1
"""Seconds."""


class PlaybackQueue:
    """Blocks of 16-bit mono at ``rate_hz``."""

    def __init__(self, rate_hz: int, counters: Counter[str]) -> None:
        self._cushion = bytes(2 * round(rate_hz * CUSHION))
        self._counters = counters
        self._blocks: deque[bytes] = deque()
        self._last = -inf

    def put(self, block: bytes) -> None:
        self._blocks.append(block)
        if len(self._blocks) > DEPTH_BLOCKS:
            self._blocks.popleft()
            self._counters["playback_dropped"] += 1

    def take(self, ahead: float, now: float) -> bytes:
        """What to give to the stack, in which ``ahead`` seconds still wait."""
        if not self._blocks:
            return b""
        given = []
        if ahead <= 0:
            given.append(self._cushion)
            ahead = CUSHION
            if now - self._last < RESUMED:
                self._counters["underruns"] += 1
        while self._blocks and ahead < AHEAD:
            given.append(self._blocks.popleft())
            ahead += BLOCK
            self._last = now
        return b"".join(given)
