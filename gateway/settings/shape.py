"""The shape of the settings as their types declare it: which keys may stand where. Pure.

One walk over models, options dataclasses, mappings and lists serves the suggestions, the
references, the relative paths and the documentation, so that none of them lists keys of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Iterator
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
            return dict.fromkeys(DRIVER_KEYS, None) | (fields_of(options) if options else {})
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


def leaves(
    annotation: Any, node: Node, catalogue: DriverCatalogue, loc: Loc = ()
) -> Iterator[tuple[Loc, Scalar, tuple[Any, ...]]]:
    """Every scalar that stands where the shape has one, with its location and the marks there."""
    if isinstance(node, Scalar):
        for _, marks in alternatives(annotation):
            yield loc, node, marks
        item = item_of(annotation)  # one value where a list may stand
        if item is not None:
            yield from leaves(item, node, catalogue, loc)
    elif isinstance(node, Sequence):
        item = item_of(annotation)
        if item is not None:
            for index, child in enumerate(node.items):
                yield from leaves(item, child, catalogue, (*loc, index))
    else:
        keys = keys_of(annotation, node, catalogue)
        item = item_of(annotation) if keys is None else None
        for key, entry in node.entries.items():
            child_annotation = keys.get(key) if keys is not None else item
            if child_annotation is not None:
                yield from leaves(child_annotation, entry.node, catalogue, (*loc, key))


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
