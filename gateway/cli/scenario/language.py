"""What a scenario file says: gateways and steps, each problem with its place. Pure.

``docs/scenarios.md`` describes the language. A file is one YAML document with ``name``, ``config``
(one gateway) or ``gateways`` with what they share in ``shared``, and ``steps``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from gateway.errors import ConfigError, Problem
from gateway.link.messages import ActionName
from gateway.settings.document import Mapping as Tree
from gateway.settings.document import Node, Place, Scalar, Sequence, kind_of, parse, plain
from gateway.settings.wording import suggestion_or_list

ACTIONS = frozenset(get_args(ActionName)) - {"receipt"}
"""Verbs that are actions on an incident; their value is the group that acts, or null."""

_ACTION_KEYS = frozenset(
    {"incident", "by", "note", "disposition", "verdict", "level", "into", "to", "refused", "via"}
)
_VERBS: Mapping[str, frozenset[str]] = {
    "press": frozenset({"signal", "hold", "drill", "by", "via"}),
    "raise": frozenset(
        {"endpoint", "category", "code", "plan", "text", "drill", "covert", "by", "via", "refused"}
    ),
    "kill": frozenset(),
    "stop": frozenset(),
    "start": frozenset(),
    "broker": frozenset(),
    "clock": frozenset(),
    "reload": frozenset({"via"}),
    "presence": frozenset({"groups", "on_duty", "position", "interval_s"}),
    "request": frozenset({"with", "via", "refused"}),
    "expect": frozenset({"within"}),
    **dict.fromkeys(ACTIONS, _ACTION_KEYS),
}
"""Verb -> the keys that may stand beside it."""

EXPECTATIONS = frozenset(
    {"pages", "only", "incidents", "incident", "number", "events", "event", "no_event"}
)
INCIDENT_KEYS = frozenset(
    {
        "state", "level", "plan", "category", "severity", "site", "endpoint", "endpoints", "drill",
        "latched", "input", "talkgroup", "groups", "breaches", "disposition", "owner", "owner_term",
        "covert", "text", "home", "handler", "notes", "verdict", "merged", "merged_into",
        "shortfalls",
    }
)  # fmt: skip
EVENT_KEYS = frozenset(
    {
        "gateway", "site", "endpoint", "signal", "category", "code", "text", "drill", "stored",
        "covert", "shelved", "folded", "by",
    }
)  # fmt: skip

_TIME = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done, or looked at; ``at`` in seconds from the start."""

    place: Place
    at: float
    verb: str
    value: Any
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{clock(self.at)} {self.verb} {'' if self.value is None else self.value}".rstrip()


@dataclass(frozen=True, slots=True)
class Scenario:
    """One case: the configuration of each gateway, and the steps in order of time."""

    name: str
    file: str
    gateways: Mapping[str, Mapping[str, Any]]
    steps: tuple[Step, ...]


def clock(seconds: float) -> str:
    """Seconds as ``mm:ss.mmm``."""
    return f"{int(seconds // 60):02d}:{seconds % 60:06.3f}"


def read(text: str, file: str) -> Scenario:
    """One scenario.

    Raises:
        ConfigError: it is none; with every problem, each at its line and column.
    """
    tree, problems = parse(text, file)
    reader = _Reader(file, problems)
    found = reader.scenario(tree)
    if found is None or reader.problems:
        raise ConfigError(tuple(reader.problems))
    return found


class _Reader:
    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self.problems = problems

    def scenario(self, tree: Node | None) -> Scenario | None:
        if not isinstance(tree, Tree):
            if tree is not None:
                self._problem(tree.place, "file", "must be a mapping with name, config and steps")
            return None
        self._known(tree, "file", {"name", "about", "config", "gateways", "shared", "steps"})
        name = self._value(tree, "name", str, "text")
        gateways = self._gateways(tree)
        steps = tuple(self._steps(tree, gateways))
        return Scenario(name or "", self._file, gateways, steps)

    def _gateways(self, tree: Tree) -> dict[str, dict[str, Any]]:
        shared = self._mapping(tree, "shared") or {}
        if "config" in tree.entries:
            one = self._mapping(tree, "config") or {}
            return {str(one.get("gateway", "gateway")): _merged(shared, one)}
        several = self._mapping(tree, "gateways")
        if not several:
            self._problem(tree.place, "config", "is missing", "write config: or gateways:")
            return {}
        return {
            name: _merged(shared, {"gateway": name, **(own or {})}) for name, own in several.items()
        }

    def _steps(self, tree: Tree, gateways: Mapping[str, Any]) -> Iterator[Step]:
        entry = tree.entries.get("steps")
        if entry is None or not isinstance(entry.node, Sequence):
            self._problem(tree.place, "steps", "must be a list of steps")
            return
        now = 0.0
        for index, node in enumerate(entry.node.items):
            key = f"steps[{index}]"
            if not isinstance(node, Tree):
                self._problem(node.place, key, f"must be a mapping, not {kind_of(plain(node))}")
                continue
            at = self._at(node, key, now)
            if at < now:
                self._problem(node.place, key, "is earlier than the step before it")
            now = max(at, now)
            step = self._step(node, key, now, gateways)
            if step is not None:
                yield step

    def _step(self, node: Tree, key: str, at: float, gateways: Mapping[str, Any]) -> Step | None:
        verbs = [name for name in node.entries if name in _VERBS and name != "at"]
        # `note` is a verb of its own, and a detail of every other action.
        actions = [name for name in verbs if name != "note"] or verbs
        if len(actions) != 1:
            given = [name for name in node.entries if name != "at"]
            hint = suggestion_or_list(given[0], sorted(_VERBS)) if given else ""
            what = (
                "has no verb" if not actions else f"has {len(actions)} verbs: {', '.join(actions)}"
            )
            self._problem(node.place, key, what, hint)
            return None
        verb = actions[0]
        self._known(node, key, {"at", verb, *_VERBS[verb]})
        details = {
            name: plain(entry.node)
            for name, entry in node.entries.items()
            if name not in ("at", verb)
        }
        value = plain(node.entries[verb].node)
        if verb == "expect":
            self._expectation(node.entries[verb].node, f"{key}.expect")
        if verb in ("kill", "stop", "start") and value not in gateways:
            place = node.entries[verb].node.place
            hint = suggestion_or_list(str(value), list(gateways))
            self._problem(place, f"{key}.{verb}", f"there is no gateway {value!r}", hint)
        if verb == "broker" and value not in ("up", "down"):
            self._problem(node.entries[verb].node.place, f"{key}.broker", "must be up or down")
        return Step(node.place, at, verb, value, details)

    def _expectation(self, node: Node, key: str) -> None:
        if not isinstance(node, Tree):
            self._problem(node.place, key, "must be a mapping of what is expected")
            return
        self._known(node, key, EXPECTATIONS)
        for name, keys in (
            ("incident", INCIDENT_KEYS),
            ("event", EVENT_KEYS),
            ("no_event", EVENT_KEYS),
        ):
            entry = node.entries.get(name)
            if entry is not None and isinstance(entry.node, Tree):
                self._known(entry.node, f"{key}.{name}", keys)

    def _at(self, node: Tree, key: str, now: float) -> float:
        entry = node.entries.get("at")
        if entry is None:
            return now
        value = plain(entry.node)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str):
            relative = value.startswith("+")
            text = value.removeprefix("+").strip()
            found = _TIME.fullmatch(text)
            if found:
                hours, minutes, seconds = found.groups()
                total = int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
                return now + total if relative else total
            try:
                return now + float(text) if relative else float(text)
            except ValueError:
                pass
        self._problem(entry.node.place, f"{key}.at", "is no time", "write 90, 01:30 or +30")
        return now

    def _known(self, tree: Tree, key: str, known: set[str] | frozenset[str]) -> None:
        for name, entry in tree.entries.items():
            if name not in known:
                hint = suggestion_or_list(name, sorted(known))
                self._problem(entry.place, f"{key}.{name}", "unknown key", hint)

    def _mapping(self, tree: Tree, key: str) -> dict[str, Any] | None:
        value = self._value(tree, key, dict, "a mapping") if key in tree.entries else None
        return value if isinstance(value, dict) else None

    def _value(self, tree: Tree, key: str, kind: type, words: str) -> Any:
        entry = tree.entries.get(key)
        if entry is None:
            self._problem(tree.place, key, "is missing")
            return None
        value = plain(entry.node)
        if not isinstance(value, kind):
            place = entry.node.place if isinstance(entry.node, Scalar) else entry.place
            self._problem(place, key, f"must be {words}, not {kind_of(value)}")
            return None
        return value

    def _problem(self, place: Place, key: str, what: str, hint: str = "") -> None:
        self.problems.append(Problem(place.file, place.line, place.column, key, what, hint))


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """``one`` with everything that ``other`` sets, mappings merged; null takes a key out."""
    return _merged(one, other)


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    whole = copy.deepcopy(dict(one))
    for key, value in other.items():
        if value is None and key in whole:
            del whole[key]
        elif isinstance(value, dict) and isinstance(whole.get(key), dict):
            whole[key] = _merged(whole[key], value)
        else:
            whole[key] = copy.deepcopy(value)
    return whole
