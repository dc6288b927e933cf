"""A start: what earlier runs left goes on, at once or as soon as the journal can be read.

Rules:

1. Incidents go on where the journal has them, under a new owner term, and their pages without a receipt
   are sent again with their old ids. A closed one's last state, and events that the broker never had,
   are published.
2. Shelves stand, and a guard that was running at the end of the last run is raised. What was accepted and
   not decided is decided, before what comes then.
3. A journal that cannot be read is asked again every `PATIENCE`, while the desk serves without it. What
   was raised anew meanwhile is merged into the incident that it belongs to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.alarm.clerk import Clerk
from gateway.alarm.dispatch import Link
from gateway.alarm.incidents.docket import KEEP_CLOSED, Change, Docket
from gateway.alarm.incidents.incident import Effects
from gateway.alarm.incidents.record import IncidentRecord, State
from gateway.alarm.incidents.snapshot import Snapshot
from gateway.alarm.journal.rows import Row, Stored
from gateway.alarm.plans.plan import SourceFacts
from gateway.alarm.raised import Identity
from gateway.alarm.recall import PATIENCE, Recall, Recalled
from gateway.alarm.signals import held
from gateway.alarm.signals.contact import Sighting
from gateway.alarm.signals.intake import Intake, Taken
from gateway.alarm.signals.reception import Reception
from gateway.errors import StorageError
from gateway.link.messages import Action
from gateway.moment import Moment, timestamp
from gateway.ops.clock import SystemClock

_LOGGER = logging.getLogger(__name__)


class Resumption:
    """Used from the event loop only. `read`, then `begin` with the group that owns the tasks.

    ``sources`` are the endpoints that there are now; ``decide`` takes what has come of the way in,
    ``carry_out`` what has become of incidents, ``deliver`` an action.
    """

    def __init__(
        self,
        identity: Identity,
        link: Link,
        clock: SystemClock,
        new_id: Callable[[], str],
        recall: Recall,
        docket: Docket,
        intake: Intake,
        clerk: Clerk,
        reception: Reception,
        *,
        sources: Callable[[], Mapping[str, SourceFacts]],
        decide: Callable[[Taken, Moment], None],
        carry_out: Callable[[Sequence[Row], Sequence[Change], Moment], object],
        deliver: Callable[[Action], object],
    ) -> None:
        self._identity = identity
        self._link = link
        self._clock = clock
        self._new_id = new_id
        self._recall = recall
        self._docket = docket
        self._intake = intake
        self._clerk = clerk
        self._reception = reception
        self._sources = sources
        self._decide = decide
        self._carry_out = carry_out
        self._deliver = deliver
        self._begun = 0.0
        self._recalled: Recalled | None = None

    async def read(self) -> None:
        """Read what runs before this moment left, where the journal answers in time."""
        self._begun = self._clock.now().wall
        self._recalled = await self._recall.read(self._begun)

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Take up what was read; where nothing could be, go on reading (rule 3)."""
        recalled, self._recalled = self._recalled, None
        if recalled is not None:
            self._take_up(recalled)
        else:
            tasks.create_task(self._take_up_late(), name="alarm.recall")

    async def _take_up_late(self) -> None:
        while True:
            await asyncio.sleep(PATIENCE)
            recalled = await self._recall.read(self._begun, late=True)
            if recalled is not None:
                new = [one.record for one in self._docket if one.record.state is not State.CLOSED]
                self._take_up(recalled)
                self._merge([one.record for one in recalled.opened], new)
                return

    def _merge(self, old: Iterable[IncidentRecord], new: Iterable[IncidentRecord]) -> None:
        """What was raised anew while the incident that it belongs to was not known."""
        known = {(one.case.subject, one.case.quiet, one.case.drill): one.case.id for one in old}
        for case in (one.case for one in new):
            if (into := known.get((case.subject, case.quiet, case.drill))) is not None:
                self._deliver(
                    Action(
                        id=self._new_id(),
                        incident=case.id,
                        group=None,
                        by=self._identity.gateway,
                        action="merge",
                        time=timestamp(self._clock.now().wall),
                        into=into,
                    )
                )

    def _take_up(self, recalled: Recalled) -> None:
        now = self._clock.now()
        self._clerk.say_again(self._restored(recalled.closed, now), recalled.events)
        self._go_on(recalled.opened, now)
        if self._link.connected:
            self._clerk.reconnected()
        shelving = self._intake.shelving
        shelving.load(recalled.shelved, self._sources(), now)
        self._decide(Taken(rows=shelving.take_rows()), now)
        self._raise_guards(recalled.guards)
        accepted = self._reception.acceptance.take_up(
            recalled.accepted, self._docket.directory, self._clock.now()
        )
        if accepted:
            _LOGGER.info("%d accepted signals are decided now", len(accepted))
        self._reception.readmit(accepted)

    def _restored(
        self, closed: Iterable[Snapshot], now: Moment
    ) -> list[tuple[IncidentRecord, int]]:
        """Closed incidents that are kept still, each with the whole seconds that it has left.

        The broker may never have had one's last state; it has it for what is left.
        """
        kept = []
        for one in closed:
            left = KEEP_CLOSED - (now.wall - (one.record.closed or now.wall))
            if 1 <= left <= KEEP_CLOSED:
                self._docket.restore(one.record, now, same_boot=False)
                kept.append((one.record, int(left)))
        return kept

    def _go_on(self, opened: Iterable[Snapshot], now: Moment) -> None:
        changes: list[Change] = []
        for one in opened:
            same_boot = one.boot == self._identity.kernel_boot
            incident = self._docket.restore(one.record, now, same_boot=same_boot)
            _LOGGER.info("incident %s: taken up from the journal", incident.id)
            changes.append((incident, Effects(changed=True)))
        changes += self._docket.orphaned(now)
        if changes:
            self._carry_out((), changes, now)

    def _raise_guards(self, rows: Iterable[Stored]) -> None:
        found: list[Sighting] = []
        for row in rows:
            try:
                sighting = held.from_bytes(row.body, self._docket.directory)
            except StorageError as error:
                _LOGGER.error("%s: %s; not taken up", row.key, error)
                continue
            if sighting is not None:
                found.append(sighting)
        if found:
            now = self._clock.now()
            self._decide(self._intake.left_over(found, now), now)
