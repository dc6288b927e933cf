"""What a driver implements and what it may say: the only border between gateway and hardware.

A driver says what it saw; the gateway decides what it means. Every class a registry name leads
to is built as ``Driver(name, options)``: ``name`` is the configuration's name for the device
(for errors and logs), ``options`` the driver's own frozen options dataclass. Constructors only
store. Drivers raise the ``Driver*`` errors of `gateway.errors` and nothing else; the gateway
reports them, and opens again with back-off where that can help.

An options dataclass is frozen, slotted, keyword-only, documents each field by the string below
it, and bounds fields with `annotated_types`; settings, JSON Schema and documentation come from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    # numpy is 30 MB and 100 ms; the keyer, which needs no audio, stays without it.
    import numpy as np
    from numpy.typing import NDArray


BLOCK = 0.02
"""Length of one audio block in seconds: one Opus frame and one RTP packet."""

MAX_PICTURE_BYTES = 512 * 1024
"""The largest JPEG a camera may hand over (contract, section 1)."""


class SignalKind(StrEnum):
    """What a driver saw on an alarm input (contract: AlarmEvent.signal)."""

    ALARM = "alarm"
    RESTORE = "restore"
    TAMPER = "tamper"
    FAULT = "fault"
    BATTERY = "battery"
    LOST = "lost"
    TEST = "test"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSignal:
    """One thing seen on an alarm input, as the driver understood it.

    ``line`` names a configured line of the input (gpio, virtual); ``account`` and ``zone`` are a
    panel's, as digits on the wire. ``code`` is the protocol's event code with its qualifier
    (Contact ID: ``E120``), ``category`` what that code means in the words of the contract
    (``panic``, ``fire``, ``medical``, ``burglary``, ``duress``, ``trouble``, ``test`` ...), where
    the protocol says. What is not known is None. ``text`` is for people.
    """

    signal: SignalKind
    line: str | None = None
    account: str | None = None
    zone: str | None = None
    code: str | None = None
    category: str | None = None
    text: str = ""


class SignalSink(Protocol):
    """Where an alarm input delivers. All methods are called on the event loop."""

    async def accept(self, signal: AlarmSignal) -> bool:
        """Hand over one signal; True once it is on disk. On False it must not be acknowledged."""

    def ready(self) -> None:
        """The device is open and being read. Called again after each reopening."""

    def heartbeat(self) -> None:
        """The other side has shown that it is alive: a panel has said so, lines could be read."""

    def count(self, what: str, number: int = 1) -> None:
        """Add to a named counter, e.g. ``noise_bytes``, ``nak``, ``undecoded``."""


class AlarmInput(Protocol):
    """A source of alarm signals: a panel's serial line, GPIO lines, a virtual input."""

    async def run(self, sink: SignalSink) -> None:
        """Open, deliver until cancelled, close.

        Raises:
            DriverOpenError: the device cannot be opened.
            DriverIOError: it failed or vanished; the gateway calls `run` again after a pause.
        """


class AlarmOutput(Protocol):
    """Lines that show or sound at a place: lamps, a relay, a siren. Built as ``Driver(name, options)``.

    Its options may say ``drills``: whether a drill may switch it; without it none ever does.
    """

    async def run(self, ready: Callable[[], None]) -> None:
        """Open with every line off, follow `set` until cancelled, switch every line off, close.

        Calls ``ready`` when `set` takes effect; the gateway then sets every line that is to be on.

        Raises:
            DriverOpenError: the device cannot be opened.
            DriverIOError: it failed or vanished; the gateway calls `run` again after a pause.
        """

    def set(self, line: str, on: bool, /) -> None:
        """Switch a line. Never blocks or raises: what cannot be done ends `run`; while it does not run, nothing is done."""


class AudioStream(Protocol):
    """An open audio device. 16-bit mono PCM, `BLOCK` seconds a block, shape ``(rate_hz // 50,)``."""

    @property
    def rate_hz(self) -> int:
        """Sample rate of both directions."""

    @property
    def playback_delay(self) -> float:
        """Seconds from `write` until the block begins to sound, as well as the driver knows."""

    @property
    def counters(self) -> Mapping[str, int]:
        """Counts since opening: ``capture_dropped``, ``playback_dropped``, ``underruns`` ..., in blocks."""

    async def read(self) -> NDArray[np.int16]:
        """The next captured block, in order.

        Unread blocks queue up to a bound; the oldest is dropped and counted.

        Raises:
            DriverIOError: the device failed or ended; the stream is to be closed.
        """

    def write(self, block: NDArray[np.int16]) -> None:
        """Queue one block for playback; never blocks. Past the bound the oldest is dropped and counted.

        Raises:
            DriverIOError: the device failed; the stream is to be closed.
        """


@runtime_checkable
class ClockedStream(AudioStream, Protocol):
    """An `AudioStream` that plays by a clock of its own, as a sound card does.

    Its blocks may be some samples longer or shorter than `BLOCK`: the gateway gives more or fewer so
    that ``queued`` stays where it is, though the clocks differ. A stream without ``queued`` plays what
    it is given when it is given, and is given exact blocks.
    """

    @property
    def queued(self) -> float:
        """Seconds of what was written that have not been played, counted on within a piece that the device has taken."""


class AudioDevice(Protocol):
    """A sound card, or what stands for one."""

    def open(self) -> AbstractAsyncContextManager[AudioStream]:
        """Open both directions; entering may raise DriverOpenError."""


class LinePort(Protocol):
    """One opened port in the keyer process: a line that keys, a line that senses, or both.

    Used only from the keyer's single thread; no method may block.
    """

    def key(self, keyed: bool) -> None:
        """Drive the PTT line. Raises DriverIOError where the device is gone."""

    def squelch_open(self) -> bool | None:
        """The sensed line now; None where there is none or nothing was heard from it yet."""

    def fileno(self) -> int:
        """Descriptor to wait on for a squelch change; -1 where the line must be polled (each 5 ms)."""

    def close(self) -> None:
        """Unkey, then close. Never raises; safe to call twice."""


class ReadBack(Protocol):
    """What a `LinePort` may be besides: able to hear from the transmitter what it does."""

    @property
    def reads_back(self) -> bool:
        """Whether it is set up for that."""

    def reads_keyed(self) -> bool | None:
        """Whether it transmits; None where nothing was heard yet.

        Raises:
            DriverIOError: the device is gone.
        """


class LineDriver(Protocol):
    """Opens `LinePort`s. Built as ``Driver(name, ptt_options | None, squelch_options | None)``.

    Both options are given where one endpoint uses one port for both.
    """

    def open(self) -> LinePort:
        """Open with PTT released before, while and after opening. Raises DriverOpenError."""


class AudioSquelch(Protocol):
    """A squelch that listens to the audio itself (VOX). Built as ``Driver(name, options)``; pure."""

    def feed(self, block: NDArray[np.int16], now: float) -> bool:
        """Whether speech is present after this captured block; ``now`` in seconds, monotonic."""


class Camera(Protocol):
    """A source of still pictures."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep what `picture` needs (a connection, the newest picture) until cancelled.

        Calls ``ready`` when pictures can be had. Raises DriverOpenError or DriverIOError like
        `AlarmInput.run`. A driver with nothing to keep calls ``ready`` and returns.
        """

    async def picture(self) -> bytes:
        """One JPEG of now, at most `MAX_PICTURE_BYTES`. The caller bounds the time by cancelling.

        Raises:
            DriverIOError: no picture can be had, or what came is no JPEG.
        """
