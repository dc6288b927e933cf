"""All incidents of one gateway: which signal opens one, which joins one, whose turn it is. Pure.

Rules (contract, section 2 "Alarms and incidents"):

Rule 1. An alarm of an endpoint whose incident is not closed joins that incident; else it opens
        one, by the first plan that matches. Without a plan it still opens one, which calls nobody
        and waits for people: a press is never without a trace.
Rule 2. Troubles and tests join nothing. One opens an incident of its own only where a plan names
        it, and no second one while that is not closed; alarms never join such an incident.
Rule 3. A drill and a real alarm never share an incident.
Rule 4. A restore is told to every incident of its endpoint; each knows what was in alarm.
Rule 5. New rules (a reload) are for new incidents. One that runs keeps its plan; only an endpoint that
        is no longer configured ends what it had in alarm, since nothing can restore it any more.
Rule 6. A closed incident is kept for a day, to refuse what comes late; then it is forgotten.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.alarm import actions, delivery
from gateway.alarm.contact import Directory, Sighting
from gateway.alarm.incident import Effects, Incident
from gateway.alarm.plan import (
    GroupFacts,
    Plan,
    SiteFacts,
    SourceFacts,
    latches,
    level_groups,
    place_mates,
    quorum,
    select,
    severity_of,
)
from gateway.alarm.record import Case, IncidentRecord, State, Step
from gateway.link.messages import Action
from gateway.moment import Moment
from gateway.ports import SignalKind

KEEP_CLOSED = 86_400.0
"""Seconds for which a closed incident is kept (contract: closed states expire after a day)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says about alarms. ``dispositions`` None allows any."""

    sources: Mapping[str, SourceFacts] = field(default_factory=dict)
    sites: Mapping[str, SiteFacts] = field(default_factory=dict)
    groups: Mapping[str, GroupFacts] = field(default_factory=dict)
    plans: tuple[Plan, ...] = ()
    dispositions: tuple[str, ...] | None = None


Change = tuple[Incident, Effects]
_Key = tuple[str, bool, bool]
"""What signals must share to meet in one incident: subject, quiet, drill."""


class Docket:
    """The incidents of ``owner``; every method is one event."""

    def __init__(self, owner: str, rules: Rules, new_id: Callable[[], str]) -> None:
        self._owner = owner
        self._new_id = new_id
        self._take(rules)
        self._incidents: dict[str, Incident] = {}
        self._current: dict[_Key, Incident] = {}
        self._closed: deque[tuple[float, str]] = deque()
        self._forgotten: list[str] = []
        self._deadlines: list[tuple[float, str]] = []
        self._armed: dict[str, float | None] = {}

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

    def signal(self, sighting: Sighting, now: Moment, *, drill: bool = False) -> list[Change]:
        """One signal (rules 1 to 4). The first change is that of the incident it belongs to."""
        if sighting.signal is SignalKind.RESTORE:
            found = list(self.current(sighting.subject))
            return [self._done(one, one.restore(sighting.contact, now)) for one in found]
        current = self._current.get((sighting.subject, sighting.quiet, drill))
        if sighting.signal is SignalKind.CANCEL:
            return [] if current is None else [self._done(current, Effects())]
        if current is None:
            return self._open(sighting, now, drill=drill)
        if sighting.quiet:
            return []
        assert sighting.source is not None  # what has none is a trouble
        latch = latches(sighting.source, sighting.category)
        return [self._done(current, current.alarm(sighting.contact, latch=latch, now=now))]

    def act(self, action: Action, now: Moment) -> tuple[Incident, actions.Answer] | None:
        """An action on an incident of ours; None if it is not ours."""
        incident = self._incidents.get(action.incident)
        if incident is None:
            return None
        was_closed = incident.record.state is State.CLOSED
        answer = actions.act(incident, action, now, self._rules.dispositions)
        self._done(incident, answer.effects)
        if incident.record.state is State.CLOSED and not was_closed:
            self._file(incident, now.elapsed)
        return incident, answer

    def reload(self, rules: Rules, now: Moment) -> list[Change]:
        """Rule 5."""
        self._take(rules)
        return self.orphaned(now)

    def orphaned(self, now: Moment) -> list[Change]:
        """What the incidents of endpoints that are not configured (any more) become."""
        changes = [
            self._done(one, one.input_gone(now))
            for one in list(self._current.values())
            if one.record.case.endpoint is not None
            and one.record.case.endpoint not in self._rules.sources
        ]
        return [change for change in changes if change[1].changed]

    def restore(self, record: IncidentRecord, now: Moment, *, same_boot: bool) -> Incident:
        """An incident from the journal; see `Incident.restored`."""
        incident = Incident.restored(record, now, self._new_id, same_boot=same_boot)
        self._incidents[incident.id] = incident
        if record.state is State.CLOSED:
            closed = record.saved.wall if record.closed is None else record.closed
            self._file(incident, now.elapsed - max(now.wall - closed, 0.0))
        else:
            self._current[_key_of(record)] = incident
            self._arm(incident)
        return incident

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        while self._deadlines:
            due, incident_id = self._deadlines[0]
            if self._armed.get(incident_id) == due:
                return due
            heapq.heappop(self._deadlines)
        return None

    def tick(self, now: Moment) -> list[Change]:
        """Time has passed: what is due, most overdue first."""
        while self._closed and self._closed[0][0] + KEEP_CLOSED <= now.elapsed:
            _, incident_id = self._closed.popleft()
            del self._incidents[incident_id]
            self._forgotten.append(incident_id)
        changes = []
        while (due := self.deadline()) is not None and due <= now.elapsed:
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
        self.directory = Directory(rules.sources.values())
        self._mates: dict[tuple[str, str | None], list[SourceFacts]] = {}
        for source in rules.sources.values():
            self._mates.setdefault((source.site, source.place), []).append(source)

    def _open(self, sighting: Sighting, now: Moment, *, drill: bool) -> list[Change]:
        source = sighting.source
        site = self._rules.sites.get(source.site) if source else None
        plan = select(self._rules.plans, source, site, sighting.category, sighting.code)
        if plan is None and sighting.quiet:
            return []
        case = self._case(sighting, plan, now, drill=drill)
        incident, effects = Incident.opened(
            case,
            sighting.contact,
            latch=source is not None and latches(source, sighting.category),
            owner=self._owner,
            now=now,
            new_id=self._new_id,
        )
        self._incidents[incident.id] = incident
        self._current[_key_of(incident.record)] = incident
        return [self._done(incident, effects)]

    def _case(self, sighting: Sighting, plan: Plan | None, now: Moment, *, drill: bool) -> Case:
        source, groups = sighting.source, self._rules.groups
        site = self._rules.sites.get(source.site) if source else None
        steps = _steps(plan, groups) if plan else ()
        called = {name for step in steps for name in step.groups}
        return Case(
            id=self._new_id(),
            subject=sighting.subject,
            quiet=sighting.quiet,
            drill=drill,
            category=sighting.category,
            severity=severity_of(plan, sighting.category),
            endpoint=source.endpoint if source else None,
            endpoint_title=source.title if source else None,
            endpoints=place_mates(source, self._mates[source.site, source.place]) if source else (),
            site=source.site if source else None,
            site_title=site.title if site else None,
            position=site.position if site else None,
            raised=now.wall,
            plan=plan.name if plan else None,
            steps=steps,
            parties={name: groups[name].party for name in groups if name in called},
            ack_expires=plan.ack_expires if plan else None,
        )

    def _done(self, incident: Incident, effects: Effects) -> Change:
        self._arm(incident)
        return incident, effects

    def _arm(self, incident: Incident) -> None:
        due = incident.deadline()
        if due != self._armed.get(incident.id):
            self._armed[incident.id] = due
            if due is not None:
                heapq.heappush(self._deadlines, (due, incident.id))

    def _file(self, incident: Incident, closed: float) -> None:
        """Put a closed incident away; ``closed`` on `Moment.elapsed`."""
        self._current.pop(_key_of(incident.record), None)
        self._armed.pop(incident.id, None)
        self._closed.append((closed, incident.id))


def _key_of(record: IncidentRecord) -> _Key:
    return record.case.subject, record.case.quiet, record.case.drill


def _steps(plan: Plan, groups: Mapping[str, GroupFacts]) -> tuple[Step, ...]:
    return tuple(
        Step(
            name=level.name,
            groups=level_groups(plan, index, groups),
            patch=level.patch,
            quorum=quorum(plan, index),
            ack_within=level.ack_within,
        )
        for index, level in enumerate(plan.levels)
    )
