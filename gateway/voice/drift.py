"""How far a sound card's clock is off the one we play by, and what to do about it. Pure; seconds.

Rule 1. What waits in the device says it: it shrinks where the card is quick, grows where it is slow.
Rule 2. The level that playing begins with, measured over `WARM_UP`, is held: the driver has chosen it
        (its cushion), and it has worked. But one below `LEAST` is raised to that: it depends on where
        between two pieces that the device takes the first block came, and that slides. After a
        hole it is measured anew: it was too little.
Rule 3. A slow controller (proportional and integral, critically damped) asks for so many samples more
        or fewer; never more than `MOST` of all, which nobody hears. What it has learned of a card is
        kept for as long as the card is open.
Rule 4. A level that is off by more than `JUMP` is no drift: something else has happened, and the new
        level is held.

A quarter of an hour at 100 ppm without it is 90 ms: any cushion is used up, or the delay has grown.
"""

from __future__ import annotations

WARM_UP = 5.0
"""Seconds until anything is changed; at 200 ppm that is 1 ms, and most bursts cost nothing."""

MOST = 500e-6
"""The largest correction. Cards are off by up to 100 ppm, two of them by 200; pitch changes of a
thousandth cannot be heard (a just noticeable difference is about 3000 ppm)."""

LEAST = 0.008
"""Seconds in the device just before a block comes: so late one may be, wherever the device's pieces end."""

JUMP = 0.015

_SMOOTH = 1.0  # seconds; devices take what waits in pieces of 5 to 20 ms
_PROPORTIONAL = 0.04  # per second: 1 ms off asks for 40 ppm; settles within about a minute
_INTEGRAL = _PROPORTIONAL**2 / 4  # per second²; critically damped
_PAUSE = 0.2  # not asked for so long, playing has begun anew


class Drift:
    """The clock of one open card. ``skew`` is what is known of it, as a share (1e-4 is 100 ppm)."""

    def __init__(self) -> None:
        self.skew = 0.0
        self._last = float("-inf")
        self._began = 0.0
        self._level: float | None = None
        self._held: float | None = None

    def begin(self) -> None:
        """There was a hole, or nothing played: what waits now is another level."""
        self._level = self._held = None

    def correction(self, queued: float, now: float) -> float:
        """The share of samples to give more (negative: fewer) from now on.

        To be asked each 20 to 100 ms while there is sound, ``queued`` seconds waiting in the device just before
        a block.
        """
        elapsed, self._last = now - self._last, now
        if self._level is None or elapsed > _PAUSE:
            self._began, self._level, self._held = now, LEAST, None
            return 0.0
        self._level += (queued - self._level) * min(elapsed / _SMOOTH, 1.0)
        if now - self._began < WARM_UP:
            return 0.0
        if self._held is not None and abs(self._level - self._held) > JUMP:
            self.begin()
            return 0.0
        if self._held is None:
            self._held = max(self._level, LEAST)
        short = self._held - self._level
        wanted = self.skew + _PROPORTIONAL * short
        if abs(wanted) < MOST:
            self.skew += _INTEGRAL * short * elapsed
        return min(max(wanted, -MOST), MOST)
