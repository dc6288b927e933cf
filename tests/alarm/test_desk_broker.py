"""The desk over a real broker and a real journal, seen by programs that are not ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.alarm.journal.journal import Journal
from gateway.link.broker import BrokerOptions, EmbeddedBroker
from gateway.link.messages import Action, encode
from gateway.link.session import ControlLink
from gateway.ports import SignalKind
from tests.alarm.alarm_world import HOSPITAL, POLICE, STREET, WHISTLE, action
from tests.alarm.desk_world import TOPICS, Bench, until

pytestmark = pytest.mark.system


class Console:
    """mosquitto_sub and mosquitto_pub, as the client ``police``."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        address = broker.address("police")
        self._to = ["-h", address.host, "-p", str(address.port), "-V", "5", "-q", "1"]
        self._to += ["-u", "police", "-P", address.password or ""]
        self.heard: list[tuple[float, bool, str, Any]] = []

    @contextlib.asynccontextmanager
    async def listening(self, *, empty: bool = True) -> AsyncIterator[Console]:
        loop = asyncio.get_running_loop()
        process = await asyncio.create_subprocess_exec(
            "mosquitto_sub", *self._to, "-t", "baiying/#", "-F", "%r %t %p",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        subscribed = asyncio.Event()

        async def read() -> None:
            assert process.stdout is not None
            async for line in process.stdout:
                retained, topic, payload = line.decode().rstrip("\n").split(" ", 2)
                if "/gateway/" in topic:
                    subscribed.set()
                    continue
                self.heard.append(
                    (loop.time(), retained == "1", topic, json.loads(payload) if payload else None)
                )

        reader = asyncio.create_task(read())
        try:
            while not subscribed.is_set():
                await self._publish("baiying/gateway/police/status", b"{}")
                await asyncio.sleep(0.05)
            yield self
        finally:
            process.terminate()
            await process.wait()
            await reader

    async def act(self, made: Action) -> None:
        await self._publish(TOPICS.action(made.incident, "police"), encode(made))

    async def _publish(self, topic: str, payload: bytes) -> None:
        process = await asyncio.create_subprocess_exec(
            "mosquitto_pub", *self._to, "-t", topic, "-m", payload.decode()
        )
        assert await process.wait() == 0

    def of(self, branch: str) -> list[Any]:
        return [
            payload
            for _, _, topic, payload in self.heard
            if topic.startswith(f"baiying/{branch}/") and "/action/" not in topic
        ]


@pytest.fixture
async def broker(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = BrokerOptions(
        host="127.0.0.1", port=port, folder=tmp_path / "broker", clients=("zju1", "police")
    )
    async with EmbeddedBroker(options).running() as running:
        yield running


@contextlib.asynccontextmanager
async def gateway(broker: EmbeddedBroker, path: Path) -> AsyncIterator[Bench]:
    link = ControlLink("zju1", broker.address("zju1"))
    async with Journal(path) as journal, Bench(journal, link).running() as bench:  # type: ignore[arg-type]
        task = asyncio.create_task(link.run())
        try:
            yield bench
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_press_pages_three_groups_within_a_tenth_of_a_second_and_is_closed(
    broker: EmbeddedBroker, tmp_path: Path
):
    async with (
        gateway(broker, tmp_path / "journal.db") as bench,
        Console(broker).listening() as console,
    ):
        assert await bench.press()
        await until(lambda: len(console.of("group")) == 3)
        times = [at for at, _, topic, _ in console.heard if "/page/" in topic]
        assert max(times) - min(times) < 0.1
        assert sorted(page["group"] for page in console.of("group")) == sorted(WHISTLE)
        await until(lambda: console.of("incident"))
        incident = console.of("incident")[0]["id"]
        for page in console.of("group"):
            await console.act(action(incident, "receipt", page["group"], page=page["id"]))
        for what, group in (("ack", POLICE), ("ack", HOSPITAL), ("handled", POLICE)):
            await console.act(action(incident, what, group))
        await console.act(action(incident, "handled", HOSPITAL))
        assert await bench.press(SignalKind.RESTORE, code="R120")
        await console.act(action(incident, "reset"))
        await console.act(action(incident, "close"))
        await console.act(action(incident, "close", disposition="handled"))
        await until(lambda: console.of("incident")[-1]["state"] == "closed")
        states = console.of("incident")
        assert [state["seq"] for state in states] == list(range(1, 13))
        assert len([state for state in states if state["refused"]]) == 1
        assert states[-1]["groups"][STREET]["state"] == "received"
        assert [event["seq"] for event in console.of("alarm")] == [1, 2]
        await asyncio.sleep(1.2)
        assert len(console.of("group")) == 3  # signed for: sent once


async def test_broker_restarted_empty_does_not_page_a_group_twice_that_acked(
    broker: EmbeddedBroker, tmp_path: Path
):
    async with gateway(broker, tmp_path / "journal.db") as bench:
        async with Console(broker).listening() as console:
            await bench.press()
            await until(lambda: len(console.of("group")) == 3)
            await console.act(action(bench.incident, "ack", POLICE))
            await until(lambda: len(console.of("incident")) == 2)
        assert broker.pid is not None
        starts = broker.starts
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: broker.starts > starts, within=10)
        async with Console(broker).listening() as console:
            await until(lambda: console.of("incident"), within=10)
            assert console.of("incident")[0]["groups"][POLICE]["state"] == "acked"
            await until(lambda: len(console.of("group")) >= 2, within=7)
            assert {page["group"] for page in console.of("group")} == {HOSPITAL, STREET}
            await console.act(action(bench.incident, "ack", HOSPITAL))
            await until(lambda: console.of("incident")[-1]["state"] == "answered")


async def test_restart_of_the_gateway_loses_nothing_and_opens_nothing_twice(
    broker: EmbeddedBroker, tmp_path: Path
):
    async with Console(broker).listening() as console:
        async with gateway(broker, tmp_path / "journal.db") as bench:
            await bench.press()
            await until(lambda: len(console.of("group")) == 3 and console.of("incident"))
        async with gateway(broker, tmp_path / "journal.db") as bench:
            await until(lambda: len(console.of("group")) >= 6, within=5)
            assert len({page["id"] for page in console.of("group")}) == 3
            assert await bench.press()
            await until(lambda: len(console.of("alarm")) == 2)
            states = console.of("incident")
            assert len({state["id"] for state in states}) == 1
            versions = [(state["owner_term"], state["seq"]) for state in states]
            assert versions == sorted(versions)
            assert versions[-1] == (2, 2)
