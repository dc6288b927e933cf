"""Keeps the journal in order while the gateway runs: its head where others see it, old rows archived.

The head is published retained (contract: JournalHead), once a minute and at the stop. Whoever keeps
one can show later that rows up to it were cut off, or that all of it was written anew.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.alarm.journal.archive import Owner, retire
from gateway.alarm.journal.chain import START, Head
from gateway.errors import StorageError
from gateway.link.messages import JournalHead, encode
from gateway.link.topics import Topics
from gateway.moment import timestamp
from gateway.ops.clock import SystemClock

_LOGGER = logging.getLogger(__name__)

HEAD_PAUSE = 60.0
"""Seconds between two heads: what a cut can take unseen."""

TIDY_PAUSE = 3600.0
"""Seconds between two looks for what is old enough to go."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows stay (seconds; None: for good), and where they go."""

    keep: float | None
    folder: Path


class Kept(Owner, Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    @property
    def head(self) -> Head: ...
    async def restock(self) -> None: ...


class Link(Protocol):
    """What is needed of the control connection."""

    def set_retained(self, topic: str, payload: bytes, /) -> None: ...


class JournalKeeper:
    """The keeper of one gateway's journal."""

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        link: Link,
        journal: Kept,
        clock: SystemClock,
        retention: Retention,
    ) -> None:
        self._gateway = gateway
        self._topic = topics.journal(gateway)
        self._link = link
        self._journal = journal
        self._clock = clock
        self._retention = retention
        self._told = START

    async def run(self) -> None:
        """Keep until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tell_heads(), name="journal.head")
            group.create_task(self._tidy(), name="journal.tidy")

    def tell(self) -> None:
        """Publish the head, if it is another one than was told last."""
        head = self._journal.head
        if head == self._told:
            return
        self._told = head
        time = timestamp(self._clock.now().wall)
        message = JournalHead(gateway=self._gateway, seq=head.seq, hash=head.hash.hex(), time=time)
        self._link.set_retained(self._topic, encode(message))

    async def _tell_heads(self) -> None:
        while True:
            self.tell()
            await asyncio.sleep(HEAD_PAUSE)

    async def _tidy(self) -> None:
        while True:
            # Not at once: a start has better things to do.
            await asyncio.sleep(TIDY_PAUSE)
            await self._journal.restock()
            if self._retention.keep is not None:
                now = self._clock.now().wall
                await self._retire(now - self._retention.keep, now)

    async def _retire(self, before: float, now: float) -> None:
        try:
            for archive in await retire(self._journal, self._retention.folder, before, now):
                _LOGGER.info(
                    "journal: rows %d to %d are in %s now",
                    archive.first,
                    archive.last,
                    archive.path,
                )
        except StorageError as error:
            _LOGGER.warning("journal: not archived; tried again in an hour: %s", error)
