from __future__ import annotations

import asyncio
import itertools
import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.alarm.journal import journal as journal_module
from gateway.alarm.journal.journal import Journal, Kind, Row, scan
from gateway.alarm.journal.rows import ENDS
from gateway.errors import StorageError
from tests.disk import FaultyDisk

ROOT = Path(__file__).parents[3]
CHILD = Path(__file__).with_name("journal_child.py")


class Wall:
    """A wall clock that is set."""

    def __init__(self, at: float = 1_000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


class Child:
    """A journal in a process of its own, which may be killed or given a bad disk."""

    def __init__(self, path: Path, *arguments: str, environment: dict[str, str] | None = None):
        self.process = subprocess.Popen(
            [sys.executable, CHILD, path, *arguments],
            cwd=ROOT,
            env={**(environment or os.environ), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.greeting = self._line()

    def ask(self, command: str) -> str:
        self.tell(command)
        return self._line()

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def start() -> Iterator[type[Child]]:
    children: list[Child] = []

    class Kept(Child):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[arg-type]
            children.append(self)

    yield Kept
    for child in children:
        child.kill()


@pytest.fixture
def disk(tmp_path: Path, path: Path) -> FaultyDisk:
    path.parent.mkdir()
    return FaultyDisk(tmp_path, path.parent)


# What is stored, and how it is read


async def test_rows_are_read_back_as_they_were_stored(path: Path):
    wall = Wall(5.5)
    async with Journal(path, wall=wall) as journal:
        assert await journal.append([Row("note", "a", b"\0\xff"), Row("x", "键", b"")]) == 2
        wall.at = 7.0
        assert await journal.append([Row("note", "c", b"3")]) == 3
        rows = await journal.events(0, math.inf)
    assert [(row.seq, row.wall, row.kind, row.key, row.body) for row in rows] == [
        (1, 5.5, "note", "a", b"\0\xff"),
        (2, 5.5, "x", "键", b""),
        (3, 7.0, "note", "c", b"3"),
    ]
    assert [row.key for row in scan(path, 5.5, 7.0)] == ["a", "键"]


async def test_a_journal_goes_on_counting_where_an_earlier_run_ended(path: Path):
    for expected in (1, 2, 3):
        async with Journal(path) as journal:
            assert await journal.last_seq() == expected - 1
            assert await journal.append([Row("note", "k", b"")]) == expected


async def test_units_are_stored_in_the_order_of_the_calls(path: Path):
    async with Journal(path) as journal:
        done: list[int] = []

        async def store(number: int) -> None:
            await journal.append([Row("note", str(number), b"")])
            done.append(number)

        await asyncio.gather(*(store(number) for number in range(500)))
        rows = await journal.events(0, math.inf)
    assert done == list(range(500))
    assert [row.key for row in rows] == [str(number) for number in range(500)]


async def test_a_unit_that_is_no_row_is_refused_whole_and_alone(path: Path):
    async with Journal(path) as journal:
        units = [
            journal.append([Row("note", "before", b"")]),
            journal.append([Row("note", "half", b""), Row("note", "\ud800", b"")]),
            journal.append([Row("note", "after", b"")]),
        ]
        results = await asyncio.gather(*units, return_exceptions=True)
        rows = await journal.events(0, math.inf)
    assert isinstance(results[1], StorageError)
    assert [row.key for row in rows] == ["before", "after"]


async def test_an_open_incident_is_its_newest_snapshot_until_it_is_closed(path: Path):
    async with Journal(path, wall=Wall(50.0)) as journal:
        await journal.append([Row(Kind.INCIDENT, "one", b"1"), Row(Kind.INCIDENT, "two", b"1")])
        await journal.append([Row(Kind.INCIDENT, "one", b"2")])
        await journal.append([Row(Kind.CLOSED, "two", b"end")])
    async with Journal(path) as journal:
        assert [(row.key, row.body) for row in await journal.open_incidents()] == [("one", b"2")]
        assert [row.body for row in await journal.closed_incidents(50.0)] == [b"end"]
        assert await journal.closed_incidents(50.1) == ()


async def test_a_signal_stands_until_it_is_published(path: Path):
    async with Journal(path) as journal:
        await journal.append([Row(Kind.SIGNAL, "a", b"A")])
        await journal.append([Row(Kind.SIGNAL, "b", b"B")])
        journal.append_soon([Row(Kind.PUBLISHED, "a", b"")])
    async with Journal(path) as journal:
        assert [row.key for row in await journal.unpublished_signals()] == ["b"]


async def test_pages_are_known_since_a_time(path: Path):
    wall = Wall(10.0)
    async with Journal(path, wall=wall) as journal:
        await journal.append([Row(Kind.PAGE_SEEN, "old", b"")])
        wall.at = 20.0
        await journal.append([Row(Kind.PAGE_SEEN, "new", b""), Row("note", "other", b"")])
        assert [row.key for row in await journal.known_pages(10.1)] == ["new"]
        assert [row.key for row in await journal.known_pages(10.0)] == ["old", "new"]


async def test_a_floor_term_never_goes_back(path: Path):
    async with Journal(path) as journal:
        for term in (4, 7, 5):
            await journal.store_term("police", term)
        await journal.store_term("street", 1)
    async with Journal(path) as journal:
        assert await journal.terms() == {"police": 7, "street": 1}


async def test_the_newest_test_of_an_endpoint_stands_for_good(path: Path):
    async with Journal(path) as journal:
        for body in (b"1", b"2"):
            await journal.append([Row(Kind.TESTED, "gate", body), Row(Kind.LINK, "broker", body)])
        assert [row.body for row in await journal.standing(Kind.TESTED)] == [b"2"]
        assert [row.body for row in await journal.standing(Kind.LINK)] == [b"2"]


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([*ENDS, *ENDS.values()]), st.sampled_from("ab")), max_size=40
    )
)
def test_what_stands_is_what_the_events_say(steps, tmp_path_factory):
    """The derived table, as it grew and as it is built anew, against a fold over the events."""

    async def run() -> None:
        path = tmp_path_factory.mktemp("journal") / "journal.db"
        standing: dict[Kind, dict[str, int]] = {kind: {} for kind in ENDS.values()}
        async with Journal(path) as journal:
            for number, (kind, key) in enumerate(steps, start=1):
                await journal.append([Row(kind, key, b"")])
                if kind in ENDS:
                    standing[ENDS[kind]].pop(key, None)
                else:
                    standing[kind][key] = number
            grown = {kind: await journal.standing(kind) for kind in standing}
        connection = sqlite3.connect(path)
        connection.execute("DELETE FROM rules")
        connection.commit()
        connection.close()
        async with Journal(path) as journal:
            anew = {kind: await journal.standing(kind) for kind in standing}
        expected = {kind: sorted(rows.values()) for kind, rows in standing.items()}
        assert {kind: [row.seq for row in rows] for kind, rows in grown.items()} == expected
        assert anew == grown

    asyncio.run(run())


# What cannot be done


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = x'00'",
        "DELETE FROM events",
        "INSERT OR REPLACE INTO events VALUES (1, 0, 'note', 'forged', x'', x'')",
        "REPLACE INTO events SELECT 1, 0, 'note', 'forged', x'', x''",
        "INSERT INTO events VALUES (NULL, 0, 'note', 'forged', x'', x'')",
        "INSERT INTO events VALUES (3, 0, 'note', 'a gap', x'', x'')",
        "UPDATE anchor SET seq = 1, hash = x'00'",
        "DELETE FROM anchor",
    ],
)
async def test_a_stored_row_cannot_be_changed_or_removed(path: Path, statement: str):
    async with Journal(path) as journal:
        await journal.append([Row("note", "k", b"kept")])
    connection = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match=r"append-only|an anchor"):
        connection.execute(statement)
    connection.close()
    assert [row.body for row in scan(path, 0, math.inf)] == [b"kept"]


async def test_a_journal_is_for_its_owner_only(path: Path):
    async with Journal(path) as journal:
        await journal.append([Row("note", "k", b"")])
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes


async def test_what_is_not_open_stores_nothing(path: Path):
    journal = Journal(path)
    with pytest.raises(StorageError, match="not open"):
        await journal.append([Row("note", "k", b"")])
    async with journal:
        await journal.append([Row("note", "k", b"")])
    with pytest.raises(StorageError, match="not open"):
        await journal.append([Row("note", "k", b"")])
    await journal.close()


async def test_no_thread_and_no_log_is_left_after_close(path: Path):
    async with Journal(path) as journal:
        await journal.append([Row("note", "k", b"")])
        assert {"journal.writer", "journal.checkpoint"} <= {t.name for t in threading.enumerate()}
    for thread in threading.enumerate():
        if thread.name == "journal.checkpoint":
            thread.join(1.0)
    assert not [t for t in threading.enumerate() if t.name.startswith("journal.")]
    assert sorted(file.name for file in path.parent.iterdir()) == ["journal.db", "journal.db.lock"]


async def test_a_second_process_is_refused_until_the_first_ends(path: Path, start):
    first = start(path)
    assert start(path).greeting.endswith("another process is using it")
    first.kill()
    assert start(path).greeting == "open"


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_file_is_refused_in_words_and_left_alone(path: Path, content: bytes):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StorageError, match="move it"):
        await Journal(path).open()
    assert path.read_bytes() == content


async def test_another_programs_database_is_refused(path: Path):
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE contacts (name)")
    connection.close()
    with pytest.raises(StorageError, match="no journal of baiying"):
        await Journal(path).open()


async def test_a_newer_versions_journal_is_refused(path: Path):
    async with Journal(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(StorageError, match="version 3"):
        await Journal(path).open()
    with pytest.raises(StorageError, match="version 3"):
        list(scan(path, 0, 1))


async def test_a_journal_that_is_not_there_is_not_made_by_reading(path: Path):
    with pytest.raises(StorageError, match="folder exists"):
        list(scan(path, 0, 1))
    assert not path.exists()


async def test_a_damaged_page_found_while_reading_is_an_error_in_words(path: Path):
    async with Journal(path) as journal:
        await journal.append([Row(Kind.INCIDENT, str(n), b"x" * 3000) for n in range(200)])
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xaa" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StorageError, match="damaged"):
        list(scan(path, 0, math.inf))


async def test_a_damaged_journal_is_a_fault_until_it_is_moved_aside(path: Path, monkeypatch):
    monkeypatch.setattr(journal_module, "PROBE_PAUSE", 0.02)
    async with Journal(path) as journal:
        await journal.append([Row(Kind.INCIDENT, str(n), b"x" * 3000) for n in range(200)])
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xaa" * (len(data) - 8192)
    path.write_bytes(data)
    async with Journal(path) as journal:
        with pytest.raises(StorageError, match="damaged: move it"):
            await journal.append([Row("note", "lost", b"")])
        path.rename(path.with_suffix(".damaged"))
        while journal.fault is not None:
            await asyncio.sleep(0.01)
        await journal.append([Row("note", "after", b"")])
        assert [row.key for row in await journal.events(0, math.inf)] == ["journal", "after"]


# Waiting


async def test_a_caller_that_stops_waiting_does_not_stop_the_write(path: Path):
    """In this process nothing can slow the disk, so the writer is held by another's lock."""
    async with Journal(path) as journal:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await journal.append([Row("note", "late", b"")])
        following = journal.append([Row("note", "next", b"")])
        blocker.execute("ROLLBACK")
        blocker.close()
        assert await following == 2
        assert [row.key for row in await journal.events(0, math.inf)] == ["late", "next"]


async def test_past_the_bound_of_the_queue_a_unit_fails_at_once(path: Path, monkeypatch):
    monkeypatch.setattr(journal_module, "MAX_QUEUED_BYTES", 1000)
    async with Journal(path) as journal:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        first = journal.append([Row("note", "a", bytes(900))])
        with pytest.raises(StorageError, match="does not keep up"):
            await journal.append([Row("note", "b", bytes(900))])
        assert journal.fault is not None
        blocker.execute("ROLLBACK")
        blocker.close()
        await first
        assert journal.fault is None


async def test_a_reader_holds_no_writer_up(path: Path):
    async with Journal(path) as journal:
        await journal.append([Row("note", str(n), b"") for n in range(100)])
        reading = scan(path, 0, math.inf)
        next(reading)
        async with asyncio.timeout(1.0):
            await journal.append([Row("note", "while reading", b"")])
        assert len(list(reading)) == 99  # as it was when the reading began
        await journal.append([Row("note", "after", b"")])


async def test_the_log_is_copied_back_while_rows_come(path: Path, monkeypatch):
    monkeypatch.setattr("gateway.alarm.journal.writer._CHECKPOINT_BYTES", 100_000)
    monkeypatch.setattr("gateway.alarm.journal.writer._LOG_LIMIT", 400_000)
    log = Path(f"{path}-wal")
    async with Journal(path) as journal:
        largest = 0
        for number in range(300):
            await journal.append([Row("note", str(number), bytes(10_000))])
            largest = max(largest, log.stat().st_size)
        assert await journal.last_seq() == 300
    assert largest < 3_000_000, "the log holds what was copied long ago"


# A bad disk


@pytest.mark.system
def test_kill_9_loses_nothing_that_was_stored(path: Path, start):
    stored = []
    keys = map(str, itertools.count())
    for _ in range(5):
        child = start(path)
        for _ in range(20):
            key = next(keys)
            assert child.ask(f"append {key} 2000").startswith("stored")
            stored.append(key)
        child.tell(f"append {next(keys)} 2000")  # at work when it is killed
        child.kill()
    found = start(path).ask("keys").split()
    assert [key for key in found if key in stored] == stored


@pytest.mark.system
def test_a_failed_sync_is_said_and_its_descriptor_never_used_again(path: Path, disk, start):
    disk.log_syncs()
    child = start(path, environment=disk.environment)
    assert child.ask("append before 10") == "stored 1"
    disk.fail_syncs()
    for _ in range(3):
        answer = child.ask("append lost 10")
        assert answer.startswith("error"), answer
        assert "the disk fails" in answer
    assert "the disk fails" in child.ask("fault")
    disk.mend()
    assert child.ask("append after 10").startswith("stored")
    assert child.ask("fault") == "None"
    assert child.ask("append later 10").startswith("stored")
    found = child.ask("keys").split()
    # Between the two, the note of how long it failed.
    assert (found[0], found[-3:]) == ("before", ["after", "journal", "later"])
    assert child.ask("close") == "closed"
    assert any(line.endswith("EIO") for line in disk.log)
    assert not [line for line in disk.log if line.startswith("reused")]


@pytest.mark.system
def test_after_a_failed_sync_a_power_cut_takes_nothing_stored_later(
    path: Path, disk, start, tmp_path: Path
):
    """The frames whose sync failed are not on disk; nothing stored later may stand on them."""
    child = start(path, environment=disk.environment)
    disk.keep_synced_copies()
    assert child.ask("append before 10") == "stored 1"
    disk.fail_syncs()
    assert child.ask("append lost 10").startswith("error")
    disk.mend()
    assert child.ask("append after 10").startswith("stored")
    child.kill()
    disk.power_cut(tmp_path / "after")
    found = start(tmp_path / "after" / path.name).ask("keys").split()
    assert {"before", "after"} <= set(found)


@pytest.mark.system
def test_a_full_disk_is_said_and_the_first_row_after_it_is_stored(path: Path, disk, start):
    child = start(path, environment=disk.environment)
    assert child.ask("append before 10") == "stored 1"
    disk.fill_up()
    for _ in range(3):
        assert "the disk is full" in child.ask("append lost 10000")
    disk.mend()
    assert child.ask("append after 10") == "stored 2"
    assert child.ask("append later 10") == "stored 4"
    assert child.ask("keys") == "before after journal later"


@pytest.mark.system
def test_a_journal_opens_on_a_full_disk(path: Path, disk, start):
    """A gateway that starts then must start: its alarms still go out, marked not stored."""
    child = start(path, environment=disk.environment)
    child.ask("append before 10")
    child.kill()
    disk.fill_up()
    child = start(path, environment=disk.environment)
    assert child.greeting == "open"
    assert child.ask("append lost 10").startswith("error")
    assert child.ask("keys") == "before"
    disk.mend()
    assert child.ask("append after 10") == "stored 2"


@pytest.mark.system
def test_closing_does_not_wait_for_a_dead_disk(path: Path, disk, start):
    child = start(path, environment=disk.environment)
    disk.slow_down(60_000)
    assert child.ask("soon never 10") == "soon"
    begin = time.monotonic()
    assert child.ask("close") == "closed"
    assert time.monotonic() - begin < 2.0
    child.process.communicate()
    disk.mend()
    assert start(path, environment=disk.environment).greeting == "open"
