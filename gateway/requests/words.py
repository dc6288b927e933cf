"""Reading what a request says. Pure."""

from __future__ import annotations

from typing import Any

from gateway.control.server import RequestError


def text_of(request: dict[str, Any], key: str) -> str:
    """A text that must be there.

    Raises:
        RequestError: it is missing, empty, or no text.
    """
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise RequestError(f"the request needs {key}")
    return value
