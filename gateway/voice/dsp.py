"""What is done to samples between device and codec. Pure; int16, mono, one array a block."""

from __future__ import annotations

from functools import lru_cache
from math import log10

import numpy as np
from numpy.typing import NDArray

from gateway.voice.rtp import SILENCE_DBOV

Samples = NDArray[np.int16]

_FULL_SCALE_POWER = 32_768.0**2


def level_dbov(block: Samples) -> int:
    """Loudness below overload, 0 (loudest) to 127, as RFC 6464 counts it.

    0 dBov is the power of a full-scale square wave; a full-scale sine has 3.
    """
    samples = block.astype(np.float32)
    power = float(np.dot(samples, samples)) / (len(block) or 1)
    if power < 1e-9:
        return SILENCE_DBOV
    return min(max(round(-10 * log10(power / _FULL_SCALE_POWER)), 0), SILENCE_DBOV)


def merge(earlier: Samples, later: Samples) -> Samples:
    """Two blocks of one length in the time of one: ``earlier`` fades into ``later``."""
    rising = _ramp(len(earlier))
    return np.rint(earlier + (later - earlier.astype(np.float32)) * rising).astype(np.int16)


def mix(one: Samples, other: Samples) -> Samples:
    """The sum of two blocks of one length; what is too loud is cut off."""
    total: NDArray[np.int32] = np.clip(one.astype(np.int32) + other, -32_768, 32_767)
    return total.astype(np.int16)


@lru_cache(maxsize=8)
def _ramp(length: int) -> NDArray[np.float32]:
    return np.linspace(0, 1, length, dtype=np.float32)


def as_block(samples: Samples, length: int) -> Samples:
    """``samples`` cut or filled up with silence to one block of ``length``."""
    if len(samples) == length:
        return samples
    block = np.zeros(length, np.int16)
    block[: min(length, len(samples))] = samples[:length]
    return block
