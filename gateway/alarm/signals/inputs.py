"""Keeps every alarm input open, and reports the one that is not.

One task per input: a device that cannot be opened, or vanishes, is a fault within a second and
is opened again with back-off, for ever. Other inputs do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial

from gateway.errors import DriverError
from gateway.ops.counters import Counters
from gateway.ports import AlarmInput, AlarmSignal

_LOGGER = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0

Take = Callable[[str, AlarmSignal, Callable[[bool], None]], None]
"""``(input name, signal, told)``: store it, and tell whether it is on disk."""
Fault = Callable[[str, str | None], None]
"""``(input name, fault or None)``: the input's health has changed."""
Heard = Callable[[str], None]
"""``(input name)``: the other side has shown that it is alive."""


def _nobody(_: str) -> None:
    pass


class _Sink:
    """One input's way into the desk (`gateway.ports.SignalSink`)."""

    def __init__(
        self, name: str, take: Take, fault: Fault, heard: Heard, counters: Counters
    ) -> None:
        self._name = name
        self._take = take
        self._fault = fault
        self._heard = heard
        self._counters = counters
        self.settled = asyncio.Event()
        self.opened = False
        self._storing = 0
        self._all_stored = asyncio.Event()

    async def accept(self, signal: AlarmSignal) -> bool:
        self._heard(self._name)
        # Closing the input tears no signal that is on its way to the disk: only who waits is gone.
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._storing += 1
        try:
            self._take(self._name, signal, partial(self._told, told))
        except BaseException:
            self._storing -= 1
            raise
        return await told

    def _told(self, told: asyncio.Future[bool], stored: bool) -> None:
        self._storing -= 1
        if not self._storing:
            self._all_stored.set()
        if not told.done():
            told.set_result(stored)

    async def stored(self) -> None:
        """Returns once nothing is on its way to the disk."""
        while self._storing:
            self._all_stored.clear()
            await self._all_stored.wait()

    def ready(self) -> None:
        self.opened = True
        self.settled.set()
        self._fault(self._name, None)

    def heartbeat(self) -> None:
        self._counters.add(f"input.{self._name}.heartbeats")
        self._heard(self._name)

    def count(self, what: str, number: int = 1) -> None:
        self._counters.add(f"input.{self._name}.{what}", number)


class InputSupervisor:
    """Runs one input until cancelled."""

    def __init__(
        self,
        name: str,
        driver: AlarmInput,
        take: Take,
        fault: Fault,
        counters: Counters,
        heard: Heard = _nobody,
    ) -> None:
        self._name = name
        self._driver = driver
        self._fault = fault
        self._sink = _Sink(name, take, fault, heard, counters)

    async def settled(self) -> None:
        """Returns once the input is up, or its first fault is reported."""
        await self._sink.settled.wait()

    async def stored(self) -> None:
        """Returns once every signal that the input has handed over is stored."""
        await self._sink.stored()

    async def run(self) -> None:
        pause = FIRST_PAUSE
        said = ""
        while True:
            self._sink.opened = False
            what = "the driver ended"
            try:
                await self._driver.run(self._sink)
            except DriverError as error:
                what = error.what
            except Exception as error:  # a driver's defect is its device's fault alone
                _LOGGER.exception("input[%s]: the driver failed", self._name)
                what = repr(error)
            if self._sink.opened:
                pause, said = FIRST_PAUSE, ""
            # A repeating fault is a warning once (style, rule 23).
            level = logging.WARNING if what != said else logging.DEBUG
            _LOGGER.log(level, "input[%s]: %s; opening it again", self._name, what)
            said = what
            self._fault(self._name, what)
            self._sink.settled.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)


class Inputs:
    """The inputs of one gateway, by name; changed one by one on reload."""

    def __init__(
        self, take: Take, fault: Fault, counters: Counters, heard: Heard = _nobody
    ) -> None:
        self._take = take
        self._fault = fault
        self._counters = counters
        self._heard = heard
        self._running: dict[str, tuple[InputSupervisor, asyncio.Task[None]]] = {}

    def start(self, group: asyncio.TaskGroup, name: str, driver: AlarmInput) -> None:
        supervisor = InputSupervisor(
            name, driver, self._take, self._fault, self._counters, self._heard
        )
        task = group.create_task(supervisor.run(), name=f"input[{name}]")
        self._running[name] = supervisor, task

    async def stop(self, name: str) -> None:
        """Close one input; a signal it is storing at this moment is stored first."""
        if name not in self._running:
            return
        supervisor, task = self._running.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await supervisor.stored()

    async def settled(self) -> None:
        """Returns once every input is up or reported as faulted."""
        for supervisor, _ in list(self._running.values()):
            await supervisor.settled()
