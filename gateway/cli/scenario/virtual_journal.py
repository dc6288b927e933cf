"""A journal whose thread is the loop: the real file, tables and rules, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.alarm.journal.journal import Journal
from gateway.alarm.journal.room import NoRoom
from gateway.alarm.journal.writer import Settle, Unit, Writer
from gateway.cli.scenario.world import Disk
from gateway.errors import StorageError

COMMIT = 0.002
"""Seconds that a commit takes; a good disk is faster, a bad one slower."""


@dataclass(slots=True)
class VirtualDisk:
    """What a gateway's journal stands on."""

    state: Disk = "well"


class _Writer(Writer):
    """Commits what was put, all at once, `COMMIT` seconds later; no thread is started."""

    def __init__(self, path: Path, synchronous: str, settle: Settle, disk: VirtualDisk) -> None:
        super().__init__(path, synchronous, NoRoom(), lambda _: None, settle)
        self._loop = asyncio.get_running_loop()
        self._disk = disk
        self._put: list[Unit] = []
        self._dead = False

    def start(self) -> None:
        self._open()

    def put(self, unit: Unit) -> None:
        if not self._put:
            self._loop.call_later(COMMIT, self._store)
        self._put.append(unit)

    def stop(self, timeout: float) -> bool:
        del timeout
        answers = self._disk.state != "stalled"
        if answers:
            self._store()
        self._close()
        self._lock.release()
        return answers

    def kill(self) -> None:
        """What was not committed never will be."""
        self._dead = True

    def _store(self) -> None:
        if self._dead or not self._put:
            return
        if self._disk.state == "stalled":  # the call hangs; it ends once the disk answers again
            self._loop.call_later(COMMIT, self._store)
            return
        units, self._put = self._put, []
        if self._disk.state == "full":
            self._settle(units, [], StorageError(f"journal {self._path}: the disk is full"))
        else:
            self._commit(units)


class VirtualJournal(Journal):
    """A `Journal` without a thread, on a disk that is as a scenario says and forgets nothing."""

    SYNCHRONOUS = "OFF"

    def __init__(
        self, path: Path, wall: Callable[[], float], disk: VirtualDisk | None = None
    ) -> None:
        super().__init__(path, wall=wall)
        self._disk = disk or VirtualDisk()
        self._dead = False

    async def open(self) -> None:
        """As `Journal.open`, but that a broken disk is noticed only by what is to be stored."""
        self._writer = _Writer(self.path, self.SYNCHRONOUS, self._settle, self._disk)
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
