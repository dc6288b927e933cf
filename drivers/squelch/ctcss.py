"""CTCSS: a squelch that opens to a tone below the voice. Pure.

Rules:
1. Of each block what lies below the voice is kept, at `_RATE_HZ`; of that the last `_WINDOW` is
   looked at, as a spectrum of `_STEP_HZ` around the tone.
2. It is the tone if the peak of that spectrum, interpolated, lies within `tolerance_hz` of it, and
   if the peak has `_OPENS` of all the power below the voice: the neighbour's tone is as pure, but
   its peak lies elsewhere; the voice and noise have no such peak.
3. Two such blocks in a row open it. Open, a peak within `_WIDER` of the tolerance with `_KEEPS` of
   the power keeps it open for `_HANG` more.
4. Time is the caller's: after a gap (while the endpoint transmits) it begins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.ports import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.squelch.options import CtcssOptions

_RATE_HZ = 1_000
_CUT_HZ = 340.0
_FILTER = 0.024  # seconds of the low pass; half of it is its delay
_WINDOW = 0.2
_SPAN_HZ, _STEP_HZ = 6.0, 0.5
_LEAST = 8.0  # amplitude at the scale of int16, -72 dBFS: below it is the converter's own hum
_OPENS, _KEEPS = 0.3, 0.1
_WIDER = 1.5
_HANG = 0.15
_GAP = 2 * BLOCK + 1e-3


def tolerance_hz(tone_hz: float) -> float:
    """How far from it a tone is still it: coders are true to 0.5 %, neighbours 2.3 Hz or more away."""
    return max(0.6, 0.006 * tone_hz)


class Ctcss:
    """The ``ctcss`` squelch (`gateway.ports.AudioSquelch`)."""

    def __init__(self, name: str, options: CtcssOptions) -> None:
        self.name = name
        self._tone = options.tone_hz
        self._tolerance = tolerance_hz(options.tone_hz)
        count = round(_WINDOW * _RATE_HZ)
        self._window = np.hanning(count + 2)[1:-1].astype(np.float32)
        self._hertz = options.tone_hz + np.arange(-_SPAN_HZ, _SPAN_HZ + _STEP_HZ / 2, _STEP_HZ)
        turning = np.exp(-2j * np.pi * self._hertz[:, None] * np.arange(count) / _RATE_HZ)
        turning *= self._window
        self._spectrum = np.concatenate([turning.real, turning.imag]).astype(np.float32)
        self._tone_scale = 2 / float(self._window.sum()) ** 2
        self._power_scale = 1 / float((self._window**2).sum())
        self._low_pass: NDArray[np.float32] | None = None
        self._samples = np.zeros(0, np.float32)
        self._low = np.zeros(count, np.float32)
        self._fed = float("-inf")
        self._open = False
        self._was = False
        self._heard = float("-inf")

    def feed(self, block: NDArray[np.int16], now: float) -> bool:
        if self._low_pass is None or now - self._fed > _GAP:
            self._begin(len(block))
        self._fed = now
        self._take(block)
        away, share = self._peak()
        if self._open:
            if away <= self._tolerance * _WIDER and share >= _KEEPS:
                self._heard = now
            self._open = now - self._heard < _HANG - 1e-9
            return self._open
        heard = away <= self._tolerance and share >= _OPENS
        self._open = heard and self._was
        self._was = heard
        self._heard = now
        return self._open

    def _begin(self, length: int) -> None:
        if self._low_pass is None:
            self._low_pass = _low_pass(length)
        self._samples = np.zeros(self._low_pass.shape[1], np.float32)
        self._low[:] = 0
        self._open = self._was = False

    def _take(self, block: NDArray[np.int16]) -> None:
        """What lies below the voice in a block comes behind that of those before."""
        assert self._low_pass is not None
        length, made = len(block), len(self._low_pass)
        self._samples[:-length] = self._samples[length:]
        self._samples[-length:] = block
        self._low[:-made] = self._low[made:]
        self._low[-made:] = self._low_pass @ self._samples

    def _peak(self) -> tuple[float, float]:
        """How far, in hertz, the peak around the tone is from it, and its share of the power."""
        parts = self._spectrum @ self._low
        count = len(self._hertz)
        powers = parts[:count] ** 2 + parts[count:] ** 2
        top = int(powers.argmax())
        tone = float(powers[top]) * self._tone_scale
        if not 0 < top < count - 1 or tone < _LEAST**2 / 2:
            return float("inf"), 0.0
        below, at, above = (float(power) ** 0.5 for power in powers[top - 1 : top + 2])
        shift = (below - above) / (2 * (below - 2 * at + above))  # of a parabola's vertex
        seen = self._low * self._window
        share = tone / (float(np.dot(seen, seen)) * self._power_scale)
        return abs(float(self._hertz[top]) + shift * _STEP_HZ - self._tone), share


def _low_pass(length: int) -> NDArray[np.float32]:
    """The matrix that makes `_RATE_HZ` of what lies below `_CUT_HZ`, for blocks of one length.

    A windowed sinc, at the very instants that are wanted, so that every rate of a device is as good.
    """
    rate = length / BLOCK
    made = round(BLOCK * _RATE_HZ)
    before = int(np.ceil(_FILTER * rate))
    taken = (np.arange(length + before) - before) / rate
    wanted = (np.arange(made) + 1) / _RATE_HZ - _FILTER / 2
    apart = wanted[:, None] - taken[None, :]
    taper = np.where(
        np.abs(apart) < _FILTER / 2, 0.5 + 0.5 * np.cos(2 * np.pi * apart / _FILTER), 0
    )
    matrix: NDArray[np.float32] = (
        2 * _CUT_HZ / rate * np.sinc(2 * _CUT_HZ * apart) * taper
    ).astype(np.float32)
    return matrix
