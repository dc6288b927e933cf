"""What a talker hears of the floor: tones as samples. Pure; int16 mono at any rate.

Each says by its shape what it means, so that it is known without looking anything up: high and short
is good, twice the same is wait, rising is go, falling is over, low and long is no. All frequencies
are within 400 to 1,500 Hz: a radio's audio passes 300 to 3,000 Hz, a small loudspeaker little below
400. ``DENIED`` is the busy tone of Chinese telephones (450 Hz, 0.35 s on, 0.35 s off).
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache

import numpy as np

from gateway.voice.dsp import Samples

LEVEL_DBFS = -12.0
"""Peak of a tone: as loud as speech that is well driven."""
RAMP = 0.005
"""Seconds from silence to full loudness and back, as a raised cosine: shorter ones click."""


class Tone(Enum):
    """The notes of each, as (Hz, seconds); 0 Hz is a pause."""

    GRANTED = ((1047, 0.08),)
    QUEUED = ((784, 0.1), (0, 0.08), (784, 0.1))
    TURN = ((784, 0.09), (988, 0.09), (1319, 0.12))
    WARNING = ((1400, 0.06), (0, 0.06), (1400, 0.06))
    REVOKED = ((988, 0.09), (784, 0.09), (523, 0.15))
    TIMED_OUT = ((988, 0.09), (450, 0.5))
    DENIED = ((450, 0.35), (0, 0.35), (450, 0.35))


def length(tone: Tone) -> float:
    """Seconds that it lasts."""
    return float(sum(seconds for _, seconds in tone.value))


@lru_cache(maxsize=64)
def samples(tone: Tone, rate_hz: int) -> Samples:
    """The tone at ``rate_hz``; the array is shared and cannot be written."""
    made = np.concatenate([_note(hz, seconds, rate_hz) for hz, seconds in tone.value])
    made.setflags(write=False)
    return made


def _note(hz: int, seconds: float, rate_hz: int) -> Samples:
    count = round(seconds * rate_hz)
    if hz == 0:
        return np.zeros(count, np.int16)
    at = np.arange(count) / rate_hz
    peak = 32767 * 10 ** (LEVEL_DBFS / 20)
    ends = np.minimum(at, at[-1] - at) / RAMP
    shape = 0.5 - 0.5 * np.cos(np.pi * np.clip(ends, 0.0, 1.0))
    note: Samples = np.rint(peak * shape * np.sin(2 * np.pi * hz * at)).astype(np.int16)
    return note
