"""The index of the recordings: SQLite beside them, made anew from the files' tags when it is lost.

Blocking; used from one thread. Nothing is only here: each file says all of it too.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.voice.recording.facts import Kept, Recording
from gateway.voice.recording.retention import Held

VERSION = 1

_BLOCK = 4096
"""Bytes in which a disk is given out."""

_TABLE = """
CREATE TABLE recording (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, talkgroup TEXT, talker TEXT NOT NULL,
    gateway TEXT NOT NULL, started REAL NOT NULL, ticks INTEGER NOT NULL, length REAL NOT NULL,
    packets INTEGER NOT NULL, lost INTEGER NOT NULL, whole INTEGER NOT NULL, incident TEXT,
    drill INTEGER NOT NULL, file TEXT NOT NULL, bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX by_time ON recording (started);
CREATE INDEX by_talkgroup ON recording (talkgroup, started);
CREATE INDEX by_incident ON recording (incident) WHERE incident IS NOT NULL;
"""

_COLUMNS = (
    "id, kind, talkgroup, talker, gateway, started, ticks, packets, lost, whole, incident, drill,"
    " file, bytes"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for; None matches everything. ``since`` and ``until`` are POSIX seconds.

    ``talker`` is a whole name, its client, or its endpoint; ``id`` may be the beginning of one.
    """

    id: str | None = None
    talkgroup: str | None = None
    talker: str | None = None
    since: float | None = None
    until: float | None = None
    incident: str | None = None
    kind: str | None = None


class Index:
    """The index at ``path``.

    Raises:
        sqlite3.Error: from every method; a file that is none, or of another version, from `open`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open it for writing, or make it."""
        database = sqlite3.connect(self._path, timeout=2, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            # What a power cut takes out of it is read from the files again.
            database.execute("PRAGMA synchronous=NORMAL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                database.executescript(f"BEGIN;{_TABLE}PRAGMA user_version={VERSION};COMMIT;")
            else:
                _need_ours(version)
            database.execute("PRAGMA quick_check(1)").fetchone()
        except BaseException:
            database.close()
            raise
        self._database = database

    def open_to_read(self) -> None:
        """Open it for reading, also beside a gateway that writes it."""
        self._database = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        _need_ours(version)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def put(self, all_kept: Sequence[Kept]) -> None:
        """Add recordings; of one id the newer row holds."""
        with self._writing() as database:
            marks = ", ".join("?" * 15)
            database.executemany(
                f"INSERT OR REPLACE INTO recording ({_COLUMNS}, length) VALUES ({marks})",  # noqa: S608 - names of ours
                [_row(kept) for kept in all_kept],
            )

    def remove(self, ids: Sequence[str]) -> None:
        with self._writing() as database:
            database.executemany("DELETE FROM recording WHERE id = ?", [(one,) for one in ids])

    def find(self, query: Query, *, last: int | None = None) -> list[Kept]:
        """What matches, the oldest first; with ``last``, only so many of the newest."""
        tests, values = _tests(query)
        where = f"WHERE {' AND '.join(tests)}" if tests else ""
        order = "ORDER BY started, id"
        if last is not None:
            order = f"ORDER BY started DESC, id DESC LIMIT {int(last)}"
        rows = self._open.execute(
            f"SELECT {_COLUMNS} FROM recording {where} {order}",  # noqa: S608 - values are bound
            values,
        ).fetchall()
        if last is not None:
            rows.reverse()
        return [_kept(row) for row in rows]

    def files(self) -> dict[str, str]:
        """The id of each file."""
        return dict(self._open.execute("SELECT file, id FROM recording").fetchall())

    def file(self, name: str) -> str | None:
        """The file of one id."""
        row = self._open.execute("SELECT file FROM recording WHERE id = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def held(self, *, most: int = -1) -> list[Held]:
        """What retention has to know of each, in the order in which they go; the first ``most``."""
        return [
            Held(name, ended, on_disk(size), of_incident=incident is not None)
            for name, ended, size, incident in self._open.execute(
                "SELECT id, started + length, bytes, incident FROM recording"
                " ORDER BY incident IS NOT NULL, started + length, id LIMIT ?",
                (most,),
            )
        ]

    def total_bytes(self) -> int:
        """Bytes of all files on the disk."""
        (total,) = self._open.execute(
            f"SELECT coalesce(sum((bytes + {_BLOCK - 1}) / {_BLOCK} * {_BLOCK}), 0) FROM recording"  # noqa: S608
        ).fetchone()
        return int(total)

    @property
    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            raise sqlite3.ProgrammingError("the index is not open")
        return self._database

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._open as database:  # commits, or rolls back
            yield database


def on_disk(size: int) -> int:
    """Bytes that a file of ``size`` takes."""
    return -(-size // _BLOCK) * _BLOCK


def matches(query: Query, recording: Recording) -> bool:
    """Whether a recording is what is looked for; the same as `Index.find` says."""
    client, _, endpoint = recording.talker.partition("/")
    return (
        recording.id.startswith(query.id or "")
        and query.talker in (None, recording.talker, client, endpoint)
        and query.talkgroup in (None, recording.talkgroup)
        and query.incident in (None, recording.incident)
        and query.kind in (None, recording.kind)
        and (query.since is None or recording.ended >= query.since)
        and (query.until is None or recording.started < query.until)
    )


def _need_ours(version: int) -> None:
    if version != VERSION:
        raise sqlite3.DatabaseError(f"an index of version {version}")


def _tests(query: Query) -> tuple[list[str], dict[str, Any]]:
    tests = []
    values: dict[str, Any] = {}
    if query.id is not None:
        tests.append("substr(id, 1, length(:id)) = :id")
    if query.talker is not None:
        tests.append(
            "(talker = :talker OR talker LIKE :client ESCAPE '!' OR talker LIKE :endpoint ESCAPE '!')"
        )
        plain = query.talker.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values |= {"client": f"{plain}/%", "endpoint": f"%/{plain}"}
    same = ("talkgroup", "incident", "kind")
    tests += [f"{name} = :{name}" for name in same if getattr(query, name) is not None]
    if query.since is not None:
        tests.append("started + length >= :since")
    if query.until is not None:
        tests.append("started < :until")
    for name in ("id", "talkgroup", "talker", "since", "until", "incident", "kind"):
        values[name] = getattr(query, name)
    return tests, values


def _row(kept: Kept) -> tuple[Any, ...]:
    one = kept.recording
    return (
        one.id, one.kind, one.talkgroup, one.talker, one.gateway, one.started, one.ticks,
        one.packets, one.lost, one.whole, one.incident, one.drill, kept.file, kept.size, one.length,
    )  # fmt: skip


def _kept(row: tuple[Any, ...]) -> Kept:
    (name, kind, talkgroup, talker, gateway, started, ticks, packets, lost, whole, incident, drill,
     file, size) = row  # fmt: skip
    return Kept(
        Recording(
            id=name,
            kind=kind,
            talkgroup=talkgroup,
            talker=talker,
            gateway=gateway,
            started=started,
            ticks=ticks,
            packets=packets,
            lost=lost,
            whole=bool(whole),
            incident=incident,
            drill=bool(drill),
        ),
        file,
        size,
    )
