"""The ``soundcard`` audio driver: any device that PortAudio knows.

PortAudio calls back on threads of its own, which touch the two buffers and enter the event loop by
`_enter` only. Opening and closing may hang with a sound server: each has a thread of its own, one
at a time because PortAudio allows no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import sounddevice  # importing it looks for devices: 0.2 s, so the registry does that when asked
from numpy.typing import NDArray

from drivers._audio import DEPTH_BLOCKS, CaptureQueue
from drivers._threads import in_thread
from drivers.soundcard.buffers import CaptureBuffer, PlaybackBuffer
from drivers.soundcard.devices import Device, choose
from drivers.soundcard.options import SoundCardOptions
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import BLOCK

PERIOD = 0.01
"""Seconds a call-back. Measured: a round trip of 40 ms at 48 kHz (reference/dependencies.md)."""

LOOK = 0.3
"""Seconds between looks at the call-backs; after two looks without one the device counts as gone.

Two, because this process may itself have been stopped before the first.
"""

SLOW = 5.0
"""Seconds after which opening or closing is given up, and the thread that does it left behind."""

_PORTAUDIO = threading.Lock()
_in_use: set[int] = set()
"""Streams that are open, by `id`; under `_PORTAUDIO`. While there is one, PortAudio cannot look anew."""


class SoundCard:
    """Opens the devices that the options name."""

    def __init__(self, name: str, options: SoundCardOptions) -> None:
        self._name = name
        self._options = options

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[SoundStream]:
        stream = SoundStream(self._name, self._options)
        opening = partial(_open, self._name, self._options, stream)
        try:
            opened = await in_thread(f"{self._name}.open", opening, within=SLOW, undo=_close)
        except TimeoutError:
            raise DriverOpenError(self._name, "the sound system does not answer") from None
        try:
            stream.watch()
            yield stream
        finally:
            stream.unwatch()
            with contextlib.suppress(TimeoutError):
                await in_thread(f"{self._name}.close", partial(_close, opened), within=SLOW)


class SoundStream:
    """An open `SoundCard`. Counts what PortAudio lost as ``overflows`` and ``underflows``."""

    def __init__(self, name: str, options: SoundCardOptions) -> None:
        self._name = name
        self._rate_hz = options.rate_hz
        self._loop = asyncio.get_running_loop()
        self._counters: Counter[str] = Counter()
        self._captured = CaptureQueue(self._counters)
        samples = round(options.rate_hz * BLOCK)
        self._capture = CaptureBuffer(2 * samples, partial(_enter, self._loop, self._arrived))
        self._playback = PlaybackBuffer(DEPTH_BLOCKS, 2 * (samples // 2), self._counters)
        self._cushion = BLOCK / 2
        self.output_latency = options.latency_s
        self._plays = options.playback is not None
        # Call-backs so far; each direction's number is written by its own thread only.
        self._calls = {way: 0 for way in ("capture", "playback") if getattr(options, way)}
        self._seen = dict(self._calls)
        self._silent_looks = dict.fromkeys(self._calls, 0)
        self._look_handle: asyncio.TimerHandle | None = None

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    @property
    def playback_delay(self) -> float:
        return self.output_latency + self._cushion + PERIOD if self._plays else 0.0

    @property
    def queued(self) -> float:
        return self._playback.queued(time.monotonic(), 2 * self._rate_hz)

    @property
    def counters(self) -> Mapping[str, int]:
        return self._counters

    async def read(self) -> NDArray[np.int16]:
        return await self._captured.get()

    def write(self, block: NDArray[np.int16]) -> None:
        if self._captured.error is not None:
            raise self._captured.error
        if self._plays:
            self._playback.put(block.astype(np.int16, copy=False).tobytes(), time.monotonic())

    def watch(self) -> None:
        """Notice it when the device falls silent."""
        self._look_handle = self._loop.call_later(LOOK, self._look)

    def unwatch(self) -> None:
        if self._look_handle is not None:
            self._look_handle.cancel()

    def capture_callback(self, data: Any, frames: int, _time: Any, flags: Any) -> None:
        """From PortAudio's capture thread; ``data`` are 16-bit samples of one or two channels."""
        self._calls["capture"] += 1
        if flags.input_overflow:
            self._counters["overflows"] += 1
        samples = bytes(data)
        if len(samples) > 2 * frames:  # stereo: the left one
            samples = np.frombuffer(samples, np.int16)[::2].tobytes()
        self._capture.put(samples)

    def playback_callback(self, data: Any, frames: int, _time: Any, flags: Any) -> None:
        """From PortAudio's playback thread; ``data`` is to be filled."""
        self._calls["playback"] += 1
        if flags.output_underflow:
            self._counters["underflows"] += 1
        mono = self._playback.take(2 * frames, time.monotonic())
        channels = len(data) // (2 * frames)
        data[:] = mono if channels == 1 else np.repeat(np.frombuffer(mono, np.int16), 2).tobytes()

    def finished(self) -> None:
        """From a thread of PortAudio's: a stream has ended, asked to or not."""
        _enter(self._loop, self._failed, "the device has ended")

    def _arrived(self, data: bytes) -> None:
        self._captured.put(np.frombuffer(bytearray(data), np.int16))

    def _failed(self, what: str) -> None:
        self._captured.fail(DriverIOError(self._name, what))

    def _look(self) -> None:
        for way, calls in list(self._calls.items()):
            if calls != self._seen[way]:
                self._seen[way] = calls
                self._silent_looks[way] = 0
                continue
            self._silent_looks[way] += 1
            if self._silent_looks[way] == 2:
                self._failed(f"the {way} device has fallen silent")
        self.watch()


def _enter(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: Any) -> None:
    """The one way from PortAudio's threads into the loop."""
    with contextlib.suppress(RuntimeError):  # the loop has been closed
        loop.call_soon_threadsafe(callback, *arguments)


def _open(name: str, options: SoundCardOptions, stream: SoundStream) -> tuple[Any, ...]:
    """Open and start the streams (in a thread)."""
    wanted = (
        (options.capture, "input", sounddevice.RawInputStream, stream.capture_callback),
        (options.playback, "output", sounddevice.RawOutputStream, stream.playback_callback),
    )
    opened: list[Any] = []
    with _PORTAUDIO:
        try:
            for part, direction, of, callback in wanted:
                if part is None:
                    continue
                device = _find(part, direction)
                opened.append(
                    of(
                        samplerate=options.rate_hz,
                        blocksize=round(options.rate_hz * PERIOD),
                        device=device.index,
                        channels=_channels(device, direction, options.rate_hz),
                        dtype="int16",
                        latency=options.latency_s,
                        callback=callback,
                        finished_callback=stream.finished,
                    )
                )
                _in_use.add(id(opened[-1]))
                if direction == "output":
                    stream.output_latency = float(opened[-1].latency)
            for one in opened:
                one.start()
        except (sounddevice.PortAudioError, LookupError, ValueError) as error:
            _close_all(opened)
            what = error.args[0] if error.args else repr(error)
            raise DriverOpenError(name, str(what)) from error
    return tuple(opened)


def _close(streams: tuple[Any, ...]) -> None:
    with _PORTAUDIO:
        _close_all(streams)


def _close_all(streams: Any) -> None:
    for one in streams:
        _in_use.discard(id(one))
        with contextlib.suppress(sounddevice.PortAudioError):  # it is gone: so be it
            one.close(ignore_errors=True)


def _find(wanted: str, direction: str) -> Device:
    try:
        return choose(_devices(direction), wanted)
    except LookupError:
        if _in_use:
            raise
        # It may have been plugged in since PortAudio looked.
        sounddevice._terminate()  # noqa: SLF001 - the library documents no other way
        sounddevice._initialize()  # noqa: SLF001
        return choose(_devices(direction), wanted)


def _devices(direction: str) -> list[Device]:
    return [
        Device(number, str(entry["name"]), int(entry[f"max_{direction}_channels"]))
        for number, entry in enumerate(sounddevice.query_devices())
    ]


def _channels(device: Device, direction: str, rate_hz: int) -> int:
    """1 where the device takes it, else 2: some converters are stereo and nothing else."""
    check = (
        sounddevice.check_input_settings
        if direction == "input"
        else sounddevice.check_output_settings
    )
    try:
        check(device=device.index, channels=1, dtype="int16", samplerate=rate_hz)
    except sounddevice.PortAudioError:
        return min(2, device.channels)
    return 1
