"""The journal: the append-only record that everything said "stored" about is in.

Rules:
  1. `append` resolves only after an fsync that covers its rows has returned; its rows are one
     atomic unit, and units are committed in the order of the calls.
  2. One thread owns the writing connection. It takes what has queued up and commits it as one
     transaction (group commit), so a storm costs few fsyncs and a single press waits for one.
  3. The write-ahead log is copied back by a second thread on a connection of its own; committing
     never waits for it, unless the log has grown very long.
  4. A write that fails fails every unit of its transaction with `StorageError`: they are not known
     to be stored, and their callers say so (contract: ``stored:false``). Nothing is tried again by
     itself; the next unit is the next try.
  5. After an error that casts doubt on data already written (EIO, a failed fsync) the descriptors
     are never used again, not even by SQLite's checkpoint on close. The next unit opens the file
     anew, which checks every frame's checksum, and moves the log's content into the database by
     fresh writes before anything is appended: no later commit rests on pages that fsync lost.
  6. Every row's hash covers the row before it (`gateway.alarm.journal_chain`): one transaction
     continues the chain where the last one that is on disk ended.
  7. The queue is bounded; past the bound a unit fails at once. Nothing queued is ever dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from gateway.alarm import journal_schema
from gateway.alarm.journal_chain import START, Head
from gateway.alarm.journal_rows import Kind, Row, Stored
from gateway.alarm.journal_writer import Transaction, Unit, Writer
from gateway.errors import StorageError

__all__ = ["Journal", "Kind", "Row", "Stored", "scan"]

_LOGGER = logging.getLogger(__name__)

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""Bound of the queue: about 3 s of a busy disk."""

_CLOSE_TIMEOUT = 3.0
"""Seconds for the last commits at `Journal.close`; SIGTERM has 5 s in all."""

_ROW = "SELECT seq, wall, events.kind, events.key, body FROM events"
_BETWEEN = f"{_ROW} WHERE wall >= ? AND wall < ? ORDER BY seq"
_OF_KIND = f"{_ROW} WHERE kind = ? AND wall >= ? ORDER BY seq"
_STANDING = f"{_ROW} JOIN standing USING (seq) WHERE standing.kind = ? ORDER BY seq"

_T = TypeVar("_T")


class Journal:
    """The journal in one file. `open` before use; all methods are called on the event loop."""

    SYNCHRONOUS = "FULL"
    """SQLite's level at which a commit returns after fsync; the durability test's control lowers it."""

    def __init__(self, path: Path, *, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall = wall
        self._waiting: deque[asyncio.Future[int] | None] = deque()
        self._queued_bytes = 0
        self._fault: str | None = None
        self._writer: Writer | None = None
        self._head = START
        self._lock_descriptor = -1

    @property
    def path(self) -> Path:
        return self._path

    @property
    def head(self) -> Head:
        """The newest row on disk, which the hash chain ends with; as of the close, when closed."""
        return self._head if self._writer is None else self._writer.head

    @property
    def fault(self) -> str | None:
        """Why the newest write failed; None after one that succeeded."""
        return self._fault

    async def open(self) -> None:
        """Open or make the file and start the threads.

        Raises:
            StorageError: the file cannot be used, or another process is using it.
        """
        loop = asyncio.get_running_loop()

        def settle(units: list[Unit], results: list[int], error: StorageError | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is waiting
                loop.call_soon_threadsafe(self._settle, units, results, error)

        self._lock_descriptor = _take_lock(self._path)
        writer = Writer(self._path, self.SYNCHRONOUS, settle)
        try:
            await asyncio.to_thread(writer.open)
        except BaseException:
            self._release_lock()
            raise
        writer.start()
        self._writer = writer

    async def close(self) -> None:
        """Commit what is queued, copy the log back, and close. Never raises; safe to call twice."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        stopped = await asyncio.to_thread(writer.stop, _CLOSE_TIMEOUT)
        self._head = writer.head
        if stopped:
            self._release_lock()
        else:
            # The lock stays until the process ends.
            _LOGGER.warning("journal %s: the disk does not answer; closing without it", self._path)

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

        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._put(Unit(write, len(talkgroup)), future)
        await future

    async def terms(self) -> dict[str, int]:
        """The highest stored term of each talkgroup."""
        return await self._read(
            lambda connection: dict(connection.execute("SELECT talkgroup, term FROM terms"))
        )

    async def last_seq(self) -> int:
        """The newest row's seq; 0 in an empty journal."""
        return await self._read(
            lambda connection: int(
                connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
            )
        )

    async def standing(self, kind: Kind) -> tuple[Stored, ...]:
        """The newest row of each key of ``kind`` that no row of its ending kind followed, oldest first.

        ``kind`` is one of the values of `ENDS`, or one of `LASTING`.
        """
        return await self._read(lambda connection: _stored(connection, _STANDING, kind))

    async def open_incidents(self) -> tuple[Stored, ...]:
        """The newest snapshot of each incident that is not closed, oldest first."""
        return await self.standing(Kind.INCIDENT)

    async def unpublished_signals(self) -> tuple[Stored, ...]:
        """Signals that nothing says reached the broker, oldest first."""
        return await self.standing(Kind.SIGNAL)

    async def closed_incidents(self, since: float) -> tuple[Stored, ...]:
        """Last snapshots of incidents closed since ``since`` (POSIX seconds), oldest first."""
        return await self._read(
            lambda connection: _stored(connection, _OF_KIND, Kind.CLOSED, since)
        )

    async def known_pages(self, since: float) -> tuple[Stored, ...]:
        """Pages received since ``since`` (POSIX seconds), oldest first."""
        return await self._read(
            lambda connection: _stored(connection, _OF_KIND, Kind.PAGE_SEEN, since)
        )

    async def events(self, since: float, until: float) -> tuple[Stored, ...]:
        """Everything stored in ``since`` <= wall < ``until`` (POSIX seconds), in order."""
        return await asyncio.to_thread(lambda: tuple(scan(self._path, since, until)))

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
            self._fail(f"journal {self._path}: not open", future)
        elif self._queued_bytes + unit.size > MAX_QUEUED_BYTES:
            self._fail(f"journal {self._path}: the disk does not keep up", future)
        else:
            self._queued_bytes += unit.size
            self._waiting.append(future)
            self._writer.put(unit)

    def _fail(self, why: str, future: asyncio.Future[int] | None) -> None:
        if self._fault is None:
            _LOGGER.error("not stored: %s", why)
        self._fault = why
        if future is not None:
            future.set_exception(StorageError(why))

    def _settle(self, units: list[Unit], results: list[int], error: StorageError | None) -> None:
        """Give each caller its result, in order; on the loop."""
        if error is None and self._fault is not None:
            _LOGGER.warning("journal %s: storing again", self._path)
            self._fault = None
        for index, unit in enumerate(units):
            self._queued_bytes -= unit.size
            future = self._waiting.popleft()
            if future is not None and future.done():  # the caller stopped waiting
                future = None
            if error is not None:
                self._fail(str(error), future)
            elif future is not None:
                future.set_result(results[index])

    async def _read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        def read() -> _T:
            connection = journal_schema.open_reader(self._path)
            try:
                return query(connection)
            except sqlite3.Error as error:
                raise journal_schema.storage_error(self._path, error) from error
            finally:
                connection.close()

        return await asyncio.to_thread(read)

    def _release_lock(self) -> None:
        os.close(self._lock_descriptor)
        self._lock_descriptor = -1


def scan(path: Path, since: float, until: float) -> Iterator[Stored]:
    """Everything stored in ``since`` <= wall < ``until`` (POSIX seconds), in order, row by row.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    connection = journal_schema.open_reader(path)
    try:
        for row in connection.execute(_BETWEEN, (since, until)):
            yield Stored(*row)
    except sqlite3.Error as error:
        raise journal_schema.storage_error(path, error) from error
    finally:
        connection.close()


def _stored(connection: sqlite3.Connection, query: str, *values: object) -> tuple[Stored, ...]:
    return tuple(Stored(*row) for row in connection.execute(query, values))


def _take_lock(path: Path) -> int:
    """Keep a second process off the journal; the kernel frees the lock when this one ends, however."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise journal_schema.storage_error(path, error) from error
    try:
        # A POSIX lock: unlike flock's it is not inherited by a child forked without exec.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StorageError(f"journal {path}: another process is using it") from error
    return descriptor
