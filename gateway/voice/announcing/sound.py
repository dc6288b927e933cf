"""How announcements sound: from a voice's samples to what a talkgroup hears. Pure; int16, mono.

All fragments are at `RATE_HZ`, without silence around them, at one loudness whatever voice they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import soxr
from numpy.typing import NDArray

from gateway.voice.dsp import Samples

RATE_HZ = 16_000
"""Opus codes it as it is, and a transmitter passes no more (wideband: RFC 6716, table 1)."""

_FLOOR = 0.003  # of full scale, -50 dBFS: quieter than that, around a phrase, is silence
_FADE = round(0.005 * RATE_HZ)
_PEAK = 0.7  # of full scale, -3 dBFS
_WINDOW = round(0.02 * RATE_HZ)

_PAUSE = 0.16
"""Seconds between phrases: a breath; longer ones sound like the end."""
_LEAD = 0.3
"""Seconds of silence first: a squelch that opens late takes none of the first word."""
_CHIME = ((880.0, 0.16), (660.0, 0.24))  # Hz and seconds
_CHIME_PAUSE = 0.25


def fragment(voice: Samples, rate_hz: int, level_dbfs: float) -> Samples:
    """What a voice said at ``rate_hz``, ready to be kept; empty where it said nothing."""
    samples = voice.astype(np.float64) / 32_768
    if rate_hz != RATE_HZ and samples.size:
        samples = np.asarray(soxr.resample(samples, rate_hz, RATE_HZ), np.float64)
    loud = np.flatnonzero(np.abs(samples) > _FLOOR)
    if not loud.size:
        return np.zeros(0, np.int16)
    cut = samples[max(0, loud[0] - _FADE) : loud[-1] + 1 + _FADE]
    power = _speech_power(cut)
    cut = cut * min(10 ** (level_dbfs / 20) / power**0.5, _PEAK / float(np.abs(cut).max()))
    ramp = np.linspace(0, 1, min(_FADE, len(cut)))
    cut[: len(ramp)] *= ramp
    cut[len(cut) - len(ramp) :] *= ramp[::-1]
    return _as_int16(cut)


def announcement(fragments: Sequence[Samples], *, chime: bool, level_dbfs: float) -> Samples:
    """Fragments with a breath between them, behind a chime where there is one."""
    pause = np.zeros(round(_PAUSE * RATE_HZ), np.int16)
    parts: list[Samples] = [np.zeros(round(_LEAD * RATE_HZ), np.int16)]
    if chime:
        parts += [tones(level_dbfs), np.zeros(round(_CHIME_PAUSE * RATE_HZ), np.int16)]
    for one in fragments:
        parts += [one, pause]
    return np.concatenate(parts)


@lru_cache(maxsize=4)
def tones(level_dbfs: float) -> Samples:
    """The chime: two tones, the lower one last."""
    amplitude = 10 ** (level_dbfs / 20) * 2**0.5
    parts = []
    for frequency, seconds in _CHIME:
        at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        fade = np.minimum(1, np.minimum(at, seconds - at) / 0.02)
        parts.append(np.sin(2 * np.pi * frequency * at) * fade * amplitude)
    return _as_int16(np.concatenate(parts))


def _speech_power(samples: NDArray[np.float64]) -> float:
    """Mean power of the louder half of its 20 ms windows: pauses inside do not count."""
    count = max(1, len(samples) // _WINDOW)
    windows = np.array_split(samples, count)
    powers = np.sort(np.array([float(np.dot(one, one)) / len(one) for one in windows]))
    return float(powers[count // 2 :].mean())


def _as_int16(samples: NDArray[np.float64]) -> Samples:
    return np.rint(np.clip(samples, -1, 1) * 32_767).astype(np.int16)
