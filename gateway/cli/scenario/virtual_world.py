"""Scenarios in virtual time: all gateways in one process, a broker and disks without any waiting."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.cli.scenario.player import Outcome, play
from gateway.cli.scenario.virtual_gateway import Machine, VirtualGateway, VirtualSession
from gateway.cli.scenario.virtual_net import VirtualNetwork
from gateway.cli.scenario.virtual_time import START_WALL, VirtualClock, VirtualIds, VirtualLoop
from gateway.cli.scenario.vocabulary import GatewayPart, Scenario
from gateway.cli.scenario.world import Answered, Disk
from gateway.errors import BaiyingError
from gateway.settings.document import Mapping as Tree
from gateway.settings.model import Settings
from gateway.shared import Drivers

_FIRST_PORT = 1
_MEMORY = Path("/dev/shm")  # noqa: S108  # a file system in memory, where there is one


def run(scenario: Scenario, drivers: Drivers) -> Outcome:
    """Play a scenario; takes as long as the machine needs for it."""
    folder = _MEMORY if _MEMORY.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="baiying-scenario-", dir=folder) as name,
        asyncio.Runner(loop_factory=VirtualLoop) as runner,
    ):
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        world = VirtualWorld(loop, scenario, drivers, Path(name))
        return runner.run(_run(scenario, world))


async def _run(scenario: Scenario, world: VirtualWorld) -> Outcome:
    defects = _Defects()
    asyncio.get_running_loop().set_exception_handler(defects.of_loop)
    logger = logging.getLogger("gateway")
    logger.addHandler(defects)
    try:
        outcome = await play(scenario, world)
    finally:
        await world.close()
        logger.removeHandler(defects)
    return replace(outcome, failures=(*outcome.failures, *defects.found))


class _Defects(logging.Handler):
    """What a gateway caught and went on after, or what went wrong in a callback: never as it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._keep(f"{record.name}: {record.getMessage()}", record.exc_info[1])

    def of_loop(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._keep(str(context["message"]), context.get("exception"))

    def _keep(self, words: str, error: BaseException | None) -> None:
        trace = "" if error is None else "".join(traceback.format_exception(error))
        self.found.append(f"defect: {words}\n{trace}".rstrip())


class VirtualWorld:
    """A `gateway.cli.scenario.world.World` on a `VirtualLoop`."""

    def __init__(
        self, loop: VirtualLoop, scenario: Scenario, drivers: Drivers, folder: Path
    ) -> None:
        self._loop = loop
        self._clock = VirtualClock(loop, START_WALL if scenario.start is None else scenario.start)
        self.new_id = VirtualIds(self._clock)
        self._net = VirtualNetwork(loop)
        self._requests: dict[str, list[_Request]] = {}
        loop.network = self._net
        machine = Machine(self._clock, self.new_id, drivers, folder)
        self._gateways = {
            part.name: _gateway(part, _FIRST_PORT + index, machine)
            for index, part in enumerate(scenario.gateways.values())
        }

    def now(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return self._clock.now().wall

    def hear(self, listener: Callable[[str, bytes], None]) -> None:
        self._net.broker.listeners.append(listener)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: int | None = None
    ) -> None:
        self._net.broker.publish(topic, payload, retain=retain, expiry=expiry)

    def ask(self, gateway: str, op: str, fields: Mapping[str, Any]) -> _Request:
        request = _Request(self._gateways[gateway], op, fields)
        self._requests.setdefault(gateway, []).append(request)
        return request

    def lit(self) -> frozenset[str]:
        return frozenset(line for gateway in self._gateways.values() for line in gateway.lit())

    async def start(self, gateway: str) -> None:
        await self._gateways[gateway].start()

    async def stop(self, gateway: str) -> None:
        await self._gateways[gateway].stop()
        self._end_requests(gateway)

    async def kill(self, gateway: str) -> None:
        self._net.silence(self._gateways[gateway].port)
        self._end_requests(gateway)
        self._gateways[gateway].kill()

    async def reload(self, gateway: str, tree: Tree, settings: Settings) -> None:
        del tree
        await self._gateways[gateway].reload(settings)

    async def cut(self, gateway: str) -> None:
        self._net.cut(self._gateways[gateway].port)

    async def mend(self, gateway: str) -> None:
        self._net.mend(self._gateways[gateway].port)

    async def broker(self, *, up: bool) -> None:
        if up:
            self._net.broker_up()
        else:
            self._net.broker_down()

    def disk(self, gateway: str, state: Disk) -> None:
        self._gateways[gateway].disk(state)

    def set_clock(self, seconds: float) -> None:
        self._clock.step(seconds)

    async def close(self) -> None:
        """End what still runs."""
        for name, gateway in self._gateways.items():
            if gateway.running:
                await self.kill(name)
            await gateway.bury()

    def _end_requests(self, gateway: str) -> None:
        for request in self._requests.pop(gateway, []):
            request.gateway_went()


def _gateway(part: GatewayPart, port: int, machine: Machine) -> VirtualGateway:
    return VirtualGateway(part.settings, port, machine)


class _Request:
    """A request at a virtual gateway."""

    def __init__(self, gateway: VirtualGateway, op: str, fields: Mapping[str, Any]) -> None:
        self._session = VirtualSession()
        self._task = asyncio.ensure_future(self._done(gateway, op, fields))

    async def answer(self) -> Answered:
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if not self._task.cancelled():
                raise
            return Answered(error="the gateway went away", events=self._session.events)

    def gateway_went(self) -> None:
        self._task.cancel()

    def hang_up(self) -> None:
        self._session.hang_up()

    async def _done(self, gateway: VirtualGateway, op: str, fields: Mapping[str, Any]) -> Answered:
        handler = gateway.handler(op)
        if handler is None:
            running = "does not know that request" if gateway.running else "does not run"
            return Answered(error=f"the gateway {running}", events=self._session.events)
        try:
            result = await handler({"op": op, **fields}, self._session)
        except BaiyingError as error:
            return Answered(error=str(error), events=self._session.events)
        return Answered(result=result, events=self._session.events)
