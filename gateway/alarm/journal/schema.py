"""The journal's file: how it is opened, and what its errors mean. Blocking; used from threads."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from pathlib import Path

from gateway.alarm.journal import tables
from gateway.errors import JournalUnusable, StorageError

_LOGGER = logging.getLogger(__name__)

APPLICATION_ID = 0x42594A31
"""``BYJ1``: tells a journal from any other SQLite file."""

BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for another process's lock; the desk gives up waiting long before."""


def open_writer(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection that may write, on a journal that exists afterwards, is ours and is of this version.

    An older version's journal becomes today's. The connection may be handed to another thread, and is
    used by one at a time.

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
        return _reader(path, "mode=ro")
    except StorageError:
        # SQLite wants to make two files beside one with a log. Where the disk is full or may not
        # be written, one that was closed in order, without a log, is read as it is.
        if not path.exists() or _exists_with_content(Path(f"{path}-wal")):
            raise
        return _reader(path, "mode=ro&immutable=1")


def _reader(path: Path, options: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?{options}",
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


def _exists_with_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


class Lock:
    """Keeps a second process off the journal; the kernel frees it when this one ends, however."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """Take it, unless it is taken.

        Raises:
            JournalUnusable: another process has it.
            StorageError: its file cannot be made.
        """
        if self._descriptor >= 0:
            return
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise storage_error(path, error) from error
        try:
            # A POSIX lock: unlike flock's it is not inherited by a child forked without exec.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise JournalUnusable(f"journal {path}: another process is using it") from error
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def storage_error(path: Path, error: Exception) -> StorageError:
    """The error that says in words what is wrong with the journal and what helps."""
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    hint = _HINTS.get(name) or _HINTS.get(name.rsplit("_", 1)[0], "")
    kind = JournalUnusable if name == "SQLITE_NOTADB" else StorageError
    return kind(f"journal {path}: {error} ({name}){hint}")


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk has no room."""
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL


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
    # Before anything is written, so that not even a new journal's first rows can be lost.
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    if not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        tables.within(connection, lambda: _create(connection))
    version = _check_identity(connection, path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StorageError(f"journal {path}: its file system cannot hold a write-ahead log")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    if version < tables.VERSION:
        _LOGGER.warning("journal %s: version %d becomes %d", path, version, tables.VERSION)
        wall = time.time()
        tables.within(connection, lambda: tables.migrate(connection, wall))
    tables.follow_rules(connection)


def _create(connection: sqlite3.Connection) -> None:
    tables.create(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _check_identity(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a journal that this program can read."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise JournalUnusable(f"journal {path}: this is no journal of baiying; move it aside")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not tables.OLDEST_READ <= version <= tables.VERSION:
        raise JournalUnusable(
            f"journal {path}: version {version} of the schema; this program knows {tables.VERSION}"
        )
    return version
