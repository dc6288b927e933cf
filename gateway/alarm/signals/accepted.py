"""Signals that are on disk, and acknowledged, before they are decided. Pure: codec and bookkeeping.

Rules:

1. An accepted row holds the signals of a batch as their drivers said them, each with the id that its
   AlarmEvent will have.
2. A signal is decided once a signal row of its id is in the journal, which its decision puts there in
   one unit with all that follows from it. So whatever is cut off where, a start finds each accepted
   signal either decided or not, and decides it then: exactly once.
3. When all of a batch are decided, a row says so, and the batch stands no longer. That row may come
   late, or never: a start looks each signal up.
4. A decision that is not known to be stored is carried out all the same. Its signal row is owed, and
   stored when the journal works again; until then its batch stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import msgspec

from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.errors import StorageError
from gateway.ports import AlarmSignal


class Entry(msgspec.Struct, frozen=True):
    """One signal of a batch; ``id`` is its event's."""

    id: str
    input: str
    signal: AlarmSignal


class _Batch(msgspec.Struct, frozen=True):
    at: float
    signals: tuple[Entry, ...]


_DECODER = msgspec.json.Decoder(_Batch)
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A batch as it stands in the journal; ``at`` (POSIX seconds) is the time of its signals."""

    key: str
    at: float
    entries: tuple[Entry, ...]


def row_of(key: str, at: float, entries: Iterable[Entry]) -> Row:
    """The row of a batch that was accepted at ``at`` (POSIX seconds)."""
    return Row(Kind.ACCEPTED, key, _ENCODER.encode(_Batch(at, tuple(entries))))


def is_writable(entry: Entry) -> bool:
    """Whether a row can hold it: JSON has no lone surrogates."""
    try:
        _ENCODER.encode(entry)
    except UnicodeEncodeError:
        return False
    return True


def from_row(row: Stored) -> Accepted:
    """The batch of a row.

    Raises:
        StorageError: the row is damaged.
    """
    try:
        batch = _DECODER.decode(row.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StorageError(f"accepted signals: {error}") from error
    return Accepted(row.key, batch.at, batch.signals)


def undecided(batches: Iterable[Accepted], decided: Collection[str]) -> Iterator[Accepted]:
    """The batches with what is left of them; ``decided`` are ids that have a signal row."""
    for batch in batches:
        left = tuple(entry for entry in batch.entries if entry.id not in decided)
        yield Accepted(batch.key, batch.at, left)


class Ledger:
    """Which batches stand, and what is owed to the journal."""

    def __init__(self) -> None:
        self._batch_of: dict[str, str] = {}
        """By the id of each signal that is not decided, or whose decision is owed."""
        self._left: dict[str, int] = {}
        """How many of those each batch has."""
        self._owed: dict[str, Row] = {}

    def __len__(self) -> int:
        """Accepted signals whose decision is not known to be stored."""
        return len(self._batch_of)

    def accept(self, key: str, ids: Collection[str]) -> list[Row]:
        """A batch of these stands; the rows of one that has nothing left."""
        if not ids:
            return [Row(Kind.DECIDED, key, b"")]
        self._left[key] = len(ids)
        self._batch_of.update(dict.fromkeys(ids, key))
        return []

    def decided(self, signal_id: str) -> list[Row]:
        """Its decision is on disk; what is to be stored of that."""
        self._owed.pop(signal_id, None)
        key = self._batch_of.pop(signal_id, None)
        if key is None:
            return []
        self._left[key] -= 1
        if self._left[key]:
            return []
        del self._left[key]
        return [Row(Kind.DECIDED, key, b"")]

    def owe(self, row: Row) -> None:
        """Its decision is carried out and not known to be stored; ``row`` is its signal row."""
        if row.key in self._batch_of:
            self._owed[row.key] = row

    def owed(self) -> tuple[Row, ...]:
        """What is to be stored now that the journal works again; tell `decided` of each that is."""
        return tuple(self._owed.values())
