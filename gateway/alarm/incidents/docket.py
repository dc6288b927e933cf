"""All incidents of one gateway: which signal opens one, which joins one, whose turn it is. Pure.

Rules (contract, section 2 "Alarms and incidents"):

Rule 1. An alarm of an endpoint whose incident is not closed joins that incident; else it opens
        one, by the first plan that matches. Without a plan it still opens one, which calls nobody
        and waits for people: a press is never without a trace.
Rule 2. Troubles and tests join nothing. One opens an incident of its own only where a plan names
        it, and no second one while that is not closed; alarms never join such an incident. Silence
        (category supervision) opens one also without a plan, and joins its own while that is not closed.
Rule 3. A drill and a real alarm never share an incident.
Rule 4. A restore is told to every incident of its endpoint; each knows what was in alarm.
Rule 5. New rules (a reload) are for new incidents. One that runs keeps its plan; only an endpoint that
        is no longer configured ends what it had in alarm, since nothing can restore it any more.
Rule 6. A closed incident is kept for a day, to refuse what comes late; then it is forgotten.
        What is shelved, and a press of a walk test, raises nothing.
Rule 7. What a person raises by hand opens an incident like a signal; where its endpoint has one that is
        not closed it joins that, with what was said as a note. Without an endpoint it always opens one
        of its own: a person knows whether it is something else, and can merge.
Rule 8. Where an incident was merged into another, later signals of its endpoint belong to that one.
Rule 9. An incident that another gateway owns is none of this docket's. The signals of its endpoints are
        passed on to that one by their events, and kept for when it comes back. An incident that this
        gateway adopted is told apart from its own by its home: two gateways may have a button of one name.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from gateway.alarm.incidents import actions, delivery
from gateway.alarm.incidents.cases import Cases, Rules
from gateway.alarm.incidents.incident import Effects, Incident
from gateway.alarm.incidents.order import Order
from gateway.alarm.incidents.record import Case, IncidentRecord, State
from gateway.alarm.plans.choice import Chooser, Nobody
from gateway.alarm.plans.plan import (
    SUPERVISION,
    latches,
)
from gateway.alarm.signals.contact import Contact, Directory, Sighting
from gateway.link.messages import Action
from gateway.moment import Moment
from gateway.ports import SignalKind

MAX_PASSED_ON = 64
"""Signals kept for one incident that another gateway owns; the journal has them all."""

KEEP_CLOSED = 86_400.0
"""Seconds for which a closed incident is kept (contract: closed states expire after a day)."""


Change = tuple[Incident, Effects]
_Key = tuple[str, bool, bool]
"""What signals must share to meet in one incident: subject, quiet, drill."""


class Docket:
    """The incidents of ``owner``; every method is one event."""

    def __init__(
        self,
        owner: str,
        rules: Rules,
        new_id: Callable[[], str],
        chooser: Chooser | None = None,
    ) -> None:
        self._owner = owner
        self._new_id = new_id
        self._chooser = chooser or Nobody()
        self._take(rules)
        self._incidents: dict[str, Incident] = {}
        self._current: dict[_Key, Incident] = {}
        self._closed: deque[tuple[float, str]] = deque()
        self._forgotten: list[str] = []
        self._deadlines: list[tuple[float, str]] = []
        self._armed: dict[str, float | None] = {}
        self._elsewhere: dict[str, str] = {}
        self._passed_on: dict[str, list[tuple[Sighting, bool]]] = {}

    def __iter__(self) -> Iterator[Incident]:
        return iter(self._incidents.values())

    def get(self, incident_id: str) -> Incident | None:
        return self._incidents.get(incident_id)

    def current(self, endpoint: str) -> Iterator[Incident]:
        """The incidents of an endpoint that are not closed."""
        for quiet in (False, True):
            for drill in (False, True):
                found = self._current.get((endpoint, quiet, drill))
                if found is not None:
                    yield found

    def is_wanted(self, incident_id: str, page_id: str) -> bool:
        """Whether a page still is to be sent."""
        incident = self._incidents.get(incident_id)
        page = delivery.find(incident.record.pages, page_id) if incident else None
        return page is not None and page.due is not None

    def signal(
        self, sighting: Sighting, now: Moment, *, drill: bool = False, at: Moment | None = None
    ) -> list[Change]:
        """One signal (rules 1 to 4). The first change is that of the incident it belongs to.

        ``at`` is when it was said, where that is not ``now``: what it opens was raised then.
        """
        if sighting.shelved or sighting.walk:
            return []
        if sighting.subject in self._elsewhere:
            passed = self._passed_on.setdefault(self._elsewhere[sighting.subject], [])
            if len(passed) < MAX_PASSED_ON:
                passed.append((sighting, drill))
            return []
        if sighting.signal is SignalKind.RESTORE:
            found = list(self.current(sighting.subject))
            return [self._done(one, one.restore(_contact_in(one, sighting), now)) for one in found]
        current = self._current.get((sighting.subject, sighting.quiet, drill))
        if sighting.signal is SignalKind.CANCEL:
            return [] if current is None else [self._done(current, Effects())]
        if current is None:
            return self._open(sighting, now, drill=drill, at=at or now)
        if sighting.quiet and sighting.category != SUPERVISION:
            return []
        latch = sighting.source is not None and latches(sighting.source, sighting.category)
        contact = _contact_in(current, sighting)
        return [self._done(current, current.alarm(contact, latch=latch, now=now))]

    def raise_by_hand(self, order: Order, now: Moment) -> list[Change]:
        """Rule 7. ``order.site`` and a named plan must be configured; an unknown endpoint is none."""
        source = self._rules.sources.get(order.endpoint or "")
        order = order.at(source)
        current = source and self._current.get((source.endpoint, False, order.drill))
        if current:
            remark = (order.by or "", order.text) if order.text else None
            joined = current.alarm(None, latch=False, now=now, remark=remark)
            return [self._done(current, joined)]
        case = self._cases.of_order(order, source, now)
        return [self._begin(case, None, now, latch=False)]

    def act(self, action: Action, now: Moment) -> tuple[list[Change], actions.Answer] | None:
        """An action on an incident of ours, the first of the changes; None if it is not ours."""
        incident = self._incidents.get(action.incident)
        if incident is None:
            return None
        was_closed = incident.record.state is State.CLOSED
        changes: list[Change] = []
        if action.action == "merge":
            into = self._incidents.get(action.into) if isinstance(action.into, str) else None
            answer, effects = actions.merge(incident, into, action, now)
            if into is not None and effects.changed:
                changes.append(self._done(into, effects))
        else:
            answer = actions.act(incident, action, now, self._rules.dispositions)
        changes.insert(0, self._done(incident, answer.effects))
        if incident.record.state is State.CLOSED and not was_closed:
            self._file(incident, now.elapsed)
        for changed, _ in changes[1:]:
            self._make_current(changed)
        return changes, answer

    def reload(self, rules: Rules, now: Moment) -> list[Change]:
        """Rule 5."""
        self._take(rules)
        return self.orphaned(now)

    def orphaned(self, now: Moment) -> list[Change]:
        """What the incidents of endpoints that are not configured (any more) become."""

        def gone(subject: str) -> bool:
            """Whether it names an endpoint that there is not; other subjects have a colon."""
            return ":" not in subject and subject not in self._rules.sources

        changes = [
            self._done(one, one.input_gone(gone, now))
            for one in {one.id: one for one in self._current.values()}.values()
            if one.record.case.home in (None, self._owner)
        ]
        return [change for change in changes if change[1].changed]

    def restore(
        self, record: IncidentRecord, now: Moment, *, same_boot: bool, above: int = 0
    ) -> Incident:
        """An incident from the journal, or of another gateway, is ours; see `Incident.restored`."""
        incident = Incident.restored(
            record,
            now,
            self._new_id,
            self._chooser,
            same_boot=same_boot,
            owner=self._owner,
            above=above,
        )
        self._incidents[incident.id] = incident
        if record.state is State.CLOSED:
            closed = record.saved.wall if record.closed is None else record.closed
            self._file(incident, now.elapsed - max(now.wall - closed, 0.0))
        else:
            self._make_current(incident)
            self._arm(incident)
        return incident

    def release(self, incident_id: str) -> IncidentRecord | None:
        """Another gateway owns it (rule 9); None where it was not ours."""
        incident = self._incidents.pop(incident_id, None)
        if incident is None:
            return None
        for key in self._keys_of(incident.record):
            if self._current.get(key) is incident:
                del self._current[key]
        self._armed.pop(incident_id, None)
        return incident.record

    def elsewhere(self, records: Iterable[IncidentRecord]) -> None:
        """Incidents of this gateway that another one owns now: their signals are for that one."""
        self._elsewhere = {
            subject: record.case.id
            for record in records
            for subject in (record.case.subject, *record.subjects)
        }

    def passed_on(self, incident_id: str, now: Moment) -> list[Change]:
        """It is back: what its endpoints said meanwhile, in case the other one never heard it."""
        changes: list[Change] = []
        for sighting, drill in self._passed_on.pop(incident_id, ()):
            changes += self.signal(sighting, now, drill=drill)
        return changes

    def foreign(self, home: str, sighting: Sighting, now: Moment, *, drill: bool) -> list[Change]:
        """A signal that ``home`` told of; it opens nothing here, and changes what was adopted."""
        subject = f"{home}/{sighting.subject}"
        if sighting.signal is SignalKind.RESTORE:
            return [
                self._done(one, one.restore(contact, now))
                for one in list(self.current(subject))
                for contact in _contacts_of(one, sighting)
            ]
        current = self._current.get((subject, sighting.quiet, drill))
        if current is None or sighting.signal is not SignalKind.ALARM or sighting.quiet:
            return []
        contact = _contact_in(current, sighting)
        return [self._done(current, current.alarm(contact, latch=False, now=now))]

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        while self._deadlines:
            due, incident_id = self._deadlines[0]
            if self._armed.get(incident_id) == due:
                return due
            heapq.heappop(self._deadlines)
        return None

    def tick(self, now: Moment, most: int | None = None) -> list[Change]:
        """Time has passed: what is due, most overdue first; at most ``most`` changes of it."""
        while self._closed and self._closed[0][0] + KEEP_CLOSED <= now.elapsed:
            _, incident_id = self._closed.popleft()
            self._incidents.pop(incident_id, None)
            self._forgotten.append(incident_id)
        changes: list[Change] = []
        while (due := self.deadline()) is not None and due <= now.elapsed:
            if len(changes) == most:
                break
            _, incident_id = heapq.heappop(self._deadlines)
            self._armed[incident_id] = None
            incident = self._incidents[incident_id]
            changes.append(self._done(incident, incident.tick(now)))
        return changes

    def take_forgotten(self) -> list[str]:
        """Incidents that rule 6 has let go since the last call."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def _take(self, rules: Rules) -> None:
        self._rules = rules
        self._cases = Cases(self._owner, rules, self._new_id)
        self.directory = Directory(rules.sources.values())

    def _open(self, sighting: Sighting, now: Moment, *, drill: bool, at: Moment) -> list[Change]:
        case = self._cases.of_signal(sighting, now, drill=drill, raised=at.wall)
        if case is None:
            return []
        source = sighting.source
        latch = source is not None and latches(source, sighting.category)
        return [self._begin(case, sighting.contact, now, latch=latch)]

    def _begin(self, case: Case, contact: Contact | None, now: Moment, *, latch: bool) -> Change:
        incident, effects = Incident.opened(
            case,
            contact,
            latch=latch,
            owner=self._owner,
            now=now,
            new_id=self._new_id,
            chooser=self._chooser,
        )
        self._incidents[incident.id] = incident
        self._make_current(incident)
        return self._done(incident, effects)

    def _done(self, incident: Incident, effects: Effects) -> Change:
        self._arm(incident)
        return incident, effects

    def _keys_of(self, record: IncidentRecord) -> Iterator[_Key]:
        """Whose signals join it: its own subject's, and those of what was merged into it."""
        home = record.case.home
        prefix = "" if home in (None, self._owner) else f"{home}/"
        for subject in (record.case.subject, *record.subjects):
            yield prefix + subject, record.case.quiet, record.case.drill

    def _make_current(self, incident: Incident) -> None:
        own, *merged = self._keys_of(incident.record)
        self._current[own] = incident
        for key in merged:
            self._current.setdefault(key, incident)

    def _arm(self, incident: Incident) -> None:
        due = incident.deadline()
        if due != self._armed.get(incident.id):
            self._armed[incident.id] = due
            if due is not None:
                heapq.heappush(self._deadlines, (due, incident.id))

    def _file(self, incident: Incident, closed: float) -> None:
        """Put a closed incident away; ``closed`` on `Moment.elapsed`."""
        for key in self._keys_of(incident.record):
            if self._current.get(key) is incident:
                del self._current[key]
        self._armed.pop(incident.id, None)
        self._closed.append((closed, incident.id))


def _contacts_of(incident: Incident, restore: Sighting) -> tuple[Contact, ...]:
    """What a restore that another gateway told of ends; its event says the zone, and no line."""
    own = incident.record.case.subject == restore.subject
    mine = [one for one in incident.record.active if one.of == (None if own else restore.subject)]
    if restore.zone is None:
        return tuple(mine)
    return tuple(one for one in mine if _contact_in(incident, restore).restores(one))


def _contact_in(incident: Incident, sighting: Sighting) -> Contact:
    """The contact of a signal as the incident knows it."""
    own = incident.record.case.subject == sighting.subject
    return sighting.contact if own else replace(sighting.contact, of=sighting.subject)
