"""Whether what was seen is what was expected; what is not, in words. Pure.

Rules:

1. A mapping asks only for what it names. Texts for people (`_CONTAINED`) need only contain what is
   wanted; every item wanted of a list of such texts must be in one of those seen.
2. A group of an incident is told by its state; null asks that it is not there. Breaches are told by
   their kinds, notes by their texts, a refusal by its reason, ``talkgroup: true`` by there being one,
   ``merged_into`` and ``merged`` by a reference to the incident.
3. The same page sent again is one page, the same event told again one event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.cli.scenario.expectation import Expect, Match
from gateway.cli.scenario.seen import Arrival, Seen
from gateway.link.messages import IncidentState
from gateway.link.subscriptions import matches

_CONTAINED = frozenset(
    {"text", "title", "reason", "notes", "shortfalls", "faults", "refused", "error"}
)


def misses(expect: Expect, seen: Seen, since: int) -> Iterator[str]:
    """Each thing that is not as expected; messages count from the arrival ``since`` on."""
    if expect.since is not None:
        since = seen.index_at(expect.since)
    yield from _pages(expect, seen, since)
    for match in expect.events:
        yield from _counted("events", match, _events(match, seen, since))
    for match in expect.no_events:
        yield from _none("events", match, _events(match, seen, since))
    for match in expect.messages:
        yield from _counted("messages", match, _messages(match, seen, since))
    yield from _incidents(expect, seen)
    for name, wanted in expect.endpoints.items():
        yield from _retained(seen, ("gateway", "+", "endpoint", name), wanted, f"endpoint {name}")
    for name, wanted in expect.gateways.items():
        yield from _retained(seen, ("gateway", name, "status"), wanted, f"gateway {name}")
    for line, on in expect.outputs.items():
        if (line in seen.lit) != on:
            yield f"output {line}: expected {'on' if on else 'off'}"
    if expect.answer is not None:
        yield from differences(expect.answer, seen.answer, "answer")


def breaks(never: Expect, seen: Seen, since: int, until: int) -> Iterator[str]:
    """What was seen although it never should have been, from ``since`` up to ``until``."""
    for match in never.pages:
        yield from _none("pages", match, _matching_pages(match, seen, since, until))
    for match in never.events:
        yield from _none("events", match, _events(match, seen, since, until))
    for match in never.messages:
        yield from _none("messages", match, _messages(match, seen, since, until))


def differences(wanted: Any, seen: Any, name: str) -> Iterator[str]:
    """Where ``seen`` is not as ``wanted`` (rule 1)."""
    last = name.rpartition(".")[2]
    seen = list(seen) if isinstance(seen, tuple) else seen
    if isinstance(wanted, Mapping):
        if not isinstance(seen, Mapping):
            yield f"{name}: expected {shown(wanted)}, seen {shown(seen)}"
            return
        for key, value in wanted.items():
            yield from differences(value, seen.get(key), f"{name}.{key}" if name else str(key))
    elif last in _CONTAINED and isinstance(wanted, list) and isinstance(seen, list):
        for text in wanted:
            if not any(str(text) in str(one) for one in seen):
                yield f"{name}: expected {text!r} in one of {shown(seen)}"
    elif last in _CONTAINED and isinstance(wanted, str) and isinstance(seen, str | list):
        if not any(wanted in str(one) for one in ([seen] if isinstance(seen, str) else seen)):
            yield f"{name}: expected something with {wanted!r}, seen {shown(seen)}"
    elif isinstance(wanted, float) and isinstance(seen, int | float):
        if abs(wanted - seen) > 1e-6:
            yield f"{name}: expected {wanted}, seen {seen}"
    elif wanted != seen:
        yield f"{name}: expected {shown(wanted)}, seen {shown(seen)}"


def shown(value: Any) -> str:
    """A value as a scenario would write it, or nearly so."""
    match value:
        case None:
            return "nothing"
        case str():
            return value
        case Mapping():
            return "{" + ", ".join(f"{key}: {shown(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(shown, value)) + "]"
        case bool():
            return "true" if value else "false"
    return str(value)


# Messages


def _pages(expect: Expect, seen: Seen, since: int) -> Iterator[str]:
    for match in expect.pages:
        yield from _counted("pages", match, _matching_pages(match, seen, since))
    called = {page.group for page, _ in seen.pages(since)}
    if expect.paged is not None and called != expect.paged:
        yield f"groups paged: expected {shown(sorted(expect.paged))}, seen {shown(sorted(called))}"
    for group in expect.not_paged:
        if group in called:
            yield f"{group} was paged"


def _matching_pages(match: Match, seen: Seen, since: int, until: int | None = None) -> list[Any]:
    return [
        page
        for page, sends in seen.pages(since, until)
        if sends >= match.sends and _is(match.wanted, msgspec.to_builtins(page))
    ]


def _events(match: Match, seen: Seen, since: int, until: int | None = None) -> list[Any]:
    return [
        event
        for event in seen.events(since, until)
        if _is(match.wanted, msgspec.to_builtins(event))
    ]


def _messages(match: Match, seen: Seen, since: int, until: int | None = None) -> list[Arrival]:
    wanted = (match.topic or "#").split("/")
    found = []
    for arrival in seen.arrivals[since:until]:
        if not matches(wanted, list(arrival.levels)):
            continue
        if match.contains is not None and match.contains not in arrival.payload.decode(
            "utf-8", "replace"
        ):
            continue
        if match.wanted and not _is(match.wanted, _json(arrival)):
            continue
        found.append(arrival)
    return found


def _json(arrival: Arrival) -> Any:
    try:
        return msgspec.json.decode(arrival.payload)
    except msgspec.DecodeError:
        return None


def _is(wanted: Mapping[str, Any], seen: Any) -> bool:
    return not any(True for _ in differences(wanted, seen, ""))


def _counted(what: str, match: Match, found: list[Any]) -> Iterator[str]:
    if match.count is None and not found:
        yield f"no {what} {_described(match)}"
    elif match.count is not None and len(found) != match.count:
        yield f"{what} {_described(match)}: expected {match.count}, seen {len(found)}"


def _none(what: str, match: Match, found: list[Any]) -> Iterator[str]:
    if found:
        yield f"{what} {_described(match)}: expected none, seen {len(found)}"


def _described(match: Match) -> str:
    parts = [f"on {match.topic}"] if match.topic else []
    if match.contains is not None:
        parts.append(f"with {match.contains!r}")
    if match.wanted or not parts:
        parts.append(shown(match.wanted))
    if match.sends > 1:
        parts.append(f"sent {match.sends} times")
    return " ".join(parts)


# Incidents, and what is retained


def _incidents(expect: Expect, seen: Seen) -> Iterator[str]:
    if expect.raised is not None and len(seen.incidents) != expect.raised:
        yield f"incidents raised: expected {expect.raised}, seen {len(seen.incidents)}"
    if expect.standing is not None:
        standing = sum(one.state != "closed" for one in seen.incidents.values())
        if standing != expect.standing:
            yield f"incidents not closed: expected {expect.standing}, seen {standing}"
    for match in expect.incidents:
        state = seen.find(match.of)
        if state is None:
            yield f"there is no incident {match.of or ''}".rstrip()
            continue
        name = f"incident {match.of or state.endpoint or state.category}"
        for key, wanted in match.wanted.items():
            yield from (f"{name}: {words}" for words in _member(key, wanted, state, seen))


def _member(key: str, wanted: Any, state: IncidentState, seen: Seen) -> Iterator[str]:
    have = msgspec.to_builtins(getattr(state, key))
    if key == "groups" and isinstance(wanted, Mapping):
        for group, how in wanted.items():
            known = have.get(group)
            if isinstance(how, Mapping):
                yield from differences(how, known, f"groups.{group}")
            else:
                progress = None if known is None else known["state"]
                yield from differences(how, progress, f"groups.{group}")
        return
    if key == "breaches":
        have = [one["kind"] for one in have]
    elif key == "notes":
        have = [one["text"] for one in have]
    elif key == "refused":
        have = None if have is None else have["reason"]
    elif key == "talkgroup" and isinstance(wanted, bool):
        have = have is not None
    elif key == "merged_into" and isinstance(wanted, str):
        other = seen.find(wanted)
        wanted = None if other is None else other.id
    elif key == "merged" and isinstance(wanted, list):
        wanted = [other.id if (other := seen.find(one)) else one for one in wanted]
    yield from differences(wanted, have, key)


def _retained(
    seen: Seen, levels: tuple[str, ...], wanted: Mapping[str, Any], name: str
) -> Iterator[str]:
    newest = next(
        (
            one
            for one in reversed(seen.arrivals)
            if len(one.levels) == len(levels)
            and all(a in ("+", b) for a, b in zip(levels, one.levels, strict=True))
        ),
        None,
    )
    if newest is None or newest.body is None:
        yield f"{name}: nothing is known of it"
        return
    yield from differences(wanted, newest.body, name)
