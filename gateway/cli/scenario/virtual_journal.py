"""A journal whose thread is the loop: the real file, tables and rules, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.alarm.journal import Journal
from gateway.alarm.journal_room import NoRoom
from gateway.alarm.journal_writer import Unit, Writer

COMMIT = 0.002
"""Seconds that a commit takes; a good disk is faster, a bad one slower."""


class _Writer(Writer):
    """Commits what was put, all at once, `COMMIT` seconds later; no thread is started."""

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._put: list[Unit] = []
        self._dead = False
        self._open()
        self._opened(None)

    def put(self, unit: Unit) -> None:
        if not self._put:
            self._loop.call_later(COMMIT, self._store)
        self._put.append(unit)

    def stop(self, timeout: float) -> bool:
        del timeout
        if not self._dead:
            self._store()
        self._close()
        self._lock.release()
        return True

    def kill(self) -> None:
        """What was not committed never will be."""
        self._dead = True

    def _store(self) -> None:
        units, self._put = self._put, []
        if units and not self._dead:
            self._commit(units)


class VirtualJournal(Journal):
    """A `Journal` without a thread, on a disk that loses nothing and takes `COMMIT` seconds."""

    SYNCHRONOUS = "OFF"

    def __init__(self, path: Path, wall: Callable[[], float]) -> None:
        super().__init__(path, wall=wall)
        self._dead = False

    async def open(self) -> None:
        """As `Journal.open`; there is no disk that could be slow."""
        self._writer = _Writer(self.path, self.SYNCHRONOUS, NoRoom(), lambda _: None, self._settle)
        self._writer.start()

    def kill(self) -> None:
        """Its process is gone, and with it what was not committed."""
        self._dead = True
        for timer in (self._stall, self._probing):
            if timer is not None:
                timer.cancel()
        if isinstance(self._writer, _Writer):
            self._writer.kill()

    def _put(self, unit: Unit, future: asyncio.Future[int] | None) -> None:
        if not self._dead:
            super()._put(unit, future)
