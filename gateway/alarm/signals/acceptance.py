"""Puts on disk, and so acknowledges, what drivers said while much of it waits for its decision.

Rules:

1. Where `MANY` signals wait, for their decision or for the journal's answer to it, what drivers said goes to disk as it is, many in one row (`accepted`), and
   so does what comes while that is on, up to `CALM_AFTER` after the last such row. A signal that comes
   alone is decided at once, and never accepted.
2. What may page goes first, and it goes round by source.
3. An acceptance that fails, or that the journal does not answer within `STORE_PATIENCE`, is none: whoever
   waits hears what comes of the decision. Until the journal is seen to store nothing more is accepted.
4. At most `MAX_ACCEPTED` signals wait, and half the share of one source: what comes then waits for its
   decision, which makes its device wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.alarm.clerk import STORE_PATIENCE
from gateway.alarm.journal.rows import Kind, Row
from gateway.alarm.raised import Raised
from gateway.alarm.signals import accepted
from gateway.alarm.signals.accepted import Accepted, Entry, Ledger
from gateway.alarm.signals.admission import SOURCE_LIMIT
from gateway.alarm.signals.contact import Directory, understand
from gateway.alarm.signals.fair_queue import FairQueue
from gateway.alarm.signals.waiting import Waiting
from gateway.errors import StorageError
from gateway.link.messages import encode_known
from gateway.moment import Moment
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

MANY = 16
"""Signals that wait; 64 receivers that each wait for an acknowledgement are more, 16 are not."""
BATCH = 512
"""Signals of one row at most: about 100 KB."""
AT_A_TIME = 1
"""Rows that the journal has at a time: what comes meanwhile is the next one."""
DENSE = 6.0
"""Signals that a row usually has, from which on whatever else there is to do makes room."""
CALM_AFTER = 0.05
"""Seconds after the last acceptance; devices send what they say next within that."""
MAX_ACCEPTED = 32_768
"""About 30 MB."""


class Memory(Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    def append(self, rows: Sequence[Row], /) -> Awaitable[int]: ...
    def append_soon(self, rows: Sequence[Row], /) -> None: ...


class Acceptance:
    """Used from the event loop only. `begin` before use, with the group that owns the tasks.

    ``waiting`` says how many signals of a source wait; ``answered`` is called when the journal has
    answered; ``is_out`` says of an event's id whether the broker has it.
    """

    def __init__(
        self,
        journal: Memory,
        clock: SystemClock,
        new_id: Callable[[], str],
        counters: Counters,
        waiting: Callable[[str], int],
        answered: Callable[[], None],
        is_out: Callable[[str], bool],
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._new_id = new_id
        self._counters = counters
        self._waiting = waiting
        self._answered = answered
        self._is_out = is_out
        self._tasks: asyncio.TaskGroup | None = None
        self._ledger = Ledger()
        self._clear()
        self._under_way = 0
        self._usual = 0.0
        self._calm_from = 0.0
        self._stores = True

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def end(self) -> None:
        """Accept nothing more."""
        self._tasks = None
        if self._ledger:
            _LOGGER.info("%d accepted signals are decided at the next start", len(self._ledger))

    def put(self, waiting: Waiting) -> None:
        """A signal that waits for its decision, and may be accepted."""
        if waiting.may_be_accepted:
            (self._quiet if waiting.quiet else self._urgent).put(waiting.source, waiting)

    def none_waits(self) -> None:
        """Everything is being decided."""
        if self._quiet or self._urgent:
            self._clear()

    def wants(self, waiting: int) -> bool:
        """Whether `accept` would do something, where so many wait."""
        if self._tasks is None or self._under_way >= AT_A_TIME or not self._stores:
            return False
        if waiting > MAX_ACCEPTED or not (self._quiet or self._urgent):
            return False
        return waiting >= MANY or self.is_on(self._clock.now())

    def accept(self, waiting: int) -> None:
        """Accept what may be, where so many wait."""
        if self.wants(waiting):
            batch = self._take(self._urgent, BATCH)
            batch += self._take(self._quiet, BATCH - len(batch))
            if batch:
                self._store(batch)

    def is_on(self, now: Moment) -> bool:
        """Whether signals are being accepted: others will come as soon as these are acknowledged."""
        return self._under_way > 0 or now.elapsed < self._calm_from

    def is_dense(self, now: Moment) -> bool:
        """Whether they are accepted by the dozen."""
        return self._usual >= DENSE and self.is_on(now)

    def outcome(self, waiting: Waiting, raised: Raised) -> None:
        """What has come of a decision; whoever waits for it is told."""
        self._stores = self._stores or raised.stored
        waiting.decided(raised)
        if waiting.id is None:
            return
        if raised.stored:
            self._note(self._ledger.decided(waiting.id))
        elif raised.event is not None:
            event = replace(raised.event, stored=True)
            self._ledger.owe(Row(Kind.SIGNAL, waiting.id, encode_known(event)))

    def store_again(self) -> None:
        """The journal works again: what it is owed is stored."""
        self._stores = True
        owed = self._ledger.owed()
        if owed and self._tasks is not None:
            out = [Row(Kind.PUBLISHED, row.key, b"") for row in owed if self._is_out(row.key)]
            storing = self._journal.append([*owed, *out])
            self._tasks.create_task(self._pay(owed, storing), name="alarm.owed")

    def take_up(
        self, batches: Iterable[Accepted], directory: Directory, now: Moment
    ) -> list[Waiting]:
        """What an earlier run accepted and did not decide, as signals that wait, oldest first."""
        found = []
        for batch in batches:
            self._note(self._ledger.accept(batch.key, [entry.id for entry in batch.entries]))
            since = max(now.wall - batch.at, 0.0)
            at = now.later(-since)
            found += [
                Waiting(understand(directory, one.input, one.signal), False, id=one.id, at=at)
                for one in batch.entries
            ]
        return found

    def _clear(self) -> None:
        self._urgent: FairQueue[Waiting] = FairQueue()
        self._quiet: FairQueue[Waiting] = FairQueue()

    def _take(self, queue: FairQueue[Waiting], most: int) -> list[Waiting]:
        found: list[Waiting] = []
        while len(found) < most and (waiting := queue.take()) is not None:
            # What is decided meanwhile is still in here; rule 4.
            if waiting.may_be_accepted and self._waiting(waiting.source) <= SOURCE_LIMIT // 2:
                found.append(waiting)
        return found

    def _store(self, batch: list[Waiting]) -> None:
        assert self._tasks is not None, "begin() first"
        at, key = self._clock.now(), self._new_id()
        before = self._usual if self.is_on(at) else 0.0
        self._usual = before + (len(batch) - before) / 4
        entries = []
        for waiting in batch:
            said = waiting.said
            assert said is not None
            entry = Entry(self._new_id(), said.input, said.signal)
            if accepted.is_writable(entry):
                entries.append(entry)
                waiting.id, waiting.at, said.accepting = entry.id, at, True
        self._ledger.accept(key, [entry.id for entry in entries])
        # Handed over here and not in the task: it is in the journal before any decision on it.
        storing = self._journal.append([accepted.row_of(key, at.wall, entries)])
        self._under_way += 1
        self._tasks.create_task(self._finish(batch, storing), name="alarm.accept")

    async def _finish(self, batch: list[Waiting], storing: Awaitable[int]) -> None:
        stored = False
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                await storing
            stored = True
        except (StorageError, TimeoutError) as error:
            self._stores = False
            _LOGGER.debug("%d signals are not accepted: %s", len(batch), error)
        finally:
            self._under_way -= 1
            self._calm_from = self._clock.now().elapsed + CALM_AFTER
            for waiting in batch:
                if waiting.said is not None and waiting.said.accepting:
                    waiting.said.accepted(stored=stored)
        self._counters.add("alarm.accepted" if stored else "alarm.not_accepted", len(batch))
        self._answered()

    async def _pay(self, owed: Sequence[Row], storing: Awaitable[int]) -> None:
        try:
            await storing
        except StorageError:
            return  # it is owed still
        for row in owed:
            self._note(self._ledger.decided(row.key))

    def _note(self, rows: Sequence[Row]) -> None:
        if rows:
            self._journal.append_soon(rows)
