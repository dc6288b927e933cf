"""One gateway in virtual time: its alarm side as it is, between a virtual broker and a virtual disk.

Voice is left out: it needs devices. So are devices of other kinds than ``virtual``: they are there,
and nothing comes from them but what a scenario presses.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.alarm_side import AlarmSide
from gateway.cli.scenario.virtual_journal import VirtualJournal
from gateway.cli.scenario.virtual_time import VirtualClock, VirtualIds
from gateway.connections import Connections, RosterFeed
from gateway.control.protocol import Frame
from gateway.control.server import Handler, Session
from gateway.endpoint_states import EndpointStates
from gateway.errors import DriverIOError
from gateway.link.address import BrokerAddress
from gateway.ports import SignalSink
from gateway.settings.model import Settings
from gateway.shared import Drivers, Shared

KERNEL_BOOT = "00000000-0000-4000-8000-000000000001"
"""The virtual machine is never booted again."""

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

    @property
    def running(self) -> bool:
        return self._run is not None

    async def start(self) -> None:
        """Returns once it is ready.

        Raises:
            StorageError: its journal cannot be read.
        """
        assert self._run is None, "it runs"
        run = _Run(self.settings, self.port, self._machine, self._folder)
        self._run = run
        await run.start()

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
        self.settings = settings.model_copy(update={"data_dir": self._folder})
        if self._run is not None:
            await self._run.reload(settings)

    def handler(self, op: str) -> Handler | None:
        """What answers a request; None where it does not run or does not know it."""
        return None if self._run is None else self._run.alarm.handlers().get(op)


class _Run:
    """One run of one gateway, as `gateway.app` composes it."""

    def __init__(self, settings: Settings, port: int, machine: Machine, folder: Path) -> None:
        clock = machine.clock
        self.journal = VirtualJournal(folder / "journal.db", lambda: clock.now().wall)
        self._settings = settings
        self._links = Connections.make(
            settings,
            BrokerAddress(host="127.0.0.1", port=port),
            clock=clock,
            new_id=machine.new_id,
            jitter=lambda: _JITTER,
        )
        self._roster = RosterFeed(self._links)
        self._states = EndpointStates(
            settings.gateway,
            self._links.topics,
            self._links.control,
            clock,
            self._roster.own_endpoint,
        )
        shared = Shared(
            gateway=settings.gateway,
            boot=self._links.boot,
            kernel_boot=KERNEL_BOOT,
            topics=self._links.topics,
            control=self._links.control,
            clock=clock,
            new_id=machine.new_id,
            counters=self._links.counters,
            states=self._states,
            drivers=_Devices(machine.drivers),
            data_dir=folder,
        )
        self.alarm = AlarmSide(shared, settings, self.journal, self._links.media, lambda _: None)
        self._roster.has_endpoint = self._states.__contains__
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
        await self.alarm.stop()
        await self._links.stop()
        await self.end()

    async def reload(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        for name in before.endpoints.keys() - settings.endpoints.keys():
            self._states.remove(name)
        self._show(settings)
        assert self._group is not None
        await self.alarm.reload(self._group, settings)

    async def _serve(self) -> None:
        async with self.journal, asyncio.TaskGroup() as group:
            self._group = group
            self._show(self._settings)
            if self.alarm.handover.hands:  # as `gateway.app` does
                self._connect(group)
                await self.alarm.start(group)
            else:
                await self.alarm.start(group)
                self._connect(group)
            await self.alarm.settled()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self._links.reached.wait()
            self._ready.set()
            await self._over.wait()

    def _connect(self, group: asyncio.TaskGroup) -> None:
        links = self._links
        for link, name in ((links.control, "control"), (links.media, "media")):
            links.tasks.append(group.create_task(link.run(), name=name))

    def _show(self, settings: Settings) -> None:
        for name, endpoint in settings.endpoints.items():
            self._states.add(name, endpoint.kind, endpoint.site)
            self._states.tuned(name, None, ())


class _Devices:
    """The drivers, in a world without devices."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers

    def families(self) -> tuple[str, ...]:
        return self._drivers.families()

    def names(self, family: str) -> tuple[str, ...]:
        return self._drivers.names(family)

    def options(self, family: str, name: str) -> type:
        return self._drivers.options(family, name)

    def driver(self, family: str, name: str) -> type:
        if name == "virtual":
            return self._drivers.driver(family, name)
        return _STAND_INS.get(family) or self._drivers.driver(family, name)


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
