"""One gateway in virtual time: its alarm side as it is, between a virtual broker and a virtual disk.

Voice is left out: it needs devices. So are devices of other kinds than ``virtual``: they are there,
and nothing comes from them but what a scenario presses.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.alarm_gateway import AlarmGateway
from gateway.cli.scenario.virtual_journal import VirtualDisk, VirtualJournal
from gateway.cli.scenario.virtual_time import VirtualClock, VirtualIds
from gateway.cli.scenario.world import Disk
from gateway.connections import Connections
from gateway.control.protocol import Frame
from gateway.control.server import Handler, Session
from gateway.errors import DriverIOError
from gateway.link.address import BrokerAddress
from gateway.ports import SignalSink
from gateway.settings.model import Settings
from gateway.shared import Drivers

KERNEL_BOOT = "00000000-0000-4000-8000-000000000001"
"""The virtual machine is never booted again."""

BROKER_PATIENCE = 2.0
"""Seconds that a start waits for the broker (contract, section 5)."""

_JITTER = 0.0
"""Links try again after the shortest pause: what is drawn at random would differ between runs."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a virtual gateway stands on."""

    clock: VirtualClock
    new_id: VirtualIds
    drivers: Drivers
    folder: Path


class VirtualGateway:
    """From `start` to `kill` or `stop`, any number of times, over one journal."""

    def __init__(self, settings: Settings, port: int, machine: Machine) -> None:
        self.settings = settings
        self.port = port
        self._machine = machine
        self._folder = machine.folder / settings.gateway
        self._run: _Run | None = None
        self._dead: list[_Run] = []
        self._disk = VirtualDisk()

    @property
    def running(self) -> bool:
        return self._run is not None

    def lit(self) -> Iterator[str]:
        """The lines that are on."""
        if self._run is not None:
            yield from self._run.devices.lit()

    async def start(self) -> None:
        """Returns once it is ready.

        Raises:
            StorageError: its journal cannot be read.
        """
        assert self._run is None, "it runs"
        run = _Run(self.settings, self.port, self._machine, self._folder, self._disk)
        self._run = run
        await run.start()

    def disk(self, state: Disk) -> None:
        """How its disk is from now on, over restarts too."""
        self._disk.state = state

    def kill(self) -> None:
        """As ``kill -9``: nothing of it happens any more. Its connections must be silenced first."""
        run, self._run = self._run, None
        if run is not None:
            run.kill()
            self._dead.append(run)

    async def bury(self) -> None:
        """Wait for what runs that were killed had still to let go of; nobody hears of it."""
        for run in self._dead:
            await run.end()
        self._dead.clear()

    async def stop(self) -> None:
        """As SIGTERM."""
        run, self._run = self._run, None
        if run is not None:
            await run.stop()

    async def reload(self, settings: Settings) -> None:
        """As SIGHUP, after the file was changed."""
        self.settings = settings
        if self._run is not None:
            await self._run.reload(settings.model_copy(update={"data_dir": self._folder}))

    def handler(self, op: str) -> Handler | None:
        """What answers a request; None where it does not run or does not know it."""
        return None if self._run is None else self._run.handler(op)


class _Run:
    """One run of one gateway, as `gateway.app` composes it."""

    def __init__(
        self, settings: Settings, port: int, machine: Machine, folder: Path, disk: VirtualDisk
    ) -> None:
        clock = machine.clock
        self.journal = VirtualJournal(folder / "journal.db", lambda: clock.now().wall, disk)
        self._settings = settings.model_copy(update={"data_dir": folder})
        self._links = Connections.make(
            self._settings,
            BrokerAddress(host="127.0.0.1", port=port),
            clock=clock,
            new_id=machine.new_id,
            jitter=lambda: _JITTER,
        )
        self.devices = _Devices(machine.drivers)
        self._base: AlarmGateway | None = None
        self._group: asyncio.TaskGroup | None = None
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._serve(), name=self._settings.gateway)
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()

    def kill(self) -> None:
        assert self._task is not None
        self.journal.kill()
        self._task.cancel()

    async def end(self) -> None:
        """No further turn of anything."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def stop(self) -> None:
        self._links.control.announce_stopping()
        await self._running.stop()
        await self.end()

    async def reload(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        assert self._group is not None
        await self._running.reload(self._group, before, settings)

    def handler(self, op: str) -> Handler | None:
        return None if self._base is None else self._base.alarm.handlers().get(op)

    @property
    def _running(self) -> AlarmGateway:
        assert self._base is not None, "start comes first"
        return self._base

    async def _serve(self) -> None:
        async with self.journal, asyncio.TaskGroup() as group:
            self._group = group
            base = self._base = AlarmGateway(
                self._settings, self._links, self.journal, self.devices, KERNEL_BOOT
            )
            await base.start(group)
            await base.alarm.settled()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BROKER_PATIENCE):
                    await self._links.reached.wait()
            self._ready.set()
            await self._over.wait()


class _Devices:
    """The drivers, in a world without devices."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers
        self._outputs: dict[str, Any] = {}

    def lit(self) -> Iterator[str]:
        for name, output in self._outputs.items():
            yield from (f"{name}/{line}" for line in output.lit)

    def families(self) -> tuple[str, ...]:
        return self._drivers.families()

    def names(self, family: str) -> tuple[str, ...]:
        return self._drivers.names(family)

    def options(self, family: str, name: str) -> type:
        return self._drivers.options(family, name)

    def driver(self, family: str, name: str) -> type:
        if family == "output":
            return self._output()
        if name == "virtual":
            return self._drivers.driver(family, name)
        return _STAND_INS.get(family) or self._drivers.driver(family, name)

    def _output(self) -> type:
        """The virtual output, whatever is configured; each that is made is known."""
        outputs = self._outputs

        class Output(self._drivers.driver("output", "virtual")):  # type: ignore[misc]
            def __init__(self, name: str, options: object) -> None:
                super().__init__(name, options)
                outputs[name] = self

        return Output


class _Input:
    """A panel or a line that is there and says nothing."""

    def __init__(self, name: str, options: object) -> None:
        del name, options

    async def run(self, sink: SignalSink) -> None:
        sink.ready()
        await asyncio.get_running_loop().create_future()


class _Camera:
    """A camera that is there and sees nothing."""

    def __init__(self, name: str, options: object) -> None:
        del options
        self._name = name

    async def run(self, ready: Callable[[], None]) -> None:
        ready()
        await asyncio.get_running_loop().create_future()

    async def picture(self) -> bytes:
        raise DriverIOError(self._name, "a virtual camera has no picture")


_STAND_INS: Mapping[str, type] = {"input": _Input, "camera": _Camera}


class VirtualSession(Session):
    """The connection of a command that was never on a socket; ``events`` is what it is told."""

    def __init__(self) -> None:
        self.pid = 1
        self.events: list[dict[str, Any]] = []
        self._gone = asyncio.Event()

    async def receive(self) -> Frame | None:
        """A command says nothing after its request; None once it has gone."""
        await self._gone.wait()
        return None

    def hang_up(self) -> None:
        self._gone.set()

    def send_event(self, event: Mapping[str, Any]) -> None:
        self.events.append(dict(event))

    @property
    def backlog_bytes(self) -> int:
        return 0

    async def drain(self) -> None:
        """Nothing waits."""
