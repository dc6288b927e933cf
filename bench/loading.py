"""A district's 30,000 devices on one gateway: time to load, memory with them, time to explain."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from bench.memory import resident_mb
from drivers import registry
from gateway.alarm.plans.rehearsal import Question
from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import free_port
from gateway.cli.simulate.district import make
from gateway.cli.simulate.files import SINGLE, broker, write
from gateway.link.broker import BrokerOptions, EmbeddedBroker
from gateway.ops import collector
from gateway.settings.explanation import explain_unheard
from gateway.settings.loader import load

LOADS = 3
QUESTIONS = 100
READY_WITHIN = 120.0
SETTLES = 60.0
"""Seconds until every endpoint's state has been published, on two cores."""


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        place = Path(folder)
        write(make(seed=1), place)
        yield _load(place)
        yield _explain(place)
        yield asyncio.run(_memory(place))


def _load(place: Path) -> dict[str, Any]:
    config = place / f"{SINGLE}.yaml"
    took, bare = [], []
    for _ in range(LOADS):
        began = time.perf_counter()
        load(config, registry)
        took.append(time.perf_counter() - began)
        gc.disable()
        began = time.perf_counter()
        for file in (config, *(place / "shared").glob("*.yaml")):
            yaml.load(file.read_text("utf-8"), Loader=yaml.CSafeLoader)
        bare.append(time.perf_counter() - began)
        gc.enable()
    return {
        "benchmark": "load 30,000 endpoints, every check included",
        "median_s": round(median(took), 2),
        "target_s": 3,
        "floor": "the same files by PyYAML's CSafeLoader alone, without the collector",
        "floor_median_s": round(median(bare), 2),
        "ratio": round(median(took) / median(bare), 1),
    }


def _explain(place: Path) -> dict[str, Any]:
    settings = load(place / f"{SINGLE}.yaml", registry).settings
    buttons = [name for name, one in settings.endpoints.items() if one.input is not None]
    took = []
    collector.settle()  # as a gateway does, and the command goes without the collector
    for name in buttons[:: len(buttons) // QUESTIONS]:
        question = Question(endpoint=name, at=time.time())
        began = time.perf_counter()
        explain_unheard(settings, question)
        took.append(time.perf_counter() - began)
    return {
        "benchmark": "explain one of 30,000 endpoints, once they are loaded",
        "median_ms": round(median(took) * 1000, 1),
        "worst_ms": round(max(took) * 1000, 1),
        "target_ms": 50,
    }


async def _memory(place: Path) -> dict[str, Any]:
    port = free_port()
    options = BrokerOptions(host="127.0.0.1", port=port, folder=place / "broker", clients=(SINGLE,))
    password = options.folder / "clients" / SINGLE
    (place / "broker.yaml").write_text(broker(f"mqtt://127.0.0.1:{port}", password))
    began = time.perf_counter()
    async with EmbeddedBroker(options).running():
        log = place / "log"
        async with GatewayProcess(SINGLE, place / f"{SINGLE}.yaml", log) as process:
            await process.ready(READY_WITHIN)
            ready = time.perf_counter() - began
            await asyncio.sleep(SETTLES)
            return {
                "benchmark": "a gateway with 30,000 endpoints at rest",
                "ready_s": round(ready, 1),
                "resident_mb": resident_mb(process.pid),
                "peak_mb": resident_mb(process.pid, "VmHWM"),
                "target_mb": 250,
            }
