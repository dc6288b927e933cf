"""The journal's two threads: one commits what has queued up, one copies the log back.

The rules are those at the head of `gateway.alarm.journal.journal`; this is where they are kept.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.alarm.journal import schema, tables
from gateway.alarm.journal.chain import START, Head, link
from gateway.alarm.journal.room import Room
from gateway.alarm.journal.rows import Row
from gateway.errors import StorageError

_LOGGER = logging.getLogger(__name__)

_BATCH_BYTES = 4 * 1024 * 1024
"""A transaction takes no further unit beyond this, so that the first one's wait is bounded."""

_CHECKPOINT_BYTES = 4 * 1024 * 1024
"""The log is copied back each time about this much was added (SQLite's own habit: 1000 pages)."""

_TRANSACTION_BYTES = 20 * 1024
"""What a small transaction adds to the log beyond its bodies: a page of each table and index."""

_LOG_LIMIT = 64 * 1024 * 1024
"""A log that found no quiet moment to start anew before this size is given one by the writer."""

_CHECKPOINT_WAIT = 0.2
"""Seconds that a checkpoint waits for readers in the way; it comes again."""

_OF_A_UNIT = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    sqlite3.NotSupportedError,
)
"""What SQLite says of a value or a statement; everything else it says is about the file."""


class NotARow(StorageError):
    """A unit has a value that no database takes: a defect of its caller, and no fault of the disk."""


@dataclass(slots=True)
class Transaction:
    """One transaction of the writer; ``head`` is the newest row's, with those it appends itself."""

    connection: sqlite3.Connection
    head: Head
    _rows: list[tuple[object, ...]] = field(default_factory=list)

    def append(self, wall: float, row: Row) -> int:
        """Append ``row`` to the events and to their chain; its seq."""
        seq = self.head.seq + 1
        hashed = link(self.head.hash, seq, wall, row.kind, row.key, row.body)
        self.head = Head(seq, hashed)
        self._rows.append((seq, wall, row.kind, row.key, row.body, hashed))
        return seq

    def flush(self) -> None:
        """Hand the rows to SQLite."""
        tables.insert(self.connection, self._rows)
        self._rows = []


@dataclass(frozen=True, slots=True)
class Unit:
    """What is committed or not, as a whole; ``write`` returns the result for the caller."""

    write: Callable[[Transaction], int]
    size: int
    """Bytes, for the bounds."""


_EMPTY = Unit(lambda _: 0, 0)
"""Stands for an empty queue."""


class Settle(Protocol):
    """Told of every transaction, in order, from the writer's thread."""

    def __call__(self, units: list[Unit], results: list[int], error: StorageError | None) -> None:
        """``results`` has one number for each unit, or ``error`` is why none of them is stored."""


class Writer:
    """The threads on one journal file: `start`, then `put` from any thread, and `stop` at the end.

    ``opened`` is told once, from the thread, how the first opening went.
    """

    def __init__(
        self,
        path: Path,
        synchronous: str,
        room: Room,
        opened: Callable[[StorageError | None], None],
        settle: Settle,
    ) -> None:
        self._path = path
        self._synchronous = synchronous
        self._room = room
        self._opened = opened
        self._settle = settle
        self.head = START
        """The newest row that is on disk."""
        self._units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._lock = schema.Lock(path)
        self._connection: sqlite3.Connection | None = None
        self._guard: sqlite3.Connection | None = None
        self._uncopied_bytes = 0
        self._log_too_long = False
        self._copying = threading.Lock()
        self._copy = threading.Event()
        self._stopping = False
        # Daemon threads: what hangs in the kernel cannot hold up the end of the process.
        self._threads = (
            threading.Thread(target=self._run, name="journal.writer", daemon=True),
            threading.Thread(target=self._copy_back, name="journal.checkpoint", daemon=True),
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def put(self, unit: Unit) -> None:
        self._units.put(unit)

    def stop(self, timeout: float) -> bool:
        """Commit what was put, close; whether that was done within ``timeout`` seconds. Blocks."""
        self._units.put(None)
        self._threads[0].join(timeout)
        return not self._threads[0].is_alive()

    def _run(self) -> None:
        try:
            self._open()
        except StorageError as error:
            self._opened(error)
        else:
            self._opened(None)
        unit = self._units.get()
        while unit is not None:
            batch, following = self._gather(unit)
            self._commit(batch)
            unit = self._units.get() if following is _EMPTY else following
        self._stopping = True
        self._copy.set()
        self._close()
        self._lock.release()

    def _gather(self, first: Unit) -> tuple[list[Unit], Unit | None]:
        """What waits now, up to the bound, and what comes next: a unit, the end, or `_EMPTY`."""
        batch, size = [first], first.size
        while True:
            try:
                unit = self._units.get_nowait()
            except queue.Empty:
                return batch, _EMPTY
            if unit is None or size + unit.size > _BATCH_BYTES:
                return batch, unit
            batch.append(unit)
            size += unit.size

    def _commit(self, batch: list[Unit]) -> None:
        results: list[int] = []
        failure: StorageError | None = None
        try:
            connection = self._connection or self._reopen()
            results = self._transact(connection, batch)
        except StorageError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - said below, and the thread must live
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _OF_A_UNIT):
                failure = self._failed(error)
            else:
                # What no database takes must not fail other units with it, let alone the thread.
                self._roll_back()
                if len(batch) > 1:
                    for unit in batch:
                        self._commit([unit])
                    return
                failure = NotARow(f"journal {self._path}: not a row: {error}")
        else:
            self._uncopied_bytes += _TRANSACTION_BYTES + sum(unit.size for unit in batch)
            if self._uncopied_bytes >= _CHECKPOINT_BYTES:
                self._uncopied_bytes = 0
                self._copy.set()
        self._settle(batch, results, failure)
        if self._log_too_long and self._connection is not None:
            self._shorten_log(self._connection)

    def _failed(self, error: sqlite3.DatabaseError) -> StorageError:
        if schema.keeps_descriptor(error):
            self._roll_back()
        else:
            self._discard()
        return schema.storage_error(self._path, error)

    def _transact(self, connection: sqlite3.Connection, batch: list[Unit]) -> list[int]:
        """Commit ``batch``, again for as long as a full disk can be given room."""
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                transaction = Transaction(connection, self.head)
                results = [unit.write(transaction) for unit in batch]
                transaction.flush()
                connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if not schema.is_full(error) or not self._room.make():
                    raise
                self._roll_back()
                # What the log holds moves into the room that is there now, and leaves its own.
                self._checkpoint(connection, "RESTART")
            else:
                self.head = transaction.head
                return results

    def _shorten_log(self, connection: sqlite3.Connection) -> None:
        """Start the log anew between two transactions; most of it has been copied already."""
        self._log_too_long = False
        try:
            self._checkpoint(connection, "TRUNCATE")
        except StorageError as error:
            _LOGGER.warning("checkpoint: %s", error)
            self._discard()

    def _roll_back(self) -> None:
        try:
            if self._connection is not None and self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._discard()

    def _open(self) -> None:
        """Open or make the file, for the first time.

        Raises:
            StorageError: it cannot be used, now or at all.
        """
        connection = self._connect()
        try:
            if not self._checkpoint(connection, "TRUNCATE"):
                # Nothing that this process wrote is in doubt: go on with the log as it is.
                _LOGGER.warning("journal %s: its log could not start anew", self._path)
        except StorageError:
            self._discard()
            raise

    def _connect(self) -> sqlite3.Connection:
        self._lock.take()
        self._room.restock()
        while True:
            try:
                connection = schema.open_writer(self._path, self._synchronous)
                break
            except StorageError:
                if not self._room.is_full() or not self._room.make():
                    raise
        try:
            # A read-only connection that is closed last: SQLite's last close of a writer would
            # write the log back, which after a failed fsync must not happen (`_discard`).
            self._guard = schema.open_reader(self._path)
            self.head = tables.head_of(connection)
        except sqlite3.Error as error:
            connection.close()
            raise schema.storage_error(self._path, error) from error
        except StorageError:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _reopen(self) -> sqlite3.Connection:
        """Rule 5: what the old log holds is moved into the database before anything is appended."""
        connection = self._connect()
        try:
            anew = self._checkpoint(connection, "TRUNCATE")
        except StorageError:
            self._discard()
            raise
        if not anew:
            self._discard()
            raise StorageError(f"journal {self._path}: its log cannot start anew yet")
        _LOGGER.warning("journal %s: opened anew", self._path)
        return connection

    def _checkpoint(self, connection: sqlite3.Connection, mode: str) -> bool:
        """Copy the log back; False where a reader or a full disk was in the way."""
        try:
            connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT * 1000:.0f}")
            busy = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
        except sqlite3.Error as error:
            if schema.keeps_descriptor(error):
                return False
            raise schema.storage_error(self._path, error) from error
        finally:
            connection.execute(f"PRAGMA busy_timeout = {schema.BUSY_TIMEOUT * 1000:.0f}")
        return not busy

    def _discard(self) -> None:
        """Give up every descriptor without another fsync on any of them."""
        with self._copying:
            for connection in (self._connection, self._guard):
                if connection is not None:
                    connection.close()
            self._connection = self._guard = None

    def _close(self) -> None:
        with self._copying:
            if self._guard is not None:
                self._guard.close()
            if self._connection is not None:
                self._connection.close()  # as the last one, it copies the log back
            self._connection = self._guard = None

    def _copy_back(self) -> None:
        """The checkpoint thread: a connection for each time, so that an error ends with it."""
        reported = False
        while self._copy.wait() and not self._stopping:
            self._copy.clear()
            try:
                with self._copying:
                    if self._connection is not None:
                        self._copy_back_once()
                reported = False
            except StorageError as error:
                _LOGGER.log(logging.DEBUG if reported else logging.WARNING, "checkpoint: %s", error)
                reported = True

    def _copy_back_once(self) -> None:
        connection = schema.open_writer(self._path, self._synchronous)
        try:
            self._checkpoint(connection, "PASSIVE")
            self._log_too_long = Path(f"{self._path}-wal").stat().st_size > _LOG_LIMIT
        finally:
            connection.close()
