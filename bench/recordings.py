"""Real voices out of Debian packages, 16 kHz: two English ones, and two Mandarin ones.

The English ones are read sentences (codec2-examples) and words (alsa-utils). The Mandarin ones are
gcin-voice: each syllable as one person recorded it, here in sentences with a pause between phrases;
so the voices are real, and the rhythm is not. No recorded Mandarin sentence is in Debian.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000

_CODEC2 = Path("/usr/share/codec2/raw/speech_orig_16k.wav")
_ALSA = Path("/usr/share/sounds/alsa")
_GCIN = Path("/usr/share/gcin-voice/ogg")
_WORDS = ("Front_Center", "Rear_Left", "Side_Right", "Front_Right", "Rear_Center", "Side_Left")

# 医院东门有人打架，请马上派人过来。收到，请回答。二号楼三层有人按了报警按钮。
_SENTENCES = (
    "ㄧ ㄩㄢ4 ㄉㄨㄥ ㄇㄣ2 ㄧㄡ3 ㄖㄣ2 ㄉㄚ3 ㄐㄧㄚ4",
    "ㄑㄧㄥ3 ㄇㄚ3 ㄕㄤ4 ㄆㄞ4 ㄖㄣ2 ㄍㄨㄛ4 ㄌㄞ2",
    "ㄕㄡ ㄉㄠ4 ㄑㄧㄥ3 ㄏㄨㄟ2 ㄉㄚ2",
    "ㄦ4 ㄏㄠ4 ㄌㄡ2 ㄙㄢ ㄘㄥ2 ㄧㄡ3 ㄖㄣ2 ㄢ4 ㄌㄜ1 ㄅㄠ4 ㄐㄧㄥ3 ㄢ4 ㄋㄧㄡ3",
)
_SPEAKERS = {"zh-1": "3.ogg", "zh-2": "5.ogg"}

NAMES = ("en-1", "en-2", *_SPEAKERS)


@cache
def recording(name: str) -> NDArray[np.int16]:
    """One of `NAMES`: int16, mono, `RATE_HZ`, 6 to 9 s, peaks at half of full scale."""
    pause = np.zeros(RATE_HZ // 4, np.int16)
    parts: list[NDArray[np.int16]] = [pause]
    if name == "en-1":
        parts.append(_read(_CODEC2)[: RATE_HZ * 8])
    elif name == "en-2":
        for word in _WORDS:
            parts += [_read(_ALSA / f"{word}.wav"), pause]
    else:
        for sentence in _SENTENCES:
            parts += [*(_syllable(one, _SPEAKERS[name]) for one in sentence.split()), pause]
    whole = np.concatenate([*parts, pause]).astype(np.float32)
    whole *= 16_384 / np.abs(whole).max()
    length = RATE_HZ // 50
    return whole[: len(whole) // length * length].astype(np.int16)


def _syllable(name: str, speaker: str) -> NDArray[np.int16]:
    """One syllable without the silence around it."""
    wave = _read(_GCIN / name / speaker)
    loud = np.flatnonzero(np.abs(wave.astype(int)) > 0.02 * np.abs(wave.astype(int)).max())
    return wave[max(loud[0] - 160, 0) : loud[-1] + 160]


def _read(path: Path) -> NDArray[np.int16]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "s16le", "-ac", "1"]
    made = subprocess.run([*command, "-ar", str(RATE_HZ), "-"], capture_output=True, check=True)
    return np.frombuffer(made.stdout, np.int16)
