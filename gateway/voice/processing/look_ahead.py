"""The limiter of the way up: nothing above the ceiling, and no onset cut, for a short delay. Pure.

The gain falls on a straight line through the part before the one that is too loud, which is why
each block is held back for one part; it rises as that of `gateway.voice.processing.limiter` does,
which delays nothing and so cuts an onset at the beginning of a block.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gateway.voice.processing.recursion import Floats

_RISE_DB = 20.0
"""A second."""


class LookAhead:
    """One stream of blocks of ``length`` samples; ``delay`` in blocks."""

    def __init__(self, ceiling_dbfs: float, length: int) -> None:
        parts = next(count for count in (4, 5, 3, 6, 7, 2, 1) if length % count == 0)
        self.delay = 1 / parts
        self._ceiling = 32_768 * 10 ** (ceiling_dbfs / 20)
        self._part = length // parts
        self._held = np.zeros(self._part)
        self._gain = 1.0
        self._rise = 10 ** (_RISE_DB / 20 * 0.02 / parts)
        self._places = np.arange(length)
        self._corners = np.arange(parts + 1) * self._part

    def block(self, samples: Floats) -> Floats:
        """The last part of the block before and this one but for its last, nowhere too loud."""
        wave = np.concatenate((self._held, samples))
        self._held = wave[-self._part :]
        peaks = np.abs(wave).reshape(-1, self._part).max(axis=1)
        if self._gain == 1.0 and peaks.max() <= self._ceiling:
            return wave[: -self._part]
        allowed = np.minimum(1.0, self._ceiling / np.maximum(peaks, 1.0)).tolist()
        gains = [self._gain]
        for this, following in pairwise(allowed):
            gains.append(min(this, following, gains[-1] * self._rise))
        self._gain = gains[-1]
        return wave[: -self._part] * np.interp(self._places, self._corners, gains)
