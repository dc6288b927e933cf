"""A journal and its archives, read as the one record that they are. Blocking."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.alarm.journal import reading, schema, tables
from gateway.alarm.journal.chain import Head
from gateway.alarm.journal.rows import Stored
from gateway.alarm.journal.verify import Linked
from gateway.errors import StorageError


@dataclass(frozen=True, slots=True, order=True)
class Archive:
    """One archive, as its name tells."""

    first: int
    last: int
    path: Path


@dataclass(frozen=True, slots=True)
class _Part:
    """One open file: its rows follow ``start`` and end with ``end``."""

    start: Head
    end: Head
    connection: sqlite3.Connection


def archives_in(folder: Path) -> tuple[Archive, ...]:
    """The archives in ``folder``, oldest first; none if there is no such folder."""
    found = []
    for path in folder.glob("journal-*-*.db"):
        first, _, last = path.stem.removeprefix("journal-").partition("-")
        if first.isdecimal() and last.isdecimal():
            found.append(Archive(int(first), int(last), path))
    return tuple(sorted(found))


def scan(path: Path, folder: Path, since: float, until: float) -> Iterator[Stored]:
    """Everything stored in ``since`` <= wall < ``until`` (POSIX seconds), in order, row by row.

    ``folder`` has the archives of the journal at ``path``.

    Raises:
        StorageError: there is no journal, or one of the files cannot be read.
    """
    archived = archives_in(folder)
    reached = 0
    for archive in archived:
        for row in reading.scan(archive.path, since, until):
            if row.seq > reached:
                yield row
        reached = max(reached, archive.last)
    for row in reading.scan(path, since, until):
        # What something open needs is in the journal as well.
        if not any(archive.first <= row.seq <= archive.last for archive in archived):
            yield row


@contextmanager
def linked(
    path: Path, folder: Path, since: float, until: float
) -> Iterator[tuple[Head, Iterator[Linked]]]:
    """The unbroken rows that hold all of ``since`` <= wall < ``until``, behind what they follow.

    Raises:
        StorageError: there is no journal, one of the files cannot be read, or an archive is missing
            between two others.
    """
    with ExitStack() as stack:
        # The journal first: what moves to an archive meanwhile is then in both.
        journal = _part(path, stack)
        parts = [*(_part(one.path, stack) for one in archives_in(folder)), journal]
        found = [seq for part in parts for seq in _span(part, since, until)]
        first = min(found, default=journal.end.seq + 1)
        before = next(head for part in parts if (head := _head(part, first - 1)) is not None)
        yield before, _joined(parts, first, max(found, default=0))


def _part(path: Path, stack: ExitStack) -> _Part:
    connection = stack.enter_context(closing(schema.open_reader(path)))
    try:
        tables.require_chain(connection, str(path))
        connection.execute("BEGIN")
        start = tables.anchor_of(connection)
        return _Part(start, tables.head_of(connection), connection)
    except sqlite3.Error as error:
        raise schema.storage_error(path, error) from error


def _span(part: _Part, since: float, until: float) -> tuple[int, ...]:
    """The first and the last of the rows that were stored in that time, if there are any."""
    row = part.connection.execute(
        "SELECT min(seq), max(seq) FROM events WHERE wall >= ? AND wall < ? AND seq > ?",
        (since, until, part.start.seq),
    ).fetchone()
    return tuple(seq for seq in row if seq is not None)


def _head(part: _Part, seq: int) -> Head | None:
    return part.start if part.start.seq == seq else tables.head_at(part.connection, seq)


def _joined(parts: list[_Part], first: int, last: int) -> Iterator[Linked]:
    reached = first - 1
    for part in parts:
        end = min(part.end.seq, last)
        if part.start.seq > reached and reached < last:
            raise StorageError(f"rows {reached + 1} to {part.start.seq} are in none of the files")
        if end > reached:
            yield from reading.between(part.connection, reached + 1, end)
            reached = end
