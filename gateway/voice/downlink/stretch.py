"""Speech played a little quicker or slower: one period of the voice left out, or said twice. Pure.

As WebRTC's NetEq does it: the lag is sought at which a frame resembles itself most, and the two
places are joined by a cross-fade, so that pitch and timbre stay and nothing clicks. Where no lag
fits well (a consonant, an onset) nothing is changed. A frame is 20 ms or more, int16, mono.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.voice.downlink.pace import LONGEST
from gateway.voice.dsp import Samples

ALIKE = 0.85
"""The least correlation at which two places may be joined; NetEq asks for 0.9 at 4 kHz."""

_SHORTEST = 0.0025  # seconds; periods of 400 to 71 Hz
_COMPARED, _FADE = 0.006, 0.005  # seconds
_SOUGHT_HZ = 4_000  # the lag is sought at about this rate, and then to the sample


def shorter(frame: Samples, rate_hz: int) -> Samples:
    """``frame`` less one period, or as it is."""
    lag = _period(frame, rate_hz)
    if not lag:
        return frame
    fade = int(_FADE * rate_hz)
    return np.concatenate((_fade(frame[:fade], frame[lag : lag + fade]), frame[lag + fade :]))


def longer(frame: Samples, rate_hz: int) -> Samples:
    """``frame`` and one period more, or as it is."""
    lag = _period(frame, rate_hz)
    if not lag:
        return frame
    fade = int(_FADE * rate_hz)
    return np.concatenate((frame[:lag], _fade(frame[lag : lag + fade], frame[:fade]), frame[fade:]))


def _period(frame: Samples, rate_hz: int) -> int:
    """The lag, in samples, at which the beginning comes again; 0 where it does not."""
    step = max(rate_hz // _SOUGHT_HZ, 1)
    least, most = int(_SHORTEST * rate_hz), int(LONGEST * rate_hz)
    compared = int(_COMPARED * rate_hz)
    if len(frame) < most + compared:
        return 0
    wave = frame[: most + compared].astype(np.float32)
    coarse = wave[: len(wave) // step * step].reshape(-1, step).mean(axis=1, dtype=np.float32)
    lag, alike = _best(coarse, compared // step, least // step, most // step)
    if alike < ALIKE - 0.1:  # it may still rise to the sample
        return 0
    low, high = max((lag - 1) * step, least), min((lag + 1) * step, most)
    lag, alike = _best(wave, compared, low, high)
    return lag if alike >= ALIKE else 0


def _best(wave: NDArray[np.float32], length: int, least: int, most: int) -> tuple[int, float]:
    """The lag from ``least`` to ``most`` at which the first ``length`` samples fit best."""
    first, later = wave[:length], wave[least : most + length]
    products = np.correlate(later, first, "valid")
    sums = np.concatenate((np.zeros(1, np.float32), np.cumsum(later * later)))
    powers = (sums[length:] - sums[:-length]) * np.dot(first, first)
    ratios = products / np.sqrt(np.maximum(powers, 1.0))
    index = int(np.argmax(ratios))
    return least + index, float(ratios[index])


def _fade(earlier: Samples, later: Samples) -> Samples:
    rising = _ramp(len(later))
    return np.rint(earlier + (later - earlier.astype(np.float32)) * rising).astype(np.int16)


@lru_cache(maxsize=8)
def _ramp(length: int) -> NDArray[np.float32]:
    return ((np.arange(length) + 1) / (length + 1)).astype(np.float32)
