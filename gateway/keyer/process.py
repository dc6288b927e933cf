"""The keyer's loop: one thread, one poll, no queue.

It takes the lock of its data folder first (the keyer before it may still be seeing its lines
down), then does what the daemon's messages say. When the daemon's end of the socket closes, by
whatever death, every line is released in the same turn, unread messages notwithstanding; the keyer
then stays for `LINGER` to see the lines down, and ends. Signals are no reason to end: the daemon's
socket is the only one, so that nothing that stops the daemon stops the keyer before it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import time
from collections.abc import Iterator
from functools import partial
from math import ceil
from pathlib import Path

from gateway.errors import RemoteProtocolError
from gateway.keyer.line import Refused, Released
from gateway.keyer.lock import open_lock, try_lock
from gateway.keyer.protocol import (
    MAX_MESSAGE_BYTES,
    Alive,
    Close,
    FromKeyer,
    Keep,
    Note,
    Open,
    State,
    Unkey,
    Up,
    from_bytes,
    to_bytes,
)
from gateway.keyer.readback import Disagrees
from gateway.keyer.station import Drivers, Station

ALIVE = 0.2
"""Seconds between signs of life to the daemon."""

LINGER = 1.1
"""Seconds that the keyer outlives its daemon; the contract wants 1 at least."""

LONGEST_LINGER = 3.0
"""The same, while a line is not known to be down."""

_LOCK_PAUSE = 0.02
_LINGER_STEP = 0.05
_MESSAGES_A_TURN = 64

_LOGGER = logging.getLogger(__name__)


class KeyerProcess:
    """Serves one daemon on a connected SOCK_SEQPACKET socket until it is gone."""

    def __init__(
        self, daemon: socket.socket, lock: Path, drivers: Drivers, death: int = -1
    ) -> None:
        """``death`` is a descriptor that can be read once the daemon is dead, if there is one."""
        self._daemon = daemon
        self._lock = lock
        self._drivers = drivers
        self._death = death
        self._stations: dict[int, Station] = {}
        self._told: dict[int, State] = {}
        self._next_alive = 0.0

    def run(self) -> None:
        """Serve, release, linger.

        Raises:
            OSError: the lock file cannot be made.
        """
        self._daemon.setblocking(False)
        with self._locked() as locked:
            if not locked:
                return
            try:
                self._send(Up())
                while self._turn():
                    pass
                self._linger()
            finally:
                for station in self._stations.values():
                    station.close()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        """Hold the lock; False where the daemon went away before the lock came free."""
        descriptor = open_lock(self._lock)
        try:
            waiting = select.poll()
            waiting.register(self._daemon, 0)  # hang-up is always told
            while not try_lock(descriptor):
                self._send_alive(time.monotonic())
                if waiting.poll(_LOCK_PAUSE * 1000):
                    yield False
                    return
            yield True
        finally:
            os.close(descriptor)

    def _turn(self) -> bool:
        """Wait for something, do it; False once the daemon is gone."""
        now = time.monotonic()
        due = min((station.due() for station in self._stations.values()), default=float("inf"))
        wait = max(0.0, min(due, self._next_alive) - now)
        poll = select.poll()
        poll.register(self._daemon, select.POLLIN)
        if self._death >= 0:
            poll.register(self._death, select.POLLIN)
        waited_on = {}
        for station in self._stations.values():
            for descriptor in station.descriptors():
                poll.register(descriptor, select.POLLIN)
                waited_on[descriptor] = station
        ready = dict(poll.poll(ceil(wait * 1000)))
        now = time.monotonic()
        daemon = ready.pop(self._daemon.fileno(), 0)
        if daemon & (select.POLLHUP | select.POLLERR) or ready.pop(self._death, 0):
            return False
        if daemon and not self._read():
            return False
        for descriptor in ready:
            waited_on[descriptor].sense(now)
        now = time.monotonic()
        for number, station in self._stations.items():
            if now >= station.due():
                station.step(now)
            self._tell(number, station)
        self._send_alive(now)
        return True

    def _read(self) -> bool:
        """Do what the daemon says; False once it is gone."""
        for _ in range(_MESSAGES_A_TURN):
            try:
                data = self._daemon.recv(MAX_MESSAGE_BYTES + 1)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            try:
                self._obey(data)
            except RemoteProtocolError as error:
                _LOGGER.warning("refused a message: %s", error)
        return True

    def _obey(self, data: bytes) -> None:
        message = from_bytes(data)
        now = time.monotonic()
        match message:
            case Keep(line, keepalive):
                if station := self._stations.get(line):
                    station.keepalive(keepalive, now)
            case Unkey(line):
                if station := self._stations.get(line):
                    station.unkey(now)
            case Open(line):
                self._close(line)
                station = Station(message, self._drivers, partial(self._note, line))
                self._stations[line] = station
                station.step(now)
            case Close(line):
                self._close(line)
            case _:
                raise RemoteProtocolError(f"{type(message).__name__} is not for the keyer")

    def _close(self, line: int) -> None:
        if station := self._stations.pop(line, None):
            station.close()
        self._told.pop(line, None)

    def _tell(self, number: int, station: Station) -> None:
        state = station.state()
        # What could not be sent (the daemon hangs and its queue is full) is tried again each turn.
        if state != self._told.get(number) and self._send(state):
            self._told[number] = state

    def _send_alive(self, now: float) -> None:
        if now >= self._next_alive:
            self._next_alive = now + ALIVE
            self._send(Alive())

    def _note(self, line: int, what: Released | Refused | Disagrees) -> None:
        self._send(Note(line, what))

    def _send(self, message: FromKeyer) -> bool:
        """Whether it was sent; never blocks."""
        try:
            self._daemon.send(to_bytes(message))
        except OSError:  # full, or the daemon is gone: poll says which
            return False
        return True

    def _linger(self) -> None:
        began = time.monotonic()
        for station in self._stations.values():
            station.abandon(began)
        _LOGGER.info("the daemon is gone; every line released")
        while (now := time.monotonic()) < began + LONGEST_LINGER:
            for station in self._stations.values():
                station.step(now)
            sure = all(station.released_for_sure for station in self._stations.values())
            if sure and now >= began + LINGER:
                return
            time.sleep(_LINGER_STEP)
        _LOGGER.error("a line is not known to be released; closing it")
