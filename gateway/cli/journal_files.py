"""What `baiying journal` does with the files of a journal, whether its gateway runs or not."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path

from gateway.alarm.journal import export as journal_export
from gateway.alarm.journal import reading, schema
from gateway.alarm.journal import verify as journal_verify
from gateway.alarm.journal.chain import GENESIS, Head
from gateway.alarm.journal.rows import Stored
from gateway.alarm.journal.verify import Source, Verdict
from gateway.alarm.journal.whole import archives_in, linked
from gateway.cli.live import CallError, journal_of
from gateway.errors import StorageError
from gateway.moment import parse_timestamp

_POLL_PAUSE = 0.3
"""Seconds between two looks of ``tail -f``; each reads a few pages."""

_SHOWN = 160
"""Characters of a body that ``tail`` shows."""

_SQLITE = b"SQLite format 3\0"
"""How a journal or an archive begins."""


def verify(
    config: Path | None, files: Sequence[Path], heads: Sequence[str], *, as_json: bool
) -> int:
    """Say whether the files are one unbroken chain; the exit status.

    Raises:
        CallError: a file or a head is none.
        ConfigError: the configuration does not say where the journal is.
    """
    known = [(f"--head {text}", _head(text)) for text in heads]
    with ExitStack() as stack:
        try:
            # One after the other: what moves from the journal to an archive meanwhile is in both.
            sources = [_source(path, stack) for path in _expanded(config, files)]
            verdict = journal_verify.verify(sources, known)
        except (sqlite3.Error, StorageError) as error:
            verdict = Verdict(problem=f"cannot be read: {error}")
    if as_json:
        print(json.dumps(_members(verdict), ensure_ascii=False))
    else:
        _say(verdict)
    return 0 if verdict.problem is None else 1


def export(config: Path | None, since: str | None, until: str | None, out: Path | None) -> None:
    """Write rows with their hashes to ``out``, or to stdout.

    Raises:
        CallError: a time is none, or ``out`` cannot be written.
        StorageError: the journal cannot be read, or rows are missing between its archives.
    """
    begin, end = _time("--since", since, -math.inf), _time("--until", until, math.inf)
    path, folder = journal_of(config)
    with ExitStack() as stack:
        try:
            file = sys.stdout.buffer if out is None else stack.enter_context(out.open("xb"))
        except OSError as error:
            raise CallError(f"{out}: cannot be written: {error.strerror}") from error
        start, rows = stack.enter_context(linked(path, folder, begin, end))
        count = 0
        with contextlib.suppress(BrokenPipeError):
            file.write(journal_export.start_line(start))
            try:
                for row in rows:
                    file.write(journal_export.row_line(row))
                    count += 1
            except sqlite3.Error as error:
                raise schema.storage_error(path, error) from error
    if out is not None:
        print(f"{count} rows: {out}")


def tail(config: Path | None, lines: int, *, follow: bool, as_json: bool) -> None:
    """Print the newest rows, and those that come.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    path, _ = journal_of(config)
    show = _as_json if as_json else _as_text
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        rows = reading.newest(path, max(lines, 1))
        for row in rows[len(rows) - lines :]:
            print(show(row), flush=True)
        seq = rows[-1].seq if rows else 0
        while follow:
            for row in reading.after(path, seq):
                print(show(row), flush=True)
                seq = row.seq
            time.sleep(_POLL_PAUSE)


def _expanded(config: Path | None, files: Sequence[Path]) -> Iterator[Path]:
    if not files:
        path, folder = journal_of(config)
        yield path
        files = (folder,) if folder.is_dir() else ()
    for path in files:
        if path.is_dir():
            yield from (archive.path for archive in archives_in(path))
        else:
            yield path


def _source(path: Path, stack: ExitStack) -> Source:
    try:
        with path.open("rb") as file:
            begins = file.read(len(_SQLITE))
    except OSError as error:
        raise CallError(f"{path}: {error.strerror}") from error
    if begins == _SQLITE:
        connection = stack.enter_context(closing(schema.open_reader(path)))
        return reading.source(connection, str(path))
    return journal_export.source(str(path), stack.enter_context(path.open("rb")))


def _head(text: str) -> Head:
    seq, _, hashed = text.partition(":")
    try:
        head = Head(int(seq), bytes.fromhex(hashed))
    except ValueError as error:
        raise CallError(f"--head {text}: {error}; write SEQ:HASH") from error
    if head.seq < 1 or len(head.hash) != len(GENESIS):
        raise CallError(f"--head {text}: write SEQ:HASH, the hash as 64 hexadecimal digits")
    return head


def _time(option: str, text: str | None, default: float) -> float:
    try:
        return default if text is None else parse_timestamp(text)
    except ValueError as error:
        raise CallError(f"{option}: {error}; write a time such as 2026-11-24T05:45:00Z") from error


def _members(verdict: Verdict) -> dict[str, object]:
    return {
        "ok": verdict.problem is None,
        "problem": verdict.problem,
        "rows": verdict.rows,
        "first": verdict.first,
        "last": {"seq": verdict.last.seq, "hash": verdict.last.hash.hex()},
        "notes": verdict.notes,
    }


def _say(verdict: Verdict) -> None:
    for note in verdict.notes:
        print(f"note: {note}")
    if verdict.problem is not None:
        print(f"NOT AS STORED: {verdict.problem}", file=sys.stderr)
        return
    print(f"{verdict.rows} rows, {verdict.first} to {verdict.last.seq}, are as they were stored")
    print(f"head {verdict.last}")


def _as_json(row: Stored) -> str:
    """The row as in an export, but for its hash."""
    body: object
    try:
        body = json.loads(row.body)
    except ValueError:
        body = row.body.decode("utf-8", "backslashreplace")
    members = {"seq": row.seq, "wall": row.wall, "kind": row.kind, "key": row.key, "body": body}
    return json.dumps(members, ensure_ascii=False)


def _as_text(row: Stored) -> str:
    at = datetime.fromtimestamp(row.wall).astimezone().isoformat(" ", "milliseconds")
    text = row.body.decode("utf-8", "backslashreplace")
    # What a panel or a person wrote must not speak to the terminal.
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    if len(text) > _SHOWN:
        text = text[: _SHOWN - 1] + "\u2026"
    return f"{at} {row.seq} {row.kind} {row.key} {text}".rstrip()
