"""``baiying drivers``: what can be named as ``driver:`` in a configuration, and what is missing here."""

from __future__ import annotations

import inspect
import json

from drivers import registry
from gateway.errors import DriverUnavailable


def drivers(*, as_json: bool) -> int:
    """Print every driver by family; status 0 even where some cannot be loaded: none may be needed."""
    found = [
        _look(family, name) for family in registry.families() for name in registry.names(family)
    ]
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    for one in found:
        state = "ok" if one["available"] else f"not available: {one['missing']}"
        print(f"{one['family']:8} {one['driver']:12} {state}")
        print(f"{'':21} {one['about']}")
    return 0


def _look(family: str, name: str) -> dict[str, object]:
    missing, about = "", ""
    try:
        registry.driver(family, name)
    except DriverUnavailable as error:
        missing = error.what
    try:
        # The options' docstring says what the driver is for; loading them needs no hardware library.
        about = (
            (inspect.getdoc(registry.options(family, name)) or "")
            .partition("\n")[0]
            .replace("``", "")
        )
    except DriverUnavailable as error:
        missing = missing or error.what
    return {
        "family": family,
        "driver": name,
        "available": not missing,
        "missing": missing or None,
        "about": about,
        "module": registry.module(family, name),
    }
