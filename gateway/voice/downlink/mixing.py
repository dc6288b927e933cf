"""Several talkgroups on one loudspeaker: who is how loud. Pure; int16 blocks of one length."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.voice.dsp import Samples

_RISE = (
    0.1  # a block: back to full loudness in 0.2 s, so that gaps do not pump; softer in one block
)


class Mixer:
    """``ducked`` is the gain of what is less important while the more important is heard."""

    def __init__(self, ducking_db: float) -> None:
        self.ducked = 10 ** (-ducking_db / 20)

    def gain(self, before: float | None, *, first: bool) -> float:
        """The gain at the end of the next block, after ``before``; None: there was none before."""
        if not first:
            return self.ducked
        return 1.0 if before is None else min(before + _RISE, 1.0)


def fade(block: Samples, before: float, after: float) -> NDArray[np.float32]:
    """``block`` with its gain going from one to the other."""
    if before == after:
        return block * np.float32(after)
    return block * (np.float32(before) + np.float32(after - before) * _ramp(len(block)))


def total(blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Their sum; it may be louder than int16 can be."""
    summed: NDArray[np.float32] = np.sum(list(blocks), axis=0, dtype=np.float32)
    return summed


@lru_cache(maxsize=8)
def _ramp(length: int) -> NDArray[np.float32]:
    return np.arange(1, length + 1, dtype=np.float32) / np.float32(length)
