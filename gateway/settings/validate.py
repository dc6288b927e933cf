"""A tree into settings, or every problem of its schema, each at its place.

So that reference problems can be reported together with schema problems, what is wrong is also
*repaired*: wrong values are left out and missing ones stand in, until the rest is valid. The
repaired settings are for checks only, and `Validated.damaged` says what of them not to believe.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from gateway.errors import Problem
from gateway.settings import shape, wording
from gateway.settings.document import Loc, Mapping, Node, Place, Scalar, dotted, lookup, plain
from gateway.settings.drivers import DriverCatalogue
from gateway.settings.model import Settings

_STAND_INS: dict[str, Any] = {
    "gateway": "unknown",
    "name": "unknown",
    "class": "unknown",
    "kind": "relay",
    "site": "unknown",
    "party": "unknown",
    "talkgroup": "unknown",
    "levels": [{"name": "unknown"}],
}
"""For required keys of the model; where a driver's required option is missing the driver goes."""
_MAX_REPAIRS = 16


@dataclass(frozen=True)
class Validated:
    """Settings (whole or repaired, None if beyond repair) and the schema's problems.

    ``damaged`` are the locations that were left out or invented.
    """

    settings: Settings | None
    problems: tuple[Problem, ...]
    damaged: frozenset[Loc]

    def sound(self, *loc: str | int) -> bool:
        """Whether nothing at, above or below a location was repaired."""
        if not self.damaged:
            return True
        above = any(loc[:length] in self.damaged for length in range(len(loc)))
        return not above and loc not in self._damaged_below

    @cached_property
    def _damaged_below(self) -> frozenset[Loc]:
        return beginnings(self.damaged)


def beginnings(locs: Iterable[Loc]) -> frozenset[Loc]:
    """Every location that one of ``locs`` begins with, themselves and the root included."""
    return frozenset(loc[:length] for loc in locs for length in range(len(loc) + 1))


def validate(tree: Mapping, catalogue: DriverCatalogue) -> Validated:
    """Check a whole tree against the schema and every driver's own options."""
    value = plain(tree)
    problems: list[Problem] = []
    damaged: set[Loc] = set()
    for attempt in range(_MAX_REPAIRS):
        try:
            settings = settings_of(value, catalogue)
        except ValidationError as error:
            errors = _causes(error.errors(include_url=False, include_input=False))
        else:
            return Validated(settings, tuple(problems), frozenset(damaged))
        # Later faults first, so that leaving out a list's item does not move another.
        for detail in sorted(errors, key=lambda detail: _order(detail["loc"]), reverse=True):
            found: dict[str, Any] = dict(detail)
            if attempt == 0:
                problem = _problem(tree, found, catalogue)
                if problem is not None:
                    problems.append(problem)
                damaged.add(_damage(tree, found, catalogue))
            _repair(value, found)
    return Validated(None, tuple(problems), frozenset(damaged))


def settings_of(value: dict[str, Any], catalogue: DriverCatalogue) -> Settings:
    """Plain values as settings.

    Raises:
        pydantic.ValidationError: the schema, or a driver's options, are not met.
    """
    # JSON, because only there strict validation takes a list for a tuple and text for a Path.
    return Settings.model_validate_json(
        to_json(value), context={"drivers": catalogue}, by_alias=True, by_name=False
    )


def _causes(errors: list[Any]) -> list[Any]:
    """Without lists that are too short only because what is in them is wrong: that is said already."""
    locs = [detail["loc"] for detail in errors]

    def follows(detail: Any) -> bool:
        loc = detail["loc"]
        inside = any(len(one) > len(loc) and one[: len(loc)] == loc for one in locs)
        return detail["type"] == "too_short" and inside

    return [detail for detail in errors if not follows(detail)]


def place_of(tree: Node, loc: Loc) -> Place:
    """Where to point for a value: at the value, or for a mapping or list at its key."""
    _, entry = lookup(tree, loc)
    return entry.node.place if isinstance(entry.node, Scalar) else entry.place


def _order(loc: Loc) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in loc)


def _own(loc: Loc) -> Loc:
    """The location without pydantic's marks: ``[key]`` for a key, names of union members stay."""
    return loc[:-1] if loc and loc[-1] == "[key]" else loc


def _problem(tree: Mapping, error: dict[str, Any], catalogue: DriverCatalogue) -> Problem | None:
    loc = _own(error["loc"])
    reached, entry = lookup(tree, loc)
    kind = error["type"]
    if isinstance(entry.node, Scalar) and entry.node.broken:
        return None  # reported where it was read
    if kind in wording.MISSING:
        place, key = entry.place, (*reached, loc[-1])
    elif error["loc"] != loc:
        return Problem(*entry.place, dotted(reached), f"{loc[-1]!r} is no name", wording.NAME_RULE)
    else:
        place = entry.place if kind in wording.UNKNOWN_KEY else place_of(tree, reached)
        if kind in wording.WRONG_TYPE and entry.node.place.line == entry.place.line:
            place = entry.node.place
        key = reached
    what, hint = wording.in_words(error, entry.node, _known_keys(tree, loc[:-1], catalogue))
    return Problem(*place, dotted(key), what, hint)


def _known_keys(tree: Mapping, loc: Loc, catalogue: DriverCatalogue) -> tuple[str, ...]:
    annotation, node = shape.at(Settings, tree, loc, catalogue)
    if annotation is None or node is None:
        return ()
    return tuple(shape.keys_of(annotation, node, catalogue) or ())


def _damage(tree: Mapping, error: dict[str, Any], catalogue: DriverCatalogue) -> Loc:
    loc = _own(error["loc"])
    if error["type"] in wording.UNKNOWN_KEY:
        # A mistyped key leaves the key that was meant unset.
        meant = wording.closest(str(loc[-1]), _known_keys(tree, loc[:-1], catalogue))
        return (*loc[:-1], meant) if meant else loc
    return loc


def _repair(value: dict[str, Any], error: dict[str, Any]) -> None:
    loc = _own(error["loc"])
    if error["type"] in wording.MISSING:
        parent = _reach(value, loc[:-1])
        if isinstance(parent, dict) and loc[-1] in _STAND_INS:
            parent[str(loc[-1])] = copy.deepcopy(_STAND_INS[str(loc[-1])])
            return
        loc = loc[:-1]
    while loc:
        parent = _reach(value, loc[:-1])
        last = loc[-1]
        if isinstance(parent, dict) and last in parent:
            del parent[str(last)]
            return
        if isinstance(parent, list) and isinstance(last, int) and last < len(parent):
            del parent[last]
            return
        loc = loc[:-1]


def _reach(value: Any, loc: Loc) -> Any:
    for part in loc:
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not in_list and not (isinstance(value, dict) and part in value):
            return None
        value = value[part]
    return value
