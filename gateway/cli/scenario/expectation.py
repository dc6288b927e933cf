"""What a step of a scenario expects to be seen, read with every problem at its place. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.scenario.reader import Reader
from gateway.link.messages import AlarmEvent, EndpointState, IncidentState, Page, Status
from gateway.settings.document import Mapping as Tree
from gateway.settings.document import Node, Scalar, Sequence, plain

WITHIN = 1.0
"""Seconds within which what is expected is to be there, where a step does not say."""


def _fields(kind: type) -> frozenset[str]:
    return frozenset(one.name for one in dataclasses.fields(kind)) - {"v", "id", "boot"}


_PAGE = _fields(Page)
_EVENT = _fields(AlarmEvent)
_INCIDENT = _fields(IncidentState) - {"applied"}
_ENDPOINT = _fields(EndpointState)
_STATUS = _fields(Status)

KEYS = (
    "pages",
    "paged",
    "not_paged",
    "incident",
    "incidents",
    "raised",
    "standing",
    "events",
    "no_events",
    "endpoints",
    "gateways",
    "outputs",
    "messages",
    "answer",
    "since",
)
"""What may stand in an ``expect``."""

NEVER_KEYS = ("pages", "events", "messages")


@dataclass(frozen=True, slots=True)
class Names:
    """What a scenario may name."""

    gateways: Collection[str]
    endpoints: Collection[str]
    groups: Collection[str]
    sites: Collection[str]
    lines: Collection[str] = ()
    """Lines of outputs, each as ``OUTPUT/LINE``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Messages whose members are as ``wanted``; ``count`` None: at least one.

    ``topic`` is the filter of a raw message, ``contains`` a text in its payload; ``sends`` is how
    often a page must have been sent at least.
    """

    wanted: Mapping[str, Any]
    count: int | None = None
    topic: str | None = None
    contains: str | None = None
    sends: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentMatch:
    """One incident (``of`` as `language` says; None: the newest) and how it is to be."""

    of: str | None
    wanted: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """All of this is to be seen; pages, events and messages since ``since`` (None: the last deed)."""

    pages: tuple[Match, ...] = ()
    paged: frozenset[str] | None = None
    not_paged: tuple[str, ...] = ()
    incidents: tuple[IncidentMatch, ...] = ()
    raised: int | None = None
    standing: int | None = None
    events: tuple[Match, ...] = ()
    no_events: tuple[Match, ...] = ()
    endpoints: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    gateways: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    outputs: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    messages: tuple[Match, ...] = ()
    answer: Any = None
    since: float | None = None

    @property
    def waits(self) -> bool:
        """Whether it must be looked at until its time is over, since more may come."""
        counted = (*self.pages, *self.events, *self.messages)
        return (
            self.paged is not None
            or bool(self.not_paged or self.no_events)
            or self.raised is not None
            or any(match.count is not None for match in counted)
        )


def read_expect(reader: Reader, node: Node, key: str, names: Names, now: float) -> Expect | None:
    """An ``expect``; None where it is none."""
    tree = reader.mapping(node, key, KEYS)
    if tree is None:
        return None
    if not tree.entries:
        reader.problem(node, key, "expects nothing")
    read = _Read(reader, names)
    found = reader.each(
        tree,
        key,
        {
            "pages": read.pages,
            "paged": lambda one, at: frozenset(read.groups(one, at)),
            "not_paged": read.groups,
            "incidents": read.incidents,
            "raised": reader.whole,
            "standing": reader.whole,
            "events": read.events,
            "no_events": read.events,
            "endpoints": read.endpoints,
            "gateways": read.gateways,
            "outputs": read.outputs,
            "messages": read.messages,
            "answer": lambda one, _: plain(one),
            "since": lambda one, at: reader.at(one, at, now),
        },
    )
    single = tree.entries.get("incident")
    if single is not None:
        found["incidents"] = (
            *found.get("incidents", ()),
            *read.incidents(single.node, f"{key}.incident"),
        )
    return Expect(**found)


def read_never(reader: Reader, node: Node, key: str, names: Names) -> Expect | None:
    """A ``never``: of its pages, events and messages none may be seen."""
    tree = reader.mapping(node, key, NEVER_KEYS)
    if tree is None:
        return None
    read = _Read(reader, names)
    readers = {"pages": read.pages, "events": read.events, "messages": read.messages}
    found: dict[str, Any] = dict(reader.each(tree, key, readers))
    return Expect(**found)


class _Read:
    """The parts of an expectation."""

    def __init__(self, reader: Reader, names: Names) -> None:
        self._reader = reader
        self._names = names

    def groups(self, node: Node, key: str) -> tuple[str, ...]:
        return self._reader.names(node, key, self._names.groups, "group")

    def pages(self, node: Node, key: str) -> tuple[Match, ...]:
        found = []
        for index, item in self._reader.items(node):
            at = f"{key}[{index}]"
            if isinstance(item, Scalar):
                group = self._reader.name(item, at, self._names.groups, "group")
                found.append(Match(wanted={"group": group}))
                continue
            match = self._match(item, at, _PAGE, {"sends"})
            if match is not None:
                group_node = item.entries.get("group") if isinstance(item, Tree) else None
                if group_node is not None:
                    self._reader.name(group_node.node, f"{at}.group", self._names.groups, "group")
                found.append(match)
        return tuple(found)

    def events(self, node: Node, key: str) -> tuple[Match, ...]:
        found = []
        for index, item in self._reader.items(node):
            at = f"{key}[{index}]"
            if isinstance(item, Scalar):
                signal = self._reader.text(item, at)
                found.append(Match(wanted={"signal": signal}))
                continue
            match = self._match(item, at, _EVENT)
            if match is not None:
                found.append(match)
        return tuple(found)

    def messages(self, node: Node, key: str) -> tuple[Match, ...]:
        found = []
        for index, item in self._reader.items(node):
            at = f"{key}[{index}]"
            tree = self._reader.mapping(item, at, ("topic", "contains", "json", "count"))
            if tree is None:
                continue
            parts = self._reader.each(
                tree,
                at,
                {
                    "topic": self._reader.text,
                    "contains": self._reader.text,
                    "count": self._reader.whole,
                    "json": lambda one, _: plain(one),
                },
            )
            if "topic" not in parts:
                self._reader.problem(tree, at, "has no topic")
                continue
            found.append(Match(wanted=parts.pop("json", {}), **parts))
        return tuple(found)

    def incidents(self, node: Node, key: str) -> tuple[IncidentMatch, ...]:
        found = []
        for index, item in self._reader.items(node):
            at = f"{key}[{index}]" if isinstance(node, Sequence) else key
            tree = self._reader.mapping(item, at, _INCIDENT | {"of"})
            if tree is None:
                continue
            of = tree.entries.get("of")
            reference = None if of is None else self._reader.text(of.node, f"{at}.of")
            groups = tree.entries.get("groups")
            if groups is not None and isinstance(groups.node, Tree):
                self._reader.mapping(groups.node, f"{at}.groups", self._names.groups)
            wanted = {name: plain(one.node) for name, one in tree.entries.items() if name != "of"}
            found.append(IncidentMatch(of=reference, wanted=wanted))
        return tuple(found)

    def endpoints(self, node: Node, key: str) -> dict[str, dict[str, Any]]:
        return self._named(node, key, self._names.endpoints, _ENDPOINT, "input")

    def outputs(self, node: Node, key: str) -> dict[str, bool]:
        tree = self._reader.mapping(node, key, self._names.lines)
        if tree is None:
            return {}
        return self._reader.each(tree, key, dict.fromkeys(tree.entries, self._reader.truth))

    def gateways(self, node: Node, key: str) -> dict[str, dict[str, Any]]:
        return self._named(node, key, self._names.gateways, _STATUS, "state")

    def _named(
        self, node: Node, key: str, names: Collection[str], fields: Collection[str], main: str
    ) -> dict[str, dict[str, Any]]:
        """By name either a mapping of fields, or the value of the ``main`` one."""
        tree = self._reader.mapping(node, key, names)
        found: dict[str, dict[str, Any]] = {}
        for name, entry in {} if tree is None else tree.entries.items():
            if isinstance(entry.node, Scalar):
                found[name] = {main: entry.node.value}
            elif self._reader.mapping(entry.node, f"{key}.{name}", fields) is not None:
                found[name] = plain(entry.node)
        return found

    def _match(
        self, node: Node, key: str, fields: Collection[str], more: Collection[str] = ()
    ) -> Match | None:
        extra = {"count", *more}
        tree = self._reader.mapping(node, key, {*fields, *extra})
        if tree is None:
            return None
        counts: dict[str, Any] = dict(
            self._reader.each(tree, key, dict.fromkeys(extra, self._reader.whole))
        )
        wanted = {name: plain(one.node) for name, one in tree.entries.items() if name not in extra}
        return Match(wanted=wanted, **counts)
