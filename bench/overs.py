"""The radio of a side-by-side run: sound by UDP, COS and PTT by the letters on pseudo-terminals.

Knows neither system: `Ends` says which ports and terminals it meets. What it says in an over is made
so that a piece that is missing shows: a word is 25 tones, no two of which are alike.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import tty
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
BLOCK = RATE_HZ // 50
Samples = NDArray[np.int16]

_PAUSE_S = 0.2
_CLICK_S = 0.2
_PIECE = RATE_HZ // 50
_SLACK = RATE_HZ * 8 // 100
_ALIKE = 0.4
_LEVEL = 12_000
_LATEST = 0.6
_EDGE = RATE_HZ // 200


def _word() -> Samples:
    """25 tones of 20 ms, each of another pitch (400 to 2,320 Hz, which passes a radio) far from its neighbours'."""
    at = np.arange(_PIECE) / RATE_HZ
    pitches_hz = [400 + 80 * (7 * number % 25) for number in range(25)]
    return np.concatenate(
        [(_LEVEL * np.sin(2 * np.pi * pitch_hz * at)).astype(np.int16) for pitch_hz in pitches_hz]
    )


WORD = _word()
_CLICK_HZ = 2_800
"""A pitch that no part of the word has."""

_TURNS = np.exp(-2j * np.pi * _CLICK_HZ * np.arange(round(_CLICK_S * RATE_HZ)) / RATE_HZ)
CLICK = (-_LEVEL * _TURNS.imag).astype(np.int16)
_PAUSE = np.zeros(round(_PAUSE_S * RATE_HZ), np.int16)
OVER = np.concatenate([WORD, _PAUSE, CLICK, _PAUSE, WORD])
"""A word at once after COS, a tone by which the delay is taken, a word up to the close of COS."""

_CLICK_AT = WORD.size + _PAUSE.size


@dataclass(frozen=True, slots=True)
class Ends:
    """Where one side of a system is met. ``channels`` are interleaved, all the same."""

    listen_port: int
    send_port: int
    squelch: Path | None
    ptt: Path | None
    channels: int = 1


@dataclass(slots=True)
class Heard:
    """What one over came to, in seconds; None where it did not come."""

    cos_to_ptt: float | None = None
    one_way: float | None = None
    close_to_off: float | None = None
    first_whole: bool = False
    last_whole: bool = False
    length: float = 0.0


@dataclass(slots=True)
class Spoken:
    """When things of one over happened, monotonic."""

    opened: float = 0.0
    began: float = 0.0
    clicked: float = 0.0
    closed: float = 0.0


@dataclass(slots=True)
class OverRadio(asyncio.DatagramProtocol):
    """One side: speaks overs, or keeps what is played to it and when it was keyed."""

    ends: Ends
    heard: list[tuple[float, Samples]] = field(default_factory=list)
    keyed: list[tuple[float, bool]] = field(default_factory=list)
    _queue: list[Samples] = field(default_factory=list)
    _sent: list[float] = field(default_factory=list)
    _done: asyncio.Event = field(default_factory=asyncio.Event)
    _transport: asyncio.DatagramTransport | None = None
    _task: asyncio.Task[None] | None = None
    _squelch: int = -1
    _ptt: int = -1

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self.ends.send_port)
        )
        self._task = loop.create_task(self._microphone(), name="over-radio")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._ptt >= 0:
            asyncio.get_running_loop().remove_reader(self._ptt)
        for descriptor in {self._ptt, self._squelch} - {-1}:
            os.close(descriptor)

    def plug_in(self) -> None:
        """Open the terminals, which the system under test has made."""
        for path in {self.ends.squelch, self.ends.ptt} - {None}:
            assert path is not None
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(descriptor)
            if path == self.ends.squelch:
                self._squelch = descriptor
            if path == self.ends.ptt:
                self._ptt = descriptor
                asyncio.get_running_loop().add_reader(descriptor, self._letters)

    async def speak(self) -> Spoken:
        """One over: COS opens as its first sample leaves, and closes when its last one has."""
        blocks = [OVER[at : at + BLOCK] for at in range(0, OVER.size, BLOCK)]
        self._done.clear()
        self._sent = []
        spoken = Spoken(opened=time.monotonic())
        os.write(self._squelch, b"O")
        self._queue = blocks
        await self._done.wait()
        await asyncio.sleep(BLOCK / RATE_HZ)  # a block is sent at the start of its time
        os.write(self._squelch, b"Z")
        spoken.closed = time.monotonic()
        spoken.began = self._sent[0]
        spoken.clicked = self._sent[_CLICK_AT // BLOCK]
        return spoken

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        del addr
        samples = np.frombuffer(data, "<i2")[:: self.ends.channels]
        self.heard.append((time.monotonic(), samples))

    async def _microphone(self) -> None:
        """A device never pauses: silence is sent as silence."""
        assert self._transport is not None
        to = ("127.0.0.1", self.ends.listen_port)
        silence = np.zeros(BLOCK, np.int16)
        due = time.monotonic()
        while True:
            block = silence
            if self._queue:
                block = self._queue.pop(0)
                self._sent.append(time.monotonic())
                if not self._queue:
                    self._done.set()
            self._transport.sendto(np.repeat(block, self.ends.channels).tobytes(), to)
            due += BLOCK / RATE_HZ
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _letters(self) -> None:
        at = time.monotonic()
        try:
            letters = os.read(self._ptt, 256)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._ptt)
            return
        self.keyed += [(at, letter == ord("T")) for letter in letters if letter in b"TR"]


def judge(spoken: Spoken, far: OverRadio) -> Heard:
    """What came of an over at the far radio, and forget it there."""
    heard = Heard()
    keyed = [at for at, on in far.keyed if on]
    released = [at for at, on in far.keyed if not on and at >= spoken.closed - BLOCK / RATE_HZ]
    heard.cos_to_ptt = keyed[0] - spoken.opened if keyed else None
    heard.close_to_off = released[-1] - spoken.closed if released else None
    blocks = [(at, block) for at, block in far.heard if at >= spoken.opened]
    far.heard.clear()
    far.keyed.clear()
    if blocks:
        sound, times = _laid_out(blocks)
        heard.length = sound.size / RATE_HZ
        _measure(heard, spoken, sound, times)
    return heard


def _laid_out(blocks: list[tuple[float, Samples]]) -> tuple[Samples, NDArray[np.float64]]:
    """All samples in order, and when each is there to be heard, as the device plays them at once."""
    sound = np.concatenate([block for _, block in blocks])
    times = np.concatenate([at + np.arange(block.size) / RATE_HZ for at, block in blocks])
    return sound, times


def _measure(heard: Heard, spoken: Spoken, sound: Samples, times: NDArray[np.float64]) -> None:
    click = _click(sound, times, spoken.clicked)
    if click is None:
        return
    heard.one_way = float(times[click] - spoken.clicked)
    heard.first_whole = _whole(sound, click - _CLICK_AT)
    heard.last_whole = _whole(sound, click + OVER.size - WORD.size - _CLICK_AT)


def _click(sound: Samples, times: NDArray[np.float64], spoken: float) -> int | None:
    """Where the tone begins that was spoken then: where 5 ms of it have come to half its level."""
    at = np.flatnonzero((times >= spoken) & (times <= spoken + _LATEST))
    if at.size < _EDGE:
        return None
    turns = np.exp(-2j * np.pi * _CLICK_HZ * np.arange(at.size) / RATE_HZ)
    level = np.abs(np.convolve(sound[at] * turns, np.ones(_EDGE) / _EDGE, "valid")) * 2
    loud = np.flatnonzero(level > _LEVEL / 2)
    return int(at[0] + loud[0] + _EDGE // 2) if loud.size else None


def _whole(sound: Samples, at: int) -> bool:
    """Whether every 20 ms of the word is there around its place."""
    return all(
        _alike(sound, WORD[begin : begin + _PIECE], at + begin) >= _ALIKE
        for begin in range(0, WORD.size, _PIECE)
    )


def _alike(sound: Samples, piece: Samples, at: int) -> float:
    """The best normalised correlation of ``piece`` within `_SLACK` of ``at``."""
    window = sound[max(0, at - _SLACK) : max(0, at + piece.size + _SLACK)].astype(np.float64)
    if window.size < piece.size or not window.any():
        return 0.0
    wanted = piece.astype(np.float64)
    product = np.correlate(window, wanted, "valid")
    energy = np.concatenate(([0.0], np.cumsum(window * window)))
    power = energy[piece.size :] - energy[: -piece.size]
    scale = np.sqrt(np.maximum(power, 1e-3 * float(wanted @ wanted)) * float(wanted @ wanted))
    return float((product / scale).max())


def free_ports(number: int) -> list[int]:
    """UDP ports on loopback that nobody holds at this moment."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
