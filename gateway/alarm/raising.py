"""What a signal, or a person's order, becomes: an event and its row, and what it changes about incidents.

Rules (contract, section 2 "Alarms and incidents"):

1. Each sighting is seen by the board of inputs and by the docket, and is one event. Event, row and the
   incidents that it touched are handed to `clerk` at once, as one decision.
2. What a person raises by hand is an event like a signal, of an endpoint where one is named and of the
   site else. It is no word of an input: the board sees nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.alarm.clerk import Clerk
from gateway.alarm.figures import Figures
from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.order import Order
from gateway.alarm.journal.rows import Row
from gateway.alarm.plans.plan import SourceFacts
from gateway.alarm.raised import Done, Identity
from gateway.alarm.signals.contact import Contact, InputBoard, InputState, Sighting
from gateway.alarm.signals.sensing import Sensing
from gateway.moment import Moment
from gateway.ops.counters import Counters
from gateway.ports import SignalKind


class Raising:
    """Used from the event loop only. Deadlines may be others after each call."""

    def __init__(
        self,
        identity: Identity,
        new_id: Callable[[], str],
        counters: Counters,
        docket: Docket,
        clerk: Clerk,
    ) -> None:
        self._counters = counters
        self._docket = docket
        self._clerk = clerk
        self._board = InputBoard()
        self._sensing = Sensing(identity.gateway, identity.boot, new_id)

    @property
    def figures(self) -> Figures:
        """Of the signals of this run."""
        return self._sensing.figures

    @property
    def folded(self) -> int:
        """How many events were told within the count of another."""
        return self._sensing.folded

    def signal(
        self,
        sighting: Sighting,
        now: Moment,
        *,
        drill: bool = False,
        done: Done | None = None,
        rows: Sequence[Row] = (),
        event_id: str | None = None,
        at: Moment | None = None,
    ) -> None:
        """One sighting; ``rows`` are stored with it, ``done`` is told what has come of it.

        ``event_id`` and ``at`` as in `Sensing.sense`.
        """
        self._counters.add("alarm.signals")
        self._board.see(sighting)
        changes = self._docket.signal(sighting, now, drill=drill, at=at)
        sensed, own = self._sensing.sense(
            sighting, changes, now, drill=drill, event_id=event_id, at=at
        )
        self._clerk.carry_out([*own, *rows], changes, now, sensed=sensed, done=done)

    def order(self, order: Order, source: SourceFacts | None, now: Moment, done: Done) -> None:
        """What a person raises at ``source``, or (None) at a site, where `problem_with` has no words."""
        order = order.at(source)
        changes = self._docket.raise_by_hand(order, now)
        sensed, rows = self._sensing.sense(
            _sighting_of(order, source), changes, now, drill=order.drill, site=order.site
        )
        self._clerk.carry_out(rows, changes, now, sensed=sensed, done=done)

    def input_state(self, endpoint: str) -> InputState:
        """An endpoint's input: in alarm while its contact is, or until the latch is reset."""
        for incident in self._docket.current(endpoint):
            record = incident.record
            if not record.case.quiet and (record.latched or record.active):
                return InputState.ALARM
        return self._board.state(endpoint)


def problem_with(order: Order, rules: Rules) -> str | None:
    """Why ``order`` cannot be carried out under ``rules``; None where it can."""
    if order.site not in rules.sites:
        return f"this gateway knows no site {order.site!r}"
    source = rules.sources.get(order.endpoint) if order.endpoint else None
    if order.endpoint is not None and (source is None or source.site != order.site):
        return f"site {order.site} has no endpoint {order.endpoint!r} here"
    if order.plan is not None and all(one.name != order.plan for one in rules.plans):
        return f"there is no plan {order.plan!r}"
    return None


def _sighting_of(order: Order, source: SourceFacts | None) -> Sighting:
    return Sighting(
        source=source,
        subject=order.endpoint or order.site,
        signal=SignalKind.ALARM,
        category=order.category,
        contact=Contact("", None),
        code=order.code,
        account=None,
        zone=None,
        text=order.text or "",
        covert=order.covert,
        by=order.by,
    )
