"""Reading a journal's file, whether its gateway runs or not. Blocking."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from gateway.alarm.journal import schema, tables
from gateway.alarm.journal.rows import Kind, Stored
from gateway.alarm.journal.verify import Linked, Source

_ROW = "SELECT seq, wall, events.kind, events.key, body FROM events"
_BETWEEN = f"{_ROW} WHERE wall >= ? AND wall < ? ORDER BY seq"
_OF_KIND = f"{_ROW} WHERE kind = ? AND wall >= ? ORDER BY seq"
_STANDING = f"{_ROW} JOIN standing USING (seq) WHERE standing.kind = ? ORDER BY seq"

_NEWEST = f"{_ROW} ORDER BY seq DESC LIMIT ?"
_AFTER = f"{_ROW} WHERE seq > ? ORDER BY seq"
_LINKED = "seq, wall, kind, key, body, hash FROM events"

_KEYS_AT_ONCE = 500
"""Keys asked for in one statement; some builds of SQLite take 999 values."""

_T = TypeVar("_T")


def scan(path: Path, since: float, until: float) -> Iterator[Stored]:
    """Everything stored in ``since`` <= wall < ``until`` (POSIX seconds), in order, row by row.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    with closing(schema.open_reader(path)) as connection:
        try:
            for row in connection.execute(_BETWEEN, (since, until)):
                yield Stored(*row)
        except sqlite3.Error as error:
            raise schema.storage_error(path, error) from error


def ask(path: Path, query: Callable[[sqlite3.Connection], _T]) -> _T:
    """What ``query`` finds.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    with closing(schema.open_reader(path)) as connection:
        try:
            return query(connection)
        except sqlite3.Error as error:
            raise schema.storage_error(path, error) from error


def newest(path: Path, count: int) -> tuple[Stored, ...]:
    """The last ``count`` rows, oldest first.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    rows = ask(path, lambda connection: connection.execute(_NEWEST, (count,)).fetchall())
    return tuple(Stored(*row) for row in reversed(rows))


def after(path: Path, seq: int) -> tuple[Stored, ...]:
    """The rows after ``seq``, oldest first.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    rows = ask(path, lambda connection: connection.execute(_AFTER, (seq,)).fetchall())
    return tuple(Stored(*row) for row in rows)


def standing(connection: sqlite3.Connection, kind: Kind) -> tuple[Stored, ...]:
    """The newest row of each key of ``kind`` that no row of its ending kind followed, oldest first."""
    return tuple(Stored(*row) for row in connection.execute(_STANDING, (kind,)))


def of_kind(connection: sqlite3.Connection, kind: Kind, since: float) -> tuple[Stored, ...]:
    """Rows of ``kind`` stored since ``since`` (POSIX seconds), oldest first."""
    return tuple(Stored(*row) for row in connection.execute(_OF_KIND, (kind, since)))


def signals_among(connection: sqlite3.Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those of ``ids`` that a signal row has for its key."""
    found: set[str] = set()
    for at in range(0, len(ids), _KEYS_AT_ONCE):
        some = ids[at : at + _KEYS_AT_ONCE]
        marks = ", ".join("?" * len(some))
        query = f"SELECT key FROM events WHERE kind = ? AND key IN ({marks})"  # noqa: S608 - marks
        found.update(key for (key,) in connection.execute(query, (Kind.SIGNAL, *some)))
    return frozenset(found)


def terms(connection: sqlite3.Connection) -> dict[str, int]:
    """The highest stored floor term of each talkgroup."""
    return dict(connection.execute("SELECT talkgroup, term FROM terms"))


def source(connection: sqlite3.Connection, name: str) -> Source:
    """A journal or an archive for `gateway.alarm.journal.verify`, as it is at this moment.

    Raises:
        StorageError: it is of a version that has no chain.
    """
    tables.require_chain(connection, name)
    connection.execute("BEGIN")
    start = tables.anchor_of(connection)
    kept = connection.execute(f"SELECT before, {_LINKED} JOIN kept USING (seq) ORDER BY seq")
    rows = connection.execute(f"SELECT {_LINKED} WHERE seq > ? ORDER BY seq", (start.seq,))
    return Source(name, start, rows, tuple((row[0], row[1:]) for row in kept))


def between(connection: sqlite3.Connection, first: int, last: int) -> Iterator[Linked]:
    """The rows from ``first`` to ``last``, with their hashes."""
    yield from connection.execute(
        f"SELECT {_LINKED} WHERE seq >= ? AND seq <= ? ORDER BY seq", (first, last)
    )


def last_seq(connection: sqlite3.Connection) -> int:
    """The newest row's seq; 0 in an empty journal."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
