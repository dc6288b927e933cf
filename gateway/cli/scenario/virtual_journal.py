"""A journal in memory that outlives the gateway that wrote it, as a disk would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.alarm.journal_rows import ENDS, Kind, Row, Stored

COMMIT = 0.002
"""Seconds that a commit takes."""


class VirtualJournal:
    """With the surface of `gateway.alarm.journal.Journal`."""

    fault: str | None = None

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._rows: list[Stored] = []
        self._terms: dict[str, int] = {}
        self.path = Path("journal.db")

    def append(self, rows: Sequence[Row]) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        self.append_soon(rows)
        seq = len(self._rows)
        loop.call_later(COMMIT, lambda: done.done() or done.set_result(seq))
        return done

    def append_soon(self, rows: Sequence[Row]) -> None:
        for row in rows:
            seq = len(self._rows) + 1
            self._rows.append(Stored(seq, self._wall(), row.kind, row.key, row.body))

    async def standing(self, kind: str) -> tuple[Stored, ...]:
        ending = [ender for ender, ended in ENDS.items() if ended == kind]
        found: dict[str, Stored] = {}
        for row in self._rows:
            if row.kind == kind:
                found[row.key] = row
            elif row.kind in ending:
                found.pop(row.key, None)
        return tuple(sorted(found.values(), key=lambda row: row.seq))

    async def open_incidents(self) -> tuple[Stored, ...]:
        return await self.standing(Kind.INCIDENT)

    async def unpublished_signals(self) -> tuple[Stored, ...]:
        return await self.standing(Kind.SIGNAL)

    async def closed_incidents(self, since: float) -> tuple[Stored, ...]:
        return self._of(Kind.CLOSED, since)

    async def known_pages(self, since: float) -> tuple[Stored, ...]:
        return self._of(Kind.PAGE_SEEN, since)

    async def last_seq(self) -> int:
        return len(self._rows)

    async def events(self, since: float, until: float) -> tuple[Stored, ...]:
        return tuple(row for row in self._rows if since <= row.wall < until)

    async def store_term(self, talkgroup: str, term: int) -> None:
        self._terms[talkgroup] = max(term, self._terms.get(talkgroup, 0))

    async def terms(self) -> dict[str, int]:
        return dict(self._terms)

    def _of(self, kind: str, since: float) -> tuple[Stored, ...]:
        return tuple(row for row in self._rows if row.kind == kind and row.wall >= since)
