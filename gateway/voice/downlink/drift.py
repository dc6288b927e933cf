"""How far a sound card's clock is off the one we play by, and what to do about it. Pure; seconds.

Rule 1. What waits in the device says it: it shrinks where the card is quick, grows where it is slow.
Rule 2. The level that playing begins with, measured over `WARM_UP`, is held: the driver has chosen it
        (its cushion), and it has worked. But one below `LEAST` is raised to that: it depends on where
        between two pieces that the device takes the first block came, and that slides. After a
        hole it is measured anew: it was too little.
Rule 3. Off by more than `OFF`, sound is made longer or shorter by `SHARE` until the level is back.
        So a card that is off by 100 ppm is corrected for a third of the time, and the rest of it costs
        nothing; and sound is changed by 300 ppm or not at all, which nobody hears.
Rule 4. A level that is off by more than `JUMP` is no drift: something else has happened, and the new
        level is held.

A quarter of an hour at 100 ppm without it is 90 ms: any cushion is used up, or the delay has grown.
"""

from __future__ import annotations

WARM_UP = 5.0
"""Seconds until anything is changed; at 200 ppm that is 1 ms, and most bursts are left as they are."""

OFF = 0.001
"""Seconds; a card that is off by 100 ppm takes 10 s for it."""

SHARE = 300e-6
"""Cards are off by up to 100 ppm, so two of them by 200. It is half a hundredth of a semitone; what
can just be noticed is 0.3 %, ten times as much."""

LEAST = 0.008
"""Seconds in the device just before a block comes: so late one may be, wherever the device's pieces end."""

JUMP = 0.015

_SMOOTH = 4.0  # seconds; devices take what waits in pieces of 5 to 20 ms, and not on the dot
_PAUSE = 0.2  # not asked for so long, playing has begun anew


class Drift:
    """The clock of one open card."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._began = 0.0
        self._level: float | None = None
        self._held: float | None = None
        self._share = 0.0
        self._looks = 0

    def begin(self) -> None:
        """There was a hole, or nothing played: what waits now is another level."""
        self._level = self._held = None
        self._share = 0.0

    def correction(self, queued: float, now: float) -> float:
        """The share of samples to give more (negative: fewer) from now on.

        To be asked each 20 to 100 ms while there is sound; ``queued`` is what waits in the device just
        before a block.
        """
        elapsed, self._last = now - self._last, now
        if self._level is None or elapsed > _PAUSE:
            self.begin()
            self._began, self._level, self._looks = now, queued, 0
            return 0.0
        self._looks += 1
        self._level += (queued - self._level) * max(elapsed / _SMOOTH, 1 / self._looks)
        if now - self._began < WARM_UP:
            return 0.0
        if self._held is None:
            self._held = max(self._level, LEAST)
        short = self._held - self._level
        if abs(short) > JUMP:
            self.begin()
        elif abs(short) > OFF:
            self._share = SHARE if short > 0 else -SHARE
        elif short * self._share <= 0:
            self._share = 0.0
        return self._share
