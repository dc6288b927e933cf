"""The journal's file: its tables, how it is opened, and what its errors mean. Blocking; used from threads.

``events`` is append-only: triggers refuse UPDATE, DELETE and REPLACE. They guard against mistakes of
programs, not against somebody who may write the file. ``standing`` is derived from it by triggers
in the same transaction (what a restart needs, without reading years of history) and can be built
anew from ``events`` at any time. ``terms`` holds the highest term of each floor controller.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from gateway.errors import StorageError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x42594A31
"""``BYJ1``: tells a journal from any other SQLite file."""

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another process's lock; the desk gives up waiting long before."""

_TABLES = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  wall REAL NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_kind ON events (kind, wall);
CREATE INDEX events_by_key ON events (key);
CREATE TABLE standing (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE terms (talkgroup TEXT PRIMARY KEY, term INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events
  BEGIN SELECT raise(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events
  BEGIN SELECT raise(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_refuse_replace BEFORE INSERT ON events
  WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
  BEGIN SELECT raise(ABORT, 'events is append-only'); END;

CREATE TRIGGER signal_stands AFTER INSERT ON events WHEN NEW.kind = 'signal'
  BEGIN INSERT OR REPLACE INTO standing VALUES ('signal', NEW.key, NEW.seq); END;
CREATE TRIGGER signal_published AFTER INSERT ON events WHEN NEW.kind = 'published'
  BEGIN DELETE FROM standing WHERE kind = 'signal' AND key = NEW.key; END;
CREATE TRIGGER incident_stands AFTER INSERT ON events WHEN NEW.kind = 'incident'
  BEGIN INSERT OR REPLACE INTO standing VALUES ('incident', NEW.key, NEW.seq); END;
CREATE TRIGGER incident_closed AFTER INSERT ON events WHEN NEW.kind = 'incident-closed'
  BEGIN DELETE FROM standing WHERE kind = 'incident' AND key = NEW.key; END;
"""


def open_writer(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection that may write, on a journal that exists afterwards, is ours and is of this version.

    It may be handed to another thread, and is used by one at a time.

    Raises:
        StorageError: it cannot be opened, or is no journal that this version may write.
    """
    try:
        _create_private(path)
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise storage_error(path, error) from error
    try:
        _prepare(connection, path, synchronous)
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(path, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, not even by the checkpoint that a last writer's close makes.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.Error as error:
        raise storage_error(path, error) from error
    try:
        _check_identity(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(path, error) from error
    except StorageError:
        connection.close()
        raise
    return connection


def storage_error(path: Path, error: Exception) -> StorageError:
    """The error that says in words what is wrong with the journal and what helps."""
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    hint = _HINTS.get(name) or _HINTS.get(name.rsplit("_", 1)[0], "")
    return StorageError(f"journal {path}: {error} ({name}){hint}")


def keeps_descriptor(error: sqlite3.Error) -> bool:
    """Whether the connection may go on being used: nothing was said about data already written.

    After a failed fsync the kernel may have dropped the pages and forgotten the error; a second
    fsync on that descriptor would report success for data that is not there.
    """
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)


_HINTS = {
    "SQLITE_FULL": "; the disk is full: make room, nothing is stored until then",
    "SQLITE_IOERR": "; the disk fails: check it, nothing is stored until then",
    "SQLITE_CORRUPT": "; the file is damaged: move it and its -wal aside and keep them for the report",
    "SQLITE_NOTADB": "; the file is damaged or something else: move it aside",
    "SQLITE_CANTOPEN": "; check that the folder exists and may be written",
    "SQLITE_READONLY": "; check the file's owner and the mount",
    "SQLITE_BUSY": "; another program holds it",
}


def _create_private(path: Path) -> None:
    """Make the file, readable by its owner only, in a folder whose own entry is on disk."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _prepare(connection: sqlite3.Connection, path: Path, synchronous: str) -> None:
    if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES}"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};"
            "COMMIT;"
        )
    _check_identity(connection, path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StorageError(f"journal {path}: its file system cannot hold a write-ahead log")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")


def _check_identity(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StorageError(f"journal {path}: this is no journal of baiying; move it aside")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StorageError(
            f"journal {path}: version {version} of the schema; this program knows {SCHEMA_VERSION}"
        )
