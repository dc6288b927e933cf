"""COS to PTT and speech one way between two gateways on one broker, over real overs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import spread_ms
from bench.rig import rig
from gateway.cli.demo import sound

OVERS = 40


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        yield from asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[dict[str, Any]]:
    said = sound.recorded("Front_Center")
    cos_to_ptt, one_way, close_to_off, whole = [], [], [], 0
    async with rig(folder) as stage:
        for number in range(OVERS + 2):
            # Away from the 20 ms beat of the devices, as a real COS is.
            await asyncio.sleep(0.6 + 0.0037 * number)
            began, closed = await stage.left.talk(said)
            await asyncio.sleep(0.3)
            keyed = [at for at, on in stage.right.keyed if on and at >= began - 0.05]
            released = [at for at, on in stage.right.keyed if not on and at >= closed - 0.05]
            heard, times = stage.right.sound(began)
            found = sound.find(heard, said)
            if number < 2:
                continue
            cos_to_ptt.append(keyed[0] - stage.left.opened)
            close_to_off.append(released[0] - closed)
            if found is not None:
                block, rest = divmod(found.at, sound.RATE_HZ // 50)
                one_way.append(times[block] + rest / sound.RATE_HZ - began)
                whole += found.first >= 0.5 and found.last >= 0.5
    return [
        {"benchmark": "COS to PTT", **spread_ms(cos_to_ptt), "target_median_ms": 25,
         "peer": "SvxLink 19.09, measured on such a rig", "peer_median_ms": 80.7},
        {"benchmark": "speech one way", **spread_ms(one_way), "target_median_ms": 60,
         "first_and_last_word_whole": whole,
         "peer": "SvxLink 19.09, measured on such a rig", "peer_median_ms": 77.9},
        {"benchmark": "COS close to PTT off", **spread_ms(close_to_off),
         "peer": "SvxLink 19.09, measured on such a rig", "peer_median_ms": 49.4},
    ]  # fmt: skip
