"""Single keys of a configuration as its files say them, whether the rest of it holds or not. Blocking.

A command that looks for a running gateway's folder must not fail because somebody is in the middle of
editing its plans, nor take seconds because a district has 30,000 endpoints: of the files that are included
only those are parsed that have the key's name in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from gateway.errors import ConfigError, Problem

_MAX_FILES = 256
"""As in `gateway.settings.include`."""


def find(path: Path, *keys: str) -> tuple[Path, object] | None:
    """The file that sets ``keys`` (a section, and a key of it), and to what; None where none does.

    ``path`` comes first, then what it includes, in order. What else is wrong with them is not looked at.

    Raises:
        ConfigError: ``path`` cannot be read, or a file with the key in it is no YAML.
    """
    for file, document in _documents(path, keys[-1]):
        value: object = document
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return file, value
    return None


def _documents(main: Path, key: str) -> Iterator[tuple[Path, object]]:
    todo, seen = [main], set[Path]()
    while todo and len(seen) < _MAX_FILES:
        path = todo.pop(0)
        if path.resolve() in seen:
            continue
        seen.add(path.resolve())
        document = _document(path, key, is_main=path is main)
        yield path, document
        included = document.get("include") if isinstance(document, dict) else None
        names = included if isinstance(included, list) else ()
        todo[:0] = [path.parent / name for name in names if isinstance(name, str)]


def _document(path: Path, key: str, *, is_main: bool) -> object:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not is_main and key not in text and "include" not in text:
            return None
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        if not is_main:
            return (
                None  # a gateway runs on what it read, and says what is missing at its next start
            )
        hint = "name the running gateway's file with --config"
        raise ConfigError(
            (Problem(str(path), 0, 0, "--config", error.strerror or "", hint),)
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError((Problem(str(path), 1, 1, "(file)", f"no YAML: {error}"),)) from error
