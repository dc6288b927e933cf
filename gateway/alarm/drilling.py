"""Holds the drills of the configuration: seals them a day ahead, raises them, reveals them.

The rules are in `gateway.alarm.drills`. The key that draws the lots is a file of its own, readable
by the gateway alone; without it another is made, and what was sealed with the old one is recorded as
missed when its day is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Awaitable, Iterable, Sequence
from datetime import tzinfo
from pathlib import Path
from typing import Protocol

from gateway.alarm import drills
from gateway.alarm.drills import Drill, Occurrence, Proof
from gateway.alarm.incidents.order import Order
from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.raised import Raised
from gateway.errors import StorageError
from gateway.ops.clock import SystemClock
from gateway.ports import SignalKind

_LOGGER = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
"""Seconds after which the clock is looked at again: somebody may have set it."""

REMEMBERED = 8 * 86_400.0
"""Seconds for which held drills are read back at a start: the longest hours, and some."""

KEY_BYTES = 32


class Memory(Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    def append(self, rows: Sequence[Row], /) -> Awaitable[int]: ...
    async def since(self, kind: Kind, since: float, /) -> tuple[Stored, ...]: ...


class Raiser(Protocol):
    """What is needed of the desk (`gateway.alarm.desk.Desk`)."""

    async def press(
        self,
        endpoint: str,
        signal: SignalKind = SignalKind.ALARM,
        *,
        drill: bool = False,
        by: str | None = None,
    ) -> Raised | None: ...
    def problem_with(self, order: Order, /) -> str | None: ...
    async def raise_incident(self, order: Order, /) -> Raised: ...


class Drilling:
    """The drills of one gateway. Everything is called on the event loop."""

    def __init__(self, desk: Raiser, journal: Memory, clock: SystemClock, key_file: Path) -> None:
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._key_file = key_file
        self._drills: tuple[Drill, ...] = ()
        self._zone: tzinfo | None = None
        self._changed = asyncio.Event()
        self._sealed: set[str] = set()
        self._revealed: set[str] = set()

    def configure(self, configured: Iterable[Drill], zone: tzinfo | None) -> None:
        """These from now on."""
        self._drills, self._zone = tuple(configured), zone
        self._changed.set()

    @property
    def drills(self) -> tuple[Drill, ...]:
        return self._drills

    def announced(self) -> tuple[tuple[Drill, float], ...]:
        """The next time of each drill that has a fixed one, within 400 days; POSIX seconds."""
        now = self._clock.now().wall
        found: dict[str, tuple[Drill, float]] = {}
        fixed = [one for one in self._drills if not one.schedule.by_lot]
        for one in drills.occurrences(fixed, b"", now, now + 400 * 86_400.0, self._zone):
            if one.when >= now:
                found.setdefault(one.drill.name, (one.drill, one.when))
        return tuple(found.values())

    async def hold(self, name: str, by: str) -> Raised | str:
        """Hold a configured drill now, or press the endpoint of that name; why not, in words."""
        drill = next((one for one in self._drills if one.name == name), None)
        if drill is not None:
            return await self._raise(drill, f"{by}, drill {name}")
        return await self._press(name, by)

    async def run(self) -> None:
        """Seal and hold drills until cancelled."""
        key = await self._begun()
        while True:
            self._changed.clear()
            pause = LONGEST_WAIT
            try:
                pause = await self._look(key)
            except StorageError as error:
                # A drill that cannot be recorded is not held; it may be later.
                _LOGGER.warning("drills wait: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, 0.0)):
                    await self._changed.wait()

    async def proofs(self, since: float) -> tuple[Proof, ...]:
        """What the journal proves of the drills since ``since`` (POSIX seconds)."""
        rows = [
            row
            for kind in (Kind.SEALED, Kind.REVEALED)
            for row in await self._journal.since(kind, since)
        ]
        return tuple(drills.proofs(sorted(rows, key=lambda row: row.seq)))

    async def _look(self, key: bytes) -> float:
        """Do what is due; the seconds until there is more to do."""
        now = self._clock.now().wall
        ahead = drills.occurrences(
            self._drills, key, now - REMEMBERED, now + drills.SEAL_AHEAD, self._zone
        )
        pause = LONGEST_WAIT
        for one in ahead:
            if one.id in self._revealed:
                continue
            if one.drill.sealed and one.id not in self._sealed and one.when > now:
                await self._journal.append([drills.sealed_row(one)])
                self._sealed.add(one.id)
            if one.when > now:
                pause = min(pause, one.when - now)
            elif now < one.until:
                await self._held(one)
            elif one.id in self._sealed:
                await self._reveal(one, "missed", None)
        return pause

    async def _held(self, one: Occurrence) -> None:
        _LOGGER.info("drill %s: it is time", one.drill.name)
        raised = await self._raise(one.drill, f"drill {one.drill.name}")
        if isinstance(raised, str):
            _LOGGER.error("drill %s: %s", one.drill.name, raised)
            await self._reveal(one, "missed", None)
            return
        await self._reveal(one, "held", raised.incidents[0].id if raised.incidents else None)

    async def _reveal(self, one: Occurrence, outcome: str, incident: str | None) -> None:
        if outcome == "missed":
            _LOGGER.warning("drill %s of %s: missed", one.drill.name, one.told["when"])
        self._revealed.add(one.id)
        await self._journal.append([drills.revealed_row(one, outcome, incident)])

    async def _raise(self, drill: Drill, by: str) -> Raised | str:
        if drill.endpoint is not None:
            return await self._press(drill.endpoint, by)
        assert drill.site is not None
        order = Order(
            site=drill.site,
            category=drill.category,
            plan=drill.plan,
            text=drill.text,
            by=by,
            drill=True,
        )
        return self._desk.problem_with(order) or await self._desk.raise_incident(order)

    async def _press(self, endpoint: str, by: str) -> Raised | str:
        raised = await self._desk.press(endpoint, drill=True, by=by)
        if raised is None:
            return f"this gateway has no endpoint and no drill {endpoint!r}"
        await self._desk.press(endpoint, SignalKind.RESTORE, drill=True, by=by)
        return raised

    async def _begun(self) -> bytes:
        """The drill key, once it and what was held before are known."""
        while True:
            try:
                await self._remember()
                return await asyncio.to_thread(self._key)
            except (OSError, StorageError) as error:
                # Whoever does not know what was held might hold it twice.
                _LOGGER.warning("drills wait: %s", error)
            await asyncio.sleep(LONGEST_WAIT)

    async def _remember(self) -> None:
        since = self._clock.now().wall - REMEMBERED
        self._sealed = {row.key for row in await self._journal.since(Kind.SEALED, since)}
        self._revealed = {row.key for row in await self._journal.since(Kind.REVEALED, since)}

    def _key(self) -> bytes:
        try:
            key = self._key_file.read_bytes()
        except FileNotFoundError:
            key = b""
        if len(key) >= KEY_BYTES:
            return key
        key = secrets.token_bytes(KEY_BYTES)
        descriptor = os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
        return key
