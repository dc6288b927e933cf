"""Stores what the alarm machines decide, and only then says it.

Rules (contract, section 2 "Alarms and incidents"; faults 9 and 10 of the design):

1. A signal and every incident that it touches are stored as one atomic unit; only after that are
   driver, pages, event and state told. So a restart knows all that anybody was told.
2. A journal that fails, or does not answer within `STORE_PATIENCE`, holds nothing up: the alarm
   goes out with ``stored: false``, and the driver hears False, so that its panel asks again.
3. Storing and saying belong to the desk's own tasks: a driver that is stopped while it waits takes
   nothing with it.
4. Units are handed to the journal in the order of the decisions. Each signal's unit holds its
   incidents whole, so that no earlier unit's failure can make an acknowledged press incomplete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from gateway.alarm import wire
from gateway.alarm.dispatch import Dispatch, Link
from gateway.alarm.docket import Change
from gateway.alarm.journal import Kind, Row, Stored
from gateway.alarm.record import IncidentRecord
from gateway.alarm.saying import Saying, encoded, saying_of
from gateway.errors import StorageError
from gateway.link.messages import AlarmEvent, IncidentState, Page, encode
from gateway.link.topics import Topics
from gateway.moment import Moment
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

STORE_PATIENCE = 0.5
"""Seconds that an alarm waits for the journal before it goes out as not stored (fault 10)."""


class Memory(Protocol):
    """What writing needs of the journal (`gateway.alarm.journal.Journal`)."""

    def append(self, rows: Sequence[Row], /) -> Awaitable[int]: ...
    def append_soon(self, rows: Sequence[Row], /) -> None: ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who raises: the gateway's name, this run of it (UUID), and this boot of the kernel."""

    gateway: str
    boot: str
    kernel_boot: str


@dataclass(frozen=True, slots=True)
class Raised:
    """What has come of a signal, or (``event`` None) of something else.

    ``incidents`` are the ones that it opened, joined, restored or changed.
    """

    event: AlarmEvent | None
    stored: bool
    incidents: tuple[IncidentState, ...]


def _nobody(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who else is told, after the broker. A listener that raises is logged and counted.

    ``event`` is told each signal as it goes out; ``page`` each sending of a page, also while the
    broker is away; ``incident`` each new IncidentState.
    """

    event: Callable[[Raised], None] = _nobody
    page: Callable[[Page], None] = _nobody
    incident: Callable[[IncidentState], None] = _nobody


T = TypeVar("T")


class Clerk:
    """Stores, then says. ``wanted`` says of (incident, page) whether that page still is to be sent.

    `begin` before use, with the group that owns the tasks.
    """

    def __init__(
        self,
        identity: Identity,
        topics: Topics,
        link: Link,
        journal: Memory,
        counters: Counters,
        listeners: Listeners,
        wanted: Callable[[str, str], bool],
    ) -> None:
        self._identity = identity
        self._journal = journal
        self._counters = counters
        self._listeners = listeners
        self._wanted = wanted
        self._dispatch = Dispatch(
            identity.gateway,
            topics,
            link,
            counters,
            spawn=self._spawn,
            published=self._event_published,
            wanted=wanted,
        )
        self._storage_failing = False
        self._tasks: asyncio.TaskGroup | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def reconnected(self) -> None:
        """The broker is there (again)."""
        self._dispatch.reconnected()

    def say_again(
        self, closed: Sequence[tuple[IncidentRecord, int]], events: Sequence[Stored]
    ) -> None:
        """Of an earlier run: closed incidents with their expiry in seconds, and unpublished events."""
        for record, expiry in closed:
            state = encoded(wire.state_of(record))
            if state.payload is None:
                self._unsayable("incident", record.case.id)
            else:
                self._dispatch.state(state.message, state.payload, expiry=expiry)
        for row in events:
            self._dispatch.event_again(row.key, row.body)

    def forget(self, incidents: Iterable[str]) -> None:
        """Nothing will be said about these any more."""
        for incident_id in incidents:
            self._dispatch.forget(incident_id)

    def send_again(self, change: Change, now: Moment) -> None:
        """Pages whose receipt is missing: nothing new, so it waits for no disk."""
        self._send_pages(self._saying(change, now))

    def carry_out(
        self,
        rows: Sequence[Row],
        changes: Sequence[Change],
        now: Moment,
        event: AlarmEvent | None = None,
    ) -> asyncio.Task[Raised]:
        """Store ``rows`` and the incidents as one unit, then say what there is to say."""
        sayings = [self._saying(change, now) for change in changes]
        # Handed over here and not in the task: the order of decisions is the order of commits.
        storing = self._journal.append([*rows, *(row for one in sayings for row in one.rows)])
        work = self._store_and_say(storing, sayings, event)
        return self._group().create_task(work, name="alarm.store")

    async def _store_and_say(
        self, storing: Awaitable[int], sayings: Sequence[Saying], event: AlarmEvent | None
    ) -> Raised:
        stored = await self._is_stored(storing)
        for saying in sayings:
            self._send_pages(saying)
        incidents = tuple(saying.state.message for saying in sayings)
        raised = Raised(event and replace(event, stored=stored), stored, incidents)
        if raised.event is not None:
            self._dispatch.event(raised.event.id, encode(raised.event))
        for saying in sayings:
            self._publish_state(saying)
        if raised.event is not None:
            self._tell(self._listeners.event, raised)
        return raised

    async def _is_stored(self, storing: Awaitable[int]) -> bool:
        try:
            async with asyncio.timeout(STORE_PATIENCE):
                await storing
        except (StorageError, TimeoutError) as error:
            self._counters.add("alarm.not_stored")
            level = logging.DEBUG if self._storage_failing else logging.ERROR
            self._storage_failing = True
            why = str(error) or f"no answer within {STORE_PATIENCE} s"
            _LOGGER.log(level, "journal: %s; what happens goes out as not stored", why)
            return False
        if self._storage_failing:
            self._storage_failing = False
            _LOGGER.warning("journal: storing again")
        return True

    def _send_pages(self, saying: Saying) -> None:
        for page in saying.pages:
            if not self._wanted(page.message.incident, page.message.id):
                continue  # acked or ended while the disk was being waited for
            if page.payload is None:
                self._unsayable("page", page.message.id)
            else:
                self._dispatch.page(page.message, page.payload)
            self._tell(self._listeners.page, page.message)

    def _publish_state(self, saying: Saying) -> None:
        state, payload = saying.state.message, saying.state.payload
        if not saying.changed:
            return
        if payload is None:
            self._unsayable("incident", state.id)
        else:
            self._dispatch.state(state, payload)
        _LOGGER.info(
            "incident %s: %s, level %d, seq %d", state.id, state.state, state.level, state.seq
        )
        self._tell(self._listeners.incident, state)

    def _unsayable(self, what: str, name: str) -> None:
        self._counters.add("alarm.unsayable")
        _LOGGER.error("%s %s: makes no message of the contract (too large?)", what, name)

    def _event_published(self, event_id: str) -> None:
        self._journal.append_soon([Row(Kind.PUBLISHED, event_id, b"")])

    def _saying(self, change: Change, now: Moment) -> Saying:
        incident, effects = change
        return saying_of(incident.record, effects, now, self._identity.kernel_boot)

    def _group(self) -> asyncio.TaskGroup:
        assert self._tasks is not None, "begin() first"
        return self._tasks

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        self._group().create_task(work, name=name)

    def _tell(self, callback: Callable[[T], None], what: T) -> None:
        try:
            callback(what)
        except Exception:  # a defect in what follows must not keep an alarm back
            self._counters.add("alarm.callback_failed")
            _LOGGER.exception("a callback failed")
