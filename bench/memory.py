"""Resident memory of a gateway at rest, and of its children, against a bare interpreter."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.rig import rig


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        yield from asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[dict[str, Any]]:
    bare = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    async with rig(folder) as stage:
        await asyncio.sleep(3)
        sizes = {name: process.pid for name, process in stage.gateways.items()}
        children = {
            _command(child): resident_mb(child)
            for pid in sizes.values()
            for child in _children(pid)
        }
        floor = resident_mb(bare.pid)
        own = {name: resident_mb(pid) for name, pid in sizes.items()}
    bare.kill()
    await bare.wait()
    return [
        {
            "benchmark": "memory at rest",
            "gateway_with_300_buttons_mb": own["a"],
            "gateway_with_a_radio_mb": own["b"],
            "children_mb": children,
            "target_mb": 80,
            "floor": "a bare interpreter",
            "floor_mb": floor,
            "ratio": round(own["b"] / floor, 1),
        }
    ]


def resident_mb(pid: int, field: str = "VmRSS") -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _command(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return next((word for word in words if "mosquitto" in word or "keyer" in word), words[0]).split(
        "/"
    )[-1]
