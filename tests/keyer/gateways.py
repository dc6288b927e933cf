"""Makes small gateways that hold a pty radio keyed, for tests that kill them.

``python -m tests.keyer.gateways``: for each line ``FOLDER`` on standard input it forks a process
that runs the real keyer client with the radio at ``FOLDER/radio`` and keeps it keyed while
``FOLDER/audio`` exists; the process's number is printed. Forking from one warm process makes a
hundred of them cheap.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from drivers.ptt.options import PtyPttOptions
from drivers.squelch.options import PtySquelchOptions
from gateway.ops.counters import Counters
from gateway.voice.keying.keyer_client import KeyedEndpoint, Keyer, LineChoice
from gateway.voice.rtp import Token


async def gateway(folder: Path) -> None:
    link = folder / "radio"
    keyer = Keyer(folder / "keyer.lock", Counters(), log_level="WARNING")
    keyer.configure(
        [
            KeyedEndpoint(
                "radio",
                LineChoice("pty", PtyPttOptions(path=link)),
                LineChoice("pty", PtySquelchOptions(path=link)),
            )
        ]
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keyer.run())
        await keyer.ready()
        line = keyer.line("radio")
        (folder / "ready").touch()
        while True:
            if (folder / "audio").exists():
                line.keepalive(Token(1, 1), 3600.0, "tg")
            await asyncio.sleep(0.02)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(0)
            asyncio.run(gateway(Path(line.strip())))
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
