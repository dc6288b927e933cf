"""What the journal says of itself: faults, their end, its head; and what gives way on a full disk."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from pathlib import Path

import pytest

from gateway.alarm.journal import journal as journal_module
from gateway.alarm.journal import keeper as journal_keeper
from gateway.alarm.journal.chain import START
from gateway.alarm.journal.health import Health
from gateway.alarm.journal.journal import Journal, Row
from gateway.alarm.journal.keeper import JournalKeeper, Retention
from gateway.alarm.journal.room import RESERVE_BYTES, Room
from gateway.alarm.pictures.store import PictureStore, Shot
from gateway.errors import StorageError
from gateway.link.messages import JournalHead, decode
from gateway.link.topics import Topics
from gateway.ops.clock import SystemClock
from tests.alarm.desk_world import until
from tests.alarm.journal.test_archive import at
from tests.alarm.journal.test_journal import Wall

# Health


def test_a_fault_begins_once_and_ends_with_the_first_unit_that_is_stored():
    health = Health()
    assert not health.works()
    assert health.fails("full", 10.0, units=1)
    assert not health.fails("EIO", 11.0, units=2)
    assert health.fault == "EIO"
    assert health.works()
    assert health.fault is None
    assert not health.works()
    body = json.loads(health.row(12.5).body)
    assert body == {
        "text": "storage failed from 1970-01-01T00:00:10.000Z to 1970-01-01T00:00:12.500Z",
        "units": 3,
        "lasted_s": 2.5,
    }
    assert health.fails("again", 20.0), "the next one counts from nought"
    assert json.loads(health.row(20.0).body)["units"] == 0


@pytest.fixture
async def journal(tmp_path: Path):
    async with Journal(tmp_path / "journal.db") as opened:
        await opened.append([Row("note", "first", b"")])
        yield opened


def block(journal: Journal) -> sqlite3.Connection:
    """Nothing in this process can slow the disk, so the writer is held by another's lock."""
    blocker = sqlite3.connect(journal.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    return blocker


async def test_a_disk_that_does_not_answer_is_a_fault_until_it_does(journal: Journal, monkeypatch):
    monkeypatch.setattr(journal_module, "STALL", 0.05)
    told: list[str | None] = []
    journal.on_fault(told.append)
    blocker = block(journal)
    late = journal.append([Row("note", "late", b"")])
    await until(lambda: told)
    assert "does not answer" in str(journal.fault)
    blocker.close()
    await late
    await until(lambda: journal.fault is None)
    assert told == [f"journal {journal.path}: the disk does not answer", None]
    await journal.append([Row("note", "after", b"")])
    rows = await journal.events(0, 1e11)
    assert [row.key for row in rows] == ["first", "late", "journal", "after"]
    assert json.loads(rows[2].body)["units"] == 0, "nothing was lost, but for time"


async def test_while_storing_fails_it_is_tried_without_anybody_asking(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(journal_module, "PROBE_PAUSE", 0.05)
    folder = tmp_path / "data"
    folder.write_text("in the way")
    async with Journal(folder / "journal.db") as journal:
        assert "FileExists" in str(journal.fault) or "NotADirectory" in str(journal.fault)
        with pytest.raises(StorageError):
            await journal.append([Row("note", "lost", b"")])
        folder.unlink()
        await until(lambda: journal.fault is None)
        (row,) = await journal.events(0, 1e11)
        assert json.loads(row.body)["units"] >= 1


# A full disk


def test_pictures_give_way_before_the_reserve(tmp_path: Path):
    store = PictureStore(tmp_path / "pictures")
    room = Room(tmp_path / "journal.db", (store.give_way,))
    reserve = tmp_path / "journal.db.reserve"
    room.restock()
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES, "blocks, not a size only"
    store.keep(Shot("one", "gate", 0.0), bytes(9000))
    assert room.make()
    assert store.shots() == []
    assert reserve.exists()
    assert room.make()
    assert not reserve.exists()
    assert not room.make(), "there is nothing left"
    room.restock()
    assert reserve.exists()


def test_no_reserve_is_made_on_a_disk_without_plenty_of_room(tmp_path: Path, monkeypatch):
    real = os.statvfs(tmp_path)
    blocks = RESERVE_BYTES // real.f_frsize * 15
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*real[:4], blocks, *real[5:])))
    room = Room(tmp_path / "journal.db")
    room.restock()
    assert list(tmp_path.iterdir()) == []
    assert not room.is_full()


def test_a_picture_is_not_kept_on_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch):
    real = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*real[:4], 10, *real[5:])))
    with pytest.raises(OSError, match="nearly full"):
        PictureStore(tmp_path / "pictures").keep(Shot("one", "gate", 0.0), b"jpeg")


# The head, and the months


class Retained:
    def __init__(self) -> None:
        self.heads: list[JournalHead] = []

    def set_retained(self, topic: str, payload: bytes) -> None:
        assert topic == "baiying/gateway/zju1/journal"
        self.heads.append(decode(JournalHead, payload))


def keeper_of(journal: Journal, link: Retained, folder: Path, keep: float | None) -> JournalKeeper:
    retention = Retention(keep, folder)
    return JournalKeeper("zju1", Topics(), link, journal, SystemClock(), retention)


async def test_the_head_is_told_when_it_is_another_one(journal: Journal, tmp_path: Path):
    link = Retained()
    keeper = keeper_of(journal, link, tmp_path, None)
    keeper.tell()
    keeper.tell()
    assert [(one.gateway, one.seq, one.hash) for one in link.heads] == [
        ("zju1", 1, journal.head.hash.hex())
    ]
    await journal.append([Row("note", "second", b"")])
    keeper.tell()
    assert [one.seq for one in link.heads] == [1, 2]


async def test_an_empty_journal_has_no_head_to_tell(tmp_path: Path):
    async with Journal(tmp_path / "journal.db") as journal:
        assert journal.head == START
        link = Retained()
        keeper_of(journal, link, tmp_path, None).tell()
        assert link.heads == []


@pytest.mark.parametrize(("keep", "moves"), [(30 * 86_400.0, True), (None, False)])
async def test_old_months_move_while_the_gateway_runs(
    tmp_path: Path, monkeypatch, keep: float | None, moves: bool
):
    monkeypatch.setattr(journal_keeper, "TIDY_PAUSE", 0.02)
    wall = Wall(at(2020, 1))
    async with Journal(tmp_path / "journal.db", wall=wall) as journal:
        await journal.append([Row("note", "old", b""), Row("note", "old", b"")])
        wall.at = SystemClock().now().wall
        await journal.append([Row("note", "new", b"")])
        running = asyncio.create_task(
            keeper_of(journal, Retained(), tmp_path / "archive", keep).run()
        )
        if moves:
            await until(lambda: len(list((tmp_path / "archive").glob("*.db"))) == 1)
            rows = ()
            while len(rows) != 1:
                rows = await journal.events(0, 1e11)
            assert [row.key for row in rows] == ["new"]
        else:
            await asyncio.sleep(0.1)
            assert not (tmp_path / "archive").exists()
        running.cancel()
