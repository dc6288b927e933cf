"""Starts gateways for `bench.ptt_world`: each in a fresh fork of a process that imported one, once.

    python -m bench.ptt_starter [loose]

The gateway is the product's own command, whole; only the second of imports is saved. Each line
``CONFIG LOG`` on standard input starts one and is answered with its process id. With ``loose`` its
keyer has neither hold nor an eye on its daemon: the control, whose transmitters must stick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import gateway.app
import gateway.cli.run  # noqa: F401
from gateway.cli import main as command
from gateway.voice.keying import keyer_connection


def _loose(descriptor: int, lock: Path, log_level: str) -> Sequence[str]:
    words = (str(descriptor), str(lock.absolute()), log_level)
    return (sys.executable, "-P", "-m", "bench.ptt_loose_keyer", *words)


def main(mode: str = "") -> None:
    if mode == "loose":
        keyer_connection._command = _loose  # a control breaks what it controls
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("imported", flush=True)
    for line in sys.stdin:
        config, log = line.split()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.argv = ["baiying", "run", config]
            command.main()
        print(child, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
