"""Press to stored (the panel's ACK) and press to three pages, against a bare commit and a bare broker."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import aiomqtt

from bench.figures import spread_ms
from bench.press_district import measure_district
from bench.rig import BUTTONS, Rig, rig
from gateway.cli.demo.district import OBSERVER
from gateway.cli.demo.observer import page

TIMES = 200
WARM_UP = 20


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        yield from asyncio.run(_measure(Path(folder)))
    yield measure_district()


async def _measure(folder: Path) -> list[dict[str, Any]]:
    async with rig(folder) as stage:
        stored, paged, spread = [], [], []
        for number in range(1, min(TIMES + WARM_UP, BUTTONS) + 1):
            sent, acknowledged = await stage.panel.send(f"5011 181234E12001{number:03}")
            pages = await stage.observer.expect(page(), 5, count=3, since=sent)
            if number > WARM_UP:
                stored.append(acknowledged - sent)
                paged.append(pages[-1].at - sent)
                spread.append(pages[-1].at - acknowledged)
            await asyncio.sleep(0.05)  # one press at a time: this is no storm
        broker = await _bare_broker(stage)
    commit = _bare_commit(folder)
    return [
        {
            "benchmark": "press to stored",
            **spread_ms(stored),
            "target_p99_ms": 10,
            "floor": "SQLite commit, synchronous FULL",
            "floor_median_ms": round(commit * 1000, 2),
            "ratio": round(median(stored) / commit, 1),
        },
        {
            "benchmark": "stored to three pages",
            **spread_ms(spread),
            "target_p99_ms": 20,
            "floor": "one QoS 1 message through the bare broker",
            "floor_median_ms": round(broker * 1000, 2),
            "ratio": round(median(spread) / broker, 1),
        },
        {"benchmark": "press to three pages", **spread_ms(paged), "target_p99_ms": 30},
    ]


def _bare_commit(folder: Path, times: int = 200) -> float:
    database = sqlite3.connect(folder / "bare.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE row (body BLOB)")
    took = []
    for _ in range(times):
        began = time.perf_counter()
        database.execute("INSERT INTO row VALUES (?)", (b"x" * 2000,))
        database.commit()
        took.append(time.perf_counter() - began)
    database.close()
    return median(took)


async def _bare_broker(stage: Rig, times: int = 200) -> float:
    """From publish to arrival at another subscription of the same client, QoS 1."""
    took = []
    topic = f"baiying/group/bench/page/{OBSERVER}"
    async with aiomqtt.Client(
        "127.0.0.1",
        stage.port,
        identifier=f"{OBSERVER}.media",
        username=OBSERVER,
        password=stage.password,
        protocol=aiomqtt.ProtocolVersion.V5,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    ) as client:
        await client.subscribe(topic, qos=1)
        for _ in range(times):
            began = time.perf_counter()
            await client.publish(topic, b"x" * 500, qos=1)
            await anext(aiter(client.messages))
            took.append(time.perf_counter() - began)
    return median(took)
