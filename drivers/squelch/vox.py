"""VOX: a squelch that listens to the audio itself. Pure.

Rules:
1. Loudness is the power of a block about its mean, so that a sound card's offset is no speech.
2. Loud blocks in a row that together last ``attack_s`` open it; one softer block begins anew.
3. Open, a block above the threshold less the hysteresis keeps it open for ``hang_s`` more.
4. With ``margin_db`` a block is loud if it also stands that far out of the noise
   (`drivers.squelch.noise_floor`). Two in a row keep it open with so much less as the hysteresis
   says, but at least with half of the margin: single blocks of an engine come close to that.
5. Time is the caller's: blocks that were not fed (while the endpoint transmits) count as quiet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivers.squelch.noise_floor import NoiseFloor
from gateway.ports import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.squelch.options import VoxOptions

_FULL_SCALE_POWER = 32_768.0**2
_FIXED_DBFS, _ADAPTIVE_DBFS = -40.0, -60.0
_GAP = 2 * BLOCK
"""Blocks further apart than this are not in a row."""


class Vox:
    """The ``vox`` squelch (`gateway.ports.AudioSquelch`)."""

    def __init__(self, name: str, options: VoxOptions) -> None:
        self.name = name
        margin, threshold = options.margin_db, options.threshold_dbfs
        if threshold is None:
            threshold = _FIXED_DBFS if margin is None else _ADAPTIVE_DBFS
        self._opens_at = _power(threshold)
        self._keeps_at = _power(threshold - options.hysteresis_db)
        self._noise = None if margin is None else NoiseFloor()
        self._opens_above = margin or 0.0
        self._keeps_above = max(self._opens_above - options.hysteresis_db, self._opens_above / 2)
        self._attack = options.attack_s
        self._hang = options.hang_s
        self._open = False
        self._loud = 0.0
        self._above = 0.0  # of the block before
        self._heard = float("-inf")  # the last block that was loud enough for the state then

    def feed(self, block: NDArray[np.int16], now: float) -> bool:
        samples = block.astype(np.float32)
        samples -= np.add.reduce(samples) / len(samples)
        power = float(np.dot(samples, samples)) / len(samples)
        above = 0.0 if self._noise is None else self._noise.above(samples)
        quiet_for = now - self._heard
        if self._open:
            loud = power >= self._keeps_at and min(above, self._above) >= self._keeps_above
            self._above = above
            if loud and quiet_for < self._hang + _GAP:
                self._heard = now
                return True
            if quiet_for < self._hang:
                return True
            self._open = False
        if power < self._opens_at or above < self._opens_above:
            self._loud = 0.0
            return False
        if quiet_for > _GAP:
            self._loud = 0.0
        self._loud += BLOCK
        self._heard = now
        self._above = above
        self._open = self._loud >= self._attack - 1e-9  # sums of 0.02 are not exact
        return self._open


def _power(dbfs: float) -> float:
    return float(10 ** (dbfs / 10)) * _FULL_SCALE_POWER
