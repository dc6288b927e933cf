"""Hands a gateway's open incidents to its standbys, and takes over, or gives back, theirs.

The rules are in `gateway.alarm.standby`; this is their runner. What an owner hands over is the
snapshot that its journal holds, retained on the broker; a standby keeps it in its own journal too,
so that a broker that restarts empty, at the moment at which the owner dies, loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gateway.alarm import standby
from gateway.alarm.incidents import snapshot
from gateway.alarm.incidents.record import IncidentRecord
from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.standby import Adopt, Standby, Standins
from gateway.errors import RemoteProtocolError, StorageError
from gateway.link.incoming import Incoming
from gateway.link.messages import Action, AlarmEvent, IncidentState, Status, decode
from gateway.link.topics import Topics
from gateway.moment import Moment
from gateway.ops.clock import DeadlineTimer, SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

BROKER_PATIENCE = 2.0
"""Seconds that a start waits for the broker to hear what others own meanwhile."""

RETAINED_PATIENCE = 0.5
"""Seconds after a connect in which what is retained arrives (as for the floor: contract, "The floor")."""


MAX_HEARD = 10_000
"""Incidents, and events, of others that are known; the oldest go."""


class Link(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    @property
    def connected(self) -> bool: ...
    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None], /) -> None: ...
    def unsubscribe(
        self, topic_filter: str, handler: Callable[[Incoming], None] | None = None, /
    ) -> None: ...
    def on_connection(self, callback: Callable[[bool], None], /) -> None: ...
    def set_retained(self, topic: str, payload: bytes, /) -> None: ...


class Memory(Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    def append_soon(self, rows: Sequence[Row], /) -> None: ...
    async def standing(self, kind: Kind, /) -> tuple[Stored, ...]: ...
    async def since(self, kind: Kind, since: float, /) -> tuple[Stored, ...]: ...


class Owner(Protocol):
    """What is needed of the desk (`gateway.alarm.desk.Desk`)."""

    def record_of(self, incident: str, /) -> IncidentRecord | None: ...
    def adopt(self, adopt: Adopt, /) -> None: ...
    def release(self, incident: str, /) -> IncidentRecord | None: ...
    def elsewhere(self, records: Sequence[IncidentRecord], /) -> None: ...
    def foreign(self, event: AlarmEvent, /) -> None: ...


class Handover:
    """The standing by of one gateway. Everything is called on the event loop.

    ``send`` sends an action until its incident's owner has answered.
    """

    def __init__(
        self,
        gateway: str,
        kernel_boot: str,
        topics: Topics,
        link: Link,
        journal: Memory,
        clock: SystemClock,
        counters: Counters,
        send: Callable[[Action], None],
    ) -> None:
        self._gateway = gateway
        self._kernel_boot = kernel_boot
        self._topics = topics
        self._link = link
        self._journal = journal
        self._clock = clock
        self._counters = counters
        self._send = send
        self._standbys: Mapping[str, Standby] = {}
        self._standins = Standins(gateway, {})
        self._online: set[str] = set()
        self._newest: dict[str, tuple[standby.Version, bool]] = {}
        """Of incidents that others own: the highest version, and whether it is closed."""
        self._events: dict[str, None] = {}
        """Ids of AlarmEvents of others, in order."""
        self._desk: Owner | None = None
        self._reached = asyncio.Event()
        self._timer = DeadlineTimer(clock, self._expired)
        self._filters: list[tuple[str, Callable[[Incoming], None]]] = []
        self._tasks: asyncio.TaskGroup | None = None
        link.on_connection(self._connection_changed)

    @property
    def hands(self) -> bool:
        """Whether anybody stands by for this gateway, or it for another."""
        return self._standins.hands

    def configure(self, standbys: Mapping[str, Standby]) -> None:
        """Who stands by for whom; read once, at the start."""
        self._standbys = standbys
        self._standins = Standins(self._gateway, standbys)
        if not self.hands:
            return
        for peer in sorted(self._standins.watched):
            self._subscribe(self._topics.handover(peer, "+"), self._handed)
            self._subscribe(self._topics.status(peer), self._status)
        for home in sorted(standbys):
            if self._gateway in standbys[home].by:
                self._subscribe(self._topics.alarm(home), self._event)

    async def owned_elsewhere(self, opened: Sequence[IncidentRecord]) -> frozenset[str]:
        """Which of these, which an earlier run owned, are another's by now, or closed by it.

        As far as the broker tells in time; what comes later is yielded then.
        """
        if not self.hands:
            return frozenset()
        await self._recall()
        if not opened:
            return frozenset()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BROKER_PATIENCE):
                await self._reached.wait()
                await asyncio.sleep(RETAINED_PATIENCE)
        found = set()
        for record in opened:
            newest, closed = self._newest.get(record.case.id, ((0, 0, ""), False))
            if newest > standby.version(record) and (closed or newest[2] in self._online):
                found.add(record.case.id)
        return frozenset(found)

    async def run(self, desk: Owner) -> None:
        """Stand by until cancelled; ``desk`` is ready."""
        self._desk = desk
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                self._look()
                await asyncio.get_running_loop().create_future()
            finally:
                self._timer.cancel()
                for topic_filter, handler in self._filters:
                    self._link.unsubscribe(topic_filter, handler)

    def own(self, state: IncidentState) -> None:
        """An incident that is owned here has a new state: its standbys are handed the snapshot."""
        if not self.hands or self._desk is None:
            return
        home = state.home or self._gateway
        if home not in self._standbys:
            return
        topic = self._topics.handover(self._gateway, state.id)
        record = self._desk.record_of(state.id)
        if state.state == "closed" or record is None:
            self._link.set_retained(topic, b"")
        else:
            self._link.set_retained(topic, snapshot.to_bytes(record, self._kernel_boot, None))
        if self._standins.closed(state.id):
            self._journal.append_soon([Row(Kind.TAKEN_BACK, state.id, b"")])

    def heard(self, state: IncidentState) -> None:
        """An IncidentState of anybody has arrived."""
        if not self.hands or state.owner == self._gateway:
            return
        self._standins.heard(state.id, state.owner_term)
        heard = (state.owner_term, state.seq, state.owner), state.state == "closed"
        if self._newest.get(state.id, ((0, 0, ""), False)) < heard:
            self._newest[state.id] = heard
        if len(self._newest) > MAX_HEARD:
            del self._newest[next(iter(self._newest))]
        if state.state == "closed" and self._standins.closed(state.id):
            self._journal.append_soon([Row(Kind.TAKEN_BACK, state.id, b"")])
        self._yield_to((state.owner_term, state.seq, state.owner), state.id, state.applied)
        self._look()

    # What arrives

    def _handed(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is None or not incoming.payload:
            return
        try:
            record = snapshot.from_bytes(incoming.payload).record
        except StorageError as error:
            self._counters.add("handover.malformed")
            _LOGGER.debug("%s: %s", incoming.topic, error)
            return
        if record.owner != levels[1] or record.case.id != levels[3]:
            self._counters.add("handover.malformed")
            return
        if self._standins.handed(record):
            self._journal.append_soon([Row(Kind.HANDED, record.case.id, incoming.payload)])
        self._yield_to(standby.version(record), record.case.id, record.applied)
        self._look()

    def _status(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is None:
            return
        try:
            status = decode(Status, incoming.payload) if incoming.payload else None
        except RemoteProtocolError:
            self._counters.add("handover.malformed")
            return
        if status is not None and status.state == "online":
            self._online.add(levels[1])
        else:
            self._online.discard(levels[1])
        self._standins.online(frozenset(self._online), self._clock.now().elapsed)
        self._look()

    def _event(self, incoming: Incoming) -> None:
        """A gateway that this one stands by for has sensed something."""
        if incoming.retain or self._desk is None:
            return
        try:
            event = decode(AlarmEvent, incoming.payload)
        except RemoteProtocolError:
            self._counters.add("handover.malformed")
            return
        # A gateway that restarts tells again what it does not know the broker to have.
        if event.id in self._events:
            return
        self._events[event.id] = None
        if len(self._events) > MAX_HEARD:
            del self._events[next(iter(self._events))]
        self._desk.foreign(event)

    def _connection_changed(self, connected: bool) -> None:
        self._online.clear()
        self._standins.connected(self._clock.now().elapsed if connected else None)
        if connected:
            self._reached.set()
        else:
            self._reached.clear()
        self._look()

    # What is done

    def _look(self) -> None:
        if self._desk is not None:
            self._desk.elsewhere(tuple(self._standins.elsewhere()))
            self._timer.arm(self._standins.deadline())

    def _expired(self, now: Moment) -> None:
        assert self._desk is not None
        for adopt in self._standins.tick(now.elapsed):
            incident = adopt.record.case.id
            _LOGGER.warning("incident %s: taken over from %s", incident, adopt.record.owner)
            self._counters.add("handover.adopted")
            self._desk.elsewhere(tuple(self._standins.elsewhere()))
            self._desk.adopt(adopt)
            self._journal.append_soon([Row(Kind.TAKEN_BACK, incident, b"")])
        self._look()

    def _yield_to(self, version: standby.Version, incident: str, applied: Sequence[str]) -> None:
        """Let an incident go of which another's copy is newer (rule 2)."""
        own = None if self._desk is None else self._desk.record_of(incident)
        if own is None or standby.version(own) >= version:
            return
        assert self._desk is not None
        self._desk.release(incident)
        self._link.set_retained(self._topics.handover(self._gateway, incident), b"")
        _LOGGER.warning("incident %s: %s has it now", incident, version[2])
        self._counters.add("handover.yielded")
        missing = frozenset(own.applied) - frozenset(applied)
        if missing and self._tasks is not None:
            work = self._send_again(own, missing)
            self._tasks.create_task(work, name=f"handover.again[{incident}]")

    async def _send_again(self, own: IncidentRecord, missing: frozenset[str]) -> None:
        """What was applied here while both owned it, and the other has never heard of."""
        try:
            rows = await self._journal.since(Kind.ACTION, own.case.raised - 1.0)
        except StorageError as error:
            _LOGGER.error("incident %s: its actions cannot be read: %s", own.case.id, error)
            return
        for row in rows:
            if row.key != own.case.id:
                continue
            with contextlib.suppress(RemoteProtocolError):
                action = decode(Action, row.body)
                if action.id in missing:
                    self._send(action)

    async def _recall(self) -> None:
        try:
            rows = await self._journal.standing(Kind.HANDED)
        except StorageError as error:
            _LOGGER.error("what was handed over before is not known: %s", error)
            return
        for row in rows:
            with contextlib.suppress(StorageError):
                self._standins.handed(snapshot.from_bytes(row.body).record)

    def _subscribe(self, topic_filter: str, handler: Callable[[Incoming], None]) -> None:
        self._filters.append((topic_filter, handler))
        self._link.subscribe(topic_filter, handler)
