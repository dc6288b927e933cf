"""Old rows move out, and the chain over what is left, what went and what was exported stays one."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.alarm.journal import archive as journal_archive
from gateway.alarm.journal import schema
from gateway.alarm.journal import whole as journal_whole
from gateway.alarm.journal.archive import retire as retire_at
from gateway.alarm.journal.chain import Head
from gateway.alarm.journal.journal import Journal, Kind, Row
from gateway.alarm.journal.reading import scan, source
from gateway.alarm.journal.verify import Verdict, verify
from gateway.alarm.journal.whole import archives_in
from gateway.errors import StorageError
from tests.alarm.journal.test_journal import Wall


def at(year: int, month: int, day: int = 15) -> float:
    return datetime(year, month, day, tzinfo=UTC).timestamp()


async def retire(journal: Journal, folder: Path, before: float, now: float = at(2030, 1)):
    return await retire_at(journal, folder, before, now)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_archive, "_CHUNK_ROWS", 3)
    monkeypatch.setattr(journal_archive, "_CHUNK_PAUSE", 0.0)


class Store:
    """A journal with a folder of archives beside it, and months of rows in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.db"
        self.folder = folder / "archive"
        self.wall = Wall()
        self.journal = Journal(self.path, wall=self.wall)

    async def month(self, year: int, month: int, *rows: Row) -> None:
        self.wall.at = at(year, month)
        await self.journal.append([*(rows or self.notes(10))])

    @staticmethod
    def notes(count: int) -> Sequence[Row]:
        return [Row("note", str(number), b"{}") for number in range(count)]

    def verify(self, *heads: tuple[str, Head], files: Sequence[Path] | None = None) -> Verdict:
        if files is None:
            files = [self.path, *(one.path for one in archives_in(self.folder))]
        connections = [schema.open_reader(path) for path in files]
        try:
            pairs = zip(connections, files, strict=True)
            return verify([source(one, path.name) for one, path in pairs], heads)
        finally:
            for connection in connections:
                connection.close()

    def seqs(self) -> list[int]:
        return [row.seq for row in scan(self.path, -math.inf, math.inf)]


@pytest.fixture
async def store(tmp_path: Path):
    store = Store(tmp_path)
    async with store.journal:
        yield store


async def test_a_month_goes_as_a_whole_once_all_of_it_is_old(store: Store):
    await store.month(2026, 1)
    await store.month(2026, 2)
    await store.month(2026, 3)
    february = datetime(2026, 2, 1, tzinfo=UTC).timestamp()
    assert await retire(store.journal, store.folder, february - 1) == ()
    made = await retire(store.journal, store.folder, february)
    assert [(one.first, one.last) for one in made] == [(1, 10)]
    assert [one.name for one in store.folder.iterdir()] == ["journal-000000000001-000000000010.db"]
    assert made[0].path.stat().st_mode & 0o777 == 0o400
    assert store.seqs() == list(range(11, 31))
    verdict = store.verify()
    assert (verdict.problem, verdict.rows, verdict.first, verdict.last) == (
        None,
        30,
        1,
        store.journal.head,
    )


async def test_several_months_go_each_into_its_own_file_and_the_newest_row_stays(store: Store):
    for month in range(1, 5):
        await store.month(2026, month)
    made = await retire(store.journal, store.folder, at(2027, 1))
    assert [(one.first, one.last) for one in made] == [(1, 10), (11, 20), (21, 30), (31, 39)]
    assert store.seqs() == [40]
    await store.month(2026, 12)
    assert store.verify().problem is None
    assert store.verify().rows == 50


@pytest.mark.parametrize("stamped", ["first", "middle", "last"])
async def test_row_of_a_clock_that_was_far_ahead_holds_no_month_up(store: Store, stamped: str):
    months: list[float] = [at(2026, 1, day) for day in range(1, 5)]
    months.insert({"first": 0, "middle": 2, "last": 4}[stamped], at(2099, 7))
    for wall in (*months, at(2026, 2), at(2026, 2, 16), at(2026, 3)):
        store.wall.at = wall
        await store.journal.append([Row("note", "", b"")])
    now = at(2026, 3)
    assert await retire(store.journal, store.folder, at(2026, 1, 31), now) == ()
    made = await retire(store.journal, store.folder, at(2026, 2, 2), now)
    # After the month's last row nobody knows whose it is: it goes with the next one.
    assert [(one.first, one.last) for one in made] == [(1, 4 if stamped == "last" else 5)]
    (february,) = await retire(store.journal, store.folder, at(2026, 3, 2), now)
    assert february.last == 7
    assert store.verify().problem is None


async def test_rows_that_are_all_of_the_future_stay(store: Store):
    await store.month(2099, 1)
    assert await retire(store.journal, store.folder, at(2026, 3), at(2026, 4)) == ()


async def test_newest_rows_stay_where_they_are_of_the_future(store: Store):
    await store.month(2026, 1)
    await store.month(2099, 1)
    (made,) = await retire(store.journal, store.folder, at(2026, 3), at(2026, 4))
    assert (made.first, made.last) == (1, 10)


async def test_what_is_open_stays_whole_and_goes_when_it_is_closed(store: Store):
    await store.month(
        2026,
        1,
        Row(Kind.SIGNAL, "published", b""),
        Row(Kind.INCIDENT, "open", b"1"),
        Row(Kind.INCIDENT, "closed", b"1"),
        Row(Kind.ACTION, "open", b"ack"),
        Row(Kind.INCIDENT, "open", b"2"),
        Row(Kind.PUBLISHED, "published", b""),
        Row(Kind.CLOSED, "closed", b"2"),
        Row(Kind.SIGNAL, "unpublished", b""),
        Row(Kind.TESTED, "gate", b"1"),
        Row(Kind.TESTED, "gate", b"2"),
    )
    await store.month(2026, 2)
    await retire(store.journal, store.folder, at(2026, 2, 2))
    assert store.seqs() == [2, 4, 5, 8, 10, *range(11, 21)]
    assert [row.body for row in await store.journal.open_incidents()] == [b"2"]
    assert [row.key for row in await store.journal.unpublished_signals()] == ["unpublished"]
    assert [row.body for row in await store.journal.standing(Kind.TESTED)] == [b"2"]
    assert store.verify().problem is None
    assert store.verify(files=[store.path]).problem is None
    await store.month(2026, 3, Row(Kind.CLOSED, "open", b"3"), Row(Kind.TESTED, "gate", b"3"))
    await retire(store.journal, store.folder, at(2026, 2, 2))
    assert store.seqs() == [8, *range(11, 23)]
    assert store.verify().problem is None


async def test_what_tells_that_an_accepted_signal_is_decided_stays_while_its_batch_stands(
    store: Store,
):
    await store.month(
        2026,
        1,
        Row(Kind.SIGNAL, "before", b""),
        Row(Kind.PUBLISHED, "before", b""),
        Row(Kind.ACCEPTED, "batch", b"{}"),
        Row(Kind.SIGNAL, "decided", b""),
        Row(Kind.PUBLISHED, "decided", b""),
    )
    await store.month(2026, 2)
    await retire(store.journal, store.folder, at(2026, 2, 2))
    assert await store.journal.signals_among(["before", "decided", "never"]) == {"decided"}
    await store.month(2026, 3, Row(Kind.DECIDED, "batch", b""))
    await retire(store.journal, store.folder, at(2026, 2, 2))
    assert await store.journal.signals_among(["before", "decided", "never"]) == frozenset()
    assert store.verify().problem is None


async def test_a_journal_goes_on_after_a_start_with_its_rows_archived(store: Store):
    await store.month(2026, 1)
    await store.month(2026, 2)
    await retire(store.journal, store.folder, at(2026, 3))
    await store.journal.close()
    async with Journal(store.path, wall=store.wall) as journal:
        assert await journal.append([Row("note", "next", b"")]) == 21
    assert store.verify().problem is None


async def test_an_archiving_that_was_cut_short_goes_on_where_it_stopped(store: Store, monkeypatch):
    await store.month(2026, 1)
    await store.month(2026, 2)
    real = journal_archive._remove
    monkeypatch.setattr(
        journal_archive,
        "_remove",
        lambda month, end, transaction: real(month, end, transaction) if end < 6 else 1 // 0,
    )
    with pytest.raises(StorageError, match="division"):
        await retire(store.journal, store.folder, at(2026, 2, 2))
    assert store.seqs() == list(range(4, 21))
    assert store.verify().problem is None, "also while it is half done"
    monkeypatch.setattr(journal_archive, "_remove", real)
    await retire(store.journal, store.folder, at(2026, 2, 2))
    assert len(list(store.folder.iterdir())) == 1
    assert store.seqs() == list(range(11, 21))
    assert store.verify().problem is None


async def test_nothing_is_removed_for_an_archive_that_is_not_the_journals(store: Store):
    await store.month(2026, 1)
    await store.month(2026, 2)
    store.folder.mkdir()
    other = Store(store.folder.parent / "other")
    async with other.journal:
        await other.month(2026, 1, *Store.notes(9), Row("note", "forged", b""))
        await other.month(2026, 2)
        made = await retire(other.journal, other.folder, at(2026, 2, 2))
    made[0].path.rename(store.folder / made[0].path.name)
    with pytest.raises(StorageError, match="another one than in the journal; nothing was removed"):
        await retire(store.journal, store.folder, at(2026, 2, 2))
    assert store.seqs() == list(range(1, 21))


async def test_nothing_is_removed_where_no_archive_can_be_written(store: Store):
    await store.month(2026, 1)
    await store.month(2026, 2)
    store.folder.write_text("in the way")
    with pytest.raises(StorageError, match="FileExists"):
        await retire(store.journal, store.folder, at(2026, 3))
    assert store.seqs() == list(range(1, 21))


async def test_an_archived_row_cannot_be_changed_or_removed(store: Store):
    await store.month(2026, 1)
    await store.month(2026, 2)
    (archive,) = await retire(store.journal, store.folder, at(2026, 2, 2))
    archive.path.chmod(0o600)
    connection = sqlite3.connect(archive.path)
    for statement in ("DELETE FROM events", "UPDATE events SET body = x''"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from([Kind.INCIDENT, Kind.CLOSED, Kind.TESTED, Kind.ACTION]),
                st.sampled_from("abc"),
            ),
            st.integers(min_value=1, max_value=40),
        ),
        max_size=30,
    )
)
def test_whenever_months_go_no_row_and_nothing_that_stands_is_lost(steps, tmp_path_factory):
    """Rows of a few kinds, and days that pass; each time what is older than a month goes."""

    async def run() -> None:
        store = Store(tmp_path_factory.mktemp("store"))
        expected: list[tuple[int, str, str]] = []
        standing: dict[tuple[str, str], int] = {}
        opened: dict[str, int] = {}
        store.wall.at = at(2026, 1, 1)
        async with store.journal as journal:
            for step in steps:
                if isinstance(step, int):
                    store.wall.at += step * 86_400
                    await retire(journal, store.folder, store.wall.at - 30 * 86_400, store.wall.at)
                    continue
                kind, key = step
                seq = await journal.append([Row(kind, key, b"")])
                expected.append((seq, kind, key))
                if kind == Kind.CLOSED:
                    standing.pop((Kind.INCIDENT, key), None)
                    opened.pop(key, None)
                elif kind != Kind.ACTION:
                    standing[kind, key] = seq
                if kind == Kind.INCIDENT:
                    opened.setdefault(key, seq)
            found = {
                (row.kind, row.key): row.seq
                for kind in (Kind.INCIDENT, Kind.TESTED)
                for row in await journal.standing(kind)
            }
        assert found == standing
        verdict = store.verify()
        assert (verdict.problem, verdict.rows) == (None, len(expected))
        whole = journal_whole.scan(store.path, store.folder, -math.inf, math.inf)
        assert [(row.seq, row.kind, row.key) for row in whole] == expected
        left = {row.seq for row in scan(store.path, -math.inf, math.inf)}
        assert left >= set(standing.values())
        assert left >= {seq for seq, _, key in expected if seq >= opened.get(key, math.inf)}

    asyncio.run(run())


# What a verification finds


def forge(path: Path, statement: str) -> None:
    """Do as somebody who may write the file does."""
    path.chmod(0o600)
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for (name,) in names:
        connection.execute(f"DROP TRIGGER {name}")
    connection.executescript(statement)
    connection.commit()
    connection.close()


@pytest.fixture
async def closed(tmp_path: Path) -> Store:
    """Rows 1 to 10 archived, but for row 3; 11 to 30 in the journal."""
    store = Store(tmp_path)
    async with store.journal:
        await store.month(2026, 1, *Store.notes(2), Row(Kind.INCIDENT, "a", b""), *Store.notes(7))
        await store.month(2026, 2)
        await store.month(2026, 3)
        await retire(store.journal, store.folder, at(2026, 2, 2))
    return store


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE events SET body = x'00' WHERE seq = 15", "row 15 is not what was stored"),
        ("UPDATE events SET wall = wall + 1 WHERE seq = 15", "row 15 is not what was stored"),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 15", "row 15 is not what was stored"),
        ("DELETE FROM events WHERE seq BETWEEN 15 AND 17", "rows 15 to 17 are missing"),
        ("DELETE FROM events WHERE seq = 11", "rows 11 to 11 are missing"),
        ("UPDATE events SET body = x'00' WHERE seq = 3", "row 3 is not what was stored"),
        ("UPDATE anchor SET hash = zeroblob(32)", "row 10 is another one than in the start of"),
        ("UPDATE anchor SET seq = 14", "row 15 is not what was stored"),
    ],
)
async def test_a_changed_journal_is_found_out(closed: Store, statement: str, problem: str):
    assert closed.verify().problem is None
    forge(closed.path, statement)
    assert problem in str(closed.verify().problem)


async def test_a_changed_archive_is_found_out(closed: Store):
    (archive,) = archives_in(closed.folder)
    forge(archive.path, "UPDATE events SET kind = 'x' WHERE seq = 3")
    assert "row 3 is not what was stored" in str(closed.verify().problem)


async def test_an_archive_written_anew_with_a_right_chain_does_not_fit_the_journal(tmp_path: Path):
    store, other = Store(tmp_path / "real"), Store(tmp_path / "forged")
    for one, key in ((store, "true"), (other, "false")):
        async with one.journal:
            await one.month(2026, 1, Row("note", key, b""))
            await one.month(2026, 2)
            await retire(one.journal, one.folder, at(2026, 2, 2))
    (forged,) = archives_in(other.folder)
    verdict = store.verify(files=[store.path, forged.path])
    assert "row 1 is another one than in the start of journal.db" in str(verdict.problem)


async def test_a_missing_archive_is_a_gap_between_two_and_unknown_before_the_first(closed: Store):
    async with closed.journal:
        await retire(closed.journal, closed.folder, at(2026, 3, 2))
    first, second = archives_in(closed.folder)
    verdict = closed.verify(files=[first.path, closed.path])
    assert verdict.problem == "rows 11 to 20 are missing: they are in none of the files"
    verdict = closed.verify(files=[second.path, closed.path])
    assert verdict.problem is None
    assert verdict.notes == ["rows 1 to 10 are in none of the files"]


async def test_a_tail_that_was_cut_off_shows_against_a_head_that_somebody_kept(closed: Store):
    head = closed.journal.head
    assert closed.verify(("the broker", head)).problem is None
    forge(closed.path, "DELETE FROM events WHERE seq > 28")
    assert closed.verify().problem is None, "the chain alone cannot show it"
    verdict = closed.verify(("the broker", head))
    assert verdict.problem == "the tail is cut off after row 28: row 30 is known from the broker"
    wrong = closed.verify(("the broker", Head(28, head.hash)))
    assert "row 28 is another one than in the broker" in str(wrong.problem)
