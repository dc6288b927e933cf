"""When to stop refusing a line that nobody understands. Pure.

Rules:

1. A receiver that gets NAK or no answer sends the same line again, and everything behind it waits.
2. The first and second arrival of a line are refused, in the hope that the wire was at fault.
3. The third identical arrival is what the receiver means to say: it is to be stored, acknowledged
   and raised as a trouble. So are later ones, because the acknowledgement may have been lost or
   the storing have failed.
4. A line is forgotten `MEMORY` seconds after it last came, and the oldest of more than `LINES`.
"""

from __future__ import annotations

ARRIVALS = 3
"""Identical arrivals until a line is taken as it is (contract, "From a panel")."""
MEMORY = 60.0
"""Seconds; a receiver sends a line four times within 16 s."""
LINES = 8
"""Different lines remembered at once; a receiver has one in flight on each of its ports."""


class Rejects:
    """Counts identical arrivals of lines that were not understood; see the rules above."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[int, float]] = {}  # in order of last arrival

    def arrived(self, line: bytes, now: float) -> bool:
        """Whether ``line`` is now to be stored rather than refused; ``now`` in seconds, monotonic."""
        count, last = self._seen.pop(line, (0, now))
        if now - last > MEMORY:
            count = 0
        self._seen[line] = (count + 1, now)
        while len(self._seen) > LINES:
            del self._seen[next(iter(self._seen))]
        return count + 1 >= ARRIVALS
