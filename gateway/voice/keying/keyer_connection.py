"""One keyer process as seen from the daemon: its socket, its end, its silence."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

import gateway
from gateway.errors import KeyerError
from gateway.keyer.protocol import MAX_MESSAGE_BYTES, ToKeyer, to_bytes
from gateway.ops.urgency import raise_priority

STARTS_WITHIN = 20.0
"""Seconds until a new process has spoken; 0.15 are usual, but a small machine that boots is slow."""

_LOGGER = logging.getLogger(__name__)


class KeyerConnection:
    """The socket to one keyer process, and that process. Call on the loop; ``hear`` comes on it."""

    def __init__(
        self,
        ours: socket.socket,
        process: subprocess.Popen[bytes],
        hear: Callable[[bytes], None],
    ) -> None:
        self._socket = ours
        self._process = process
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[bytes] = deque()
        self._heard_at = time.monotonic()
        self.heard = False
        """Whether it has spoken at all."""
        self._ended = asyncio.Event()
        self._loop.add_reader(ours, self._read)

    @classmethod
    def start(cls, lock: Path, log_level: str, hear: Callable[[bytes], None]) -> KeyerConnection:
        """Start the process.

        Raises:
            KeyerError: it could not be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            command = _command(theirs.fileno(), lock, log_level)
            # -P keeps the working directory out of the import path; ours may lie there.
            root = str(Path(gateway.__file__).parents[1])
            path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
            started: Future[subprocess.Popen[bytes]] = Future()
            threading.Thread(
                target=_be_parent,
                args=(command, theirs.fileno(), {**os.environ, "PYTHONPATH": path}, started),
                name="keyer.parent",
                daemon=True,
            ).start()
            try:
                process = started.result()
            except OSError as error:
                ours.close()
                raise KeyerError(f"the keyer cannot be started: {error}") from error
        return cls(ours, process, hear)

    def send_now(self, message: ToKeyer) -> bool:
        """Send at once or not at all; whether it was sent."""
        if self._unsent:
            return False
        try:
            self._socket.send(to_bytes(message))
        except OSError:
            return False
        return True

    def send(self, message: ToKeyer) -> None:
        """Send, after what is queued."""
        data = to_bytes(message)
        if len(data) > MAX_MESSAGE_BYTES:
            _LOGGER.error("a message of %d bytes is too long for the keyer", len(data))
            return
        self._unsent.append(data)
        self._write()

    async def wait(self, seconds: float) -> None:
        """Until the process has ended, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ended.wait()

    def look(self, silence: float) -> None:
        """Make sure that it is alive.

        Raises:
            KeyerError: it has ended, has been silent for ``silence`` seconds, or has not begun to
                speak within `STARTS_WITHIN`.
        """
        if not self._ended.is_set():
            self._read()  # what came while this process itself was stopped or busy
        if self._ended.is_set():
            status = self._process.returncode  # the thread that started it waits for it
            raise KeyerError(
                "the keyer has ended" + ("" if status is None else f" with status {status}")
            )
        silent = time.monotonic() - self._heard_at
        if silent > (silence if self.heard else STARTS_WITHIN):
            self._process.kill()  # its ports close and so release
            raise KeyerError(f"the keyer was silent for {silent:.1f} s and was killed")

    def close(self) -> None:
        """Let the keyer go; it releases and ends by itself."""
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(self._socket)
                self._ended.set()
                return
            self._heard_at = time.monotonic()
            self.heard = True
            self._hear(data)

    def _write(self) -> None:
        while self._unsent:
            try:
                self._socket.send(self._unsent[0])
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._write)
                return
            except OSError:  # it has ended; reading says so
                self._unsent.clear()
            else:
                self._unsent.popleft()
        self._loop.remove_writer(self._socket)


def _be_parent(
    command: Sequence[str],
    descriptor: int,
    environment: Mapping[str, str],
    started: Future[subprocess.Popen[bytes]],
) -> None:
    """Start the process, and do nothing else until it has ended.

    The kernel tells the keyer of the death of the thread that started it (`gateway.keyer.parent`). One
    that only waits, and goes before ordinary work, is dead at once when the daemon is killed; its loop
    may have to wait for a processor first, and for the memory of the whole daemon to be given back.
    """
    raise_priority()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=(descriptor,),
            start_new_session=True,  # a terminal's Ctrl-C is for the daemon
            env=environment,
        )
    except BaseException as error:  # noqa: BLE001 -- it is raised where the start was asked for
        started.set_exception(error)
        return
    started.set_result(process)
    process.wait()


def _command(descriptor: int, lock: Path, log_level: str) -> Sequence[str]:
    module = "gateway.cli.keyer"
    return (sys.executable, "-P", "-m", module, str(descriptor), str(lock.absolute()), log_level)
