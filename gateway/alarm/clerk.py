"""Stores what the alarm machines decide, and only then says it.

Rules (contract, section 2 "Alarms and incidents"; faults 9 and 10 of the design):

1. A signal and every incident that it touches are stored as one atomic unit; only after that are
   driver, pages, event and state told. So a restart knows all that anybody was told.
2. What is decided within one turn of the loop is one unit (`unit`). While the journal has `IN_JOURNAL`
   units, what is decided becomes one unit that follows them. So a single press is a unit of its own,
   and in a storm the price of a unit is shared.
3. A journal that fails, or does not answer within `STORE_PATIENCE`, holds nothing up: the alarm
   goes out with ``stored: false``, and the driver hears False, so that its panel asks again. Its
   incidents are stored once that works again (`take_unstored`): a later restart must know them.
4. Storing and saying belong to the desk's own tasks: a driver that is stopped while it waits takes
   nothing with it.
5. Units are handed to the journal in the order of the decisions. Each signal's unit holds its
   incidents whole, so that no earlier unit's failure can make an acknowledged press incomplete.
   They are said in that order too: a state that a later one has overtaken could not go out any more.
6. That an event has reached the broker is noted a little later, for many at once: what is lost of
   it is an event published twice, with the same id.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from gateway.alarm.dispatch import Dispatch, Link
from gateway.alarm.incidents.docket import Change
from gateway.alarm.incidents.record import IncidentRecord
from gateway.alarm.incidents.saying import Encoded, Saying, pages_of, state_of
from gateway.alarm.journal.journal import Kind, Row, Stored
from gateway.alarm.raised import Done, Identity, Listeners, Raised
from gateway.alarm.signals.sensing import Sensed
from gateway.alarm.unit import Deed, Unit
from gateway.errors import StorageError
from gateway.link.messages import IncidentState, Page, encode_known
from gateway.link.topics import Topics
from gateway.moment import Moment
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

STORE_PATIENCE = 0.5
"""Seconds that an alarm waits for the journal before it goes out as not stored (fault 10)."""

IN_JOURNAL = 2
"""Units that the journal has at a time: one that it commits, and one that it goes on with."""

HELD_AT_MOST = 0.1
"""Seconds that a unit waits for those before it; a journal that hangs is to be asked all the same."""

LEAST_PATIENCE = 0.05
"""Seconds that every unit waits for the journal, however long it was held."""

BUSY = 8
"""Decisions that wait for the disk at the same time; one button alone never gets there."""

NOTE_PUBLISHED_AFTER = 0.05
"""Seconds for which published events are collected (rule 6)."""

LINES_PER_SECOND = 20
"""Changes of incidents that are logged one by one; more are a storm, and logged as a number."""


class Memory(Protocol):
    """What writing needs of the journal (`gateway.alarm.journal.journal.Journal`)."""

    def append(self, rows: Sequence[Row], /) -> Awaitable[int]: ...
    def append_soon(self, rows: Sequence[Row], /) -> None: ...


T = TypeVar("T")


class Clerk:
    """Stores, then says.

    ``wanted`` says of (incident, page) whether that page still is to be sent; ``crowded`` whether more
    signals wait than are decided; ``answered`` is called whenever the journal has answered. `begin`
    before use, with the group that owns the tasks; `end` after.
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
        crowded: Callable[[], bool],
        answered: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._journal = journal
        self._counters = counters
        self._listeners = listeners
        self._wanted = wanted
        self._crowded = crowded
        self._answered = answered
        self._dispatch = Dispatch(
            identity.gateway,
            topics,
            link,
            counters,
            published=self._event_published,
            wanted=wanted,
            busy=lambda: self.busy,
            crowded=crowded,
        )
        self._storage_failing = False
        self._tasks: asyncio.TaskGroup | None = None
        self._unit: Unit | None = None
        self._storing = 0
        self._in_journal = 0
        self._newest_said: asyncio.Event | None = None
        self._held: asyncio.TimerHandle | None = None
        self._unstored: dict[str, None] = {}  # a set that keeps its order
        self._published: list[Row] = []
        self._lines = 0
        self._lines_since = 0.0
        self._noting: asyncio.TimerHandle | None = None

    @property
    def storing(self) -> int:
        """Decisions that the journal has not answered yet."""
        return self._storing

    def take_unstored(self) -> tuple[str, ...]:
        """The incidents of which the newest state is not known to be stored; they are to be again."""
        unstored, self._unstored = self._unstored, {}
        return tuple(unstored)

    @property
    def busy(self) -> bool:
        """Whether signals come in faster than one by one: what can wait had better wait."""
        return self._storing >= BUSY or self._crowded()

    def holds(self, event_id: str) -> bool:
        """Whether the broker does not have this event yet."""
        return self._dispatch.holds(event_id)

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def end(self) -> None:
        """Nothing more will be decided; what was, and is not handed over yet, is stored still."""
        unit, self._unit = self._unit, None
        if self._held is not None:
            self._held.cancel()
        if unit is not None:
            self._journal.append_soon(unit.close(self._wanted))
            self._give_up(unit)
        self._dispatch.close()
        if self._noting is not None:
            self._noting.cancel()
            self._note_published()

    def reconnected(self) -> None:
        """The broker is there (again)."""
        self._dispatch.reconnected()

    def say_again(
        self, closed: Sequence[tuple[IncidentRecord, int]], events: Sequence[Stored]
    ) -> None:
        """Of an earlier run: closed incidents with their expiry in seconds, and unpublished events."""
        for record, expiry in closed:
            state = state_of(record)
            if state.payload is None:
                self._unsayable("incident", record.case.id)
            else:
                self._dispatch.state(state.message, state.payload, expiry=expiry)
        for row in events:
            self._dispatch.event_again(row.key, row.body)

    def withdraw(self, incident_id: str) -> None:
        """Another gateway says what there is to say about it."""
        self._dispatch.withdraw(incident_id)
        self._journal.append_soon([Row(Kind.YIELDED, incident_id, b"")])

    def forget(self, incidents: Iterable[str]) -> None:
        """Nothing will be said about these any more."""
        for incident_id in incidents:
            self._dispatch.forget(incident_id)

    def send_again(self, change: Change, now: Moment) -> None:
        """Pages whose receipt is missing: nothing new, so it waits for no disk."""
        incident, effects = change
        self._send_pages(pages_of(incident.record, effects, now))

    def carry_out(
        self,
        rows: Sequence[Row],
        changes: Sequence[Change],
        now: Moment,
        *,
        sensed: Sensed | None = None,
        done: Done | None = None,
    ) -> None:
        """Store ``rows`` and the incidents with what else this turn decides, then say it.

        ``done`` is told when that is done, or has failed.
        """
        if self._unit is None:
            loop = asyncio.get_running_loop()
            self._unit = Unit(now, self._identity.kernel_boot, loop.time() + STORE_PATIENCE)
            loop.call_soon(self._turn_ends)
        self._unit.add(rows, changes, sensed, done)
        self._storing += 1

    def _turn_ends(self) -> None:
        """What the turn has decided goes to the journal, now or when it has less to do."""
        if self._in_journal < IN_JOURNAL:
            self._hand_over()
        elif self._unit is not None and self._held is None:
            loop = asyncio.get_running_loop()
            self._held = loop.call_later(HELD_AT_MOST, self._hand_over)

    def _hand_over(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
        unit, self._unit = self._unit, None
        if unit is None:
            return
        try:
            rows = unit.close(self._wanted)
        except Exception:
            self._give_up(unit)
            raise
        # Handed over here and not in the task: the order of decisions is the order of commits.
        storing = self._journal.append(rows)
        self._in_journal += 1
        before, said = self._newest_said, asyncio.Event()
        self._newest_said = said
        self._group().create_task(
            self._store_and_say(storing, unit, before, said), name="alarm.store"
        )

    def _give_up(self, unit: Unit) -> None:
        self._storing -= len(unit.deeds)
        unit.give_up()

    async def _store_and_say(
        self,
        storing: Awaitable[int],
        unit: Unit,
        before: asyncio.Event | None,
        said: asyncio.Event,
    ) -> None:
        """``before`` is set once the unit before this one has been said, ``said`` then by this one."""
        try:
            stored = await self._is_stored(storing, unit)
            self._in_journal -= 1
            self._turn_ends()  # before anything is said, so that the disk does not wait for that
            if before is not None:  # no longer than its patience, which ends before ours
                await before.wait()
            self._storing -= len(unit.deeds)
            self._say(unit, stored=stored)
        except asyncio.CancelledError:
            self._give_up(unit)
            raise
        finally:
            said.set()

    def _say(self, unit: Unit, *, stored: bool) -> None:
        for saying in unit.sayings:
            if stored:
                self._unstored.pop(saying.state.message.id, None)
            else:
                self._unstored[saying.state.message.id] = None
        for saying in unit.sayings:
            if saying.changed:
                self._tell(self._listeners.stored, saying.state.message)
        for saying in unit.sayings:
            self._send_pages(saying.pages)
        states = {saying.state.message.id: saying.state.message for saying in unit.sayings}
        outcomes = [self._outcome(deed, states, stored=stored) for deed in unit.deeds]
        for saying in unit.sayings:
            self._publish_state(saying, unit.now)
        for raised in outcomes:
            if raised.event is not None:
                self._tell(self._listeners.event, raised)
        self._answered()

    def _outcome(self, deed: Deed, states: dict[str, IncidentState], *, stored: bool) -> Raised:
        incidents = tuple(states[one] for one in deed.incidents)
        sensed = deed.sensed
        if sensed is None:
            raised = Raised(None, stored, incidents)
        else:
            event, payload = sensed.event, sensed.payload
            if not stored:
                event = replace(event, stored=False)
                payload = encode_known(event)
            if sensed.told:
                self._dispatch.event(event, payload, urgent=sensed.urgent)
            raised = Raised(event, stored, incidents, sensed.told)
        if deed.done is not None:
            deed.done(raised)
        return raised

    async def _is_stored(self, storing: Awaitable[int], unit: Unit) -> bool:
        least = asyncio.get_running_loop().time() + LEAST_PATIENCE
        try:
            async with asyncio.timeout_at(max(unit.patience_ends, least)):
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

    def _send_pages(self, pages: Iterable[Encoded[Page]]) -> None:
        for page in pages:
            if not self._wanted(page.message.incident, page.message.id):
                continue  # acked or ended while the disk was being waited for
            if page.payload is None:
                self._unsayable("page", page.message.id)
            else:
                self._dispatch.page(page.message, page.payload)
            self._tell(self._listeners.page, page.message)

    def _publish_state(self, saying: Saying, now: Moment) -> None:
        state, payload = saying.state.message, saying.state.payload
        if not saying.changed:
            return
        if payload is None:
            self._unsayable("incident", state.id)
        else:
            self._dispatch.state(state, payload)
        self._log(state, now)
        self._tell(self._listeners.incident, state)

    def _log(self, state: IncidentState, now: Moment) -> None:
        if now.elapsed - self._lines_since >= 1:
            if self._lines > LINES_PER_SECOND:
                _LOGGER.info("%d more changes of incidents", self._lines - LINES_PER_SECOND)
            self._lines_since, self._lines = now.elapsed, 0
        self._lines += 1
        level = logging.INFO if self._lines <= LINES_PER_SECOND else logging.DEBUG
        _LOGGER.log(
            level,
            "incident %s: %s, level %d, seq %d",
            state.id,
            state.state,
            state.level,
            state.seq,
        )

    def _unsayable(self, what: str, name: str) -> None:
        self._counters.add("alarm.unsayable")
        _LOGGER.error("%s %s: makes no message of the contract (too large?)", what, name)

    def _event_published(self, event_id: str) -> None:
        self._published.append(Row(Kind.PUBLISHED, event_id, b""))
        if self._noting is None:
            loop = asyncio.get_running_loop()
            self._noting = loop.call_later(NOTE_PUBLISHED_AFTER, self._note_published)

    def _note_published(self) -> None:
        self._noting = None
        rows, self._published = self._published, []
        self._journal.append_soon(rows)

    def _group(self) -> asyncio.TaskGroup:
        assert self._tasks is not None, "begin() first"
        return self._tasks

    def _tell(self, callback: Callable[[T], None], what: T) -> None:
        try:
            callback(what)
        except Exception:  # a defect in what follows must not keep an alarm back
            self._counters.add("alarm.callback_failed")
            _LOGGER.exception("a callback failed")
