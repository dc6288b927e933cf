"""Relative paths made absolute against the file they stand in."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from gateway.settings.document import Loc, Node, lookup
from gateway.settings.drivers import DriverChoice

T = TypeVar("T")


def anchored(value: T, tree: Node) -> T:
    """A copy of settings in which every `Path`, also in drivers' options, is absolute.

    A default belongs to the main file. Values without a path in them are kept as they are.
    """
    found: T = _anchored(value, tree, ())
    return found


def _anchored(value: Any, tree: Node, loc: Loc) -> Any:
    if isinstance(value, Path):
        reached, entry = lookup(tree, loc)
        file = entry.node.place.file if reached == loc else tree.place.file
        return value if value.is_absolute() else Path(file).absolute().parent / value
    if isinstance(value, BaseModel):
        names = {name: info.alias or name for name, info in type(value).model_fields.items()}
        changed = _changed(value, names, tree, loc)
        return value.model_copy(update=changed) if changed else value
    if isinstance(value, DriverChoice):
        options = _anchored(value.options, tree, loc)
        return value if options is value.options else dataclasses.replace(value, options=options)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = {field.name: field.name for field in dataclasses.fields(value)}
        changed = _changed(value, names, tree, loc)
        return dataclasses.replace(value, **changed) if changed else value
    if isinstance(value, dict):
        after = {key: _anchored(item, tree, (*loc, key)) for key, item in value.items()}
        return after if any(after[key] is not value[key] for key in value) else value
    if isinstance(value, tuple):
        items = tuple(_anchored(item, tree, (*loc, index)) for index, item in enumerate(value))
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else items
    return value


def _changed(value: object, names: dict[str, str], tree: Node, loc: Loc) -> dict[str, Any]:
    """The fields of a model or dataclass that differ once anchored; ``names`` are their YAML keys."""
    changed = {}
    for name, key in names.items():
        before = getattr(value, name)
        after = _anchored(before, tree, (*loc, key))
        if after is not before:
            changed[name] = after
    return changed
