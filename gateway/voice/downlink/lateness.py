"""What is known of the way from one client to here: how late its packets come. Pure; seconds.

Rule 1. Lateness is counted from the packet that came soonest for its number, of the last
        `ZERO_WINDOW` to twice that: a talker's sound card may run fast or slow.
Rule 2. Remembered are the hold-ups (anything later than `NOTABLE`) of the last `WINDOW` packets:
        packets, not seconds, so that a burst begins with what the bursts before it have taught.
Rule 3. The delay covers all of them but the worst, and of many the worst few where these stand out:
        one hold-up alone may be anybody's hiccup, the second of its size is the link's way.
Rule 4. A client that is not known yet gets `FIRST_TARGET` for two seconds of speech: a first word
        is worth more than ten milliseconds.

Over TCP a lost packet is a hold-up of one and a half round trips, and of some more where the
repetition is lost as well. So rule 3 learns a link's loss within two of them (2 s of speech at
1 % on both hops), and rule 2 forgets it 10 s of speech after the last.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import ceil

WINDOW = 500
"""Packets; ten seconds of speech."""

NOTABLE = 0.01
"""Seconds; what comes less late is covered anyhow."""

ZERO_WINDOW = 10.0
"""Seconds; sound cards differ by up to 200 ppm, which is 4 ms in twice this."""


class Lateness:
    """How late one client's packets come, over many bursts; ``target`` is the delay that covers it."""

    FIRST_TARGET = 0.03
    """Seconds; measured: on a machine with three times the load it can take, the scheduler holds
    an event loop up for as long as that often enough to cut first words to pieces."""
    MIN_TARGET = 0.02
    """Seconds, one packet; with it speech takes 50 ms one way, capture and coder included."""
    MAX_TARGET = 0.4
    """Seconds; beyond it speech is better late than stretched in advance."""

    _FIRST_PACKETS = 100
    _STEP = 0.005
    _MARGIN = 0.001
    _MANY = 8  # of so many hold-ups one more is let go
    _MOST_LET_GO = 12
    _WORTH = 0.004  # seconds of delay that one let go must save
    _MAY_WELL = 0.3

    def __init__(self) -> None:
        self.target = self.FIRST_TARGET
        self._count = 0
        self._hold_ups: deque[tuple[int, float]] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Learn from one packet: what it alone was late, 0 for one that only waited behind it."""
        self._count += 1
        changed = self._count == self._FIRST_PACKETS
        while self._hold_ups and self._hold_ups[0][0] <= self._count - WINDOW:
            _, gone = self._hold_ups.popleft()
            del self._sorted[bisect_left(self._sorted, gone)]
            changed = True
        if seconds > NOTABLE:
            self._hold_ups.append((self._count, seconds))
            insort(self._sorted, seconds)
            changed = True
        if changed:
            self._choose()

    def is_lasting(self, seconds: float) -> bool:
        """Whether what is late by ``seconds`` already may well be later than the target in the end."""
        number = len(self._sorted)
        as_late = number - bisect_left(self._sorted, seconds)
        beyond = number - bisect_left(self._sorted, self.target)
        return beyond >= as_late * self._MAY_WELL

    def _choose(self) -> None:
        late = 0.0
        if len(self._sorted) > 1:
            most = min(1 + len(self._sorted) // self._MANY, self._MOST_LET_GO)
            late = min(
                (self._sorted[-1 - let_go] + let_go * self._WORTH, self._sorted[-1 - let_go])
                for let_go in range(1, most + 1)
                if let_go < len(self._sorted)
            )[1]
        least = self.MIN_TARGET if self._count >= self._FIRST_PACKETS else self.FIRST_TARGET
        target = ceil((late + self._MARGIN) / self._STEP) * self._STEP
        self.target = min(max(target, least), self.MAX_TARGET)


class Zero:
    """When number 0 of a burst would have come, had it come as soon as the soonest (rule 1)."""

    def __init__(self) -> None:
        self.at: float | None = None
        self._before = float("inf")  # the least of the window before, and of the present one
        self._least = float("inf")
        self._until = float("-inf")

    def late(self, zero: float, now: float) -> float:
        """Take the zero that a packet which came ``now`` speaks for; how late it was."""
        if now >= self._until:
            self._before, self._least = self._least, zero
            self._until = now + ZERO_WINDOW
        elif zero < self._least:
            self._least = zero
        self.at = min(self._before, self._least)
        return zero - self.at
