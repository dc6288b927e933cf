"""A line driver's options as JSON values and back. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from gateway.errors import LocalProtocolError


def pack(options: object) -> dict[str, object]:
    """The fields of an options dataclass as JSON values.

    Raises:
        LocalProtocolError: it is no dataclass, or a field holds what JSON cannot say.
    """
    if not dataclasses.is_dataclass(options) or isinstance(options, type):
        raise LocalProtocolError(f"{options!r} are no options")
    return {
        field.name: _plain(getattr(options, field.name)) for field in dataclasses.fields(options)
    }


def unpack(of: type, values: Mapping[str, object]) -> Any:
    """An ``of`` with these fields. They were validated when the configuration was read.

    Raises:
        TypeError, ValueError: the values are not those of such options.
    """
    hints = get_type_hints(of)
    return of(**{name: _typed(hints.get(name), value) for name, value in values.items()})


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    raise LocalProtocolError(f"{value!r} cannot be said in JSON")


def _typed(hint: object, value: object) -> object:
    wanted = (hint, *get_args(hint))
    if isinstance(value, str) and Path in wanted and str not in wanted:
        return Path(value)
    if isinstance(value, list) and tuple in {get_origin(part) or part for part in wanted}:
        return tuple(value)
    return value
