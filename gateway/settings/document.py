"""YAML text into a tree in which every key and value knows its place. Pure.

PyYAML loses the place of a value once it has built it, so the tree is made here from the parser's
events. What it holds is YAML 1.1 as PyYAML reads it, less what only surprises:

1. A key set twice, a key that is no text, an undefined alias and any tag but YAML's own plain ones
   are problems; the rest of the document is still read.
2. ``0123`` (octal, decimal or an account?), an unquoted date, ``.nan`` and ``.inf`` are problems.
   ``12:30`` is text (it would be 750).
3. A merge key (``<<: *defaults``) adds what is not set beside it; that is no double setting.
4. Nesting is bounded by `MAX_DEPTH`, the whole tree, aliases expanded, by `MAX_NODES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from gateway.errors import Problem

MAX_DEPTH = 32
MAX_NODES = 1_000_000
_MAX_NUMBER_CHARACTERS = 40

Loc = tuple[str | int, ...]
"""Where a value is in the tree: keys and list indices from the root."""


class Place(NamedTuple):
    """A place in a file; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value. ``text`` is how it is written, without quotes; ``broken``: a problem is known."""

    place: Place
    value: str | float | bool | None
    text: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """A YAML list."""

    place: Place
    items: tuple[Node, ...]


class Entry(NamedTuple):
    """One key of a mapping, with the key's own place."""

    place: Place
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A YAML mapping, in file order."""

    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


def dotted(loc: Loc) -> str:
    """A location as people write it: ``plans.hospital-panic.levels[0].page[1]``."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "file"


def plain(node: Node) -> Any:
    """The tree as dicts, lists and scalars."""
    if isinstance(node, Mapping):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def lookup(root: Node, loc: Loc) -> tuple[Loc, Entry]:
    """The deepest part of ``loc`` that exists, with the place of its key (or list item) and its node."""
    node, place = root, root.place
    reached: list[str | int] = []
    for part in loc:
        if isinstance(node, Mapping) and part in node.entries:
            place, node = node.entries[str(part)]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            place = node.place
        else:
            break
        reached.append(part)
    return tuple(reached), Entry(place, node)


def parse(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document. The tree is None where the text is no YAML or too large."""
    reader = _Reader(file)
    try:
        return reader.document(text), reader.problems
    except _TooLarge as error:
        reader.problem(error.place, (), str(error))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 0, 0)
        what = ", ".join(part for part in (error.context, error.problem) if part)
        reader.problem(place, (), f"is no YAML: {what}")
    except (yaml.YAMLError, UnicodeError) as error:
        reader.problem(Place(file, 0, 0), (), f"is no YAML: {' '.join(str(error).split())}")
    return None, reader.problems


class _TooLarge(Exception):
    def __init__(self, place: Place, what: str) -> None:
        super().__init__(what)
        self.place = place


class _Reader:
    """Turns the events of one document into nodes."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._size = 0
        self._events: Iterator[Any] = iter(())

    def problem(self, place: Place, loc: Loc, what: str, hint: str = "") -> None:
        self.problems.append(Problem(*place, dotted(loc), what, hint))

    def document(self, text: str) -> Node:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events = iter(yaml.parse(text, Loader=loader))
        next(self._events)  # stream start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return Mapping(Place(self._file, 1, 1))
        root = self._node(next(self._events), ())
        next(self._events)  # document end
        further = next(self._events)
        if not isinstance(further, yaml.StreamEndEvent):
            self.problem(self._place(further), (), "is more than one document", "remove the `---`")
        return root

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, loc: Loc) -> Node:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            known = self._anchors.get(event.anchor or "")
            if known is None:
                self.problem(place, loc, f"there is no anchor &{event.anchor} before this")
                return Scalar(place, None, broken=True)
            self._count(place, known[1])
            return known[0]
        before = self._size
        self._count(place, 1)
        if len(loc) > MAX_DEPTH:
            raise _TooLarge(place, f"is nested deeper than {MAX_DEPTH} levels")
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, place, loc)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._check_tag(event, place, loc, "seq")
            node = Sequence(place, tuple(self._items(loc)))
        else:
            self._check_tag(event, place, loc, "map")
            node = self._mapping(place, loc)
        if event.anchor:
            self._anchors[event.anchor] = (node, self._size - before)
        return node

    def _count(self, place: Place, nodes: int) -> None:
        self._size += nodes
        if self._size > MAX_NODES:
            raise _TooLarge(place, f"has more than {MAX_NODES} values, aliases expanded")

    def _items(self, loc: Loc) -> Iterator[Node]:
        for index, event in enumerate(self._events):
            if isinstance(event, yaml.SequenceEndEvent):
                return
            yield self._node(event, (*loc, index))

    def _mapping(self, place: Place, loc: Loc) -> Mapping:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == "<<":
                self._merge(merged, self._node(next(self._events), (*loc, "<<")), (*loc, "<<"))
                continue
            key_node = self._node(event, loc)
            key = self._key(key_node, loc)
            value = self._node(next(self._events), (*loc, key))
            if key in own:
                first = own[key].place
                what = f"is set twice; first at {first}"
                self.problem(key_node.place, (*loc, key), what)
            else:
                own[key] = Entry(key_node.place, value)
        for key, entry in merged.items():
            own.setdefault(key, entry)
        return Mapping(place, own)

    def _key(self, node: Node, loc: Loc) -> str:
        if isinstance(node, Scalar):
            if not isinstance(node.value, str) and not node.broken:
                what = f"the key {node.text or 'null'} is {kind_of(node.value)}, not text"
                self.problem(node.place, loc, what, f'write "{node.text}"')
            return node.text
        self.problem(node.place, loc, "a key must be text")
        return f"?{node.place.line}"

    def _merge(self, into: dict[str, Entry], node: Node, loc: Loc) -> None:
        for source in node.items if isinstance(node, Sequence) else (node,):
            if isinstance(source, Mapping):
                for key, entry in source.entries.items():
                    into.setdefault(key, entry)
            elif not (isinstance(source, Scalar) and source.broken):
                self.problem(source.place, loc, "only a mapping, or a list of them, can be merged")

    def _check_tag(self, event: Any, place: Place, loc: Loc, plain_tag: str) -> None:
        if event.tag not in (None, "!", f"tag:yaml.org,2002:{plain_tag}"):
            self.problem(place, loc, f"the tag {event.tag} is not understood", "remove it")

    def _scalar(self, event: Any, place: Place, loc: Loc) -> Scalar:
        text = event.value
        if any(0xD800 <= ord(character) <= 0xDFFF for character in text if character > "\ud7ff"):
            self.problem(place, loc, "holds half a surrogate pair")
            return Scalar(place, None, text, broken=True)
        if event.tag not in (None, "!"):
            return self._tagged(event.tag, text, place, loc)
        if not event.implicit[0]:
            return Scalar(place, text, text)
        value, wrong, hint = resolve(text)
        if wrong:
            self.problem(place, loc, wrong, hint)
        return Scalar(place, value, text, broken=bool(wrong))

    def _tagged(self, tag: str, text: str, place: Place, loc: Loc) -> Scalar:
        name = tag.removeprefix("tag:yaml.org,2002:")
        if name == "str":
            return Scalar(place, text, text)
        value, wrong, _ = resolve(text)
        kinds = {"int": int, "float": float, "bool": bool, "null": type(None)}
        if name in kinds and not wrong and type(value) is kinds[name]:
            return Scalar(place, value, text)
        self.problem(place, loc, f"the tag {tag} is not understood here", "remove it")
        return Scalar(place, None, text, broken=True)


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    spelling: meaning
    for word, meaning in (
        ("true", True),
        ("yes", True),
        ("on", True),
        ("false", False),
        ("no", False),
        ("off", False),
    )
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")
_PLAIN_START = frozenset("0123456789+-.~nNtTfFyYoO")


def resolve(text: str) -> tuple[str | float | bool | None, str, str]:
    """What an unquoted scalar means: value, what is wrong with it, and a hint."""
    if text in _NULLS:
        return None, "", ""
    if text[0] not in _PLAIN_START:
        return text, "", ""
    if text in _BOOLEANS:
        return _BOOLEANS[text], "", ""
    quoted = f'write "{text}" if text is meant'
    if _LEADING_ZERO.fullmatch(text):
        return None, f"{text} begins with a zero, which may mean octal", quoted
    if _NOT_FINITE.fullmatch(text):
        return None, f"{text} is no number that can be used here", quoted
    if _DATE.fullmatch(text):
        return None, f"{text} is a date", quoted
    is_integer = _INTEGER.fullmatch(text)
    if not is_integer and not _FLOAT.fullmatch(text):
        return text, "", ""
    if len(text) > _MAX_NUMBER_CHARACTERS:
        return None, "is a number with too many digits", "quote it if text is meant"
    try:
        value = int(text.replace("_", ""), 0) if is_integer else float(text.replace("_", ""))
    except ValueError:
        return text, "", ""  # "0x_" and the like
    if value in (float("inf"), float("-inf")):
        return None, f"{text} is no number that can be used here", quoted
    return value, "", ""


def kind_of(value: object) -> str:
    """A YAML type in words, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    if value is None:
        return "empty (null)"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list | tuple) else "a mapping"
