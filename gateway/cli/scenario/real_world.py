"""Scenarios in real time: `baiying run` processes, a mosquitto, and a client of its that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.cli.scenario.player import Outcome, play
from gateway.cli.scenario.real_net import RealBroker, Way
from gateway.cli.scenario.vocabulary import Scenario
from gateway.cli.scenario.world import Answered, Disk
from gateway.control.protocol import JSON, Frame, FrameReader
from gateway.errors import BaiyingError, ConfigError, Problem
from gateway.ops.ids import new_id
from gateway.settings.document import Mapping as Tree
from gateway.settings.document import plain
from gateway.settings.model import Settings

_READY_WITHIN = 20.0
_STOP_WITHIN = 7.0
_LOOK = 0.02
"""Seconds between looks into a gateway's log."""

_LAST_WORDS = 2_000

_SWITCHED = re.compile(r"output\[([^\]]+)\]: (\S+) (on|off)$", re.MULTILINE)
"""How the virtual output logs what it does."""


def run(scenario: Scenario) -> Outcome:
    """Play a scenario; takes as long as it lasts.

    Raises:
        ConfigError: it needs the virtual clock.
        BaiyingError: a process of it could not be started.
    """
    why = scenario.virtual_only
    if why is not None:
        what = f"needs the virtual clock: {why}"
        raise ConfigError((Problem(scenario.file, 1, 1, "--real-time", what),))
    with tempfile.TemporaryDirectory(prefix="baiying-") as folder:
        return asyncio.run(_run(scenario, Path(folder)))


async def _run(scenario: Scenario, folder: Path) -> Outcome:
    async with RealBroker(folder) as broker:
        world = RealWorld(scenario, folder, broker)
        try:
            await world.open()
            return await play(scenario, world)
        finally:
            await world.close()


class RealWorld:
    """A `gateway.cli.scenario.world.World` of processes."""

    def __init__(self, scenario: Scenario, folder: Path, broker: RealBroker) -> None:
        self.new_id = new_id
        self._broker = broker
        self._root = next(iter(scenario.gateways.values())).settings.mqtt.root
        self._began = 0.0
        self._listeners: list[Callable[[str, bytes], None]] = []
        self._client: aiomqtt.Client | None = None
        self._subscribed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._saying: set[asyncio.Task[None]] = set()
        self._gateways = {
            part.name: _Process(part.name, part.tree, Way(broker.port), folder)
            for part in scenario.gateways.values()
        }

    async def open(self) -> None:
        self._began = asyncio.get_running_loop().time()
        self._watching = asyncio.create_task(self._watch(), name="observer")
        async with asyncio.timeout(_READY_WITHIN):
            await self._subscribed.wait()

    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def wall(self) -> float:
        return time.time()

    def hear(self, listener: Callable[[str, bytes], None]) -> None:
        self._listeners.append(listener)

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry: int | None = None
    ) -> None:
        task = asyncio.create_task(self._say(topic, payload, retain=retain, expiry=expiry))
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)

    def ask(self, gateway: str, op: str, fields: Mapping[str, Any]) -> _Request:
        return _Request(self._gateways[gateway].socket, op, fields)

    def lit(self) -> frozenset[str]:
        return frozenset(line for one in self._gateways.values() for line in one.lit())

    async def start(self, gateway: str) -> None:
        await self._gateways[gateway].start()

    async def stop(self, gateway: str) -> None:
        await self._gateways[gateway].stop()

    async def kill(self, gateway: str) -> None:
        await self._gateways[gateway].kill()

    async def reload(self, gateway: str, tree: Tree, settings: Settings) -> None:
        del settings
        await self._gateways[gateway].reload(tree)

    async def cut(self, gateway: str) -> None:
        self._gateways[gateway].way.cut()

    async def mend(self, gateway: str) -> None:
        self._gateways[gateway].way.mend()

    async def broker(self, *, up: bool) -> None:
        if up:
            await self._broker.start()
        else:
            self._subscribed.clear()
            await self._broker.kill()

    def set_clock(self, seconds: float) -> None:
        raise BaiyingError(f"the clock of this machine is not set on by {seconds:g} s")

    def disk(self, gateway: str, state: Disk) -> None:
        raise BaiyingError(f"the disk of {gateway} is not made {state}")

    async def close(self) -> None:
        """End what still runs."""
        for gateway in self._gateways.values():
            await gateway.close()
        tasks = [*self._saying, *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        """Hear everything, on one connection after the other."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self._broker.port,
                    identifier="scenario",
                    protocol=aiomqtt.ProtocolVersion.V5,
                ) as client:
                    await client.subscribe("#", qos=1)
                    self._client = client
                    self._subscribed.set()
                    async for message in client.messages:
                        for listener in self._listeners:
                            listener(str(message.topic), bytes(message.payload))
            self._client = None
            await asyncio.sleep(0.1)

    async def _say(self, topic: str, payload: bytes, *, retain: bool, expiry: int | None) -> None:
        client = self._client
        if client is None:
            return
        properties = None
        if expiry is not None:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expiry
        with contextlib.suppress(aiomqtt.MqttError):
            await client.publish(topic, payload, qos=1, retain=retain, properties=properties)


class _Process:
    """`baiying run` on one configuration; ``way`` is how it reaches the broker."""

    def __init__(self, name: str, tree: Tree, way: Way, folder: Path) -> None:
        self._name = name
        self._tree = tree
        self.way = way
        self._config = folder / f"{name}.yaml"
        self._log = folder / f"{name}.log"
        self._data = folder / name
        self._process: asyncio.subprocess.Process | None = None
        self._read = 0

    @property
    def socket(self) -> Path:
        return self._data / "control.sock"

    def lit(self) -> set[str]:
        """The lines of its virtual outputs that are on, as its log has it."""
        found: set[str] = set()
        for output, line, on in _SWITCHED.findall(self._said() if self._log.exists() else ""):
            (found.add if on == "on" else found.discard)(f"{output}/{line}")
        return found

    async def start(self) -> None:
        """Returns once it says that it is ready.

        Raises:
            BaiyingError: it ended, or is not ready in time; with its last words.
        """
        await self.way.open()
        self._write()
        self._read = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "run", str(self._config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self._until_said(" ready")

    async def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_WITHIN):
                    await self._process.wait()
            await self.kill()

    async def reload(self, tree: Tree) -> None:
        self._tree = tree
        self._write()
        if self._process is not None and self._process.returncode is None:
            self._read = self._log.stat().st_size
            self._process.send_signal(signal.SIGHUP)
            await self._until_said("reload: done")

    async def close(self) -> None:
        await self.stop()
        await self.way.close()

    def _write(self) -> None:
        """JSON is YAML; what includes said is in the tree already."""
        whole = plain(self._tree)
        whole.pop("include", None)
        whole["data_dir"] = str(self._data)
        whole["mqtt"] = {
            "broker": f"mqtt://127.0.0.1:{self.way.port}",
            "root": (whole.get("mqtt") or {}).get("root", "baiying"),
        }
        self._config.write_text(json.dumps(whole, ensure_ascii=False, indent=1), "utf-8")

    async def _until_said(self, words: str) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(_READY_WITHIN):
                while words not in self._said():
                    if self._process.returncode is not None:
                        break
                    await asyncio.sleep(_LOOK)
                else:
                    return
        except TimeoutError:
            pass
        raise BaiyingError(
            f"gateway {self._name} does not say {words.strip()!r}:\n{self._said()[-_LAST_WORDS:]}"
        )

    def _said(self) -> str:
        return self._log.read_bytes()[self._read :].decode("utf-8", "replace")


class _Request:
    """A request over a gateway's control socket."""

    def __init__(self, path: Path, op: str, fields: Mapping[str, Any]) -> None:
        self._path = path
        self._writer: asyncio.StreamWriter | None = None
        self._events: list[dict[str, Any]] = []
        self._task = asyncio.create_task(self._ask({"op": op, **fields}))

    async def answer(self) -> Answered:
        return await asyncio.shield(self._task)

    def hang_up(self) -> None:
        if self._writer is not None:
            self._writer.write_eof()  # what the gateway answers is still to be read

    async def _ask(self, request: Mapping[str, Any]) -> Answered:
        try:
            reader, self._writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            return Answered(error="the gateway does not run")
        frames = FrameReader()
        try:
            self._writer.write(Frame(JSON, json.dumps(request).encode()).to_bytes())
            while data := await reader.read(65_536):
                for frame in frames.feed(data):
                    event = json.loads(frame.body)
                    if "done" in event:
                        return Answered(event["done"], events=self._events)
                    if "error" in event:
                        return Answered(error=event["error"], events=self._events)
                    self._events.append(event)
        except OSError:
            pass
        finally:
            self._writer.close()
        return Answered(error="the gateway went away", events=self._events)
