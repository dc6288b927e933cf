"""The outside world of the demo: a panel, radios and intercoms, as their far ends see the gateway.

Nothing here knows the gateway's code: bytes on a pseudo-terminal, PCM in datagrams, letters on a
squelch line. What is recorded is what would have come out of a loudspeaker.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np

from gateway.cli.demo.sound import RATE_HZ, Samples

BLOCK = RATE_HZ // 50
ACK, NAK = b"\x06", b"\x15"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port on loopback that nobody holds at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Panel:
    """An alarm receiver on a serial line: sends a line, sends it again until it is acknowledged."""

    RESEND = 4.0  # seconds; Sur-Gard MLR2: ACK within 4 s

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(slave)
        self._slave = slave  # kept open, so that the master lives while the gateway restarts
        self._answers: asyncio.Queue[tuple[bytes, float]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    async def send(self, line: str) -> tuple[float, float]:
        """Send one line and wait for its ACK; when it was sent and when acknowledged, monotonic.

        Raises:
            TimeoutError: three resends were not acknowledged either.
        """
        for _ in range(4):
            while not self._answers.empty():
                self._answers.get_nowait()
            sent = time.monotonic()
            os.write(self._master, line.encode("ascii") + b"\x14")
            try:
                async with asyncio.timeout(self.RESEND):
                    answer, at = await self._answers.get()
            except TimeoutError:
                continue
            if answer == ACK:
                return sent, at
        raise TimeoutError(f"no ACK for {line!r}")

    def _read(self) -> None:
        at = time.monotonic()
        for byte in os.read(self._master, 256):
            self._answers.put_nowait((bytes([byte]), at))


class Radio(asyncio.DatagramProtocol):
    """What stands behind an endpoint: microphone and loudspeaker by UDP, COS and PTT by letters.

    ``talk`` opens the squelch with the first sample, as a radio does; an endpoint with VOX has no
    line. Everything played to it is kept with its time of arrival.
    """

    def __init__(self, name: str, line: Path | None) -> None:
        self.name = name
        self.line = line
        self.listen_port = free_port(socket.SOCK_DGRAM)  # the gateway's, for our microphone
        self.send_port = free_port(socket.SOCK_DGRAM)  # ours, for what the gateway plays
        self.heard: list[tuple[float, Samples]] = []
        self.opened = 0.0
        """When the squelch was opened last, monotonic."""
        self.keyed: list[tuple[float, bool]] = []
        self.on_keyed: Callable[[bool], None] = lambda _: None
        self._speech: list[Samples] = []
        self._spoken = asyncio.Event()
        self._began = 0.0
        self._transport: asyncio.DatagramTransport | None = None
        self._terminal = -1
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self.send_port)
        )
        self._task = loop.create_task(self._microphone(), name=f"radio[{self.name}]")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._terminal >= 0:
            asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)

    def plug_in(self) -> None:
        """Open the line that the gateway's keyer has made."""
        assert self.line is not None
        self._terminal = os.open(self.line, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._terminal)
        asyncio.get_running_loop().add_reader(self._terminal, self._letters)

    async def talk(self, speech: Samples, *, hold: float = 0.0) -> tuple[float, float]:
        """Speak, then keep the squelch open ``hold`` seconds more.

        When the first block left the microphone, and when the squelch closed.
        """
        blocks = [speech[at : at + BLOCK] for at in range(0, speech.size, BLOCK)]
        blocks[-1] = np.pad(blocks[-1], (0, BLOCK - blocks[-1].size))
        self.opened = time.monotonic()
        self._squelch(b"O")
        self._speech = blocks
        self._began = 0.0
        self._spoken.clear()
        await self._spoken.wait()
        await asyncio.sleep(0.02 + hold)  # the last block leaves the microphone first
        self._squelch(b"Z")
        return self._began, time.monotonic()

    def sound(self, since: float = 0.0) -> tuple[Samples, list[float]]:
        """Everything heard since then, in order, and the time of arrival of each block."""
        blocks = [(at, block) for at, block in self.heard if at >= since]
        if not blocks:
            return np.zeros(0, np.int16), []
        return np.concatenate([block for _, block in blocks]), [at for at, _ in blocks]

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        del addr
        self.heard.append((time.monotonic(), np.frombuffer(data, "<i2")))

    async def _microphone(self) -> None:
        """A device never pauses: silence is sent as silence, block after block."""
        assert self._transport is not None
        silence = np.zeros(BLOCK, np.int16)
        due = time.monotonic()
        while True:
            block = silence
            if self._speech:
                self._began = self._began or time.monotonic()
                block = self._speech.pop(0)
                if not self._speech:
                    self._spoken.set()
            self._transport.sendto(block.astype("<i2").tobytes(), ("127.0.0.1", self.listen_port))
            due += 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _squelch(self, letter: bytes) -> None:
        if self._terminal >= 0:
            os.write(self._terminal, letter)

    def _letters(self) -> None:
        at = time.monotonic()
        try:
            letters = os.read(self._terminal, 256)
        except OSError:  # the gateway went away, as it does at the end
            asyncio.get_running_loop().remove_reader(self._terminal)
            return
        for letter in letters:
            if letter in b"TR":
                self.keyed.append((at, letter == ord("T")))
                self.on_keyed(letter == ord("T"))
