"""Recorded speech for the demo, and finding it again in what arrived. 16 kHz mono int16 throughout."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import BaiyingError

RATE_HZ = 16_000
Samples = NDArray[np.int16]

RECORDINGS = Path("/usr/share/sounds/alsa")
"""Recordings of a person, from Debian's package alsa-utils."""


def recorded(*names: str) -> Samples:
    """Recordings of `RECORDINGS` one after the other, without the silence around each.

    Raises:
        BaiyingError: they are not installed.
    """
    import soxr

    pause = np.zeros(RATE_HZ // 10, np.int16)
    pieces: list[Samples] = []
    for name in names:
        path = RECORDINGS / f"{name}.wav"
        try:
            with wave.open(str(path), "rb") as source:
                rate_hz = source.getframerate()
                samples = np.frombuffer(source.readframes(source.getnframes()), "<i2")
        except OSError as error:
            raise BaiyingError(
                f"{path} is missing; install it: apt-get install alsa-utils"
            ) from error
        pieces += [_trimmed(soxr.resample(samples, rate_hz, RATE_HZ)), pause]
    return np.concatenate(pieces[:-1])


def _trimmed(samples: Samples, floor: int = 250) -> Samples:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > floor)
    return samples[loud[0] : loud[-1] + 1] if loud.size else samples


PIECE = RATE_HZ * 3 // 10
"""Speech is looked for in pieces of 300 ms: a jitter buffer may shorten or stretch a pause by frames."""

_SLACK = RATE_HZ * 3 // 20
_LOUD = 0.5
"""A piece counts from this part of the whole's RMS on: hiss is coded as hiss, not as the same wave."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a recording was found in what arrived.

    ``at`` is the sample at which it begins. The likenesses are normalised correlations (1 is the
    same signal) of its first piece, its last, and the worst of all that are not silent, each within
    150 ms of its place.
    """

    at: int
    first: float
    last: float
    worst: float


def find(heard: Samples, said: Samples) -> Found | None:
    """The place in ``heard`` most like ``said``; None where it is shorter, or silent."""
    if heard.size < said.size or not heard.any():
        return None
    at, first = _best(heard, said[:PIECE])
    last = _near(heard, said[-PIECE:], at + said.size - PIECE)
    loud = _LOUD * _rms(said)
    pieces = [said[begin : begin + PIECE] for begin in range(0, said.size - PIECE, PIECE)]
    likenesses = [
        _near(heard, piece, at + number * PIECE)
        for number, piece in enumerate(pieces)
        if _rms(piece) > loud
    ]
    return Found(at, first, last, min([first, last, *likenesses]))


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def _best(heard: Samples, said: Samples) -> tuple[int, float]:
    """Offset and value of the highest normalised cross-correlation."""
    a = heard.astype(np.float64)
    b = said.astype(np.float64)
    size = 1 << (a.size + b.size - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    product = product[: a.size - b.size + 1]
    energy = np.concatenate(([0.0], np.cumsum(a * a)))
    windows = energy[b.size :] - energy[: -b.size]
    scale = np.sqrt(np.maximum(windows, 1.0) * float(b @ b))
    likeness = product / np.maximum(scale, 1.0)
    at = int(np.argmax(likeness))
    return at, float(likeness[at])


def _near(heard: Samples, piece: Samples, at: int) -> float:
    """Likeness of ``piece`` to ``heard`` around ``at``."""
    window = heard[max(0, at - _SLACK) : at + piece.size + _SLACK]
    return _best(window, piece)[1] if window.size >= piece.size and window.any() else 0.0


def write_wav(path: Path, samples: Samples) -> None:
    """Write a 16-bit mono WAV file."""
    with wave.open(str(path), "wb") as target:
        target.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        target.writeframes(samples.astype("<i2").tobytes())
