"""What squelches that listen notice and what they take for it: VOX in noise, CTCSS under a voice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from drivers.squelch.ctcss import Ctcss
from drivers.squelch.options import TONES_HZ, CtcssOptions, VoxOptions
from drivers.squelch.vox import Vox
from gateway.cli.demo import sound

RATE_HZ, BLOCK = 16_000, 320
MINUTES = 5
SPEECH_RMS, TONE_RMS = 1500.0, 300.0
_RNG = np.random.default_rng(1)
_WORDS = ("Front_Center", "Front_Left", "Front_Right", "Rear_Center", "Rear_Left", "Side_Right")


def _noise(count: int, slope: float) -> np.ndarray:
    spectrum = np.fft.rfft(_RNG.normal(0, 1, count))
    spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20) ** (slope / 2)
    made = np.fft.irfft(spectrum, count)
    return made / made.std()


def _engine(count: int) -> np.ndarray:
    at = np.arange(count) / RATE_HZ
    made = sum(np.sin(2 * np.pi * 28 * n * at + n) / n**0.7 for n in range(1, 30))
    return made / made.std() + 0.5 * _noise(count, 1)


NOISES: dict[str, Callable[[int], np.ndarray]] = {
    "white": lambda count: _noise(count, 0),
    "pink": lambda count: _noise(count, 1),
    "engine": _engine,
}


def _words() -> list[np.ndarray]:
    said = [sound.recorded(name).astype(float) for name in _WORDS]
    return [one / np.sqrt(np.mean(one**2)) * SPEECH_RMS for one in said]


def _fed(squelch: Vox | Ctcss, samples: np.ndarray) -> np.ndarray:
    blocks = np.clip(samples[: samples.size // BLOCK * BLOCK], -32768, 32767).astype(np.int16)
    return np.array([squelch.feed(b, 0.02 * n) for n, b in enumerate(blocks.reshape(-1, BLOCK))])


def measure() -> Iterator[dict[str, Any]]:
    yield from _vox()
    yield _ctcss()


def _vox() -> Iterator[dict[str, Any]]:
    options = VoxOptions(margin_db=6.0)
    for name, make in NOISES.items():
        opened = _fed(Vox(name, options), make(MINUTES * 60 * RATE_HZ) * 300)
        result: dict[str, Any] = {
            "benchmark": f"VOX over the noise: {name}",
            "false_openings_a_minute": np.count_nonzero(np.diff(opened.astype(int)) == 1) / MINUTES,
        }
        for snr in (20, 10, 5, 0):
            delays, missed = [], 0
            for word in _words() * 4:
                begin = 3 * RATE_HZ + int(_RNG.integers(0, BLOCK))
                samples = make(begin + word.size + RATE_HZ // 2) * SPEECH_RMS / 10 ** (snr / 20)
                samples[begin : begin + word.size] += word
                at = np.flatnonzero(_fed(Vox(name, options), samples)[150:])
                missed += not at.size
                delays += [(at[0] + 151) * 0.02 - begin / RATE_HZ] if at.size else []
            result[f"at_{snr}_db"] = {
                "missed_of_24": missed,
                "opens_after_ms_median": round(median(delays) * 1000),
                "worst": round(max(delays) * 1000),
            }
        yield result


def _ctcss() -> dict[str, Any]:
    """Each tone under a voice without anything below 300 Hz, a fifth of its RMS; and each neighbour's."""
    speech = np.concatenate(_words() * 3)[: 3 * RATE_HZ]
    spectrum = np.fft.rfft(speech)
    spectrum[np.fft.rfftfreq(speech.size, 1 / RATE_HZ) < 300] = 0
    speech = np.fft.irfft(spectrum, speech.size)
    at = np.arange(speech.size) / RATE_HZ
    opens, holds, wrong, blocks = [], [], 0, 0
    for place, hertz in enumerate(TONES_HZ):
        for near in TONES_HZ[max(place - 1, 0) : place + 2]:
            tone = TONE_RMS * 2**0.5 * np.sin(2 * np.pi * near * at + near)
            opened = _fed(Ctcss("bench", CtcssOptions(tone_hz=hertz)), speech + tone)
            if near == hertz:
                first = int(np.flatnonzero(opened)[0])
                opens.append((first + 1) * 20)
                holds.append(float(opened[first:].mean()))
            else:
                wrong += int(opened.sum())
                blocks += opened.size
    hiss = _fed(Ctcss("bench", CtcssOptions(tone_hz=100.0)), _RNG.normal(0, 3000, 60 * RATE_HZ))
    return {
        "benchmark": "CTCSS under a voice",
        "tones": len(TONES_HZ),
        "opens_after_ms_median": median(opens),
        "worst": max(opens),
        "target_ms": 250,
        "held_percent": round(100 * min(holds), 1),
        "neighbours_blocks_taken_for_it": wrong,
        "of_blocks": blocks,
        "blocks_of_hiss_taken_for_it": int(hiss.sum()),
    }
