"""Pre-emphasis of frequency modulation: speech 6 dB an octave brighter before it is sent. Pure.

A receiver makes it duller by as much, and the hiss of the way with it. Between `FROM_HZ` and `TO_HZ`
the gain rises by 6 dB an octave and is 1 at 1 kHz (as TIA-603 has it for land mobile radio); below
and above it is level, so that hum and hiss are not made louder than need be.
"""

from __future__ import annotations

from functools import cache
from math import pi

import numpy as np
from numpy.typing import NDArray

from gateway.voice.dsp import Samples

FROM_HZ = 300.0
TO_HZ = 3_400.0
_UNITY_HZ = 1_000.0
_TAPS = 40  # at 48 kHz what is beyond is 75 dB below the first


class PreEmphasis:
    """One stream of int16 blocks at ``rate_hz``; what comes out may be louder than int16 can be."""

    def __init__(self, rate_hz: int) -> None:
        self._taps = _response(rate_hz)
        self._past: NDArray[np.float32] = np.zeros(_TAPS - 1, np.float32)

    def block(self, block: Samples) -> NDArray[np.float32]:
        """The block, brighter, without delay."""
        wave: NDArray[np.float32] = np.concatenate((self._past, block), dtype=np.float32)
        self._past = wave[-(_TAPS - 1) :]
        return np.convolve(wave, self._taps, "valid")


@cache
def _response(rate_hz: int) -> NDArray[np.float32]:
    """What a zero at `FROM_HZ` and a pole at `TO_HZ` make of one sample; by the bilinear transform."""
    zero, pole = (2 * rate_hz / (2 * pi * corner) for corner in (FROM_HZ, TO_HZ))
    b0, b1 = (1 + zero) / (1 + pole), (1 - zero) / (1 + pole)
    a1 = (1 - pole) / (1 + pole)
    taps = np.zeros(_TAPS)
    taps[0] = b0
    taps[1:] = (b1 - a1 * b0) * (-a1) ** np.arange(_TAPS - 1)
    at_unity = abs(np.sum(taps * np.exp(-2j * pi * _UNITY_HZ / rate_hz * np.arange(_TAPS))))
    scaled: NDArray[np.float32] = (taps / at_unity).astype(np.float32)
    return scaled
