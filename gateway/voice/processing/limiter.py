"""Keeps sound below a ceiling without distorting it. Pure; blocks of 20 ms.

The gain falls to what the loudest sample of each 5 ms needs, on a straight line through the 5 ms
before it, and rises again slowly. Nothing is delayed: an onset at the very beginning of a block,
which could not be seen before, is cut off for 5 ms at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.voice.dsp import Samples

CEILING = 0.9
"""Share of full scale: 1 dB below it, what converters and deviation limits are grateful for."""

_PARTS = 4  # of a block
_RISE = 10 ** (1 / 20 / 10)  # a part: 20 dB a second


class Limiter:
    """One stream of int16 or float blocks at the scale of int16."""

    def __init__(self, ceiling: float = CEILING) -> None:
        self._ceiling = ceiling * 32_767
        self._gain = 1.0

    def block(self, block: NDArray[np.float32] | NDArray[np.int32] | Samples) -> Samples:
        """``block``, nowhere louder than the ceiling."""
        length = len(block)
        wave = block.astype(np.float32)
        if self._gain == 1.0 and float(np.abs(wave).max(initial=0.0)) <= self._ceiling:
            return wave.astype(np.int16)
        peaks = np.abs(wave[: length // _PARTS * _PARTS].reshape(_PARTS, -1)).max(axis=1)
        corners = [self._gain]
        gain = self._gain
        for part, peak in enumerate(peaks):
            allowed = min(1.0, self._ceiling / max(float(peak), 1.0))
            corners[part] = min(corners[part], allowed)
            gain = min(corners[part] * _RISE, allowed, 1.0)
            corners.append(gain)
        self._gain = gain
        size = length // _PARTS
        gains = np.interp(np.arange(length), np.arange(_PARTS + 1) * size, corners)
        return np.clip(wave * gains, -self._ceiling, self._ceiling).astype(np.int16)
