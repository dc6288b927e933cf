"""Journals as JSON Lines that can be verified: the form of `baiying journal export`. Codec; pure.

The first line says what the rows follow: ``{"baiying_journal": 2, "after": {"seq": .., "hash": ..}}``.
Then a row each: seq, wall (POSIX seconds), kind, key, body, hash (hex). A body that is JSON stands
there byte for byte as it was stored, for the hash is over its bytes; any other one is
``body_base64``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

import msgspec

from gateway.alarm.journal.chain import Head
from gateway.alarm.journal.verify import Linked, Source
from gateway.errors import StorageError

VERSION = 2


_NO_JSON = msgspec.Raw(b"")


class _After(msgspec.Struct, frozen=True):
    seq: int
    hash: str


class _Start(msgspec.Struct, frozen=True):
    baiying_journal: int
    after: _After


class _Row(msgspec.Struct, frozen=True, omit_defaults=True):
    seq: int
    wall: float
    kind: str
    key: str
    hash: str
    body: msgspec.Raw = _NO_JSON
    body_base64: str = ""


_START = msgspec.json.Decoder(_Start)
_ROW = msgspec.json.Decoder(_Row)


def start_line(head: Head) -> bytes:
    """The first line, with its end."""
    return msgspec.json.encode(_Start(VERSION, _After(head.seq, head.hash.hex()))) + b"\n"


def row_line(row: Linked) -> bytes:
    """The line of a row, with its end."""
    seq, wall, kind, key, body, hashed = row
    if _is_one_line_of_json(body):
        line = _Row(seq, wall, kind, key, hashed.hex(), body=msgspec.Raw(body))
    else:
        text = base64.b64encode(body).decode("ascii")
        line = _Row(seq, wall, kind, key, hashed.hex(), body_base64=text)
    return msgspec.json.encode(line) + b"\n"


def source(name: str, lines: Iterable[bytes]) -> Source:
    """An export for `gateway.alarm.journal.verify`; its lines are read as its rows are.

    Raises:
        StorageError: the first line is not that of an export; as for a row, while it is read.
    """
    following = iter(lines)
    try:
        start = _START.decode(next(following, b""))
        if start.baiying_journal != VERSION:
            raise StorageError(f"{name}: version {start.baiying_journal}; known is {VERSION}")
        head = Head(start.after.seq, bytes.fromhex(start.after.hash))
    except (msgspec.MsgspecError, ValueError) as error:
        raise StorageError(f"{name}: no export of a journal: {error}") from error
    return Source(name, head, _rows(name, following), exported=True)


def _rows(name: str, lines: Iterator[bytes]) -> Iterator[Linked]:
    for number, line in enumerate(lines, start=2):
        try:
            row = _ROW.decode(line)
            body = bytes(row.body) or base64.b64decode(row.body_base64, validate=True)
            hashed = bytes.fromhex(row.hash)
        except (msgspec.MsgspecError, ValueError) as error:
            raise StorageError(f"{name}:{number}: {error}") from error
        yield row.seq, row.wall, row.kind, row.key, body, hashed


def _is_one_line_of_json(body: bytes) -> bool:
    if not body or body != body.strip() or b"\n" in body or b"\r" in body:
        return False
    try:
        msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
