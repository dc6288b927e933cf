"""What the journal knows of the runs before this one, as a desk takes it up at its start.

A journal that cannot be read holds no start up: the desk serves without its memory, and takes it up
once the disk answers. Then only what was stored before this run began is an earlier run's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.alarm.incidents import snapshot
from gateway.alarm.incidents.docket import KEEP_CLOSED
from gateway.alarm.incidents.record import IncidentRecord
from gateway.alarm.incidents.snapshot import Snapshot
from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.signals import accepted
from gateway.alarm.signals.accepted import Accepted
from gateway.errors import StorageError
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds that a start waits for the journal, and between two tries to read it."""

OwnedElsewhere = Callable[[Sequence[IncidentRecord]], Awaitable[frozenset[str]]]


class Memory(Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    async def standing(self, kind: Kind, /) -> tuple[Stored, ...]: ...
    async def closed_incidents(self, since: float, /) -> tuple[Stored, ...]: ...
    async def signals_among(self, ids: Sequence[str], /) -> frozenset[str]: ...
    def append_soon(self, rows: Sequence[Row], /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What earlier runs left."""

    opened: list[Snapshot]
    closed: list[Snapshot]
    """Within the last day."""
    events: tuple[Stored, ...]
    """Signals that the broker may not have."""
    guards: tuple[Stored, ...]
    """Those that were running."""
    shelved: tuple[Stored, ...]
    accepted: tuple[Accepted, ...]
    """Batches that stand, with those of their signals that are not decided."""


class Recall:
    """Reads what earlier runs left and still is this gateway's.

    ``owned_elsewhere`` says which of an earlier run's incidents are another gateway's by now; the
    journal is told of these.
    """

    def __init__(
        self, journal: Memory, counters: Counters, owned_elsewhere: OwnedElsewhere | None
    ) -> None:
        self._journal = journal
        self._counters = counters
        self._owned_elsewhere = owned_elsewhere

    async def read(self, begun: float, *, late: bool = False) -> Recalled | None:
        """What there is for a run that began at ``begun`` (POSIX seconds).

        None while the journal cannot be read. ``late``: this run has stored something itself.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                recalled = await self._read(begun, late=late)
        except (StorageError, TimeoutError) as error:
            why = str(error) or f"no answer within {PATIENCE} s"
            _LOGGER.error("what earlier runs left is not known yet: %s", why)
            return None
        if self._owned_elsewhere is None:
            return recalled
        others = await self._owned_elsewhere([one.record for one in recalled.opened])
        for incident in sorted(others):
            _LOGGER.info("incident %s: another gateway has it", incident)
        self._journal.append_soon([Row(Kind.YIELDED, one, b"") for one in sorted(others)])
        kept = [one for one in recalled.opened if one.record.case.id not in others]
        return replace(recalled, opened=kept)

    async def _read(self, begun: float, *, late: bool) -> Recalled:
        journal, counters = self._journal, self._counters

        async def standing(kind: Kind) -> tuple[Stored, ...]:
            rows = await journal.standing(kind)
            return tuple(row for row in rows if row.wall < begun) if late else rows

        return Recalled(
            opened=_readable(await standing(Kind.INCIDENT), counters),
            closed=_readable(await journal.closed_incidents(begun - KEEP_CLOSED), counters),
            events=await standing(Kind.SIGNAL),
            guards=await standing(Kind.HELD),
            shelved=await standing(Kind.SHELVED),
            accepted=await _undecided(journal, await standing(Kind.ACCEPTED)),
        )


async def _undecided(journal: Memory, rows: Iterable[Stored]) -> tuple[Accepted, ...]:
    batches = []
    for row in rows:
        try:
            batches.append(accepted.from_row(row))
        except StorageError as error:
            _LOGGER.error("%s: %s; not taken up", row.key, error)
    ids = [entry.id for batch in batches for entry in batch.entries]
    return tuple(accepted.undecided(batches, await journal.signals_among(ids)))


def _readable(rows: Iterable[Stored], counters: Counters) -> list[Snapshot]:
    found: dict[str, Snapshot] = {}
    for row in rows:
        try:
            found[row.key] = snapshot.from_bytes(row.body)
        except StorageError as error:
            counters.add("alarm.incidents_unreadable")
            _LOGGER.error("incident %s: %s; not taken up", row.key, error)
    return list(found.values())
