"""What an outsider has seen of a scenario on the broker. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.cli.scenario.reader import clock
from gateway.errors import RemoteProtocolError
from gateway.link.messages import (
    AlarmEvent,
    AlarmFigures,
    EndpointState,
    IncidentState,
    JournalHead,
    Page,
    Presence,
    Status,
    decode,
)
from gateway.link.topics import Topics

_KINDS: dict[tuple[str, ...], type] = {
    ("alarm", "+"): AlarmEvent,
    ("group", "+", "page", "+"): Page,
    ("incident", "+", "state", "+"): IncidentState,
    ("gateway", "+", "status"): Status,
    ("gateway", "+", "endpoint", "+"): EndpointState,
    ("gateway", "+", "figures"): AlarmFigures,
    ("gateway", "+", "journal"): JournalHead,
    ("presence", "+"): Presence,
}
"""What the contract says about the payload of a topic, where the scenarios care."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message: when (seconds from the start), where, and what it says.

    ``message`` is what the contract makes of it, ``body`` its members; both None where it is none.
    """

    at: float
    levels: tuple[str, ...]
    payload: bytes
    message: object = None
    body: dict[str, Any] | None = None


@dataclass(slots=True)
class Seen:
    """Everything that was published so far, and a line of the time line for what is new in it."""

    topics: Topics = field(default_factory=Topics)
    arrivals: list[Arrival] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Messages that the contract does not allow."""
    incidents: dict[str, IncidentState] = field(default_factory=dict)
    """The newest state of each, in the order in which they were first seen."""
    answer: Any = None
    """What the last request brought."""
    lit: frozenset[str] = frozenset()
    """The lines of outputs that are on, each as ``OUTPUT/LINE``."""
    _pages: set[str] = field(default_factory=set)
    _events: set[str] = field(default_factory=set)

    def take(self, topic: str, payload: bytes, at: float) -> Arrival | None:
        """One message off the broker; None where its topic is none of ours."""
        levels = _levels(self.topics.root, topic)
        kind = _kind_of(levels)
        arrival = Arrival(at, levels, payload)
        if kind is not None and payload:
            try:
                message: Any = decode(kind, payload)
            except RemoteProtocolError as error:
                self.broken.append(f"{clock(at)} {topic}: {error}")
            else:
                body: dict[str, Any] = msgspec.to_builtins(message)
                arrival = Arrival(at, levels, payload, message, body)
                self._note(message, at)
        self.arrivals.append(arrival)
        return arrival

    def note(self, at: float, words: str) -> None:
        """One line of the time line."""
        self.timeline.append(f"{clock(at)} {words}")

    def pages(self, since: int = 0, until: int | None = None) -> Iterator[tuple[Page, int]]:
        """Pages whose first sending is the arrival ``since`` or a later one, and how often each was sent."""
        sent: dict[str, list[int]] = {}
        found: dict[str, Page] = {}
        for index, arrival in enumerate(self.arrivals[:until]):
            if isinstance(arrival.message, Page):
                found.setdefault(arrival.message.id, arrival.message)
                sent.setdefault(arrival.message.id, []).append(index)
        for name, page in found.items():
            if sent[name][0] >= since:
                yield page, len(sent[name])

    def events(self, since: int = 0, until: int | None = None) -> Iterator[AlarmEvent]:
        """Events first told at the arrival ``since`` or later."""
        known = {
            one.message.id for one in self.arrivals[:since] if isinstance(one.message, AlarmEvent)
        }
        for arrival in self.arrivals[since:until]:
            if isinstance(arrival.message, AlarmEvent) and arrival.message.id not in known:
                known.add(arrival.message.id)
                yield arrival.message

    def newest(self, levels: tuple[str, ...]) -> Arrival | None:
        """The last message on a topic."""
        return next((one for one in reversed(self.arrivals) if one.levels == levels), None)

    def index_at(self, at: float) -> int:
        """The first arrival at ``at`` seconds or later."""
        return next((i for i, one in enumerate(self.arrivals) if one.at >= at), len(self.arrivals))

    def find(self, reference: str | None) -> IncidentState | None:
        """An incident by its endpoint, site, category or plan; None is the newest.

        ``#2`` behind it is the second of those in the order of their raising; without, the last.
        """
        name, _, number = (reference or "").partition("#")
        found = [one for one in self.incidents.values() if not name or name in _names_of(one)]
        if not found:
            return None
        if number.isdigit():
            index = int(number) - 1
            return found[index] if 0 <= index < len(found) else None
        return found[-1]

    def _note(self, message: object, at: float) -> None:
        match message:
            case Page() if message.id not in self._pages:
                self._pages.add(message.id)
                drill = ", drill" if message.drill else ""
                self.note(at, f"page to {message.group}, level {message.level}{drill}")
            case AlarmEvent() if message.id not in self._events:
                self._events.add(message.id)
                where = message.endpoint or message.site or message.account
                self.note(
                    at, f"event {message.signal} ({message.category}) at {where} {message.text}"
                )
            case IncidentState():
                known = self.incidents.get(message.id)
                version = message.owner_term, message.seq
                if known is None or (known.owner_term, known.seq) < version:
                    self.incidents[message.id] = message
                    self.note(at, f"incident {summary(message)}")
            case Status():
                self.note(at, f"a gateway is {message.state}")


def summary(state: IncidentState) -> str:
    """An incident in one line."""
    groups = ", ".join(f"{name} {group.state}" for name, group in state.groups.items())
    what = state.endpoint or state.site or state.category
    return f"{what} ({state.category}) {state.state}, level {state.level}: {groups or 'nobody'}"


def _names_of(state: IncidentState) -> tuple[str | None, ...]:
    return state.endpoint, state.site, state.category, state.plan


def _levels(root: str, topic: str) -> tuple[str, ...]:
    first, *levels = topic.split("/")
    return tuple(levels) if first == root else (first, *levels)


def _kind_of(levels: tuple[str, ...]) -> type | None:
    for pattern, kind in _KINDS.items():
        if len(pattern) == len(levels) and all(
            one in ("+", level) for one, level in zip(pattern, levels, strict=True)
        ):
            return kind
    return None
