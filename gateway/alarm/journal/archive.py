"""Old rows out of the journal into archives, without a break in the chain. Blocking, but for `retire`.

Rules:
  1. A calendar month (UTC) goes as a whole, oldest first, once its last row is old enough. It goes
     into a file of its own, ``journal-FIRST-LAST.db``: the same tables, read-only, complete. A row that
     a wrong clock stamped later than it is now goes with the first row after it that tells its month.
  2. Nothing is removed before the archive is on disk, has its name, and was read back and found
     to continue the chain. An archive that is there already is taken as it is, and checked as well.
  3. Rows that something standing rests on stay in the journal as well: those of open incidents, the
     newest of each key that stands, and signals that came after an accepted row that stands. They go
     when nothing needs them any more.
  4. Rows are removed few at a time by the journal's own writer, each time with the anchor moved: a
     press never waits for more than `_CHUNK_ROWS` of them.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

from gateway.alarm.journal import schema, tables
from gateway.alarm.journal.chain import Head
from gateway.alarm.journal.reading import ask, source
from gateway.alarm.journal.verify import verify
from gateway.alarm.journal.whole import Archive, archives_in
from gateway.alarm.journal.writer import Transaction
from gateway.errors import StorageError

_CHUNK_ROWS = 200
"""Rows removed in one transaction: measured 2 ms of the writer's time."""

_CHUNK_PAUSE = 0.02
"""Seconds between two of them."""

_NEEDED = """
SELECT seq FROM standing UNION
SELECT seq FROM events WHERE key IN (SELECT key FROM standing WHERE kind = 'incident') UNION
SELECT seq FROM events WHERE kind = 'signal'
  AND seq > (SELECT min(seq) FROM standing WHERE kind = 'accepted')
"""
"""What something standing rests on (rule 3); that an accepted signal is decided, its signal row says."""


class Owner(Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    @property
    def path(self) -> Path: ...
    async def transact(self, write: Callable[[Transaction], int], /) -> int: ...


@dataclass(frozen=True, slots=True)
class _Month:
    """Rows that are to go; ``kept`` are those that stay, each with the hash of the row before it."""

    start: Head
    end: Head
    kept: tuple[tuple[int, bytes], ...]
    ends: tuple[int, ...]
    """Where each chunk of the removal ends."""


async def retire(journal: Owner, folder: Path, before: float, now: float) -> tuple[Archive, ...]:
    """Archive what was stored before ``before``, then remove it; the new archives. POSIX seconds.

    Raises:
        StorageError: something could not be read, written or removed; what is left goes next time.
    """
    made = []
    find = partial(_next_month, journal.path, folder, before, now)
    while (month := await asyncio.to_thread(find)) is not None:
        archive = await asyncio.to_thread(_keep, journal.path, folder, month)
        made.append(archive)
        for end in month.ends:
            await journal.transact(partial(_remove, month, end))
            await asyncio.sleep(_CHUNK_PAUSE)
    for chunk in await asyncio.to_thread(ask, journal.path, _unneeded):
        await journal.transact(partial(_release, chunk))
        await asyncio.sleep(_CHUNK_PAUSE)
    return tuple(made)


def _next_month(path: Path, folder: Path, before: float, now: float) -> _Month | None:
    def find(connection: sqlite3.Connection) -> _Month | None:
        connection.execute("BEGIN")  # all of it as it is at one moment
        start = tables.anchor_of(connection)
        covering = [one for one in archives_in(folder) if one.first <= start.seq + 1 <= one.last]
        last = covering[-1].last if covering else _end_of_month(connection, start.seq, before, now)
        end = tables.head_at(connection, last)
        if end is None or end.seq <= start.seq:
            return None
        kept = tuple(
            (seq, (tables.head_at(connection, seq - 1) or start).hash)
            for (seq,) in connection.execute(_NEEDED)
            if start.seq < seq <= end.seq
        )
        ends = (*range(start.seq + _CHUNK_ROWS, end.seq, _CHUNK_ROWS), end.seq)
        return _Month(start, end, kept, ends)

    return ask(path, find)


def _end_of_month(connection: sqlite3.Connection, after: int, before: float, now: float) -> int:
    """The last row of the month of the first row after ``after``, if all of it is old; else 0."""
    first = connection.execute(
        "SELECT wall FROM events WHERE seq > ? AND wall <= ? ORDER BY seq LIMIT 1", (after, now)
    ).fetchone()
    if first is None or (until := _month_after(first[0])) > before:
        return 0
    following = connection.execute(
        "SELECT seq FROM events WHERE seq > ? AND wall >= ? AND wall <= ? ORDER BY seq LIMIT 1",
        (after, until, now),
    ).fetchone()
    # One row always stays: the chain goes on from it.
    newest = tables.head_of(connection).seq
    end = newest if following is None else following[0]
    (last,) = connection.execute(
        "SELECT max(seq) FROM events WHERE seq > ? AND seq < ? AND wall <= ?", (after, end, now)
    ).fetchone()
    return int(last or 0)


def _month_after(wall: float) -> float:
    """The beginning of the month after ``wall``, POSIX seconds."""
    at = datetime.fromtimestamp(wall, UTC)
    return datetime(at.year + at.month // 12, at.month % 12 + 1, 1, tzinfo=UTC).timestamp()


def _keep(path: Path, folder: Path, month: _Month) -> Archive:
    """The month's archive on disk, made or found, and checked."""
    name = f"journal-{month.start.seq + 1:012}-{month.end.seq:012}.db"
    for archive in archives_in(folder):
        if archive.first <= month.start.seq + 1 and archive.last == month.end.seq:
            _check(archive.path, month)
            return archive
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = folder / f"{name}.new"
        fresh.unlink(missing_ok=True)
        _copy(path, fresh, month)
        _check(fresh, month)
        fresh.chmod(0o400)
        _sync(fresh)
        fresh.rename(folder / name)
        _sync(folder)
        _sync(folder.parent)
    except (OSError, sqlite3.Error) as error:
        raise schema.storage_error(folder / name, error) from error
    return Archive(month.start.seq + 1, month.end.seq, folder / name)


def _copy(path: Path, to: Path, month: _Month) -> None:
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(to, isolation_level=None, uri=True)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("ATTACH ? AS live", (f"{path.absolute().as_uri()}?mode=ro",))
        connection.execute("BEGIN IMMEDIATE")
        tables.create_archive(connection, month.start)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(
            "INSERT INTO main.events SELECT * FROM live.events WHERE seq > ? AND seq <= ?",
            (month.start.seq, month.end.seq),
        )
        tables.guard(connection)
        connection.execute("COMMIT")


def _check(path: Path, month: _Month) -> None:
    """Rule 2.

    Raises:
        StorageError: the archive is not what the journal goes on from.
    """
    with closing(schema.open_reader(path)) as connection:
        ends = [("the journal", head) for head in (month.start, month.end)]
        verdict = verify([source(connection, path.name)], ends)
    if verdict.problem is not None or verdict.last != month.end:
        what = verdict.problem or f"it ends with row {verdict.last.seq}, not {month.end.seq}"
        raise StorageError(f"archive {path}: {what}; nothing was removed from the journal")


def _remove(month: _Month, end: int, transaction: Transaction) -> int:
    """Rule 4: the rows of one chunk, in the writer's thread."""
    connection = transaction.connection
    start = tables.anchor_of(connection).seq
    kept = [one for one in month.kept if start < one[0] <= end]
    connection.executemany("INSERT INTO kept VALUES (?, ?)", kept)
    connection.execute(
        "UPDATE anchor SET (seq, hash) = (SELECT seq, hash FROM events WHERE seq = ?)", (end,)
    )
    connection.execute(
        "DELETE FROM events WHERE seq > ? AND seq <= ? AND seq NOT IN (SELECT seq FROM kept)",
        (start, end),
    )
    return end


def _unneeded(connection: sqlite3.Connection) -> list[list[tuple[int]]]:
    """Kept rows that nothing needs any more, in chunks."""
    needed = set(connection.execute(_NEEDED))
    rows = [row for row in connection.execute("SELECT seq FROM kept") if row not in needed]
    return [rows[at : at + _CHUNK_ROWS] for at in range(0, len(rows), _CHUNK_ROWS)]


def _release(rows: list[tuple[int]], transaction: Transaction) -> int:
    transaction.connection.executemany("DELETE FROM events WHERE seq = ?", rows)
    transaction.connection.executemany("DELETE FROM kept WHERE seq = ?", rows)
    return len(rows)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
