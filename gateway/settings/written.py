"""A configuration as it is written: its values, and where each stands once somebody asks.

Most configurations have nothing to tell, and places cost several times what values do
(`gateway.settings.plain_reader`). So the files are read for their values first, and for places when
the first problem or warning wants one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from gateway.settings import include
from gateway.settings.document import Loc, Mapping, Place, lookup, plain
from gateway.settings.plain_reader import Unclear, values
from gateway.settings.validate import place_of


class Written:
    """The merged files of a configuration.

    Args:
        value: all of them as dicts, lists and scalars; whoever reads it does not change it.
        files: their names, in order of reading.
        file_of: which file a value stands in; the main file for what stands nowhere.
        tree: reads the same with places; called once at most.
    """

    def __init__(
        self,
        value: dict[str, Any],
        files: tuple[str, ...],
        file_of: Callable[[Loc], str],
        tree: Callable[[], Mapping],
    ) -> None:
        self.value = value
        self.files = files
        self.file_of = file_of
        self._tree = tree

    @cached_property
    def tree(self) -> Mapping:
        """The same, with the place of every key and value."""
        return self._tree()

    def place(self, loc: Loc) -> Place:
        """Where a key, or what is nearest to it, is written."""
        return place_of(self.tree, loc)

    def names(self, section: str) -> Collection[str]:
        """The entries that a section declares, in order, also those that have problems."""
        entries = self.value.get(section)
        return entries.keys() if isinstance(entries, dict) else ()

    def has(self, *loc: str | int) -> bool:
        """Whether a key is written."""
        return _stands(self.value, loc)


def of_source(source: include.Source) -> Written:
    """What was read with its places."""

    def file_of(loc: Loc) -> str:
        reached, entry = lookup(source.tree, loc)
        return entry.node.place.file if reached == loc else source.tree.place.file

    return Written(plain(source.tree), tuple(source.files), file_of, lambda: source.tree)


def read(path: str | os.PathLike[str], files: include.Files) -> Written | None:
    """A file and what it includes, as `include.read` merges them; None where it has to say something."""
    reading = _Reading(files)
    try:
        reading.file(os.fspath(path), is_main=True)
    except (Unclear, OSError, ValueError, RuntimeError):
        return None
    parts = reading.parts

    def file_of(loc: Loc) -> str:
        return next((name for name, part in parts.items() if _stands(part, loc)), next(iter(parts)))

    return Written(reading.merged, tuple(parts), file_of, lambda: include.read(path, files).tree)


class _Reading:
    """Files into one mapping by the rules of `gateway.settings.include`, as long as all is well."""

    def __init__(self, files: include.Files) -> None:
        self._files = files
        self.parts: dict[str, dict[str, Any]] = {}
        self.merged: dict[str, Any] = {}
        self._read: set[Path] = set()
        self._open: list[Path] = []

    def file(self, name: str, *, is_main: bool) -> None:
        real = Path(name).resolve()
        if real in self._open:
            raise Unclear
        if real in self._read:
            return
        if len(self._read) >= include.MAX_FILES:
            raise Unclear
        self._read.add(real)
        data = self._files.data(name)
        if len(data) > include.MAX_FILE_BYTES:
            raise Unclear
        part = values(data.decode("utf-8-sig"))
        self.parts[name] = part
        self._merge(part, is_main=is_main)
        self._open.append(real)
        self._includes(name, part)
        self._open.pop()

    def _includes(self, name: str, part: dict[str, Any]) -> None:
        included = part.get("include", [])
        if not isinstance(included, list):
            raise Unclear
        for one in included:
            if not (isinstance(one, str) and one):
                raise Unclear
            self.file(os.path.normpath(Path(name).parent / one), is_main=False)

    def _merge(self, part: dict[str, Any], *, is_main: bool) -> None:
        for key, entry in part.items():
            if key == "include" and not is_main:
                continue
            if key not in self.merged:
                self.merged[key] = entry
                continue
            known = self.merged[key]
            both = isinstance(known, dict) and isinstance(entry, dict)
            if not both or not known.keys().isdisjoint(entry):
                raise Unclear
            self.merged[key] = known | entry


def _stands(value: Any, loc: Loc) -> bool:
    for part in loc:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return False
    return True
