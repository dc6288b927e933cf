"""Relative paths made absolute against the file they stand in."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel

from gateway.settings import shape
from gateway.settings.document import Loc
from gateway.settings.drivers import DriverChoice, DriverOf

T = TypeVar("T")

FileOf = Callable[[Loc], str]


def anchored(value: T, file_of: FileOf) -> T:
    """A copy of settings in which every `Path`, also in drivers' options, is absolute.

    Args:
        value: settings, or a part of them.
        file_of: the file that the value at a location stands in; for a default the main file.

    Values without a path in them are kept as they are.
    """
    found: T = _anchored(value, file_of, ())
    return found


def _anchored(value: Any, file_of: FileOf, loc: Loc) -> Any:
    if value is None:
        return None
    if isinstance(value, Path):
        return value if value.is_absolute() else Path(file_of(loc)).absolute().parent / value
    if isinstance(value, dict):
        after = {key: _anchored(item, file_of, (*loc, key)) for key, item in value.items()}
        return after if any(after[key] is not value[key] for key in value) else value
    if isinstance(value, tuple):
        items = tuple(_anchored(item, file_of, (*loc, index)) for index, item in enumerate(value))
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items
    if isinstance(value, DriverChoice):
        options = _anchored(value.options, file_of, loc)
        return value if options is value.options else dataclasses.replace(value, options=options)
    changed = {}
    kind: type = type(value)
    for name, key in _holding(kind):
        before = getattr(value, name)
        after = _anchored(before, file_of, (*loc, key))
        if after is not before:
            changed[name] = after
    if not changed:
        return value
    if isinstance(value, BaseModel):
        return value.model_copy(update=changed)
    return dataclasses.replace(value, **changed)


@functools.cache
def _holding(kind: type) -> tuple[tuple[str, str], ...]:
    """The fields of a model or dataclass that may have a path below them, each with its YAML key.

    So that of a district's thousands of sites and groups none is looked at.
    """
    holding = {key for key, annotation in shape.fields_of(kind).items() if _may_hold(annotation)}
    if issubclass(kind, BaseModel):
        fields = {name: info.alias or name for name, info in kind.model_fields.items()}
    else:
        fields = {key: key for key in holding}
    return tuple((name, key) for name, key in fields.items() if key in holding)


def _may_hold(annotation: Any) -> bool:
    for kind, marks in shape.alternatives(annotation):
        if kind is Path or shape.marked(marks, DriverOf) is not None:
            return True
        if get_origin(kind) is not None:
            if any(_may_hold(part) for part in get_args(kind) if part is not Ellipsis):
                return True
        elif isinstance(kind, type) and _holding(kind):
            return True
    return False
