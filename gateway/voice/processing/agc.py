"""Automatic gain: soft talkers louder, loud ones softer, pauses as they are. Pure; blocks of 20 ms.

Rules:
1. Only speech is measured: blocks while the squelch is open that are louder than `_GATE_DBFS` and
   stand `_ABOVE_DB` out of the softest of the last `_WINDOW`. In anything else the gain stays.
2. The level of speech follows louder blocks with ``attack`` and softer ones with ``release`` as time
   constants, in decibels; the gain brings it to the target, within ``max_gain_db`` and `CUT_DB`.
3. The gain moves on a straight line through each block, and is kept from one word to the next.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import exp, log10

import numpy as np

from gateway.ports import BLOCK
from gateway.voice.processing.recursion import Floats

CUT_DB = 20.0
"""The most that a loud talker is made softer."""

_FULL_SCALE_POWER = 32_768.0**2
_GATE_DBFS = -60.0
_ABOVE_DB = 8.0
_WINDOW_BLOCKS = 100  # 2 s: nobody speaks for longer without any gap


@dataclass(frozen=True, slots=True, kw_only=True)
class AgcOptions:
    """Durations in seconds."""

    target_dbfs: float
    max_gain_db: float
    attack: float
    release: float


class Agc:
    """The gain of one microphone or receiver."""

    def __init__(self, options: AgcOptions) -> None:
        self.gain_db = 0.0
        self._options = options
        self._level = options.target_dbfs
        self._gain = 1.0
        self._quick = 1 - exp(-BLOCK / options.attack)
        self._slow = 1 - exp(-BLOCK / options.release)
        self._softest: deque[float] = deque(maxlen=_WINDOW_BLOCKS)

    def block(self, samples: Floats, *, is_open: bool) -> Floats:
        """The block, louder or softer."""
        power = float(np.dot(samples, samples)) / len(samples)
        level = 10 * log10(power / _FULL_SCALE_POWER + 1e-12)
        self._softest.append(level)
        if is_open and level > _GATE_DBFS and level > min(self._softest) + _ABOVE_DB:
            self._follow(level)
        before, self._gain = self._gain, 10 ** (self.gain_db / 20)
        if before == self._gain:
            return samples if before == 1.0 else samples * before
        return samples * np.linspace(before, self._gain, len(samples))

    def _follow(self, level: float) -> None:
        options = self._options
        self._level += (self._quick if level > self._level else self._slow) * (level - self._level)
        self.gain_db = min(max(options.target_dbfs - self._level, -CUT_DB), options.max_gain_db)
