"""What shows and sounds at the place of an alarm: lamps, a relay, a siren. Pure.

Rules:

Rule 1. An incident shows at its endpoint and at all that share its place, until it is closed, or
        resolved with nothing latched and nothing in alarm. Nothing of a covert one shows anywhere,
        and what is quiet (a trouble, a test, a touch) shows nothing but a fault.
Rule 2. *Stored*: the signal that raised it, or a later one of it, is known to be on disk.
Rule 3. *Received*: a machine has signed for a page of it, or a person has answered one. This stays so
        when further groups are called, until it is opened again.
Rule 4. *Taken*: a group's ack stands.
Rule 5. *Unheard*: nobody has received it for so many seconds since it was raised, or opened again.
        It ends with the first receipt or answer. No broker is needed for it.
Rule 6. *Fault*: the endpoint or its input has a fault or is tampered with, or nothing can be stored.
Rule 7. A drill switches only outputs that are marked for drills.
Rule 8. A line is on while anything holds it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.alarm.plans.plan import QUIET_CATEGORIES
from gateway.link.messages import IncidentState
from gateway.moment import Moment, parse_timestamp

UNHEARD_AFTER = 5.0
"""Seconds (faults, row 1: local relay if there is no receipt in 5 s)."""

_LATEST = 1.0
"""Seconds from the raising to its first state at most, whatever the wall clock says: the journal's 0.5."""

_STANDING = frozenset({"acked", "en_route", "on_scene", "handled"})
_UNANSWERED = frozenset({"paged", "stood_down"})

Line = tuple[str, str]
"""An output, and which of its lines."""


class Indication(StrEnum):
    """What a line can stand for."""

    STORED = "stored"
    RECEIVED = "received"
    TAKEN = "taken"
    FAULT = "fault"
    UNHEARD = "unheard"


@dataclass(frozen=True, slots=True)
class Signs:
    """What an endpoint has to show with; ``unheard_after`` in seconds."""

    lines: Mapping[Indication, tuple[Line, ...]]
    unheard_after: float = UNHEARD_AFTER


@dataclass(slots=True)
class _Shown:
    """An incident that shows (rule 1)."""

    endpoints: tuple[str, ...]
    drill: bool
    since: float
    """When it was raised or opened again, on `Moment.elapsed`."""
    stored: bool = False
    resolved: bool = False
    received: bool = False
    taken: bool = False


class Indications:
    """The lines of one gateway. Ask `take_changes` after each event."""

    def __init__(self) -> None:
        self._signs: Mapping[str, Signs] = {}
        self._drilled: frozenset[str] = frozenset()
        self._shown: dict[str, _Shown] = {}
        self._faulty: set[str] = set()
        self._storage_fault = False
        self._held: dict[str, frozenset[Line]] = {}
        """What each incident, and each endpoint's fault, holds on."""
        self._holders: dict[Line, set[str]] = {}
        self._changed: set[Line] = set()
        self._due: list[tuple[float, str]] = []
        self._armed: set[tuple[float, str]] = set()
        """What `_due` holds."""

    def configure(self, signs: Mapping[str, Signs], drilled: Iterable[str], now: Moment) -> None:
        """Which endpoints show with what, and which outputs take part in drills."""
        before, self._signs, self._drilled = self._signs, signs, frozenset(drilled)
        for incident_id in self._shown:
            self._show(incident_id, now)
        for endpoint in before.keys() | signs.keys():
            self._show_fault(endpoint)

    def incident(self, state: IncidentState, now: Moment, *, stored: bool = False) -> None:
        """An incident as it is now; ``stored``: it was found in the journal."""
        if not _shows(state):
            if self._shown.pop(state.id, None) is not None:
                self._hold(state.id, frozenset())
            return
        shown = self._shown.get(state.id)
        again = shown is not None and shown.resolved and state.state == "open"
        if shown is None or again:
            known = shown is not None and shown.stored
            since = now.elapsed
            if not again and not stored:
                since -= min(max(now.wall - parse_timestamp(state.raised), 0.0), _LATEST)
            shown = _Shown((), state.drill, since, stored=stored or known)
            self._shown[state.id] = shown
        own = () if state.endpoint is None else (state.endpoint,)
        shown.endpoints = tuple(dict.fromkeys((*own, *state.endpoints)))
        shown.resolved = state.state == "resolved"
        shown.taken = any(group.state in _STANDING for group in state.groups.values())
        shown.received = shown.received or any(
            group.received is not None or group.state not in _UNANSWERED
            for group in state.groups.values()
        )
        self._show(state.id, now)

    def stored(self, incidents: Iterable[str], now: Moment) -> None:
        """These are on disk with the signal that touched them."""
        for incident_id in incidents:
            shown = self._shown.get(incident_id)
            if shown is not None and not shown.stored:
                shown.stored = True
                self._show(incident_id, now)

    def fault(self, endpoint: str, *, faulty: bool) -> None:
        """An endpoint's own state (rule 6)."""
        if faulty != (endpoint in self._faulty):
            (self._faulty.add if faulty else self._faulty.discard)(endpoint)
            self._show_fault(endpoint)

    def storage(self, *, faulty: bool) -> None:
        """Whether the journal fails."""
        if faulty != self._storage_fault:
            self._storage_fault = faulty
            for endpoint in self._signs:
                self._show_fault(endpoint)

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        while self._due and self._due[0][1] not in self._shown:
            self._armed.discard(heapq.heappop(self._due))
        return self._due[0][0] if self._due else None

    def tick(self, now: Moment) -> None:
        """Time has passed (rule 5)."""
        while (due := self.deadline()) is not None and due <= now.elapsed:
            ended = heapq.heappop(self._due)
            self._armed.discard(ended)
            self._show(ended[1], now)

    def lit(self) -> frozenset[Line]:
        """Every line that is on."""
        return frozenset(self._holders)

    def take_changes(self) -> dict[Line, bool]:
        """Every line that may have changed since the last call, and whether it is on now."""
        changed, self._changed = self._changed, set()
        return {line: line in self._holders for line in changed}

    def _show(self, incident_id: str, now: Moment) -> None:
        shown = self._shown[incident_id]
        lines: set[Line] = set()
        for endpoint in shown.endpoints:
            signs = self._signs.get(endpoint)
            if signs is not None:
                for indication in self._indications(incident_id, shown, signs, now):
                    lines.update(signs.lines.get(indication, ()))
        if shown.drill:
            lines = {line for line in lines if line[0] in self._drilled}
        self._hold(incident_id, frozenset(lines))

    def _indications(
        self, incident_id: str, shown: _Shown, signs: Signs, now: Moment
    ) -> Iterable[Indication]:
        if shown.stored:
            yield Indication.STORED
        if shown.taken:
            yield Indication.TAKEN
        if shown.received:
            yield Indication.RECEIVED
            return
        due = shown.since + signs.unheard_after
        if due <= now.elapsed:
            yield Indication.UNHEARD
        elif Indication.UNHEARD in signs.lines and (due, incident_id) not in self._armed:
            self._armed.add((due, incident_id))
            heapq.heappush(self._due, (due, incident_id))

    def _show_fault(self, endpoint: str) -> None:
        signs = self._signs.get(endpoint)
        lines: Iterable[Line] = ()
        if signs is not None and (self._storage_fault or endpoint in self._faulty):
            lines = signs.lines.get(Indication.FAULT, ())
        self._hold(f"fault of {endpoint}", frozenset(lines))

    def _hold(self, holder: str, lines: frozenset[Line]) -> None:
        before = self._held.pop(holder, frozenset())
        if lines:
            self._held[holder] = lines
        for line in before - lines:
            holders = self._holders[line]
            holders.discard(holder)
            if not holders:
                del self._holders[line]
                self._changed.add(line)
        for line in lines - before:
            if line not in self._holders:
                self._changed.add(line)
            self._holders.setdefault(line, set()).add(holder)


def _shows(state: IncidentState) -> bool:
    """Rule 1."""
    if state.covert or state.category in QUIET_CATEGORIES or state.state == "closed":
        return False
    return state.state != "resolved" or state.latched or state.input == "alarm"
