"""The shape of the settings as their types declare it: which keys may stand where. Pure.

One walk over models, options dataclasses, mappings and lists serves the suggestions, the
references, the relative paths and the documentation, so that none of them lists keys of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from gateway.errors import DriverUnavailable
from gateway.settings.document import Loc, Mapping, Node, Scalar, Sequence
from gateway.settings.drivers import DriverCatalogue, DriverOf

DRIVER_KEYS = ("driver", "required")
"""The keys of a driver section that are not the driver's own options."""


@functools.cache
def fields_of(kind: type) -> dict[str, Any]:
    """YAML key -> annotation, of a model or an options dataclass; empty for anything else."""
    hints = get_type_hints(kind, include_extras=True)
    if issubclass(kind, BaseModel):
        return {info.alias or name: hints[name] for name, info in kind.model_fields.items()}
    if dataclasses.is_dataclass(kind):
        return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {}


def alternatives(annotation: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The types that a value may have, unions flattened, each with the marks put on it."""
    marks: tuple[Any, ...] = ()
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        marks += tuple(more)
    if get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            if member is not type(None):
                for kind, more_marks in alternatives(member):
                    yield kind, more_marks + marks
    else:
        yield annotation, marks


def marked(marks: tuple[Any, ...], kind: type) -> Any:
    """The first mark of a kind, or None."""
    return next((mark for mark in marks if isinstance(mark, kind)), None)


def keys_of(annotation: Any, node: Node, catalogue: DriverCatalogue) -> dict[str, Any] | None:
    """The fixed keys, with annotations, that a value may have; None where it has none, or any."""
    for kind, marks in alternatives(annotation):
        driver = marked(marks, DriverOf)
        if driver is not None:
            options = _options_at(node, driver.family, catalogue)
            chosen = dict.fromkeys(DRIVER_KEYS, None) | (fields_of(options) if options else {})
            return chosen if options else chosen | driver.more_keys()
        if isinstance(kind, type) and get_origin(kind) is None and fields_of(kind):
            return fields_of(kind)
    return None


def item_of(annotation: Any) -> Any:
    """The annotation of the values of a mapping of names, or of the items of a list; else None."""
    for kind, _ in alternatives(annotation):
        if get_origin(kind) is dict:
            return get_args(kind)[1]
        if get_origin(kind) in (tuple, list):
            return get_args(kind)[0]
    return None


def at(root: Any, tree: Node, loc: Loc, catalogue: DriverCatalogue) -> tuple[Any, Node | None]:
    """The annotation that belongs to ``loc`` below ``root``, None where there is none, and the node."""
    annotation: Any = root
    node: Node | None = tree
    for part in loc:
        keys = keys_of(annotation, node or tree, catalogue)
        annotation = keys.get(str(part)) if keys is not None else item_of(annotation)
        if isinstance(node, Mapping):
            node = node.entries[str(part)].node if part in node.entries else None
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            node = None
        if annotation is None:
            break
    return annotation, node


@dataclass(frozen=True, slots=True)
class Where:
    """Where in a value of some type scalars with a mark of one kind stand.

    ``marks`` are those of a scalar at this very place; below it are those of ``keys`` in a mapping
    with fixed keys, of ``item`` in a list or a mapping of names.
    """

    marks: tuple[Any, ...]
    keys: dict[str, Where]
    item: Where | None


@functools.cache
def where_marked(root: type, mark: type) -> Where:
    """Where such marks are below ``root``. Drivers' own options are not looked into."""
    return _where(root, mark) or Where((), {}, None)


def _where(annotation: Any, mark: type) -> Where | None:
    marks = []
    keys: dict[str, Where] = {}
    for kind, all_marks in alternatives(annotation):
        if marked(all_marks, DriverOf) is not None:
            continue
        if (found := marked(all_marks, mark)) is not None:
            marks.append(found)
        if isinstance(kind, type) and get_origin(kind) is None:
            for key, below in fields_of(kind).items():
                if (where := _where(below, mark)) is not None:
                    keys[key] = where
    item_annotation = item_of(annotation)
    item = None if item_annotation is None else _where(item_annotation, mark)
    return Where(tuple(marks), keys, item) if marks or keys or item else None


def found(where: Where, value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Any, Any]]:
    """Every scalar of a plain value that stands where a mark is: its location, itself, the mark."""
    if isinstance(value, dict):
        if where.item is not None:
            for key, below in value.items():
                yield from found(where.item, below, (*loc, key))
        for key, at in where.keys.items():
            if key in value:
                yield from found(at, value[key], (*loc, key))
    elif isinstance(value, list):
        if where.item is not None:
            for index, below in enumerate(value):
                yield from found(where.item, below, (*loc, index))
    else:
        for mark in where.marks:
            yield loc, value, mark
        if where.item is not None:  # one value where a list may stand
            yield from found(where.item, value, loc)


def _options_at(node: Node, family: str, catalogue: DriverCatalogue) -> type | None:
    entry = node.entries.get("driver") if isinstance(node, Mapping) else None
    if entry is None or not isinstance(entry.node, Scalar):
        return None
    name = entry.node.value
    if not isinstance(name, str) or name not in catalogue.names(family):
        return None
    try:
        return catalogue.options(family, name)
    except DriverUnavailable:
        return None
