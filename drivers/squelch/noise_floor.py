"""How far a block stands out of the noise that was there before it. Pure.

Rules:
1. A block is split into `EDGES_HZ` bands of the telephone's width, so that the drone of an engine
   below them, and hiss above, say nothing, and a soft consonant is not hidden by a hum.
2. The noise of each band is the least that it has had, smoothed, within `WINDOW` (minimum
   statistics): speech has gaps between its words, a fan has none. So noise that grows louder counts
   as speech for `WINDOW` at most, and speech never becomes noise.
3. What is told is the mean of the bands' ratios of power to noise, in dB: about 0 in steady noise.

Measured with 2 minutes each of white and pink noise, a fan and an engine: two blocks in a row never
stood more than 2.5 dB out.
"""

from __future__ import annotations

from collections import deque
from math import log10
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGES_HZ = (200, 400, 700, 1_100, 1_600, 2_400, 3_600)

WINDOW = 1.8
"""Seconds; the longest that people speak without any gap, and how long a fan that starts is speech."""

_PARTS = 9  # of the window; the oldest is forgotten as a whole
_PART_BLOCKS = 10
_SMOOTHING = 0.7
_BIAS = 1.5  # the least of smoothed noise is this much below its mean (measured)
_QUIETEST = 1.0  # power of a sample below which a converter's own noise is


class NoiseFloor:
    """The noise of one microphone; fed with blocks of one length."""

    def __init__(self) -> None:
        self._window: NDArray[np.float32] | None = None
        self._cuts: NDArray[np.intp] = np.zeros(0, np.intp)
        self._least: deque[NDArray[np.float32]] = deque(maxlen=_PARTS - 1)
        self._past: NDArray[np.float32] | float = np.inf  # the least of those
        self._now: NDArray[np.float32] | float = np.inf  # the least of the part that goes on
        self._smooth: NDArray[np.float32] | None = None
        self._blocks = 0

    def above(self, block: NDArray[np.float32]) -> float:
        """Decibels by which a block, at the scale of int16, stands out; it is learnt from, too."""
        powers = self._powers(block)
        if self._smooth is None:
            self._smooth = powers
        self._smooth = _SMOOTHING * self._smooth + (1 - _SMOOTHING) * powers
        self._now = np.minimum(self._now, self._smooth)
        floor = np.minimum(self._now, self._past)
        self._blocks += 1
        if self._blocks == _PART_BLOCKS:
            self._blocks = 0
            self._least.append(self._now)
            self._past = np.min(np.array(self._least), axis=0)
            self._now = np.inf
        ratio = float(np.add.reduce(powers / floor)) / len(powers)
        return 10 * log10(ratio / _BIAS)

    def _powers(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._window is None:
            length = len(block)
            self._window = np.hanning(length + 1)[:length].astype(np.float32)
            # A block is 20 ms, so its spectrum has a line each 50 Hz.
            self._cuts = np.array([edge // 50 for edge in EDGES_HZ], np.intp)
            self._quietest = np.float32(_QUIETEST * length * 3 / 8) * np.diff(self._cuts)
        lines = np.fft.rfft(block * self._window)[: self._cuts[-1]]
        powers: NDArray[np.float32] = np.add.reduceat(
            lines.real**2 + lines.imag**2, self._cuts[:-1]
        ).astype(np.float32)
        return powers + self._quietest
