"""The alarm desk: runs the machines, and lets `clerk` store and say what they decide.

Rules (contract, section 2 "Alarms and incidents"):

1. Signals wait their turn in `reception`, in a storm on disk already (`acceptance`): what is decided
   then is decided as of when it was said. Everything else is decided as it comes. A decision is made at
   once: nothing is awaited within it.
2. At a start what earlier runs left goes on (`resumption`), before what comes then is decided.
3. Actions, off the wire and of local callers, are taken by `acting`.
4. What comes of a signal on its way in (`intake`) is decided, stored and told like a signal (`raising`); a
   guard that begins or ends is stored in the same unit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from gateway.alarm.acting import Acting
from gateway.alarm.acting import Link as ActingLink
from gateway.alarm.clerk import Clerk
from gateway.alarm.clerk import Memory as WritingMemory
from gateway.alarm.dispatch import Link as SendingLink
from gateway.alarm.figures import STALE
from gateway.alarm.incidents import wire
from gateway.alarm.incidents.actions import Answer
from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import Change, Docket
from gateway.alarm.incidents.incident import Effects
from gateway.alarm.incidents.order import Order
from gateway.alarm.incidents.record import IncidentRecord, State
from gateway.alarm.journal.journal import Row
from gateway.alarm.plans.choice import Chooser
from gateway.alarm.plans.plan import SourceFacts
from gateway.alarm.raised import Done, Identity, Listeners, Raised
from gateway.alarm.raising import Raising, problem_with
from gateway.alarm.recall import Memory as RecallMemory
from gateway.alarm.recall import OwnedElsewhere, Recall
from gateway.alarm.resumption import Resumption
from gateway.alarm.signals import held
from gateway.alarm.signals.acceptance import Acceptance
from gateway.alarm.signals.contact import InputState, Sighting, sighting_of, understand
from gateway.alarm.signals.intake import Intake, Taken
from gateway.alarm.signals.reception import Reception
from gateway.alarm.signals.waiting import Said, Waiting
from gateway.alarm.standby import Adopt
from gateway.link.messages import Action, AlarmEvent, AlarmFigures, IncidentState
from gateway.link.topics import Topics
from gateway.moment import Moment, timestamp
from gateway.ops.clock import DeadlineTimer, SystemClock
from gateway.ops.counters import Counters
from gateway.ports import AlarmSignal, SignalKind

TICKS = 16
"""Incidents whose time has come that are looked at before the loop gets its turn."""


class Link(SendingLink, ActingLink, Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    def on_connection(self, callback: Callable[[bool], None], /) -> None: ...


class Memory(WritingMemory, RecallMemory, Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""


class Desk:
    """The alarm desk of one gateway. Everything is called on the event loop."""

    def __init__(
        self,
        identity: Identity,
        rules: Rules,
        topics: Topics,
        link: Link,
        journal: Memory,
        clock: SystemClock,
        new_id: Callable[[], str],
        counters: Counters,
        listeners: Listeners,
        chooser: Chooser | None = None,
        owned_elsewhere: OwnedElsewhere | None = None,
    ) -> None:
        """``owned_elsewhere`` says which of an earlier run's incidents are another gateway's by now."""
        self._identity = identity
        self._link = link
        self._journal = journal
        self._clock = clock
        self._new_id = new_id
        self._counters = counters
        self._rules = rules
        self._docket = Docket(identity.gateway, rules, new_id, chooser)
        self.intake = Intake(rules.flapping)
        self._reception = Reception(
            clock, counters, self._take_in, lambda: self._clerk.storing, self._acceptance_of
        )
        self._clerk = Clerk(
            identity,
            topics,
            link,
            journal,
            counters,
            listeners,
            wanted=self._docket.is_wanted,
            crowded=self.crowded,
            answered=self._reception.go,
        )
        self._raising = Raising(identity, new_id, counters, self._docket, self._clerk)
        self._timer = DeadlineTimer(clock, self._expired)
        self._arming: asyncio.Handle | None = None
        self._ready = asyncio.Event()
        self._acting = Acting(
            topics,
            link,
            self._docket,
            clock,
            counters,
            self._ready,
            busy=self.busy,
            carry_out=self._carry_out,
        )
        self._resumption = Resumption(
            identity,
            link,
            clock,
            new_id,
            Recall(journal, counters, owned_elsewhere),
            self._docket,
            self.intake,
            self._clerk,
            self._reception,
            sources=lambda: self._rules.sources,
            decide=self._take,
            carry_out=self._carry_out,
            deliver=self._acting.deliver,
        )

    async def ready(self) -> None:
        """Returns once the journal's incidents are taken up and signals are taken."""
        await self._ready.wait()

    async def run(self) -> None:
        """Take up what the journal has, then serve until cancelled."""
        await self._resumption.read()
        async with asyncio.TaskGroup() as tasks:
            self._clerk.begin(tasks)
            self._reception.acceptance.begin(tasks)
            self._link.on_connection(self._connection_changed)
            self._acting.begin()
            try:
                self._resumption.begin(tasks)
                self._ready.set()
                self._reception.open()
                await asyncio.get_running_loop().create_future()
            finally:
                self._ready.clear()
                self._timer.cancel()
                self._clerk.end()
                self._reception.acceptance.end()
                self._reception.close()
                self._acting.end()

    def take(self, input_name: str, signal: AlarmSignal, told: Callable[[bool], None]) -> None:
        """One signal of a driver; ``told`` hears whether it is on disk: only then it is acknowledged."""
        sighting = understand(self._docket.directory, input_name, signal)
        self._reception.admit(Waiting(sighting, False, said=Said(input_name, signal, told)))

    async def press(
        self,
        endpoint: str,
        signal: SignalKind = SignalKind.ALARM,
        *,
        drill: bool = False,
        by: str | None = None,
        code: str | None = None,
        zone: str | None = None,
    ) -> Raised | None:
        """Raise ``signal`` at an endpoint by hand; None if there is no such endpoint.

        ``code`` and ``zone`` are a panel's, where it is to be as if one had said them.
        """
        source = self._docket.directory.named(endpoint)
        if source is None:
            return None
        raised: asyncio.Future[Raised] = asyncio.get_running_loop().create_future()
        said = AlarmSignal(signal=signal, line=source.line, zone=zone or source.zone, code=code)
        seen = sighting_of(source, said)
        self._reception.admit(Waiting(replace(seen, by=by), drill, partial(_settle, raised)))
        return await raised

    # Standing by

    def record_of(self, incident: str) -> IncidentRecord | None:
        """An incident that is owned here."""
        found = self._docket.get(incident)
        return None if found is None else found.record

    def adopt(self, adopt: Adopt) -> None:
        """Own another gateway's incident from now on, or take one's own back."""
        now = self._clock.now()
        incident = self._docket.restore(adopt.record, now, same_boot=False, above=adopt.above)
        self._clerk.forget([incident.id])
        missed = self._docket.passed_on(incident.id, now)
        self._carry_out((), [(incident, Effects(changed=True)), *missed], now)

    def release(self, incident: str) -> IncidentRecord | None:
        """Another gateway owns it."""
        record = self._docket.release(incident)
        if record is not None:
            self._clerk.withdraw(incident)
            self.arm()
        return record

    def elsewhere(self, records: Iterable[IncidentRecord]) -> None:
        """Incidents of this gateway that another one owns now."""
        self._docket.elsewhere(records)

    def foreign(self, event: AlarmEvent) -> None:
        """What a gateway that this one stands by for has sensed."""
        if not self._ready.is_set():
            return
        now = self._clock.now()
        sighting = wire.sighting_from(event)
        changes = self._docket.foreign(event.gateway, sighting, now, drill=event.drill)
        if changes:
            self._carry_out((), changes, now)

    def report(
        self, sighting: Sighting, rows: tuple[Row, ...] = (), done: Done | None = None
    ) -> None:
        """What the gateway itself has noticed; decided in its turn, like a driver's signal.

        ``rows`` are stored in one unit with it.
        """
        self._reception.admit(Waiting(sighting, False, done, rows))

    def source_of(self, endpoint: str) -> SourceFacts | None:
        """What alarms know of an endpoint."""
        return self._rules.sources.get(endpoint)

    def arm(self) -> None:
        """Look at the deadlines when this turn of the loop is over: it may bring many changes.

        Whoever changes what `intake` holds from outside asks for it.
        """
        if self._arming is None:
            self._arming = asyncio.get_running_loop().call_soon(self._arm_timer)

    def problem_with(self, order: Order) -> str | None:
        """Why `raise_incident` cannot be done; None where it can."""
        return problem_with(order, self._rules)

    async def raise_incident(self, order: Order) -> Raised:
        """Raise an incident by hand, at a site or an endpoint that `problem_with` has no words for."""
        await self._ready.wait()
        source = self._rules.sources.get(order.endpoint or "")
        raised: asyncio.Future[Raised] = asyncio.get_running_loop().create_future()
        self._raising.order(order, source, self._clock.now(), partial(_settle, raised))
        self.arm()
        return await raised

    async def act(self, action: Action) -> Answer | None:
        """An action of a local caller, as `Acting.act`."""
        return await self._acting.act(action)

    def deliver(self, action: Action) -> bool:
        """An action that nobody waits for, as `Acting.deliver`; False: its incident is not ours."""
        return self._acting.deliver(action)

    def reload(self, rules: Rules) -> None:
        """New rules for new incidents; those that run keep their plan and their timers."""
        now = self._clock.now()
        before, self._rules = self._rules.sources, rules
        changed = [name for name, source in before.items() if rules.sources.get(name) != source]
        self.intake.shelving.reload(rules.sources)
        self._take(self.intake.reload(changed, rules.flapping, now), now)
        changes = self._docket.reload(rules, now)
        if changes:
            self._carry_out((), changes, now)
        self.arm()

    def store_again(self) -> None:
        """The journal works again: what it does not know, or not as it is, is stored."""
        self._reception.acceptance.store_again()
        found = (self._docket.get(one) for one in self._clerk.take_unstored())
        changes = [(incident, Effects(changed=True)) for incident in found if incident is not None]
        if changes:
            self._carry_out((), changes, self._clock.now())

    def input_state(self, endpoint: str) -> InputState:
        """An endpoint's input, as `Raising.input_state`."""
        return self._raising.input_state(endpoint)

    def busy(self) -> bool:
        """Whether signals come in faster than one by one."""
        return self._clerk.busy

    def crowded(self) -> bool:
        """Whether signals come in faster than they are decided."""
        return self._reception.crowded

    def figures(self) -> AlarmFigures:
        """How busy this desk is."""
        now = self._clock.now()
        rates = self._raising.figures.rates(now)
        standing = [one.record for one in self._docket if one.record.state is not State.CLOSED]
        return AlarmFigures(
            gateway=self._identity.gateway,
            time=timestamp(now.wall),
            signals=rates.signals,
            signals_10min=rates.signals_10min,
            alarms_10min=rates.alarms_10min,
            peak_10min=rates.peak_10min,
            flood=rates.flood,
            floods=rates.floods,
            flood_s=round(rates.flood_time, 1),
            standing=len(standing),
            stale=sum(1 for one in standing if now.wall - one.case.raised > STALE),
            shelved=len(self.intake.shelving),
            folded=self._raising.folded,
            waiting=len(self._reception),
            refused=self._counters["alarm.refused"],
            busiest=rates.busiest,
        )

    def incidents(self) -> tuple[IncidentState, ...]:
        """The incidents owned here that are not closed, or closed within the last day."""
        return tuple(wire.state_of(incident.record) for incident in self._docket)

    def _acceptance_of(self, reception: Reception) -> Acceptance:
        return Acceptance(
            self._journal,
            self._clock,
            self._new_id,
            self._counters,
            waiting=reception.waiting_of,
            answered=reception.go,
            is_out=lambda event: not self._clerk.holds(event),
        )

    # Signals

    def _take_in(self, waiting: Waiting, now: Moment) -> None:
        at = waiting.at or now
        taken = self.intake.signal(waiting.sighting, at, drill=waiting.drill)
        own, *others = taken.sightings
        rows = [*waiting.rows, *held.rows_of(taken.began, taken.ended), *taken.rows]
        done = partial(self._reception.acceptance.outcome, waiting)
        self._raising.signal(
            own, now, drill=waiting.drill, done=done, rows=rows, event_id=waiting.id, at=at
        )
        for also in others:
            self._raising.signal(also, now)
        self.arm()

    def _take(self, taken: Taken, now: Moment) -> None:
        """What has come of time, or of a reload."""
        rows = [*held.rows_of(taken.began, taken.ended), *taken.rows]
        if rows:
            self._journal.append_soon(rows)
        for sighting in taken.sightings:
            self._raising.signal(sighting, now)
        self.arm()

    # Time, connection

    def _expired(self, now: Moment) -> None:
        self._take(self.intake.tick(now), now)
        changes = self._docket.tick(now, TICKS)
        self._clerk.forget(self._docket.take_forgotten())
        # A page sent again is nothing new: it waits for no disk.
        for incident, effects in changes:
            if not effects.changed:
                self._clerk.send_again((incident, effects), now)
        changed = [change for change in changes if change[1].changed]
        if changed:
            self._carry_out((), changed, now)
        self.arm()

    def _connection_changed(self, connected: bool) -> None:
        if connected and self._ready.is_set():
            self._clerk.reconnected()

    def _carry_out(
        self, rows: Sequence[Row], changes: Sequence[Change], now: Moment
    ) -> asyncio.Future[Raised]:
        said: asyncio.Future[Raised] = asyncio.get_running_loop().create_future()
        self._clerk.carry_out(rows, changes, now, done=partial(_settle, said))
        self.arm()
        return said

    def _arm_timer(self) -> None:
        self._arming = None
        if not self._ready.is_set():
            return
        deadlines = (self._docket.deadline(), self.intake.deadline())
        self._timer.arm(min((one for one in deadlines if one is not None), default=None))


def _settle(future: asyncio.Future[Raised], raised: Raised) -> None:
    if not future.done():  # who waited may have gone
        future.set_result(raised)
