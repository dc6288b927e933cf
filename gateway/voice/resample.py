"""The change of rate for devices that Opus has no rate for; no other device pays for it."""

from __future__ import annotations

import numpy as np
import soxr

from gateway.voice.dsp import Samples
from gateway.voice.opus import RATES_HZ


def codec_rate(device_hz: int) -> int:
    """The rate to code at for a device: its own where Opus has it, else the next that loses nothing."""
    return next((rate for rate in RATES_HZ if rate >= device_hz), RATES_HZ[-1])


class Resampler:
    """Changes the rate of a stream of 20 ms blocks, one block out for each block in.

    soxr's quick quality: its better ones hold blocks back and add 20 to 40 ms of jitter.
    """

    # The cubic interpolator starts a few samples short; as much silence ahead makes up for it.
    _LEAD = 16

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="QQ")
        self._length = to_hz // 50
        self._rest: Samples = np.zeros(self._LEAD, np.int16)

    def block(self, block: Samples) -> Samples:
        """The next ``to_hz // 50`` samples."""
        made = np.concatenate((self._rest, self._stream.resample_chunk(block)))
        self._rest = made[self._length :]
        return made[: self._length]
