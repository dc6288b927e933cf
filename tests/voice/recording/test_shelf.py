"""The folder of recordings on a real disk: names, index, a start after a kill, a disk with no room."""

import os
import sqlite3
import subprocess
from dataclasses import replace

import pytest

from gateway.errors import BaiyingError
from gateway.voice.recording import reading, shelf
from gateway.voice.recording.facts import Recording, file_of, part_of
from gateway.voice.recording.index import Index, Query
from gateway.voice.recording.retention import Limits
from gateway.voice.recording.shelf import INDEX, Shelf, give_way
from tests.voice.recording import rec_world

DAY = 86_400.0
WALL = 1_795_499_108.0
ANY = Limits(keep=None, keep_incident=None, max_bytes=None, keep_free=0)
PAYLOADS = [payload for payload, _ in rec_world.speech(60)]


def about(number, *, talkgroup="tg", talker="zju1/radio", incident=None, lost=0, age=0.0):
    return Recording(
        id=f"20261124T0545{number:02d}-{number:08x}",
        kind="burst",
        talkgroup=talkgroup,
        talker=talker,
        gateway="center",
        started=WALL - age + number,
        packets=60 - lost,
        lost=lost,
        whole=True,
        incident=incident,
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "recordings"


def opened(folder, limits=ANY):
    one = Shelf(folder, limits)
    one.open()
    return one


def keep(one, recording):
    assert one.begin(recording)
    one.write(recording.id, PAYLOADS[:50])
    return one.finish(recording, PAYLOADS[50:])


def ids(folder, **query):
    return [kept.recording.id for kept in reading.find(folder, Query(**query))]


def test_a_recording_has_its_name_only_once_it_is_whole(folder):
    one = opened(folder)
    recording = about(1, lost=2, incident="i")
    one.begin(recording)
    one.write(recording.id, PAYLOADS[:50])
    part = folder / part_of(recording)
    assert part.exists()
    assert ids(folder) == []
    kept = one.finish(recording, PAYLOADS[50:])
    assert not part.exists()
    path = folder / file_of(recording)
    assert path.stat().st_size == kept.size
    samples, said = rec_world.ffmpeg(path)
    assert said == ""
    assert len(samples) == 60 * 960 - 312
    (found,) = reading.find(folder, Query())
    assert found == kept
    assert found.recording.ticks == 60 * 960
    assert reading.payloads_of(folder, found) == tuple(PAYLOADS)


def test_what_is_known_at_the_end_only_is_in_the_file_too(folder):
    one = opened(folder)
    at_first = replace(about(1, talker="zju1"), packets=0, whole=False)
    at_last = about(1, lost=4, incident="i")
    one.begin(at_first)
    one.finish(at_last, PAYLOADS)
    one.close()
    (folder / INDEX).unlink()
    (found,) = reading.find(folder, Query())
    assert found.recording == replace(at_last, ticks=60 * 960)
    assert found.file == file_of(at_last)


def test_nobody_else_may_read_them(folder):
    keep(opened(folder), about(1))
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.glob("*/*"):
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [1, 2, 3]),
        ({"talkgroup": "tg"}, [1, 3]),
        ({"talker": "zju1/radio"}, [1, 2]),
        ({"talker": "zju2"}, [3]),
        ({"talker": "radio"}, [1, 2]),
        ({"talker": "gate_1"}, []),
        ({"since": WALL + 2.0}, [1, 2, 3]),  # the first one ends later
        ({"since": WALL + 2.5}, [2, 3]),
        ({"until": WALL + 2.0}, [1]),
        ({"incident": "i"}, [2]),
        ({"kind": "pre-alarm"}, []),
        ({"id": "20261124T054503"}, [3]),
    ],
)
@pytest.mark.parametrize("with_index", [True, False])
def test_what_is_asked_for_is_found_with_and_without_the_index(folder, query, found, with_index):
    one = opened(folder)
    keep(one, about(2, talkgroup="other", incident="i"))
    keep(one, about(1))
    keep(one, about(3, talker="zju2/gate-1"))
    one.close()
    if not with_index:
        (folder / INDEX).unlink()
    assert ids(folder, **query) == [about(number).id for number in found]


def test_one_is_named_by_as_much_of_its_id_as_is_unique(folder):
    one = opened(folder)
    keep(one, about(1))
    keep(one, about(2))
    assert reading.one(folder, "20261124T054502").recording.id == about(2).id
    for name in ("2026", "nothing", ""):
        with pytest.raises(BaiyingError):
            reading.one(folder, name)


def test_a_lost_or_damaged_index_is_made_anew_from_the_files(folder):
    one = opened(folder)
    kept = [keep(one, about(1)), keep(one, about(2, incident="i", lost=3))]
    one.close()
    for path in folder.glob(f"{INDEX}*"):
        path.write_bytes(b"no database at all" * 100)
    opened(folder).close()
    assert reading.find(folder, Query()) == kept
    (folder / INDEX).unlink()
    opened(folder).close()
    index = Index(folder / INDEX)
    index.open_to_read()
    assert index.find(Query()) == kept


def test_an_index_of_a_later_version_is_made_anew(folder):
    one = opened(folder)
    kept = keep(one, about(1))
    one.close()
    with sqlite3.connect(folder / INDEX) as database:
        database.execute("PRAGMA user_version = 99")
    opened(folder).close()
    assert reading.find(folder, Query()) == [kept]


def test_what_somebody_removed_or_put_there_is_noticed(folder):
    one = opened(folder)
    first, second = keep(one, about(1)), keep(one, about(2))
    moved = folder / "elsewhere.opus"
    (folder / first.file).rename(moved)
    one.reconcile()
    assert ids(folder) == [second.recording.id]
    moved.rename(folder / first.file)
    (folder / "tg" / "no-recording.opus").write_bytes(b"OggS, so to speak")
    one.reconcile()
    assert ids(folder) == [first.recording.id, second.recording.id]


@pytest.mark.parametrize("torn", [0, 1, 500])
def test_a_gateway_that_was_killed_leaves_what_it_had_written(folder, torn):
    killed = opened(folder)
    recording = about(1)
    killed.begin(recording)
    killed.write(recording.id, PAYLOADS[:50])
    killed.write(recording.id, PAYLOADS[50:59])
    part = folder / part_of(recording)
    os.truncate(part, part.stat().st_size - torn)  # what a power cut takes
    opened(folder).close()
    (found,) = reading.find(folder, Query())
    assert found.recording.id == recording.id
    assert found.recording.packets == (50 if torn else 59)
    assert not found.recording.whole
    samples, said = rec_world.ffmpeg(folder / found.file)
    assert said == ""
    assert len(samples) == found.recording.packets * 960 - 312
    assert not list(folder.glob("*/*.part"))


def test_a_part_without_sound_or_sense_goes_at_the_next_start(folder):
    killed = opened(folder)
    killed.begin(about(1))
    (folder / "tg" / "x.part").write_bytes(b"?" * 5000)
    opened(folder)
    assert not list(folder.glob("*/*.part"))
    assert ids(folder) == []


def test_tidying_removes_what_is_too_old(folder):
    one = opened(folder, Limits(keep=30 * DAY, keep_incident=400 * DAY, keep_free=0))
    keep(one, about(1, age=31 * DAY))
    keep(one, about(2, age=31 * DAY, incident="i"))
    keep(one, about(3, age=29 * DAY))
    keep(one, about(4, age=401 * DAY, incident="i"))
    assert one.tidy(WALL + 60) == 2
    assert ids(folder) == [about(2).id, about(3).id]
    assert len(list(folder.glob("*/*.opus"))) == 2


def test_more_than_they_may_take_lets_the_oldest_go(folder):
    one = opened(folder)
    size = -(-keep(one, about(0, incident="i")).size // 4096) * 4096
    one.configure(Limits(keep=None, max_bytes=3 * size, keep_free=0))
    for number in range(1, 6):
        keep(one, about(number))
    one.make_room()
    assert ids(folder) == [about(number).id for number in (0, 4, 5)]


def test_too_little_room_lets_them_go_and_then_none_begins(folder, monkeypatch):
    one = opened(folder, Limits(keep=None, max_bytes=None, keep_free=1000))
    monkeypatch.setattr(shelf, "free_bytes", lambda _: 10_000)
    for number in range(3):
        keep(one, about(number))
    assert not one.no_room
    monkeypatch.setattr(shelf, "free_bytes", lambda _: 999)
    assert not one.begin(about(4))
    assert one.no_room
    assert about(0).id not in ids(folder)
    monkeypatch.setattr(shelf, "free_bytes", lambda _: 1001)  # not at once again
    assert not one.begin(about(5))
    monkeypatch.setattr(shelf, "free_bytes", lambda _: 1101)
    assert one.begin(about(6))


def test_a_start_on_a_full_disk_makes_room_before_anything_else(folder, monkeypatch):
    one = opened(folder)
    for number in range(4):
        keep(one, about(number))
    one.close()
    monkeypatch.setattr(shelf, "AT_ONCE", 1)  # one file at a time
    monkeypatch.setattr(
        shelf, "free_bytes", lambda _: 1000 if len(list(folder.glob("*/*.opus"))) < 3 else 999
    )
    opened(folder, Limits(keep=None, max_bytes=None, keep_free=1000)).close()
    assert ids(folder) == [about(2).id, about(3).id]


def test_for_the_journal_the_oldest_go_at_once_those_of_incidents_last(folder, monkeypatch):
    one = opened(folder)
    for number in range(4):
        keep(one, about(number, incident="i" if number == 0 else None))
    monkeypatch.setattr(shelf, "AT_ONCE", 8192)
    freed = give_way(folder)
    assert freed >= 8192
    one.reconcile()
    left = ids(folder)
    assert about(0).id in left
    assert about(1).id not in left
    while give_way(folder):
        pass
    one.reconcile()
    assert ids(folder) == []
    assert give_way(folder) == 0


def test_where_there_is_no_folder_nothing_gives_way(tmp_path):
    assert give_way(tmp_path / "none") == 0


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_disk_that_fills_up_in_the_middle_costs_one_recording_and_leaves_what_was_written(
    small_disk,
):
    folder = small_disk / "recordings"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(65_536))
    one = opened(folder)
    recording = about(1)
    one.begin(recording)

    def go_on():
        while True:
            one.write(recording.id, PAYLOADS[:50])

    with pytest.raises(OSError):
        go_on()
    one.write(recording.id, PAYLOADS[:50])  # given up: nothing happens
    assert one.finish(recording, PAYLOADS) is None
    one.close()
    ballast.unlink()
    opened(folder).close()
    files = list(folder.glob("tg/*.opus"))
    assert len(files) == 1
    samples, said = rec_world.ffmpeg(files[0])
    assert said == ""
    assert len(samples) > 50 * 960
