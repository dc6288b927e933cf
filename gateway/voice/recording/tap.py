"""An audio device whose microphone is also heard by somebody else: what comes before an alarm."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from gateway.ports import BLOCK, AudioDevice, AudioStream, ClockedStream
from gateway.voice.recording.pre_alarm import PreAlarm


class TappedDevice:
    """``device``, each block of which goes into ``ring`` too; an `AudioDevice`."""

    def __init__(self, device: AudioDevice, ring: PreAlarm) -> None:
        self._device = device
        self._ring = ring

    def open(self) -> AbstractAsyncContextManager[AudioStream]:
        return self._opened()

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[AudioStream]:
        async with self._device.open() as stream:
            self._ring.open(stream.rate_hz)
            if isinstance(stream, ClockedStream):
                yield _TappedClockedStream(stream, self._ring)
            else:
                yield _TappedStream(stream, self._ring)


class _TappedStream:
    def __init__(self, stream: AudioStream, ring: PreAlarm) -> None:
        self._stream = stream
        self._ring = ring

    @property
    def rate_hz(self) -> int:
        return self._stream.rate_hz

    @property
    def playback_delay(self) -> float:
        return self._stream.playback_delay

    @property
    def counters(self) -> Mapping[str, int]:
        return self._stream.counters

    async def read(self) -> NDArray[np.int16]:
        samples = await self._stream.read()
        self._ring.block(samples, time.time() - BLOCK)
        return samples

    def write(self, block: NDArray[np.int16]) -> None:
        self._stream.write(block)


class _TappedClockedStream(_TappedStream):
    def __init__(self, stream: ClockedStream, ring: PreAlarm) -> None:
        super().__init__(stream, ring)
        self._clocked = stream

    @property
    def queued(self) -> float:
        return self._clocked.queued
