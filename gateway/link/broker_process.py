"""One mosquitto process: its command line, its port, its orphans, its start and its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import BrokerError
from gateway.link.port_owner import command_of, port_owner

_LOGGER = logging.getLogger(__name__)

_START_TIMEOUT = 5.0
_STOP_TIMEOUT = 0.5
_ORPHAN_TIMEOUT = 2.0
"""Seconds. mosquitto 2.0 loses a SIGTERM that comes just as it is up; there is nothing to save."""


def check_port(host: str, port: int) -> None:
    """See that mosquitto could listen on ``host:port``.

    Raises:
        BrokerError: it is taken, and by whom; or it is not ours to bind.
    """
    failures = []
    try:
        where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BrokerError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    for family, kind, protocol, _, address in where:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        except OSError as error:
            failures.append(error)
    # A name may have an address that this machine does not (localhost without IPv6).
    fatal = [one for one in failures if one.errno in (errno.EADDRINUSE, errno.EACCES)]
    if len(failures) == len(where):
        fatal += failures
    if fatal:
        owner = port_owner(port)
        why = f": {fatal[0].strerror}" if owner is None else f": it is taken by {owner}"
        raise BrokerError(f"cannot listen on {host}:{port}{why}") from fatal[0]


async def end_orphans(configuration: Path) -> None:
    """End every mosquitto that runs on ``configuration``, and wait for it to be gone."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ORPHAN_TIMEOUT
    told: set[int] = set()
    while (pids := _running_on(configuration)) and loop.time() < deadline:
        for pid in pids - told:
            _LOGGER.warning("broker: ending process %d that a former gateway left behind", pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        told |= pids
        await asyncio.sleep(0.02)


@asynccontextmanager
async def mosquitto(configuration: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A mosquitto that accepts connections; it is ended with the block, and with our process.

    Raises:
        BrokerError: it is not installed or does not come up.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *_command(configuration),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            # A terminal's Ctrl-C is for the daemon, which says goodbye before it stops its broker.
            start_new_session=True,
            # Debian's mosquitto would tell systemd that we are ready.
            env={name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"},
        )
    except OSError as error:  # no memory, no descriptors: may pass
        raise BrokerError(f"cannot start mosquitto: {error}") from error
    try:
        await _until_up(process)
        yield process
    finally:
        await _stop(process)


async def follow(process: asyncio.subprocess.Process) -> int:
    """Log what it says until it ends; its exit status."""
    async for line in _lines(process):
        bad = line.startswith(("Error", "Warning"))
        _LOGGER.log(logging.WARNING if bad else logging.DEBUG, "broker: %s", line)
    return await process.wait()


def _command(configuration: Path) -> list[str]:
    # /usr/sbin is not on everybody's path, and Debian's mosquitto lies there.
    search = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"
    program = shutil.which("mosquitto", path=search)
    if program is None:
        raise BrokerError("mosquitto is not installed (Debian: apt install mosquitto)")
    setpriv = shutil.which("setpriv", path=search)
    if setpriv is None:
        raise BrokerError("setpriv is not installed (Debian: apt install util-linux)")
    # A preexec_fn would run Python between fork and exec, beside the drivers' threads.
    return [setpriv, "--pdeathsig", "KILL", program, "-c", str(configuration)]


async def _until_up(process: asyncio.subprocess.Process) -> None:
    said: list[str] = []
    try:
        async with asyncio.timeout(_START_TIMEOUT):
            async for line in _lines(process):
                said.append(line)
                _LOGGER.debug("broker: %s", line)
                if line.endswith(" running"):
                    return
    except TimeoutError:
        said.append(f"not up within {_START_TIMEOUT:g} s")
    raise BrokerError("mosquitto does not start: " + "; ".join(said[-3:] or ["no reason given"]))


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stderr is not None
    while raw := await process.stderr.readline():
        yield raw.decode(errors="replace").rstrip()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    # No asyncio.timeout: in a task that is being cancelled it works from Python 3.11.3 on only.
    ended = asyncio.ensure_future(process.wait())
    try:
        await asyncio.wait({ended}, timeout=_STOP_TIMEOUT)
    finally:  # also when we are cancelled once more: never leave it behind
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    await ended


def _running_on(configuration: Path) -> set[int]:
    """The mosquitto processes whose command line ends in ``-c configuration``."""
    wanted = f"mosquitto -c {configuration}"
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {pid for pid in pids if command_of(pid).endswith(wanted)}
