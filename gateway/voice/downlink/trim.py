"""Sound made a few hundred ppm longer or shorter, for cards whose clocks are off. Pure.

Each block is read at positions that slide by a fraction of a sample between its two ends: two
filters that delay by these fractions (windowed sinc, `_TAPS` long), and a fade from one to the other.
Positions go on from block to block, so nothing jumps; where a whole sample has gathered, the block
is one longer or shorter. Nothing more asked for, it slides on to the next whole sample, and from there
on copies. Measured: a tone of 1 kHz comes out 75 dB above what it is not; 8 µs a block of 320 samples,
12 µs one of 960, 1 µs for a copy (soxr's variable rate: 20 and 54 µs, and 240 samples of delay).
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from gateway.voice.dsp import Samples

Floats = NDArray[np.float32]

_TAPS = 32
_PHASES = 1024  # positions are rounded to these; the error is 74 dB below a tone of 1 kHz at 16 kHz
_CUT = 0.96  # of half the sample rate
_STEP = 16  # outputs of one row of the product of matrices: fewer cost calls, more cost zeros
_BEFORE = _TAPS // 2  # samples from before the block that its first output may need ...

_WIDTH = _STEP + _TAPS + 2  # ... and what one row of outputs reads

DELAY_SAMPLES = _BEFORE + 1
"""Samples that what comes out is later than what goes in; always, so that correcting may begin at any time."""

_PAST = 2 * DELAY_SAMPLES


class Trim:
    """One stream of int16 blocks of ``length`` samples each.

    ``position`` is where the next output lies between two inputs.
    """

    def __init__(self, length: int) -> None:
        self.position = 0.0
        self._more = 0.0
        self._length = length
        self._before: Samples = np.zeros(length, np.int16)
        self._rows = -(-(length + 1) // _STEP)
        # Windows that overlap, of one wave: what came before, the block, and room to read beyond it.
        self._wave: Floats = np.zeros(self._rows * _STEP + _WIDTH, np.float32)
        self._windows: Floats = np.ndarray(
            (self._rows, _WIDTH), np.float32, self._wave, strides=(4 * _STEP, 4)
        )

    def begin(self) -> None:
        """What comes now does not follow on what was before."""
        self._before = np.zeros(self._length, np.int16)

    def block(self, block: Samples, more: float) -> Samples:
        """``block`` with the share ``more`` of samples more, to within one sample."""
        length, wave, before = self._length, self._wave, self._before
        self._before = block
        lands = more == 0.0
        if lands and self.position == 0.0:
            return np.concatenate((before[-DELAY_SAMPLES:], block[:-DELAY_SAMPLES]))
        wave[:_PAST] = before[-_PAST:]
        wave[_PAST : _PAST + length] = block
        if lands:
            more = self._more
        self._more = more
        made = length
        step = 1.0 / (1.0 + more)
        end = self.position + made * step - length
        if end < 0.0 and lands:
            end = 0.0
        elif end < 0.0:
            made, end = made + 1, end + step
        elif end >= 1.0:
            made, end = made - 1, 0.0 if lands else end - step
        begin_phase = round(self.position * _PHASES)
        end_phase = round((end + length - made) * _PHASES)  # without the whole steps in between
        self.position = end
        return self._slide(made, begin_phase, end_phase)

    def _slide(self, made: int, begin: int, end: int) -> Samples:
        """``made`` outputs; the first is delayed by ``begin`` phases, the one after the last by ``end``."""
        windows = self._windows.copy()
        sound: Floats = (windows @ _matrix(begin)).reshape(-1)
        if begin != end:
            last = (windows @ _matrix(end)).reshape(-1)
            last -= sound
            last *= _ramp(made, len(sound))
            sound += last
        np.minimum(sound, 32_767, out=sound)
        return np.maximum(sound, -32_768, out=sound)[:made].astype(np.int16)


@lru_cache(maxsize=2 * _PHASES)  # 3 kB each; a card goes through all of them
def _matrix(phase: int) -> Floats:
    """Multiplied with windows of the wave: `_STEP` outputs delayed by ``phase``."""
    whole, fraction = divmod(phase, _PHASES)
    line = np.zeros(_STEP + _WIDTH, np.float32)
    begin = _STEP + 2 + whole
    line[begin : begin + _TAPS] = _kernels()[fraction]
    # Output k weighs from window place k + whole + 2 on; its middle is `DELAY_SAMPLES` behind.
    band = np.ndarray((_WIDTH, _STEP), np.float32, line, offset=4 * _STEP, strides=(4, -4))
    return np.ascontiguousarray(band)


@cache
def _kernels() -> Floats:
    """A windowed sinc for each fraction; its taps weigh samples `_BEFORE` - 1 before to `_BEFORE` after."""
    at = np.arange(_TAPS) - (_BEFORE - 1)
    fractions = np.arange(_PHASES)[:, None] / _PHASES
    away = at - fractions
    window = np.i0(8.0 * np.sqrt(np.maximum(1 - (away / (_BEFORE)) ** 2, 0.0)))
    taps = np.sinc(away * _CUT) * window
    kernels: Floats = (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
    return kernels


@lru_cache(maxsize=8)
def _ramp(length: int, room: int) -> Floats:
    """From 0 to 1 in ``length`` steps, and on to ``room``."""
    return np.arange(room, dtype=np.float32) / np.float32(length)
