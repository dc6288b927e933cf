"""Reading what a request says. Pure."""

from __future__ import annotations

from math import isfinite
from typing import Any

from gateway.control.server import RequestError, WrongCall


def text_of(request: dict[str, Any], key: str) -> str:
    """A text that must be there.

    Raises:
        RequestError: it is missing, empty, or no text.
    """
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise RequestError(f"the request needs {key}")
    return value


def number_of(request: dict[str, Any], key: str, default: float | None = None) -> float:
    """A finite number; ``default`` where it is missing.

    Raises:
        RequestError: it is missing and has no default.
        WrongCall: it is no number.
    """
    value = request.get(key, default)
    if value is None:
        raise RequestError(f"the request needs {key}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise WrongCall(f"{key}: {value!r} is no number")
    return float(value)


def text_or_none(request: dict[str, Any], key: str) -> str | None:
    """A text that may be missing; an empty one says nothing either.

    Raises:
        RequestError: it is no text.
    """
    value = request.get(key)
    if value is not None and not isinstance(value, str):
        raise RequestError(f"{key} must be a text")
    return value or None
