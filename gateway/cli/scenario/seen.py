"""What an outsider has seen of a scenario on the broker, and whether it is what was expected. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.cli.scenario.language import clock
from gateway.errors import RemoteProtocolError
from gateway.link.messages import AlarmEvent, IncidentState, Page, decode
from gateway.link.topics import Topics


@dataclass(slots=True)
class Seen:
    """Everything published so far; times in seconds from the start of the scenario."""

    topics: Topics = field(default_factory=Topics)
    pages: dict[str, Page] = field(default_factory=dict)
    """By id: the same page sent again is one page."""
    events: list[AlarmEvent] = field(default_factory=list)
    incidents: dict[str, IncidentState] = field(default_factory=dict)
    """The newest state of each, in the order in which they were first seen."""
    timeline: list[str] = field(default_factory=list)

    def message(self, topic: str, payload: bytes, at: float) -> None:
        """One message off the broker."""
        levels = self.topics.levels(topic)
        if levels is None or not payload:
            return
        try:
            self._take(levels, payload, at)
        except RemoteProtocolError as error:
            self.note(at, f"{topic}: {error}")

    def note(self, at: float, words: str) -> None:
        """One line of the time line."""
        self.timeline.append(f"{clock(at)} {words}")

    def number(self, which: int) -> IncidentState | None:
        """An incident by the order in which they were raised, from 1; negative from the end."""
        found = sorted(self.incidents.values(), key=lambda one: (one.raised, one.id))
        index = which - 1 if which > 0 else which
        return found[index] if -len(found) <= index < len(found) else None

    def misses(self, expected: Mapping[str, Any]) -> Iterator[str]:
        """In words, each thing that is not as expected."""
        calls = Counter(page.group for page in self.pages.values())
        for group, count in (expected.get("pages") or {}).items():
            if calls[group] != count:
                yield f"pages to {group}: expected {count}, seen {calls[group]}"
        if "only" in expected:
            wanted = set(expected["only"] or ())
            if set(calls) != wanted:
                yield f"groups paged: expected {sorted(wanted)}, seen {sorted(calls)}"
        if "incidents" in expected:
            standing = sum(one.state != "closed" for one in self.incidents.values())
            if standing != expected["incidents"]:
                yield f"incidents not closed: expected {expected['incidents']}, seen {standing}"
        signals = Counter(event.signal for event in self.events)
        for signal, count in (expected.get("events") or {}).items():
            if signals[signal] != count:
                yield f"{signal} events: expected {count}, seen {signals[signal]}"
        if "event" in expected and not self._has_event(expected["event"]):
            yield f"no event like {expected['event']}"
        if "no_event" in expected and self._has_event(expected["no_event"]):
            yield f"an event like {expected['no_event']}"
        if "incident" in expected:
            yield from self._incident(expected["incident"] or {}, expected.get("number", 1))

    def _incident(self, wanted: Mapping[str, Any], which: int) -> Iterator[str]:
        state = self.number(which)
        if state is None:
            yield f"there is no incident {which}"
            return
        have = msgspec.to_builtins(state)
        for key, value in wanted.items():
            yield from self._member(key, value, have)

    def _member(self, key: str, value: Any, have: dict[str, Any]) -> Iterator[str]:
        if key == "groups":
            for group, progress in value.items():
                seen = have["groups"].get(group, {}).get("state")
                if seen != progress:
                    yield f"group {group}: expected {progress}, seen {seen}"
            return
        seen = have[key]
        if key == "breaches":
            seen = [breach["kind"] for breach in seen]
        elif key == "notes":
            seen = [note["text"] for note in seen]
        elif key == "talkgroup" and isinstance(value, bool):
            seen = seen is not None
        elif key == "merged_into" and isinstance(value, int):
            other = self.number(value)
            value = other.id if other else value
        elif key == "shortfalls" and isinstance(value, list):
            missing = [words for words in value if not any(words in one for one in seen)]
            if missing:
                yield f"shortfalls: expected {missing}, seen {seen}"
            return
        if seen != value:
            yield f"{key}: expected {value}, seen {seen}"

    def _has_event(self, wanted: Mapping[str, Any]) -> bool:
        return any(
            all(_alike(key, value, getattr(event, key)) for key, value in wanted.items())
            for event in self.events
        )

    def _take(self, levels: tuple[str, ...], payload: bytes, at: float) -> None:
        match levels:
            case ("alarm", _):
                event = decode(AlarmEvent, payload)
                if all(known.id != event.id for known in self.events):
                    self.events.append(event)
                    where = event.endpoint or event.site or event.account
                    self.note(at, f"event {event.signal} {event.category} at {where} {event.text}")
            case ("group", _, "page", _):
                page = decode(Page, payload)
                if page.id not in self.pages:
                    self.pages[page.id] = page
                    self.note(at, f"page to {page.group}, level {page.level}: {page.title}")
            case ("incident", _, "state", _):
                state = decode(IncidentState, payload)
                known = self.incidents.get(state.id)
                version = state.owner_term, state.seq
                if known is None or (known.owner_term, known.seq) < version:
                    self.incidents[state.id] = state
                    self.note(at, f"incident {_summary(state)}")


def _summary(state: IncidentState) -> str:
    groups = ", ".join(f"{name} {group.state}" for name, group in state.groups.items())
    return f"{state.id[-4:]} {state.state}, level {state.level}, owner {state.owner}: {groups}"


def _alike(key: str, wanted: Any, seen: Any) -> bool:
    """Texts need only contain what is wanted; everything else is to be equal."""
    if key == "text" and isinstance(wanted, str):
        return wanted in (seen or "")
    return bool(wanted == seen)
