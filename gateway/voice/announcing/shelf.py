"""Rendered phrases on disk: a WAV file each, named by what it was made of. All calls block.

The folder is a cache: whatever is in it may be deleted at any time, and is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import os
import wave
from collections.abc import Collection
from pathlib import Path

import numpy as np

from gateway.voice.announcing.sound import RATE_HZ
from gateway.voice.dsp import Samples

_LOGGER = logging.getLogger(__name__)

FORMAT = "1"
"""Changed whenever `gateway.voice.announcing.sound.fragment` makes something else of the same voice."""

_MOST_SAMPLES = 60 * RATE_HZ


def key_of(text: str, voice: str, speed_wpm: int, level_dbfs: float, version: str) -> str:
    """The name of what is made of these."""
    made_of = "\x1f".join((FORMAT, version, voice, str(speed_wpm), f"{level_dbfs:g}", text))
    return hashlib.sha256(made_of.encode()).hexdigest()[:32]


class Shelf:
    """One folder of phrases, made when the first is put into it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def keys(self) -> dict[str, tuple[float, int]]:
        """What is there: when it was last used (POSIX seconds), and its size in bytes."""
        found = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".wav"):
                    with contextlib.suppress(OSError):
                        facts = entry.stat()
                        found[entry.name.removesuffix(".wav")] = (facts.st_mtime, facts.st_size)
        return found

    def read(self, key: str) -> Samples | None:
        """A phrase at `RATE_HZ`; None where it is not there, or damaged, which takes it away."""
        path = self._path(key)
        try:
            with wave.open(str(path), "rb") as source:
                facts = (source.getnchannels(), source.getsampwidth(), source.getframerate())
                frames = source.getnframes()
                data = source.readframes(min(frames, _MOST_SAMPLES))
        except FileNotFoundError:
            return None
        except (OSError, EOFError, wave.Error) as error:
            _LOGGER.warning("%s: made anew, for it cannot be read: %s", path.name, error)
            self._remove(path)
            return None
        if facts != (1, 2, RATE_HZ) or len(data) != 2 * frames:
            _LOGGER.warning("%s: made anew, for it is damaged", path.name)
            self._remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return np.frombuffer(data, "<i2").astype(np.int16)

    def write(self, key: str, samples: Samples) -> None:
        """Put a phrase there, whole or not at all.

        Raises:
            OSError: the disk does not take it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        new = path.with_suffix(f".{next(self._numbers)}.new")
        try:
            with wave.open(str(new), "wb") as target:
                target.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
                target.writeframes(samples.astype("<i2").tobytes())
            new.replace(path)
        except OSError:
            self._remove(new)
            raise

    def make_room(self, most_bytes: int, wanted: Collection[str]) -> int:
        """Delete what is over ``most_bytes``: first what is not wanted, then the longest unused."""
        there = self.keys()
        over = sum(size for _, size in there.values()) - most_bytes
        deleted = 0
        for key in sorted(there, key=lambda key: (key in wanted, there[key][0])):
            if over <= 0:
                break
            self._remove(self._path(key))
            over -= there[key][1]
            deleted += 1
        return deleted

    def drop_others(self, wanted: Collection[str]) -> int:
        """Delete what is not wanted; how many bytes that was."""
        others = {key: size for key, (_, size) in self.keys().items() if key not in wanted}
        for key in others:
            self._remove(self._path(key))
        return sum(others.values())

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.wav"

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()
