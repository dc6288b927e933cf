"""The ``panel`` alarm input: a receiver on a serial line.

Lines are handled strictly in the order in which they came, one at a time, because an answer names
no line: the receiver takes it for the one it sent last. An ACK leaves only after the sink has
stored the line, and no answer leaves later than `ANSWER_WITHIN` after the line came, when the
receiver may already have begun to send something else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import termios
from collections import deque
from dataclasses import dataclass
from typing import Any

import serial

from drivers.panel.options import PanelOptions
from drivers.panel.rejects import Rejects
from drivers.panel.signals import signal_of
from drivers.panel.surgard import ACK, NAK, Frame, Heartbeat, LineReader, Undecoded
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import SignalSink

_LOGGER = logging.getLogger(__name__)

ANSWER_WITHIN = 3.5
"""Seconds from a line's arrival to its answer at the latest; receivers resend after 4 s."""
MAX_WAITING = 256
"""Lines read and not yet handled; past it the port is not read, and nothing is lost in here."""
_DRAIN = 0.5
"""Seconds for lines that came before the port failed; they are resent if this is too short."""
_READ_BYTES = 4096

_PARITIES = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


@dataclass(frozen=True, slots=True)
class _Arrival:
    frame: Frame | Undecoded
    at: float
    """Loop time in seconds at which its last byte was read."""


class PanelInput:
    """An alarm panel's receiver on a serial line (`gateway.ports.AlarmInput`)."""

    def __init__(self, name: str, options: PanelOptions) -> None:
        self._name = name
        self._options = options

    async def run(self, sink: SignalSink) -> None:
        """Open the port, deliver and answer until cancelled, close."""
        with self._open() as port:
            try:
                await _Conversation(self._name, port.fileno(), sink).run()
            finally:
                _discard_output(port.fileno())  # closing would wait up to 30 s for it to leave

    def _open(self) -> serial.Serial:
        options = self._options
        try:
            port = serial.Serial(
                str(options.port),
                options.baud_rate,
                bytesize=options.data_bits,
                parity=_PARITIES[options.parity],
                stopbits=options.stop_bits,
                timeout=0,
                exclusive=True,
            )
        except (OSError, ValueError, termios.error) as error:
            raise DriverOpenError(self._name, f"cannot open {options.port}: {error}") from error
        if options.parity != "none":
            _check_parity(port.fileno())
        return port


def _check_parity(descriptor: int) -> None:
    """Have the kernel turn a character of wrong parity into NUL; by default it lets it pass."""
    attributes = termios.tcgetattr(descriptor)
    attributes[0] = attributes[0] & ~(termios.IGNPAR | termios.PARMRK) | termios.INPCK
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)  # hang-up and errors are told unasked
    return bool(poll.poll(0))


def _discard_output(descriptor: int) -> None:
    try:
        termios.tcflush(descriptor, termios.TCOFLUSH)
    except termios.error:
        _LOGGER.debug("port is gone already")


class _Conversation:
    """One opening of the port: reads, handles in order, answers."""

    def __init__(self, name: str, descriptor: int, sink: SignalSink) -> None:
        self._name = name
        self._descriptor = descriptor
        self._sink = sink
        self._reader = LineReader()
        self._rejects = Rejects()
        self._waiting: deque[_Arrival] = deque()
        self._arrived = asyncio.Event()
        self._reading = False
        self._failure: asyncio.Future[OSError] | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()
        handling = loop.create_task(self._handle_all(), name=f"input[{self._name}].lines")
        try:
            self._read_on()
            self._sink.ready()
            either: set[asyncio.Future[Any]] = {handling, self._failure}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                await self._drain(handling)
                error = self._failure.result()
                raise DriverIOError(self._name, f"port failed: {error}") from error
            await handling  # only a defect ends it
        finally:
            self._read_no_more()
            handling.cancel()
            await asyncio.wait({handling})

    async def _drain(self, handling: asyncio.Task[None]) -> None:
        deadline = asyncio.get_running_loop().time() + _DRAIN
        while self._waiting and not handling.done():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.wait({handling}, timeout=min(left, 0.02))

    # Reading

    def _read_on(self) -> None:
        if not self._reading:
            asyncio.get_running_loop().add_reader(self._descriptor, self._readable)
            self._reading = True

    def _read_no_more(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._reading = False

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        if not data:  # pyserial sets VMIN 0, so that this is either a hang-up or nothing at all
            if _hung_up(self._descriptor):
                self._fail(OSError("the other end hung up"))
            return
        now = asyncio.get_running_loop().time()
        noise_before = self._reader.noise_bytes
        lines = self._reader.feed(data)
        if noise := self._reader.noise_bytes - noise_before:
            self._sink.count("noise_bytes", noise)
        if lines:
            self._waiting.extend(_Arrival(line, now) for line in lines)
            self._arrived.set()
            if len(self._waiting) >= MAX_WAITING:
                self._read_no_more()

    def _fail(self, error: OSError) -> None:
        self._read_no_more()
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(error)

    # Handling

    async def _handle_all(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._handle(self._waiting[0])
                self._waiting.popleft()  # only now: _drain waits for it
            if self._failure is not None and not self._failure.done():
                self._read_on()

    async def _handle(self, arrival: _Arrival) -> None:
        frame = arrival.frame
        if isinstance(frame, Heartbeat):
            self._sink.heartbeat()
            self._answer(ACK, arrival)
            return
        if isinstance(frame, Undecoded):
            self._sink.count("undecoded")
            if not self._rejects.arrived(frame.line, arrival.at):
                self._answer(NAK, arrival)
                return
            _LOGGER.warning("%s: line not understood, stored: %r", self._name, frame.line)
        if await self._sink.accept(signal_of(frame)):
            self._answer(ACK, arrival)
        else:
            self._sink.count("not_stored")

    def _answer(self, answer: bytes, arrival: _Arrival) -> None:
        if asyncio.get_running_loop().time() - arrival.at > ANSWER_WITHIN:
            self._sink.count("answers_too_late")
            return
        try:
            os.write(self._descriptor, answer)
        except BlockingIOError:
            self._sink.count("answers_not_sent")
        except OSError as error:
            self._fail(error)
        else:
            self._sink.count("ack" if answer == ACK else "nak")
