"""The ``file`` audio driver: a WAV file for a microphone, another one for a loudspeaker.

``play`` comes at the pace of real time, as from a sound card; after its end, silence. ``record``
gets every block that is played, one after the other without the pauses between them. Its header
is right after each block on disk, so the file is whole even after a kill -9.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import struct
import threading
import wave
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers._audio import DEPTH_BLOCKS
from drivers.virtual.options import FileAudioOptions
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import BLOCK

DEFAULT_RATE_HZ = 16_000
RATES_HZ = range(8_000, 48_001, 50)
"""Rates at which 20 ms is a whole number of samples, and that Opus is any use for."""

MAX_PLAY_BYTES = 128 * 1024 * 1024
"""Longest file to play (an hour at 16 kHz): it is held in memory, so that no disk delays it."""

MAX_RECORD_BYTES = 0xFFFF_FFFF - 36
"""What a WAV header can say."""

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class FileAudio:
    """Two files that stand for a sound card."""

    def __init__(self, name: str, options: FileAudioOptions) -> None:
        self._name = name
        self._options = options

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[FileStream]:
        options = self._options
        rate_hz = options.rate_hz or DEFAULT_RATE_HZ
        samples = np.zeros(0, np.int16)
        if options.play is not None:
            rate_hz, samples = await asyncio.to_thread(self._load, options.play)
        recording = None
        if options.record is not None:
            recording = await asyncio.to_thread(
                _Recording.start, self._name, options.record, rate_hz
            )
        try:
            yield FileStream(rate_hz, samples, recording, repeat=options.repeat)
        finally:
            if recording is not None:
                await asyncio.to_thread(recording.end)

    def _load(self, path: Path) -> tuple[int, NDArray[np.int16]]:
        try:
            with wave.open(str(path), "rb") as file:
                rate_hz, channels = file.getframerate(), file.getnchannels()
                size = file.getnframes() * channels * 2
                self._check(path, file.getsampwidth(), channels, rate_hz, size)
                data = file.readframes(file.getnframes())
        except (OSError, EOFError, wave.Error) as error:
            raise DriverOpenError(
                self._name, f"{path}: {str(error) or 'it ends too early'}"
            ) from error
        frames = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], dtype="<i2")
        if channels == 1:
            return rate_hz, frames.astype(np.int16)
        return rate_hz, frames.reshape(-1, 2).mean(axis=1).astype(np.int16)

    def _check(self, path: Path, width: int, channels: int, rate_hz: int, size: int) -> None:
        problem = None
        if width != 2 or channels not in (1, 2):
            problem = (
                f"{8 * width} bits and {channels} channels; 16 bits, mono or stereo, can be had"
            )
        elif rate_hz not in RATES_HZ:
            problem = f"{rate_hz} Hz; 8000 to 48000 Hz in steps of 50 can be had"
        elif self._options.rate_hz not in (None, rate_hz):
            problem = f"{rate_hz} Hz, while rate_hz is {self._options.rate_hz}"
        elif size > MAX_PLAY_BYTES:
            problem = f"{size} bytes of audio are more than {MAX_PLAY_BYTES}"
        if problem:
            raise DriverOpenError(self._name, f"{path}: {problem}")


class FileStream:
    """An open `FileAudio`. A block is there when its 20 ms have passed since opening."""

    def __init__(
        self,
        rate_hz: int,
        samples: NDArray[np.int16],
        recording: _Recording | None,
        *,
        repeat: bool,
    ) -> None:
        self._rate_hz = rate_hz
        self._length = round(rate_hz * BLOCK)
        blocks = -(-len(samples) // self._length)
        self._blocks = np.zeros((blocks, self._length), np.int16)  # the last one ends in silence
        self._blocks.reshape(-1)[: len(samples)] = samples
        self._repeat = repeat
        self._recording = recording
        self._counters: Counter[str] = Counter()
        self._began = asyncio.get_running_loop().time()
        self._next = 0

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    @property
    def playback_delay(self) -> float:
        return 0.0

    @property
    def counters(self) -> Mapping[str, int]:
        dropped = self._recording.dropped if self._recording else 0
        return {"capture_dropped": 0, **self._counters, "playback_dropped": dropped}

    async def read(self) -> NDArray[np.int16]:
        if self._recording is not None:
            self._recording.check()
        now = asyncio.get_running_loop().time()
        captured = int((now - self._began) / BLOCK)  # blocks so far
        missed = captured - self._next - DEPTH_BLOCKS
        if missed > 0:
            self._next += missed
            self._counters["capture_dropped"] += missed
        number, self._next = self._next, self._next + 1
        # uvloop may wake up a little early; what is early is not late for the next.
        await asyncio.sleep(max(0.0, self._began + (number + 1) * BLOCK - now))
        if self._repeat and len(self._blocks):
            number %= len(self._blocks)
        if number < len(self._blocks):
            return np.array(self._blocks[number])
        return np.zeros(self._length, np.int16)

    def write(self, block: NDArray[np.int16]) -> None:
        if self._recording is not None:
            self._recording.check()
            self._recording.put(block.astype("<i2", copy=False).tobytes())


class _Recording:
    """Writes a WAV in a thread of its own: a disk that stalls delays nobody."""

    def __init__(self, name: str, path: Path, rate_hz: int, file: FileIO) -> None:
        self._name = name
        self._path = path
        self._rate_hz = rate_hz
        self._file = file
        self._written = 0
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"{name}.record", daemon=True)
        self.dropped = 0

    @classmethod
    def start(cls, name: str, path: Path, rate_hz: int) -> _Recording:
        """Make the file.

        Raises:
            DriverOpenError: that is impossible.
        """
        try:
            file = FileIO(path, "w")
            recording = cls(name, path, rate_hz, file)
            recording._append(b"")
        except OSError as error:
            raise DriverOpenError(name, f"{path}: {error.strerror or error}") from error
        recording._thread.start()
        return recording

    def put(self, data: bytes) -> None:
        with self._changed:
            if len(self._waiting) >= DEPTH_BLOCKS:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(data)
            self._changed.notify()

    def check(self) -> None:
        """Raises DriverIOError where the file could not be written."""
        if self._error is not None:
            raise DriverIOError(self._name, f"{self._path}: {self._error}", transient=False)

    def end(self) -> None:
        """Have what waits written; blocks for a second at most."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        with self._file:
            while data := self._take():
                try:
                    self._append(data)
                except OSError as error:
                    self._error = error.strerror or str(error)
                    return

    def _append(self, data: bytes) -> None:
        """The samples first, so that the header never promises what is not there."""
        if self._written + len(data) > MAX_RECORD_BYTES:
            raise OSError("a WAV cannot be longer")
        self._write(_HEADER.size + self._written, data)
        self._written += len(data)
        self._write(0, _header(self._rate_hz, self._written))

    def _write(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        if self._file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _take(self) -> bytes:
        with self._changed:
            while not self._waiting and not self._ending:
                self._changed.wait()
            data = b"".join(self._waiting)
            self._waiting.clear()
            return data


def _header(rate_hz: int, data_bytes: int) -> bytes:
    """A RIFF/WAVE header for mono 16-bit PCM (44 bytes)."""
    return _HEADER.pack(
        b"RIFF", 36 + data_bytes, b"WAVE",
        b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16,
        b"data", data_bytes,
    )  # fmt: skip
