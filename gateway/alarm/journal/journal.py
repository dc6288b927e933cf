"""The journal: the append-only record that everything said "stored" about is in.

Rules:
  1. `append` resolves only after an fsync that covers its rows has returned; its rows are one
     atomic unit, and units are committed in the order of the calls.
  2. One thread owns the writing connection. It takes what has queued up and commits it as one
     transaction (group commit), so a storm costs few fsyncs and a single press waits for one.
  3. The write-ahead log is copied back by a second thread on a connection of its own; committing
     never waits for it, unless the log has grown very long.
  4. A write that fails fails every unit of its transaction with `StorageError`: they are not known
     to be stored, and their callers say so (contract: ``stored:false``). No unit is tried again by
     itself; while storing fails, a row that says so is tried each `PROBE_PAUSE`, so that the end
     of the fault is seen, and its length stays on record.
  5. After an error that casts doubt on data already written (EIO, a failed fsync) the descriptors
     are never used again, not even by SQLite's checkpoint on close. The next unit opens the file
     anew, which checks every frame's checksum, and moves the log's content into the database by
     fresh writes before anything is appended: no later commit rests on pages that fsync lost.
  6. Every row's hash covers the row before it (`gateway.alarm.journal.chain`): one transaction
     continues the chain where the last one that is on disk ended.
  7. On a full disk other things give way first (`gateway.alarm.journal.room`).
  8. The queue is bounded; past the bound a unit fails at once. Nothing queued is ever dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from gateway.alarm.journal import reading
from gateway.alarm.journal.chain import START, Head
from gateway.alarm.journal.health import Health
from gateway.alarm.journal.reading import scan
from gateway.alarm.journal.room import NoRoom, Room
from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.journal.writer import NotARow, Transaction, Unit, Writer
from gateway.errors import JournalUnusable, StorageError

__all__ = ["Journal", "Kind", "Row", "Stored", "scan"]

_LOGGER = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""Bound of the queue: about 3 s of a busy disk."""

_CLOSE_TIMEOUT = 3.0
"""Seconds for the last commits at `Journal.close`; SIGTERM has 5 s in all."""

STALL = 0.5
"""Seconds after which a disk that does not answer is a fault (faults, 10)."""

PROBE_PAUSE = 5.0
"""Seconds between two tries to store something while storing fails."""

_OPEN_PATIENCE = 5.0
"""Seconds that a start waits for the disk; SQLite's own patience with a lock is as long."""

_T = TypeVar("_T")


class _Waiting(NamedTuple):
    """Who waits for a unit (None: nobody), and since when on the loop's clock."""

    future: asyncio.Future[int] | None
    since: float


class Journal:
    """The journal in one file. `open` before use; all methods are called on the event loop.

    ``room`` is what gives way on a full disk.
    """

    SYNCHRONOUS = "FULL"
    """SQLite's level at which a commit returns after fsync; the durability test's control lowers it."""

    def __init__(
        self, path: Path, *, wall: Callable[[], float] = time.time, room: Room | None = None
    ) -> None:
        self._path = path
        self._wall = wall
        self._room = room or NoRoom()
        self._waiting: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._health = Health()
        self._fault_changed: list[Callable[[str | None], None]] = []
        self._writer: Writer | None = None
        self._head = START
        self._stall: asyncio.TimerHandle | None = None
        self._probe: Unit | None = None
        self._probing: asyncio.TimerHandle | None = None

    @property
    def path(self) -> Path:
        return self._path

    @property
    def head(self) -> Head:
        """The newest row on disk, which the hash chain ends with; as of the close, when closed."""
        return self._head if self._writer is None else self._writer.head

    @property
    def fault(self) -> str | None:
        """Why what happens is not stored, or not in time; None while all is well."""
        return self._health.fault

    def on_fault(self, callback: Callable[[str | None], None]) -> None:
        """``callback`` is told the fault whenever storing begins to fail, and None when it works again."""
        self._fault_changed.append(callback)

    async def open(self) -> None:
        """Open or make the file and start the threads.

        A disk that is full, fails or does not answer within `_OPEN_PATIENCE` makes a `fault`, not
        an error: the alarms of this run go out whether it mends or not.

        Raises:
            JournalUnusable: another process is using the file, or it is no journal that this
                version knows.
        """
        loop = asyncio.get_running_loop()
        opening: asyncio.Future[StorageError | None] = loop.create_future()

        def tell(callback: Callable[..., None], *values: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
                loop.call_soon_threadsafe(callback, *values)

        writer = Writer(
            self._path,
            self.SYNCHRONOUS,
            self._room,
            lambda error: tell(self._opened, opening, error),
            lambda *settled: tell(self._settle, *settled),
        )
        writer.start()
        self._writer = writer
        try:
            async with asyncio.timeout(_OPEN_PATIENCE):
                await asyncio.shield(opening)
        except TimeoutError:
            self._fail(f"journal {self._path}: the disk does not answer")
        except JournalUnusable:
            await self.close()
            raise
        except StorageError as error:
            self._fail(str(error))

    async def close(self) -> None:
        """Commit what is queued, copy the log back, and close. Never raises; safe to call twice."""
        writer, self._writer = self._writer, None
        for timer in (self._stall, self._probing):
            if timer is not None:
                timer.cancel()
        if writer is None:
            return
        if not await asyncio.to_thread(writer.stop, _CLOSE_TIMEOUT):
            # The lock stays until the process ends.
            _LOGGER.warning("journal %s: the disk does not answer; closing without it", self._path)
        self._head = writer.head

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def append(self, rows: Sequence[Row]) -> Awaitable[int]:
        """Store ``rows`` as one atomic unit; resolves with the last one's seq once on disk.

        Cancelling the wait does not cancel the write.

        Raises:
            StorageError: (from the awaitable) they are not known to be stored.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._put(self._insertion(rows), future)
        return future

    def append_soon(self, rows: Sequence[Row]) -> None:
        """Store bookkeeping that nobody waits for; a failure is logged."""
        self._put(self._insertion(rows), None)

    async def transact(self, write: Callable[[Transaction], int]) -> int:
        """Let ``write`` do its work in the writer's thread; its result, once it is on disk.

        Raises:
            StorageError: it is not known to be done.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._put(Unit(write, 0), future)
        return await future

    async def restock(self) -> None:
        """Make anew what a full disk made us give up, if there is room again."""
        await asyncio.to_thread(self._room.restock)

    async def store_term(self, talkgroup: str, term: int) -> None:
        """Keep the highest floor term of a talkgroup; returns once it is on disk.

        Raises:
            StorageError: it is not known to be stored; the term must not be used.
        """

        def write(transaction: Transaction) -> int:
            transaction.connection.execute(
                "INSERT INTO terms VALUES (?, ?) ON CONFLICT DO UPDATE SET term = max(term, excluded.term)",
                (talkgroup, term),
            )
            return term

        await self.transact(write)

    async def terms(self) -> dict[str, int]:
        """The highest stored term of each talkgroup."""
        return await self._read(reading.terms)

    async def last_seq(self) -> int:
        """The newest row's seq; 0 in an empty journal."""
        return await self._read(reading.last_seq)

    async def standing(self, kind: Kind) -> tuple[Stored, ...]:
        """The newest row of each key of ``kind`` that no row of its ending kind followed, oldest first.

        ``kind`` is one of the values of `ENDS`, or one of `LASTING`.
        """
        return await self._read(lambda connection: reading.standing(connection, kind))

    async def open_incidents(self) -> tuple[Stored, ...]:
        """The newest snapshot of each incident that is not closed, oldest first."""
        return await self.standing(Kind.INCIDENT)

    async def unpublished_signals(self) -> tuple[Stored, ...]:
        """Signals that nothing says reached the broker, oldest first."""
        return await self.standing(Kind.SIGNAL)

    async def signals_among(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of ``ids`` that a signal row has for its key."""
        return await self._read(lambda connection: reading.signals_among(connection, ids))

    async def since(self, kind: Kind, since: float) -> tuple[Stored, ...]:
        """Rows of ``kind`` stored since ``since`` (POSIX seconds), oldest first."""
        return await self._read(lambda connection: reading.of_kind(connection, kind, since))

    async def closed_incidents(self, since: float) -> tuple[Stored, ...]:
        """Last snapshots of incidents closed since ``since`` (POSIX seconds), oldest first."""
        return await self.since(Kind.CLOSED, since)

    async def known_pages(self, since: float) -> tuple[Stored, ...]:
        """Pages received since ``since`` (POSIX seconds), oldest first."""
        return await self.since(Kind.PAGE_SEEN, since)

    async def events(self, since: float, until: float) -> tuple[Stored, ...]:
        """Everything stored in ``since`` <= wall < ``until`` (POSIX seconds), in order."""
        return await asyncio.to_thread(lambda: tuple(scan(self._path, since, until)))

    async def _read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        return await asyncio.to_thread(reading.ask, self._path, query)

    # Storing

    def _insertion(self, rows: Sequence[Row]) -> Unit:
        wall = float(self._wall())

        def write(transaction: Transaction) -> int:
            seq = 0
            for row in rows:
                seq = transaction.append(wall, row)
            return seq

        return Unit(write, sum(len(row.body) + len(row.key) for row in rows))

    def _put(self, unit: Unit, future: asyncio.Future[int] | None) -> None:
        if self._writer is None:
            self._refuse(f"journal {self._path}: not open", future)
        elif self._queued_bytes + unit.size > MAX_QUEUED_BYTES:
            self._refuse(f"journal {self._path}: the disk does not keep up", future)
        else:
            loop = asyncio.get_running_loop()
            self._queued_bytes += unit.size
            self._waiting.append(_Waiting(future, loop.time()))
            if self._stall is None:
                self._stall = loop.call_later(STALL, self._see_stall)
            self._writer.put(unit)

    def _refuse(self, why: str, future: asyncio.Future[int] | None) -> None:
        self._fail(why, units=1)
        if future is not None:
            future.set_exception(StorageError(why))

    # Faults

    def _fail(self, why: str, *, units: int = 0) -> None:
        if self._health.fails(why, self._wall(), units=units):
            _LOGGER.error("not stored: %s", why)
            self._tell_fault()
        if self._probing is None and self._writer is not None:
            loop = asyncio.get_running_loop()
            self._probing = loop.call_later(PROBE_PAUSE, self._try_again)

    def _try_again(self) -> None:
        """Rule 4: what nobody waits for tells whether the disk is there again."""
        self._probing = None
        if self._health.fault is not None and not self._waiting:
            self._probe = self._insertion([self._health.row(self._wall())])
            self._put(self._probe, None)

    def _see_stall(self) -> None:
        """The oldest unit that waits may have done so for too long (fault 10)."""
        self._stall = None
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        left = self._waiting[0].since + STALL - loop.time()
        if left <= 0:
            self._fail(f"journal {self._path}: the disk does not answer")
        self._stall = loop.call_later(left if left > 0 else STALL, self._see_stall)

    def _works(self, units: list[Unit]) -> None:
        """These were stored: the end of a fault, of which a row remains."""
        if self._health.works():
            _LOGGER.warning("journal %s: storing again", self._path)
            noted = any(unit is self._probe for unit in units)
            if not noted and self._writer is not None:
                self.append_soon([self._health.row(self._wall())])
            self._tell_fault()

    def _tell_fault(self) -> None:
        for callback in self._fault_changed:
            callback(self._health.fault)

    # From the writer's thread

    def _opened(
        self, opening: asyncio.Future[StorageError | None], error: StorageError | None
    ) -> None:
        if opening.done():
            return
        if error is None:
            opening.set_result(None)
        else:
            opening.set_exception(error)

    def _settle(self, units: list[Unit], results: list[int], error: StorageError | None) -> None:
        """Give each caller its result, in order."""
        for index, unit in enumerate(units):
            self._queued_bytes -= unit.size
            future = self._waiting.popleft().future
            if future is None or future.done():  # nobody waits, or not any more
                continue
            if error is None:
                future.set_result(results[index])
            else:
                future.set_exception(StorageError(str(error)))
        if error is None:
            self._works(units)
        elif isinstance(error, NotARow):
            _LOGGER.error("%s", error)
        else:
            self._fail(str(error), units=len(units))
