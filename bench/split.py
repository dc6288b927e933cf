"""200 splits of a network while both sides talk: is ever more than one talker heard, and how soon is it healed?

Twenty times a wire is pulled between a gateway and the broker while two gateways talk on ten
talkgroups each; see tests/system/split_world.py. Ratio-free: every figure but ``splits`` is to be as
the contract says.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.system.split_world import HEALED, SplitWorld, available

TALKGROUPS = 10
TIMES = 20


async def _measure(folder: Path, times: int) -> dict[str, object]:
    receivers = worst = twice = unhealed = 0
    async with SplitWorld(folder, TALKGROUPS) as world:
        for _ in range(times):
            heard = await world.split_and_heal()
            for (_name, talkgroup), one in heard.items():
                receivers += 1
                worst = max(worst, one.after)
                twice += one.after > 1
                unhealed += len(one.last) != 1 or one.last != heard["a", talkgroup].last
    return {
        "bench": "split",
        "splits": times * TALKGROUPS,
        "receivers": receivers,
        "packets_of_a_second_talker_worst": worst,
        "receivers_that_heard_two": twice,
        f"not_one_talker_after_{HEALED:g}_s": unhealed,
    }


def measure(times: int = TIMES) -> Iterator[dict[str, object]]:
    """One line, after about four minutes; nothing where no network namespace can be made."""
    if not available():
        yield {"bench": "split", "skipped": "needs root, ip and mosquitto"}
        return
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        yield asyncio.run(_measure(Path(folder), times))
