"""What the ``incident`` commands ask of a running gateway, and how they say what it answers."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.cli.live import CallError, socket_of
from gateway.control.client import ControlClient, call
from gateway.errors import BaiyingError

_POLL = 0.5
"""Seconds between two looks at an incident whose answers are waited for."""
_NAMED = 4
"""Groups that a line of the list names; of more it says how many are how far."""


@dataclass(frozen=True, slots=True)
class Roll:
    """A roll call: the groups called to an incident, by what is known of them.

    ``received``: a machine has the page, no person has answered; ``nothing``: not even that. Whoever
    is stood down is not called any more.
    """

    answered: tuple[str, ...]
    received: tuple[str, ...]
    nothing: tuple[str, ...]
    declined: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether everybody called has answered."""
        return not (self.received or self.nothing or self.declined)

    @property
    def over(self) -> bool:
        """Whether there is nobody left to wait for."""
        return not (self.received or self.nothing)


_ROLL = {
    "acked": "answered",
    "en_route": "answered",
    "on_scene": "answered",
    "handled": "answered",
    "received": "received",
    "paged": "nothing",
    "declined": "declined",
}


def roll_of(groups: Mapping[str, Mapping[str, Any]]) -> Roll:
    """The roll call of an IncidentState's ``groups``."""
    found: dict[str, list[str]] = {word: [] for word in _ROLL.values()}
    for name, group in sorted(groups.items()):
        word = _ROLL.get(group["state"])
        if word is not None:
            found[word].append(name)
    return Roll(**{word: tuple(names) for word, names in found.items()})


def roll(config: Path | None, incident_id: str, *, wait: float, as_json: bool) -> bool:
    """Say who has answered, waiting up to ``wait`` seconds; whether everybody has."""
    until = time.monotonic() + wait
    while True:
        state = call(socket_of(config), "incident.show", incident=incident_id)
        found = roll_of(state["groups"])
        paging = state["state"] in ("open", "answered")
        if found.over or not paging or time.monotonic() >= until:
            break
        time.sleep(_POLL)
    if as_json:
        members = {"incident": state["id"], "state": state["state"], **asdict(found)}
        _print_json(members | {"groups": state["groups"]})
        return found.complete
    called = sum(map(len, asdict(found).values()))
    print(f"{len(found.answered)} of {called} groups have answered")
    for word, names in asdict(found).items():
        for name in names:
            print(f"{word:9} {name}{_since(state['groups'][name])}")
    return found.complete


def _since(group: Mapping[str, Any]) -> str:
    when = group["acked"] or group["received"] or group["paged"]
    by = f" by {group['by']}" if group["by"] else ""
    return f": {group['state']}{by}, {when}"


def raise_incident(config: Path | None, *, as_json: bool, **order: Any) -> None:
    """Raise an incident by hand; returns once the gateway has stored it."""
    done = call(socket_of(config), "incident.raise", **order)
    if as_json:
        _print_json(done)
    if not done["stored"]:
        raise BaiyingError("it went out, but could not be stored; see the gateway's log")
    if as_json:
        return
    for one in done["incidents"]:
        print(f"incident {one['id']}: {one['state']}, level {one['level']}, calls {_called(one)}")
        for words in one["shortfalls"]:
            print(f"not called: {words}")


def _called(state: Mapping[str, Any]) -> str:
    if state["groups"]:
        return ", ".join(state["groups"])
    return "nobody: no plan is for it" if state["plan"] is None else "nobody"


def hand_over(config: Path | None, *, to: str, note: str | None, by: str, as_json: bool) -> None:
    """Hand every incident that is not closed over to ``to``."""
    done = call(socket_of(config), "incident.hand-over", to=to, note=note, by=by)
    missed = done["missed"]
    if as_json:
        _print_json(done)
    else:
        count = len(done["handed_over"])
        print(f"{count} of {count + len(missed)} incidents handed over to {to}")
    if missed:
        raise BaiyingError("; ".join(f"{one['incident']}: {one['reason']}" for one in missed))


def list_incidents(config: Path | None, *, everything: bool, as_json: bool) -> None:
    """The incidents that this gateway knows of, newest first."""
    found: list[dict[str, Any]] = []
    with ControlClient(socket_of(config)) as client:
        client.ask("incident.list", all=everything)
        found += [event["incident"] for event in client.frames() if isinstance(event, dict)]
    if as_json:
        _print_json(found)
        return
    if not found:
        print("no open incident" if not everything else "no incident")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "incident", "raised", "state", "level", "site / endpoint", "category", "groups", box=None
    )
    for one in found:
        state = one["state"] + (" DRILL" if one["drill"] else "")
        place = f"{one['site_name'] or one['site'] or '-'} / {one['endpoint'] or '-'}"
        table.add_row(
            one["id"],
            one["raised"],
            state,
            str(one["level"]),
            place,
            one["category"] or "-",
            groups_in_words(one["groups"]),
        )
    # Ids are for copying; they are never cut, not even in a pipe.
    Console(width=max(160, Console().width), highlight=False).print(table)


def groups_in_words(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """How far each group is; of many, how many are how far."""
    if len(groups) <= _NAMED:
        return ", ".join(f"{name} {group['state']}" for name, group in groups.items())
    states = Counter(group["state"] for group in groups.values())
    return ", ".join(f"{count} {state}" for state, count in states.items())


def show(config: Path | None, incident_id: str, *, as_json: bool) -> None:
    """One incident, whole."""
    state = call(socket_of(config), "incident.show", incident=incident_id)
    if as_json:
        _print_json(state)
        return
    for line in _lines(state):
        print(line)


def _lines(state: Mapping[str, Any]) -> Iterable[str]:
    for key, value in state.items():
        if key not in ("groups", "applied", "v", "notes"):
            yield f"{key:12} {_shown(value)}"
    for note in state.get("notes", ()):
        yield f"note         {note['time']} {note['by']}: {note['text']}"
    for name, group in state["groups"].items():
        told = ", ".join(f"{key} {value}" for key, value in group.items() if value is not None)
        yield f"group        {name}: {told}"


def _shown(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def act(
    config: Path | None, incident_id: str, action: str, *, as_json: bool, **fields: Any
) -> None:
    """One action on an incident; returns once its owner has applied or refused it."""
    done = call(socket_of(config), "incident.act", incident=incident_id, action=action, **fields)
    if as_json:
        _print_json(done)
    if done["outcome"] != "applied":
        raise BaiyingError(f"{action}: {done['outcome']}: {done['reason']}")
    if not as_json:
        print(f"{action}: applied; the incident is {done['state']}")


def one_or_all(incident: str | None, *, everything: bool) -> str | None:
    """The incident that is meant; None for all of them.

    Raises:
        CallError: it says neither, or both.
    """
    if (incident is None) != everything:
        raise CallError("name an incident, or all of them by --all; not both")
    return incident


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False)
    print(flush=True)
