"""An open `drivers.sip.driver.SipAudio`: blocks at one rate, whatever rate the call uses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import numpy as np
import soxr
from numpy.typing import NDArray

from drivers._audio import CaptureQueue
from drivers.sip import child_protocol as protocol
from drivers.sip.child_protocol import Media
from drivers.sip.playback import CUSHION
from gateway.errors import DriverIOError
from gateway.ports import BLOCK

_PENDING_BYTES = 64 * 1024
"""In our own buffer towards the process, which reads at once; more means that it hangs."""


class SipStream:
    """Silence between calls: nothing is captured, what is written is dropped and counted as ``unheard``.

    Further counters: ``calls``, ``calls_refused``.
    """

    def __init__(self, name: str, rate_hz: int, to_process: asyncio.StreamWriter) -> None:
        self._name = name
        self._rate_hz = rate_hz
        self._block_samples = round(rate_hz * BLOCK)
        self._to_process = to_process
        self._counters: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._queue = CaptureQueue(self._counters)
        self._media = Media(serial=0)
        self._collected: NDArray[np.int16] = np.zeros(0, np.int16)
        self._capture: soxr.ResampleStream | None = None
        self._playback: soxr.ResampleStream | None = None

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    @property
    def playback_delay(self) -> float:
        """Until a packet leaves: cushion, and the packet's own length. The other side adds its own."""
        return CUSHION + BLOCK

    @property
    def counters(self) -> Mapping[str, int]:
        return self._counters + self._told

    async def read(self) -> NDArray[np.int16]:
        return await self._queue.get()

    def write(self, block: NDArray[np.int16]) -> None:
        if self._queue.error is not None:
            raise self._queue.error
        if not self._media.playback_hz:
            self._counters["unheard"] += 1
        elif self._to_process.transport.get_write_buffer_size() > _PENDING_BYTES:
            self._counters["playback_dropped"] += 1
        else:
            samples = _converted(self._playback, block)
            frame = protocol.audio_to_bytes(protocol.PLAY, self._media.serial, samples.tobytes())
            self._to_process.write(frame)

    def change(self, media: Media) -> None:
        """The audio of the call is so from now on."""
        if media.capture_hz != self._media.capture_hz:
            self._capture = _converter(media.capture_hz, self._rate_hz)
            self._collected = np.zeros(0, np.int16)
        if media.playback_hz != self._media.playback_hz:
            self._playback = _converter(self._rate_hz, media.playback_hz)
        self._media = media

    def captured(self, serial: int, samples: bytes) -> None:
        if serial != self._media.serial:
            return
        new = _converted(self._capture, np.frombuffer(samples, np.int16))
        collected = np.concatenate((self._collected, new))
        whole = len(collected) // self._block_samples * self._block_samples
        for start in range(0, whole, self._block_samples):
            self._queue.put(collected[start : start + self._block_samples].copy())
        self._collected = collected[whole:]

    def count(self, counters: Mapping[str, int]) -> None:
        """The counters of the process, since it started."""
        self._told = Counter(counters)

    def fail(self, error: DriverIOError) -> None:
        self._queue.fail(error)


def _converter(from_hz: int, to_hz: int) -> soxr.ResampleStream | None:
    if from_hz == to_hz or not from_hz or not to_hz:
        return None
    return soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality="QQ")


def _converted(by: soxr.ResampleStream | None, samples: NDArray[np.int16]) -> NDArray[np.int16]:
    if by is None:
        return samples
    out: NDArray[np.int16] = by.resample_chunk(samples)
    return out
