"""Speech through a real broker with a bad link on both hops: what is concealed, and how late it is.

Talker, mosquitto and listener in a network namespace each; 20 ms one way on each hop, and a chance
of loss for every IP packet each way, so TCP is the kernel's own. The talker speaks without an end;
loss begins after `BEFORE` seconds and ends after `DURING` more. ``delay`` is from the capture of a
block to its sound, devices left out. ``added`` is against the time before the loss.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.figures import percentile
from bench.link_world import BROKER, possible, world

LOSSES = (0.0, 0.01, 0.02, 0.05)
BEFORE, DURING, AFTER = 12.0, 60.0, 20.0
LIMITS = {0.0: (0.1, 20), 0.01: (0.5, 80), 0.05: (3.0, 160)}
"""Percent concealed, milliseconds added."""

Played = list[tuple[float, str, float]]


def measure() -> Iterator[dict[str, Any]]:
    if not possible():
        yield {"benchmark": "speech over bad links", "skipped": "needs root, tun and mosquitto"}
        return
    for congestion in ("cubic", "bbr"):
        yield from asyncio.run(_all(congestion))


async def _all(congestion: str) -> list[dict[str, Any]]:
    """All chances of loss at once: each has a world of its own, and none of them is busy."""
    return await asyncio.gather(
        *(run(loss, seed=n, congestion=congestion) for n, loss in enumerate(LOSSES))
    )


async def run(
    loss: float,
    *,
    seed: int = 1,
    congestion: str = "cubic",
    phases: tuple[float, float, float] = (BEFORE, DURING, AFTER),
) -> dict[str, Any]:
    """One chance of loss."""
    before, during, _ = phases
    whole = sum(phases)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="baiying-bench-"))
        here = await stack.enter_async_context(
            world(Path(folder), seed=seed, congestion=congestion)
        )
        listener = await stack.enter_async_context(
            here.program("listener", *_end("listener", whole + 5), output=subprocess.PIPE)
        )
        await asyncio.sleep(1.5)
        await stack.enter_async_context(here.program("talker", *_end("talker", whole)))
        await asyncio.sleep(1 + before)
        here.loss(loss)
        await asyncio.sleep(during)
        here.loss(0.0)
        assert listener.stdout is not None
        text = (await listener.stdout.read()).decode()
    played = []
    for line in text.splitlines():
        at, kind, age = line.split()
        played.append((float(at), kind, float(age)))
    return {
        "benchmark": "speech over bad links",
        "tcp": congestion,
        **summary(played, loss, phases),
    }


def _end(who: str, seconds: float) -> Sequence[str]:
    return (sys.executable, "-m", "bench.link_ends", who, BROKER[who], str(seconds))


def summary(played: Played, loss: float, phases: tuple[float, float, float]) -> dict[str, Any]:
    """What one run says, from the frames played."""
    before, during, _ = phases
    began = played[0][0]
    starts, ends = began + before, began + before + during
    start = mean(age for at, _, age in played if starts - 8 < at < starts and age >= 0)
    meanwhile = [one for one in played if starts <= one[0] < ends]
    ages = [age for _, _, age in meanwhile if age >= 0]
    made_up = sum(kind == "conceal" for _, kind, _ in meanwhile) * 0.02
    holes = sum(max(b[0] - a[0] - 0.04, 0) for a, b in itertools.pairwise(meanwhile))
    result = {
        "loss_percent": loss * 100,
        "delay_before_ms": round(start * 1000, 1),
        "concealed_percent": round(100 * (made_up + holes) / during, 2),
        "added_mean_ms": round((mean(ages) - start) * 1000),
        "added_median_ms": round((median(ages) - start) * 1000),
        "added_p95_ms": round((percentile(ages, 0.95) - start) * 1000),
        "quicker": sum(kind == "quicker" for _, kind, _ in meanwhile),
        "slower": sum(kind == "slower" for _, kind, _ in meanwhile),
        "back_within_s": back_within(played, ends, start),
    }
    if loss in LIMITS:
        result["target_concealed_percent"], result["target_added_ms"] = LIMITS[loss]
    return result


def back_within(played: Played, ends: float, start: float) -> float | None:
    """Seconds from the end of the loss until no frame is more than 20 ms later than at the start."""
    late = [at for at, _, age in played if at >= ends and age > start + 0.02]
    if not late:
        return 0.0
    last = max(at for at, _, age in played if age >= 0)
    return None if late[-1] > last - 1 else round(late[-1] - ends, 1)
