"""The chain over the rows, and how a journal without one gets it."""

from __future__ import annotations

import asyncio
import hashlib
import math
import sqlite3
from pathlib import Path

import pytest

from gateway.alarm.journal.chain import GENESIS, START, Head, link
from gateway.alarm.journal.journal import Journal, Kind, Row, scan
from gateway.errors import StorageError

VERSION_1 = """
CREATE TABLE events (
  seq INTEGER PRIMARY KEY, wall REAL NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX events_by_kind ON events (kind, wall);
CREATE INDEX events_by_key ON events (key);
CREATE TABLE standing (
  kind TEXT NOT NULL, key TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, key)
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
PRAGMA application_id = 1113147953;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
"""The journal as the releases up to 0.1 made it (without the incidents' two triggers)."""


def hashes(path: Path) -> list[bytes]:
    connection = sqlite3.connect(path)
    found = [row[0] for row in connection.execute("SELECT hash FROM events ORDER BY seq")]
    connection.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def old(path: Path) -> Path:
    """A journal of version 1: a published signal, an open incident and one that nobody published."""
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    rows = [
        (1.5, "signal", "a", b"A"),
        (2.0, "incident", "one", b"1"),
        (2.5, "published", "a", b""),
        (3.0, "signal", "b", b"\0B"),
    ]
    connection.executemany("INSERT INTO events (wall, kind, key, body) VALUES (?, ?, ?, ?)", rows)
    connection.execute("INSERT INTO terms VALUES ('police', 7)")
    connection.commit()
    connection.close()
    return path


def test_a_link_is_sha_256_over_the_link_before_and_the_row():
    """Golden: the bytes as the rules and docs/operator.md say, put together by hand."""
    row = bytes.fromhex(
        "0000000000000001"  # seq 1
        "3ff8000000000000"  # wall 1.5
        "00000004" "00000003"  # lengths of kind and key
    ) + b"note" + "键".encode() + b"\0body"  # fmt: skip
    assert (
        link(GENESIS, 1, 1.5, "note", "键", b"\0body") == hashlib.sha256(bytes(32) + row).digest()
    )


@pytest.mark.parametrize(
    "other",
    [
        (b"\1" * 32, 1, 1.5, "note", "key", b"body"),
        (GENESIS, 2, 1.5, "note", "key", b"body"),
        (GENESIS, 1, 1.25, "note", "key", b"body"),
        (GENESIS, 1, 1.5, "not", "ekey", b"body"),
        (GENESIS, 1, 1.5, "note", "keyb", b"ody"),
        (GENESIS, 1, 1.5, "note", "key", b"Body"),
        (GENESIS, 1, 1.5, "note", "key", b""),
    ],
)
def test_no_other_row_has_the_same_link(other):
    assert link(*other) != link(GENESIS, 1, 1.5, "note", "key", b"body")


async def test_the_chain_goes_on_from_run_to_run(path: Path):
    wall = iter([1.0, 2, 3.0]).__next__
    assert Journal(path).head == START
    for number in range(3):
        async with Journal(path, wall=wall) as journal:
            await journal.append([Row("note", str(number), b"x"), Row("note", "", b"")])
    before = GENESIS
    for row, found in zip(scan(path, 0, math.inf), hashes(path), strict=True):
        before = link(before, row.seq, row.wall, row.kind, row.key, row.body)
        assert found == before
    assert journal.head == Head(6, before)
    async with Journal(path) as journal:
        assert journal.head == Head(6, before)


async def test_a_unit_that_was_refused_leaves_no_gap_in_the_chain(path: Path):
    async with Journal(path) as journal:
        units = [
            journal.append([Row("note", "a", b"")]),
            journal.append([Row("note", "b", b""), Row("note", "\ud800", b"")]),
            journal.append([Row("note", "c", b"")]),
        ]
        results = await asyncio.gather(*units, return_exceptions=True)
    assert isinstance(results[1], StorageError)
    found = hashes(path)
    rows = list(scan(path, 0, math.inf))
    first = link(GENESIS, 1, rows[0].wall, "note", "a", b"")
    assert found == [first, link(first, 2, rows[1].wall, "note", "c", b"")]


async def test_a_journal_of_version_1_gets_its_chain_and_a_note(old: Path):
    before = list(scan(old, 0, math.inf))
    async with Journal(old) as journal:
        assert await journal.terms() == {"police": 7}
        assert [row.key for row in await journal.standing(Kind.SIGNAL)] == ["b"]
        assert [row.key for row in await journal.standing(Kind.INCIDENT)] == ["one"]
        head = journal.head
    *rows, note = scan(old, 0, math.inf)
    assert rows == before
    assert (note.seq, note.kind, note.key) == (5, "note", "journal")
    assert b"version 1 became 2" in note.body
    last = GENESIS
    for row in (*rows, note):
        last = link(last, row.seq, row.wall, row.kind, row.key, row.body)
    assert hashes(old)[-1] == last == head.hash
    async with Journal(old) as journal:
        assert await journal.last_seq() == 5, "it must not become a new version twice"
        assert await journal.append([Row(Kind.PUBLISHED, "b", b"")]) == 6
        assert await journal.standing(Kind.SIGNAL) == ()


async def test_a_journal_of_version_1_that_cannot_become_version_2_stays_as_it_is(
    old: Path, monkeypatch
):
    monkeypatch.setattr("gateway.alarm.journal.tables._GUARDS", "CREATE TABLE terms (talkgroup);\n")
    before = list(scan(old, 0, math.inf))
    async with Journal(old) as journal:
        assert "terms already exists" in str(journal.fault)
        with pytest.raises(StorageError, match="terms already exists"):
            await journal.append([Row("note", "", b"")])
        assert await journal.standing(Kind.SIGNAL) == tuple(before[:1] + before[3:])[1:]
    assert list(scan(old, 0, math.inf)) == before
    connection = sqlite3.connect(old)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()
