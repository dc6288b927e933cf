"""`baiying journal`, as somebody with the files alone uses it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from gateway.alarm.journal.archive import retire
from gateway.alarm.journal.chain import Head
from gateway.alarm.journal.journal import Journal, Row
from gateway.cli import journal_files
from gateway.cli.live import CallError
from gateway.errors import StorageError
from tests.alarm.journal.test_archive import at, forge
from tests.alarm.journal.test_journal import Wall

BODIES = [
    b'{"text":"\xe6\xb5\x99\xe5\xa4\xa7\xe4\xb8\x80\xe9\x99\xa2","n":1e-7}',
    b'{ "spaced" : [1, 2 ,3] }',
    b"",
    b"\0\xff binary",
    b'{"two":\n"lines"}',
    b"not json",
    b"1.0",
    b'"\\u001b[31m"',
]


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A gateway that stored ten rows in January, which are archived, and eight in March."""
    wall = Wall()
    async with Journal(tmp_path / "data" / "journal.db", wall=wall) as journal:
        wall.at = at(2026, 1)
        await journal.append([Row("note", f"januar-{n}", b'{"n":%d}' % n) for n in range(10)])
        wall.at = at(2026, 3)
        await journal.append([Row("note", f"march-{n}", body) for n, body in enumerate(BODIES)])
        await retire(journal, tmp_path / "old", at(2026, 2, 2), at(2026, 3))
    path = tmp_path / "zju1.yaml"
    path.write_text("gateway: zju1\njournal: {archive: old}\n", "utf-8")
    return path


def head_of(config: Path) -> Head:
    connection = sqlite3.connect(config.parent / "data" / "journal.db")
    row = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    connection.close()
    return Head(*row)


def test_a_journal_and_its_archives_are_one_unbroken_chain(config: Path, capsys):
    head = head_of(config)
    assert journal_files.verify(config, (), [str(head)], as_json=False) == 0
    assert capsys.readouterr().out == f"18 rows, 1 to 18, are as they were stored\nhead {head}\n"


def test_what_is_wrong_is_said_and_the_status_is_1(config: Path, capsys):
    forge(config.parent / "data" / "journal.db", "UPDATE events SET body = x'' WHERE seq = 12")
    assert journal_files.verify(config, (), (), as_json=False) == 1
    assert "NOT AS STORED" in (said := capsys.readouterr()).err
    assert "row 12 is not what was stored" in said.err
    assert journal_files.verify(config, (), (), as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_cut_tail_is_found_by_a_head_that_was_kept(config: Path, capsys):
    head = head_of(config)
    forge(config.parent / "data" / "journal.db", "DELETE FROM events WHERE seq = 18")
    assert journal_files.verify(config, (), (), as_json=False) == 0
    assert journal_files.verify(config, (), [str(head)], as_json=False) == 1
    assert "tail is cut off after row 17" in capsys.readouterr().err


def test_a_damaged_file_is_no_journal_as_stored(config: Path, capsys):
    path = config.parent / "data" / "journal.db"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(data)
    assert journal_files.verify(config, (), (), as_json=False) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("head", ["18", "x:00", "18:zz", f"0:{'00' * 32}", f"18:{'00' * 31}"])
def test_a_head_that_is_none_is_a_wrong_call(config: Path, head: str):
    with pytest.raises(CallError, match="--head"):
        journal_files.verify(config, (), [head], as_json=False)


def test_a_file_that_is_not_there_is_a_wrong_call(config: Path):
    with pytest.raises(CallError, match="No such file"):
        journal_files.verify(config, [config.parent / "none.db"], (), as_json=False)


def test_a_journal_of_version_1_has_no_chain_yet(tmp_path: Path, capsys):
    from tests.alarm.journal.test_chain import VERSION_1

    path = tmp_path / "journal.db"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    assert journal_files.verify(None, [path], (), as_json=False) == 1
    assert "version 1 has no chain" in capsys.readouterr().err


# Exports


def exported(config: Path, name: str = "out.jsonl", **period: str | None) -> Path:
    out = config.parent / name
    journal_files.export(config, period.get("since"), period.get("until"), out)
    return out


def test_an_export_has_every_row_and_verifies_on_its_own(config: Path, capsys):
    out = exported(config)
    start, *rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert start == {"baiying_journal": 2, "after": {"seq": 0, "hash": "00" * 32}}
    assert [row["seq"] for row in rows] == list(range(1, 19))
    assert rows[10]["body"] == {"text": "浙大一院", "n": 1e-7}
    assert "body_base64" in rows[13]
    assert capsys.readouterr().out == f"18 rows: {out}\n"
    assert journal_files.verify(None, [out], (), as_json=False) == 0
    assert f"head {head_of(config)}" in capsys.readouterr().out


def test_an_export_of_a_period_is_unbroken_and_fits_the_journal(config: Path, capsys):
    out = exported(config, since="2026-02-01T00:00:00Z")
    assert b'"after":{"seq":10' in out.read_bytes().splitlines()[0]
    assert journal_files.verify(None, [out], (), as_json=True) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["rows"], found["first"]) == (8, 11)
    assert found["notes"] == ["rows 1 to 10 are in none of the files"]
    files = [out, config.parent / "data" / "journal.db", config.parent / "old"]
    assert journal_files.verify(None, files, (), as_json=False) == 0


def test_an_export_of_a_time_without_rows_is_empty(config: Path, capsys):
    out = exported(config, since="2027-01-01T00:00:00Z")
    assert len(out.read_bytes().splitlines()) == 1
    assert journal_files.verify(None, [out], (), as_json=False) == 0
    assert "0 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'"key":"march-0"', b'"key":"march-X"', "row 11 is not what was stored"),
        ('"浙大一院"'.encode(), '"浙大二院"'.encode(), "row 11 is not what was stored"),
        (b'"n":5', b'"n": 5', "row 6 is not what was stored"),
        (b'{"seq":7,', b'{"seq":70,', "rows 7 to 69 are missing"),
        (b'{"seq":7,', b'{"seq":"7",', "out.jsonl:8:"),
        (b'"wall":', b'"wall":nul', "out.jsonl:2:"),
        (b'{"baiying_journal":2', b'{"baiying_journal":3', "version 3"),
        (b'{"baiying_journal":2', b'{"b":2', "no export of a journal"),
    ],
)
def test_a_changed_export_is_found_out(config: Path, capsys, old: bytes, new: bytes, problem: str):
    out = exported(config)
    data = out.read_bytes()
    assert old in data
    out.write_bytes(data.replace(old, new, 1))
    assert journal_files.verify(None, [out], (), as_json=False) == 1
    assert problem in capsys.readouterr().err


def test_an_export_with_a_right_chain_of_its_own_does_not_fit_the_journal(config: Path, capsys):
    out = exported(config, until="2026-02-01T00:00:00Z")
    lines = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:-1]))
    path = config.parent / "data" / "journal.db"
    assert journal_files.verify(None, [out, path, config.parent / "old"], (), as_json=False) == 0
    from gateway.alarm.journal import export
    from gateway.alarm.journal.chain import link

    row = (9, 0.0, "note", "forged", b"{}")
    before = bytes.fromhex(json.loads(lines[8])["hash"])
    out.write_bytes(b"".join(lines[:9]) + export.row_line((*row, link(before, *row))))
    assert journal_files.verify(None, [out], (), as_json=False) == 0
    assert journal_files.verify(None, [out, path, config.parent / "old"], (), as_json=False) == 1
    assert "row 9 is another one than in the end of" in capsys.readouterr().err


def test_a_missing_archive_is_said_where_rows_before_it_are_asked_for(config: Path):
    for archive in (config.parent / "old").iterdir():
        archive.unlink()
    out = exported(config)
    assert b'"after":{"seq":10' in out.read_bytes().splitlines()[0]


def test_an_export_never_writes_over_a_file(config: Path):
    exported(config)
    with pytest.raises(CallError, match="File exists"):
        exported(config)


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01T00:00:00"])
def test_a_time_that_is_none_is_a_wrong_call(config: Path, time: str):
    with pytest.raises(CallError, match="--since"):
        exported(config, since=time)


# The newest rows


def test_the_tail_is_the_newest_rows_one_a_line_and_harmless_to_a_terminal(config: Path, capsys):
    journal_files.tail(config, 3, follow=False, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2:] for line in lines] == [
        ["16", "note", "march-5", "not", "json"],
        ["17", "note", "march-6", "1.0"],
        ["18", "note", "march-7", '"\\u001b[31m"'],
    ]
    journal_files.tail(config, 5, follow=False, as_json=False)
    shown = capsys.readouterr().out.splitlines()
    assert "\\x00\\xff binary" in shown[0]
    assert len(shown) == 5
    journal_files.tail(config, 1, follow=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["body"] == "\x1b[31m"


def test_a_followed_tail_goes_on_with_what_is_stored_from_then_on(
    config: Path, capsys, monkeypatch
):
    path = config.parent / "data" / "journal.db"
    looks = []

    def wait(_pause: float) -> None:
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt
        connection = sqlite3.connect(path)
        seq = 18 + len(looks)
        connection.execute("INSERT INTO events VALUES (?, 0, 'note', 'new', x'', x'')", (seq,))
        connection.commit()
        connection.close()

    monkeypatch.setattr(journal_files.time, "sleep", wait)
    journal_files.tail(config, 0, follow=True, as_json=False)
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()] == ["19", "20"]


def test_there_is_no_tail_of_a_journal_that_is_not_there(tmp_path: Path):
    config = tmp_path / "zju1.yaml"
    config.write_text("gateway: zju1\n", "utf-8")
    with pytest.raises(StorageError, match="folder exists"):
        journal_files.tail(config, 1, follow=False, as_json=False)
