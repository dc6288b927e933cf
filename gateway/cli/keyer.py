"""The keyer process: ``python -m gateway.cli.keyer DESCRIPTOR LOCK LEVEL``, started by the daemon.

Light on purpose: no typer, pydantic, numpy or asyncio. It ends when its daemon's socket closes and
for no other reason than that or a kill -9, after which closing the ports unkeys them.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from pathlib import Path

from drivers import registry
from gateway.keyer.log import Outlet, put_before
from gateway.keyer.parent import death
from gateway.keyer.process import KeyerProcess
from gateway.ops import logging as log
from gateway.ops.urgency import raise_priority

_LAST_WORDS = 0.5
"""Seconds that its last log lines have; its lines are closed by then."""


def main(arguments: list[str]) -> int:
    """Serve the daemon at the other end of an inherited socket; the exit status."""
    descriptor, lock, level = arguments
    # Ctrl-C and a service manager's stop reach every process at once; the daemon decides when.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    raise_priority()
    log.set_up(level)
    outlet = put_before(logging.getLogger())
    daemon = socket.socket(fileno=int(descriptor))
    daemon.set_inheritable(False)
    try:
        KeyerProcess(daemon, Path(lock), registry, death()).run()
    except OSError as error:
        logging.getLogger("gateway.keyer").critical("the keyer cannot work: %s", error)
        return _ended(outlet, 1)
    return _ended(outlet, 0)


def _ended(outlet: Outlet, status: int) -> int:
    if not outlet.drain(_LAST_WORDS):
        os._exit(status)  # an orderly end would wait for the thread that cannot write
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
