"""A small gateway that keeps one transmitter keyed, for tests that kill it.

``python -m tests.vm.keyed FOLDER DRIVER OPTIONS``, the options in JSON. The real keyer client with the
real keyer process.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from drivers import registry
from gateway.ops.counters import Counters
from gateway.voice.keying.keyer_client import KeyedEndpoint, Keyer, LineChoice
from gateway.voice.rtp import Token


async def main(folder: Path, driver: str, options: dict[str, object]) -> None:
    keyer = Keyer(folder / "keyer.lock", Counters(), log_level="WARNING")
    choice = LineChoice(driver, registry.options("ptt", driver)(**options))
    keyer.configure([KeyedEndpoint("radio", choice, None)])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keyer.run())
        await keyer.ready()
        line = keyer.line("radio")
        while True:
            line.keepalive(Token(1, 1), 3600.0, "tg")
            await asyncio.sleep(0.02)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))
