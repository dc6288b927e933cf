"""The ``gpio`` alarm input: contacts on the lines of a GPIO chip, through libgpiod 2."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge, Value

from drivers.gpio.line_state import LineState
from drivers.gpio.options import GpioInputLine, GpioInputOptions
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import AlarmSignal, SignalKind, SignalSink

_LOGGER = logging.getLogger(__name__)

EVENT_BUFFER = 1024
"""Edges that the kernel keeps for us. Measured: of 100 edges its default of 16 lost 84, this none."""
LOOK_EVERY = 0.5
"""Seconds between two readings of all levels; a chip that vanished is noticed by them."""
MAX_WAITING = 1024
"""Changes not yet delivered; past it the kernel's buffer fills, and edges that it drops are counted."""
DRAIN = 0.9
"""Seconds for changes seen before a failure; the fault is told within 1 s."""

_BIAS = {
    "as-is": Bias.AS_IS,
    "disabled": Bias.DISABLED,
    "pull-up": Bias.PULL_UP,
    "pull-down": Bias.PULL_DOWN,
}
_NO_KERNEL_DEBOUNCE = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


class GpioInput:
    """Alarm contacts on one GPIO chip (`gateway.ports.AlarmInput`)."""

    def __init__(self, name: str, options: GpioInputOptions) -> None:
        self._name = name
        self._options = options

    async def run(self, sink: SignalSink) -> None:
        """Request the lines, deliver their levels and changes until cancelled, release them."""
        request, kernel_debounces = self._request()
        with request:
            await _Watch(self._name, self._options, request, kernel_debounces, sink).run()

    def _request(self) -> tuple[gpiod.LineRequest, bool]:
        try:
            try:
                return self._lines(debounced=True), True
            except OSError as error:
                if error.errno not in _NO_KERNEL_DEBOUNCE:
                    raise
                _LOGGER.info("%s: the kernel does not debounce here, so we do", self._name)
                return self._lines(debounced=False), False
        except (OSError, ValueError) as error:
            raise DriverOpenError(
                self._name, f"cannot watch lines of {self._options.chip}: {error}"
            ) from error

    def _lines(self, *, debounced: bool) -> gpiod.LineRequest:
        chip = self._options.chip
        return gpiod.request_lines(
            chip if chip.startswith("/") else f"/dev/{chip}",
            consumer=f"baiying {self._name}"[:31],  # GPIO_MAX_NAME_SIZE, with its NUL
            config={
                line.offset: _settings(line, debounced=debounced)
                for line in self._options.lines.values()
            },
            event_buffer_size=EVENT_BUFFER,
        )


def _settings(line: GpioInputLine, *, debounced: bool) -> gpiod.LineSettings:
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=_BIAS[line.bias],
        active_low=line.active == "low",
        debounce_period=dt.timedelta(milliseconds=line.debounce_ms if debounced else 0),
        event_clock=Clock.MONOTONIC,
    )


class _Watch:
    """One request of the lines: reads edges, looks at levels, delivers in order."""

    def __init__(
        self,
        name: str,
        options: GpioInputOptions,
        request: gpiod.LineRequest,
        kernel_debounces: bool,
        sink: SignalSink,
    ) -> None:
        self._name = name
        self._request = request
        self._sink = sink
        self._names = {line.offset: name for name, line in options.lines.items()}
        self._states = {
            line.offset: LineState(0.0 if kernel_debounces else line.debounce_ms / 1000)
            for line in options.lines.values()
        }
        self._waiting: deque[AlarmSignal] = deque()
        self._changed = asyncio.Event()
        self._failure: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._reading = False
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        delivering = loop.create_task(self._deliver(), name=f"input[{self._name}].changes")
        try:
            self._guarded(self._start)
            self._read_on()
            self._sink.ready()
            either: set[asyncio.Future[Any]] = {delivering, self._failure}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._failure.done():
                await self._drain(delivering)
                error = self._failure.result()
                raise DriverIOError(self._name, f"lines failed: {error}") from error
            await delivering  # only a defect ends it
        finally:
            self._read_no_more()
            if self._timer is not None:
                self._timer.cancel()
            delivering.cancel()
            await asyncio.wait({delivering})

    async def _drain(self, delivering: asyncio.Task[None]) -> None:
        """Let what was seen before the failure be delivered; a contact does not say it again."""
        deadline = asyncio.get_running_loop().time() + DRAIN
        while self._waiting and not delivering.done():
            if asyncio.get_running_loop().time() >= deadline:
                self._sink.count("not_delivered", len(self._waiting))
                return
            await asyncio.wait({delivering}, timeout=0.01)

    def _start(self) -> None:
        for offset, active in self._levels():
            self._tell(offset, self._states[offset].start(active))
        self._next_look = asyncio.get_running_loop().time() + LOOK_EVERY
        self._arm()

    # Edges and levels

    def _readable(self) -> None:
        self._guarded(self._read_edges)

    def _read_edges(self) -> None:
        now = asyncio.get_running_loop().time()
        for event in self._request.read_edge_events():
            state = self._states[event.line_offset]
            missed = state.missed
            active = event.event_type is event.Type.RISING_EDGE
            self._tell(event.line_offset, state.edge(active, event.line_seqno, now))
            if state.missed > missed:
                self._sink.count("missed_edges", state.missed - missed)
        self._arm()
        if len(self._waiting) >= MAX_WAITING:
            self._read_no_more()

    def _expired(self) -> None:
        self._timer = None
        self._guarded(self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        for offset, state in self._states.items():
            self._tell(offset, state.tick(now))
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            levels = self._levels()  # before the check, so that an edge after it is not overtaken
            self._sink.heartbeat()
            if not self._request.wait_edge_events(0):
                for offset, active in levels:
                    self._tell(offset, self._states[offset].look(active, now))
        self._arm()

    def _levels(self) -> Iterable[tuple[int, bool]]:
        offsets = list(self._states)
        values = self._request.get_values(offsets)
        return [
            (offset, value is Value.ACTIVE) for offset, value in zip(offsets, values, strict=True)
        ]

    def _arm(self) -> None:
        """Wake at the next look or at the end of a debounce, whichever comes first."""
        deadlines = (state.deadline() for state in self._states.values())
        due = min((at for at in deadlines if at is not None), default=self._next_look)
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(min(due, self._next_look), self._expired)

    def _tell(self, offset: int, changes: list[bool]) -> None:
        for active in changes:
            self._waiting.append(
                AlarmSignal(
                    signal=SignalKind.ALARM if active else SignalKind.RESTORE,
                    line=self._names[offset],
                    text="contact active" if active else "contact inactive",
                )
            )
            self._changed.set()

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except (OSError, ValueError) as error:
            self._read_no_more()
            if not self._failure.done():
                self._failure.set_result(error)

    def _read_on(self) -> None:
        if not self._reading and not self._failure.done():
            asyncio.get_running_loop().add_reader(self._request.fd, self._readable)
            self._reading = True

    def _read_no_more(self) -> None:
        if self._reading:
            asyncio.get_running_loop().remove_reader(self._request.fd)
            self._reading = False

    # Delivery

    async def _deliver(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                # What could not be stored is still passed on by the gateway, marked so; a contact
                # has no way to say it again.
                if not await self._sink.accept(self._waiting[0]):
                    self._sink.count("not_stored")
                self._waiting.popleft()  # only now: _drain waits for it
            self._read_on()
