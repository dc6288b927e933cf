"""Whether journals, archives and exports are one unbroken chain. Pure.

Rules:
  1. Each source is walked from the head that it says it starts after; a row is right if it has the
     next number and the hash that follows from the row before it and from what it holds.
  2. Sources agree: where one starts, ends, or holds a single old row, another one that has the row
     of that number must have it with the same hash.
  3. Together they have no gap. What was before the first of them is unknown, and said to be.
  4. A head that somebody else kept must be among the rows: one beyond the last is a tail cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gateway.alarm.journal.chain import START, Head, link

Linked = tuple[int, float, str, str, bytes, bytes]
"""A row with its hash: seq, wall, kind, key, body, hash."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file: ``rows`` follow ``start`` without a gap.

    ``kept`` are single rows from before it, each behind the hash of the row before that.
    """

    name: str
    start: Head
    rows: Iterable[Linked]
    kept: Sequence[tuple[bytes, Linked]] = ()
    exported: bool = False


@dataclass(slots=True)
class Verdict:
    """What a walk has found; ``problem`` is the first thing that is wrong."""

    rows: int = 0
    first: int = 0
    """The number of the first row that was seen; 0 if there was none."""
    last: Head = START
    notes: list[str] = field(default_factory=list)
    problem: str | None = None


def verify(sources: Sequence[Source], heads: Sequence[tuple[str, Head]] = ()) -> Verdict:
    """Walk ``sources``. ``heads`` are known from elsewhere, each with a word on where from."""
    verdict = Verdict()
    known = _Known()
    for where, head in heads:
        known.add(where, head)
    for source in sources:
        known.add(f"the start of {source.name}", source.start)
        for before, row in source.kept:
            if link(before, *row[:5]) != row[5]:
                verdict.problem = f"{source.name}: row {row[0]} is not what was stored"
                return verdict
            known.add(f"{source.name}, which still has it", Head(row[0], row[5]))
    spans = []
    # Exports first: where they end is known before the others are walked past it.
    for source in sorted(sources, key=lambda one: (not one.exported, one.start.seq)):
        end = _walk(source, known, verdict)
        if verdict.problem is not None:
            return verdict
        if source.exported:
            known.add(f"the end of {source.name}", end)
        spans.append((source.start.seq, end.seq))
        verdict.last = max(verdict.last, end, key=lambda head: head.seq)
    verdict.problem = _gap(spans) or known.beyond(verdict.last.seq)
    if verdict.first > 1:
        verdict.notes.append(f"rows 1 to {verdict.first - 1} are in none of the files")
    for where, head in heads:
        if head.seq < verdict.first:
            verdict.notes.append(f"row {head.seq}, known from {where}, is in none of the files")
    return verdict


class _Known:
    """Hashes that rows must have, by their number (rules 2 and 4)."""

    def __init__(self) -> None:
        self._hashes: dict[int, list[tuple[str, bytes]]] = {}

    def add(self, where: str, head: Head) -> None:
        if head.seq:
            self._hashes.setdefault(head.seq, []).append((where, head.hash))

    def other(self, seq: int, hashed: bytes) -> str | None:
        """Where row ``seq`` is known with another hash."""
        return next((where for where, one in self._hashes.get(seq, ()) if one != hashed), None)

    def beyond(self, last: int) -> str | None:
        """What is wrong if there are rows after ``last``."""
        for seq, wanted in sorted(self._hashes.items()):
            if seq > last:
                return (
                    f"the tail is cut off after row {last}: row {seq} is known from {wanted[0][0]}"
                )
        return None


def _walk(source: Source, known: _Known, verdict: Verdict) -> Head:
    head = source.start
    for row in source.rows:
        seq, hashed = row[0], row[5]
        if seq > head.seq + 1:
            verdict.problem = f"{source.name}: rows {head.seq + 1} to {seq - 1} are missing"
        elif seq <= head.seq:
            verdict.problem = f"{source.name}: row {seq} stands after row {head.seq}"
        elif link(head.hash, *row[:5]) != hashed:
            verdict.problem = (
                f"{source.name}: row {seq} is not what was stored after row {head.seq}"
            )
        elif where := known.other(seq, hashed):
            verdict.problem = f"{source.name}: row {seq} is another one than in {where}"
        if verdict.problem is not None:
            return head
        head = Head(seq, hashed)
        verdict.rows += 1
        verdict.first = min(verdict.first or seq, seq)
    return head


def _gap(spans: list[tuple[int, int]]) -> str | None:
    """Rule 3: the rows that are missing between sources; a span is what it starts after, and its end."""
    reached: int | None = None
    for start, end in sorted(spans):
        if reached is not None and start > reached:
            return f"rows {reached + 1} to {start} are missing: they are in none of the files"
        reached = max(reached or 0, end)
    return None
