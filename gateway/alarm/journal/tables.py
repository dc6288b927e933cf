"""The journal's tables, and how those of an older version become today's. Blocking; used from threads.

``events`` is append-only: triggers refuse UPDATE and REPLACE, a seq that is not the next one, and
DELETE of what is not archived. They guard against mistakes of programs; against somebody who may
write the file there is the hash chain (`gateway.alarm.journal.chain`).

``anchor`` says up to where rows have moved to archives, and the chain's hash there: the rows after
it go on from it without a gap. Of the rows up to it, only those are left that something open still
needs; for each of these, ``kept`` has the hash of the row before it, which went.

``standing`` is derived from ``events`` by triggers in the same transaction (what a restart needs,
without reading years of history), after ``rules`` (which kind stands, and which kind ends which);
it is built anew when they change. ``terms`` holds the highest term of each floor controller.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from gateway.alarm.journal.chain import START, Head, link
from gateway.alarm.journal.rows import ENDS, LASTING, Kind
from gateway.errors import StorageError

VERSION = 2

OLDEST_READ = 1
"""The oldest version whose rows can be read as they are: 2 added the hashes."""

_INSERT = "INSERT INTO events VALUES "
_ROW = "(?, ?, ?, ?, ?, ?)"
_ROWS_AT_ONCE = 1024
"""Rows of the largest statement; SQLite allows 32,766 values in one."""

_EVENTS = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  wall REAL NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  body BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
"""
_INDEXES = """
CREATE INDEX events_by_kind ON events (kind, wall);
CREATE INDEX events_by_key ON events (key);
"""
_STANDING = """
CREATE TABLE rules (kind TEXT PRIMARY KEY, stands TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE standing (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
"""
_TERMS = """
CREATE TABLE terms (talkgroup TEXT PRIMARY KEY, term INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""
_ARCHIVING = """
CREATE TABLE anchor (
  one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash BLOB NOT NULL
) STRICT;
INSERT INTO anchor VALUES (1, 0, zeroblob(32));
CREATE TABLE kept (seq INTEGER PRIMARY KEY, before BLOB NOT NULL) STRICT;
"""
_GUARDS = """
CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events
  BEGIN SELECT raise(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events
  WHEN OLD.seq > (SELECT seq FROM anchor)
  BEGIN SELECT raise(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_refuse_other_seq BEFORE INSERT ON events
  WHEN NEW.seq IS NOT 1 + coalesce((SELECT max(seq) FROM events), 0)
  BEGIN SELECT raise(ABORT, 'events is append-only'); END;
CREATE TRIGGER anchor_refuse_other BEFORE UPDATE ON anchor
  WHEN NEW.seq <= OLD.seq
    OR NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq AND hash = NEW.hash)
  BEGIN SELECT raise(ABORT, 'an anchor is a row of events'); END;
CREATE TRIGGER anchor_refuse_delete BEFORE DELETE ON anchor
  BEGIN SELECT raise(ABORT, 'an anchor stays'); END;
"""
_FOLLOWING = """
CREATE TRIGGER events_stand AFTER INSERT ON events
  WHEN NEW.kind = (SELECT stands FROM rules WHERE kind = NEW.kind)
  BEGIN INSERT OR REPLACE INTO standing VALUES (NEW.kind, NEW.key, NEW.seq); END;
CREATE TRIGGER events_end AFTER INSERT ON events
  WHEN NEW.kind <> (SELECT stands FROM rules WHERE kind = NEW.kind)
  BEGIN DELETE FROM standing
    WHERE kind = (SELECT stands FROM rules WHERE kind = NEW.kind) AND key = NEW.key; END;
"""
_REBUILD = """
DELETE FROM standing;
INSERT INTO standing SELECT kind, key, seq FROM (
  SELECT stands AS kind, key, events.kind AS newest, max(seq) AS seq
    FROM events JOIN rules USING (kind) GROUP BY stands, key
) WHERE kind = newest;
"""


def create(connection: sqlite3.Connection) -> None:
    """The tables of a new file, in one transaction with what the caller adds to it."""
    for script in (_EVENTS, _INDEXES, _STANDING, _FOLLOWING, _TERMS, _ARCHIVING, _GUARDS):
        _run(connection, script)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def create_archive(connection: sqlite3.Connection, start: Head) -> None:
    """The tables of an archive whose rows follow ``start``; `guard` it when they are in."""
    for script in (_EVENTS, _INDEXES, _STANDING, _TERMS, _ARCHIVING):
        _run(connection, script)
    connection.execute("UPDATE anchor SET seq = ?, hash = ?", (start.seq, start.hash))
    connection.execute(f"PRAGMA user_version = {VERSION}")


def guard(connection: sqlite3.Connection) -> None:
    """Refuse from now on what would change rows that are stored."""
    _run(connection, _GUARDS)


def migrate(connection: sqlite3.Connection, wall: float) -> None:
    """Version 1 to 2, within the caller's transaction: the chain is made over the rows as they are.

    A last row says so: the chain proves nothing about what happened to them before ``wall``.
    """
    head = START

    def chain(seq: int, at: float, kind: str, key: str, body: bytes) -> bytes:
        nonlocal head
        head = Head(seq, link(head.hash, seq, at, kind, key, body))
        return head.hash

    connection.create_function("chain", 5, chain)
    connection.execute("ALTER TABLE events RENAME TO events_1")
    connection.execute(_EVENTS)
    connection.execute(
        "INSERT INTO events SELECT *, chain(seq, wall, kind, key, body) FROM events_1 ORDER BY seq"
    )
    connection.execute("DROP TABLE events_1")
    connection.execute("DROP TABLE standing")
    for script in (_INDEXES, _STANDING, _FOLLOWING, _ARCHIVING, _GUARDS):
        _run(connection, script)
    text = f"version 1 became {VERSION}; the hashes of the {head.seq} rows before were made now"
    body = json.dumps({"text": text, "rows": head.seq}).encode()
    values = (head.seq + 1, wall, Kind.NOTE, "journal", body)
    insert(connection, [(*values, link(head.hash, *values))])
    connection.execute(f"PRAGMA user_version = {VERSION}")


def follow_rules(connection: sqlite3.Connection) -> None:
    """Build ``standing`` anew if ``rules`` are not `ENDS` and `LASTING` of this program."""
    rules = {**{kind: kind for kind in (*ENDS.values(), *LASTING)}, **ENDS}
    if dict(connection.execute("SELECT kind, stands FROM rules")) == rules:
        return

    def rebuild() -> None:
        connection.execute("DELETE FROM rules")
        connection.executemany("INSERT INTO rules VALUES (?, ?)", rules.items())
        _run(connection, _REBUILD)

    within(connection, rebuild)


def insert(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    """Append rows of ``events``, which continue its numbers and its chain.

    Few statements for many rows: a thread gives the interpreter's lock away at each, and waits
    for it again behind a loop that is busy.
    """
    done, size = 0, _ROWS_AT_ONCE
    while done < len(rows):
        while size > len(rows) - done:
            size //= 4
        values = [value for row in rows[done : done + size] for value in row]
        connection.execute(_INSERT + ", ".join([_ROW] * size), values)
        done += size


def require_chain(connection: sqlite3.Connection, name: str) -> None:
    """Raises StorageError: the file ``name`` is of a version that has no chain."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version < VERSION:
        raise StorageError(
            f"{name}: version {version} has no chain; a start of its gateway makes it"
        )


def head_of(connection: sqlite3.Connection) -> Head:
    """The newest row's; archiving always leaves it."""
    row = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    return START if row is None else Head(*row)


def head_at(connection: sqlite3.Connection, seq: int) -> Head | None:
    """The head that row ``seq`` is; None where there is no such row."""
    row = connection.execute("SELECT seq, hash FROM events WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else Head(*row)


def anchor_of(connection: sqlite3.Connection) -> Head:
    """What the rows of the file follow: the last one that went to an archive, or `START`."""
    return Head(*connection.execute("SELECT seq, hash FROM anchor").fetchone())


def within(connection: sqlite3.Connection, work: Callable[[], None]) -> None:
    """Do ``work`` in one transaction, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        work()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Several statements; unlike `executescript` it commits nothing."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
