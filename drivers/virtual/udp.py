"""The ``udp`` audio driver: PCM in datagrams, for a radio gateway's software or a test.

Signed 16-bit little-endian mono, 20 ms in each datagram (contract, section 4). A datagram of any
other length is dropped and counted as ``malformed``. Nobody has to be at the other end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping

import numpy as np
from numpy.typing import NDArray

from drivers._address import host_and_port
from drivers._audio import CaptureQueue
from drivers.virtual.options import UdpAudioOptions
from gateway.errors import DriverOpenError
from gateway.ports import BLOCK

_LARGEST_DATAGRAM_BYTES = 65_535
_DATAGRAMS_A_TURN = 32
"""Read in one go, so that a flood leaves the loop to others in between."""


class UdpAudio:
    """Two addresses that stand for a sound card."""

    def __init__(self, name: str, options: UdpAudioOptions) -> None:
        self._name = name
        self._options = options

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[UdpStream]:
        loop = asyncio.get_running_loop()
        options = self._options
        with contextlib.ExitStack() as stack:
            listening = sending = None
            if options.listen is not None:
                family, address = await self._resolve(options.listen)
                listening = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                listening.setblocking(False)
                try:
                    listening.bind(address)
                except OSError as error:
                    what = f"cannot listen on {options.listen}: {error.strerror}"
                    raise DriverOpenError(self._name, what) from error
            to: tuple[object, ...] = ()
            if options.send is not None:
                family, to = await self._resolve(options.send)
                sending = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                sending.setblocking(False)
            stream = UdpStream(options.rate_hz, listening, sending, to)
            if listening is not None:
                loop.add_reader(listening, stream.receive)
                stack.callback(loop.remove_reader, listening)
            yield stream

    async def _resolve(self, text: str) -> tuple[int, tuple[object, ...]]:
        host, port = host_and_port(text)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise DriverOpenError(self._name, f"{text}: {error.strerror}") from error
        family, _, _, _, address = found[0]
        return family, address


class UdpStream:
    """An open `UdpAudio`. Counts ``malformed`` and ``send_failed`` datagrams as well."""

    def __init__(
        self,
        rate_hz: int,
        listening: socket.socket | None,
        sending: socket.socket | None,
        to: tuple[object, ...],
    ) -> None:
        self._rate_hz = rate_hz
        self._block_bytes = 2 * round(rate_hz * BLOCK)
        self._listening = listening
        self._sending = sending
        self._to = to
        self._counters: Counter[str] = Counter()
        self._captured = CaptureQueue(self._counters)

    @property
    def rate_hz(self) -> int:
        return self._rate_hz

    @property
    def playback_delay(self) -> float:
        return 0.0

    @property
    def counters(self) -> Mapping[str, int]:
        return self._counters

    async def read(self) -> NDArray[np.int16]:
        return await self._captured.get()

    def write(self, block: NDArray[np.int16]) -> None:
        if self._sending is None:
            return
        try:
            self._sending.sendto(block.astype("<i2", copy=False).tobytes(), self._to)
        except BlockingIOError:
            self._counters["playback_dropped"] += 1
        except OSError:  # no route just now; a lost datagram is no fault of this device
            self._counters["send_failed"] += 1

    def receive(self) -> None:
        """Take what has arrived."""
        assert self._listening is not None
        for _ in range(_DATAGRAMS_A_TURN):
            try:
                data = self._listening.recv(_LARGEST_DATAGRAM_BYTES)
            except OSError:  # nothing more, or the echo of a failed send
                return
            if len(data) != self._block_bytes:
                self._counters["malformed"] += 1
                continue
            self._captured.put(np.frombuffer(data, dtype="<i2").astype(np.int16))
