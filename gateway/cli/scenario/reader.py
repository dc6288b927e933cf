"""Reading a tree of YAML by hand, so that every problem of a scenario has its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from collections.abc import Mapping as Mapping_
from typing import TypeVar

from gateway.errors import Problem
from gateway.settings.document import Mapping, Node, Scalar, Sequence, kind_of, plain
from gateway.settings.wording import suggestion_or_list

T = TypeVar("T")

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d(?:\.\d+)?)")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min|h|d)?")
_UNITS = {"ms": 0.001, None: 1.0, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}

_MOST_SUGGESTED = 24


class Reader:
    """Collects the problems of one file; what cannot be read is None, or left out."""

    def __init__(self, problems: Collection[Problem] = ()) -> None:
        self.problems = list(problems)

    def problem(self, node: Node, key: str, what: str, hint: str = "") -> None:
        self.problems.append(Problem(*node.place, key, what, hint))

    def mapping(self, node: Node, key: str, known: Collection[str] | None = None) -> Mapping | None:
        """``node`` as a mapping; of whose keys those that are not ``known`` are problems."""
        if not isinstance(node, Mapping):
            self._wrong(node, key, "a mapping")
            return None
        if known is not None:
            for name, entry in node.entries.items():
                if name not in known:
                    hint = suggestion_or_list(name, sorted(known), _MOST_SUGGESTED)
                    self.problems.append(
                        Problem(*entry.place, f"{key}.{name}", "unknown key", hint)
                    )
        return node

    def items(self, node: Node) -> Iterator[tuple[int, Node]]:
        """The items of a list; anything else is a list of one."""
        yield from enumerate(node.items if isinstance(node, Sequence) else (node,))

    def text(self, node: Node, key: str) -> str | None:
        value = self._scalar(node)
        if isinstance(value, str):
            return value
        self._wrong(node, key, "text")
        return None

    def name(self, node: Node, key: str, known: Collection[str], what: str) -> str | None:
        """One of the ``known`` names; ``what`` says what they are."""
        value = self.text(node, key)
        if value is None or value in known:
            return value
        hint = suggestion_or_list(value, sorted(known), _MOST_SUGGESTED)
        self.problem(node, key, f"there is no {what} {value!r}", hint)
        return None

    def names(self, node: Node, key: str, known: Collection[str], what: str) -> tuple[str, ...]:
        found = (self.name(item, key, known, what) for _, item in self.items(node))
        return tuple(name for name in found if name is not None)

    def truth(self, node: Node, key: str) -> bool | None:
        return self._of(node, key, bool, "true or false")

    def whole(self, node: Node, key: str) -> int | None:
        value: object = self._scalar(node)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self._wrong(node, key, "a whole number")
        return None

    def length(self, node: Node, key: str) -> float | None:
        """A duration in seconds: ``90``, ``90 s``, ``1.5 min``, ``01:30``."""
        value = self._scalar(node)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
        found = seconds_of(value) if isinstance(value, str) else None
        if found is None:
            self.problem(node, key, "is no duration", "write 90, 90 s, 1.5 min or 01:30")
        return found

    def at(self, node: Node, key: str, now: float) -> float:
        """A time from the start, or with ``+`` from ``now``; in seconds."""
        value = self._scalar(node)
        if isinstance(value, str) and value.startswith("+"):
            later = seconds_of(value[1:].strip())
            if later is not None:
                return now + later
        elif isinstance(value, str):
            found = seconds_of(value)
            if found is not None:
                return found
        elif isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
        self.problem(node, key, "is no time", "write 90, 01:30, 00:01:30 or +30 s")
        return now

    def each(
        self, tree: Mapping, key: str, readers: Mapping_[str, Callable[[Node, str], T | None]]
    ) -> dict[str, T]:
        """What the keys of ``tree`` say, read by the reader of each; others are passed over."""
        found = {}
        for name, entry in tree.entries.items():
            reader = readers.get(name)
            value = None if reader is None else reader(entry.node, f"{key}.{name}")
            if value is not None:
                found[name] = value
        return found

    def _of(self, node: Node, key: str, kind: type[T], words: str) -> T | None:
        value = self._scalar(node)
        if isinstance(value, kind):
            return value
        self._wrong(node, key, words)
        return None

    def _scalar(self, node: Node) -> str | float | bool | None:
        return node.value if isinstance(node, Scalar) else None

    def _wrong(self, node: Node, key: str, wanted: str) -> None:
        if not (isinstance(node, Scalar) and node.broken):  # else reported where it was read
            self.problem(node, key, f"must be {wanted}, not {kind_of(plain(node))}")


def seconds_of(text: str) -> float | None:
    """A duration as people write it, in seconds; None where it is none."""
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds)
    length = _LENGTH.fullmatch(text)
    if length:
        return float(length[1]) * _UNITS[length[2]]
    return None


def clock(seconds: float) -> str:
    """Seconds as ``mm:ss.mmm``."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 60_000:02d}:{milliseconds % 60_000 / 1000:06.3f}"
