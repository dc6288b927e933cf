"""The file and what it includes, as one tree.

1. A path of ``include`` is relative to the file it stands in; each file is read once.
2. Sections (``sites``, ``groups`` ...) of all files are merged by name; any other key, and any
   name of a section, that two files set is a problem that names both places.
3. The file's own entries come before those of its includes, in the order of ``include``: so the
   plans of a gateway precede the district's.
4. A file that cannot be read or includes itself is a problem; the rest is still read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import Problem
from gateway.settings.document import (
    Entry,
    Loc,
    Mapping,
    Place,
    Scalar,
    Sequence,
    dotted,
    kind_of,
    parse,
    plain,
)

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_FILES = 256


@dataclass(slots=True)
class Source:
    """Everything that was read. ``files`` are in order of reading, as given to the operator.

    ``complete`` is False where a file could not be read, so that names may be missing from ``tree``.
    """

    tree: Mapping
    files: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True


class Files:
    """What is in files, each read once: one may be a pipe, or change meanwhile."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}

    def data(self, name: str) -> bytes:
        """At most `MAX_FILE_BYTES` and one byte more. Blocks.

        Raises:
            OSError: it cannot be read.
            ValueError: that is no name of a file.
        """
        if name not in self._data:
            with Path(name).open("rb") as file:
                self._data[name] = file.read(MAX_FILE_BYTES + 1)
        return self._data[name]


def read(path: str | os.PathLike[str], files: Files | None = None) -> Source:
    """Read a configuration file and its includes. Blocks; raises nothing, problems are in the result."""
    name = os.fspath(path)
    source = Source(Mapping(Place(name, 1, 1)))
    _Merger(source, files or Files()).file(name, None)
    return source


class _Merger:
    """Reads files into one `Source`."""

    def __init__(self, source: Source, files: Files) -> None:
        self._source = source
        self._files = files
        self._read: set[Path] = set()
        self._open: list[Path] = []

    def file(self, name: str, cause: tuple[Loc, Place] | None) -> None:
        """Read one file; ``cause`` is the ``include`` entry that names it."""
        try:
            real = Path(name).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a loop of links, a NUL
            self._failed(cause, name, f"cannot be read: {error}")
            return
        if real in self._open:
            self._failed(cause, name, "includes itself; a chain of includes must end")
            return
        if real in self._read:
            return
        if len(self._read) >= MAX_FILES:
            self._failed(cause, name, f"more than {MAX_FILES} files are included")
            return
        self._read.add(real)
        self._source.files.append(name)
        text = self._text(name, cause)
        if text is None:
            return
        tree, problems = parse(text, name)
        self._source.problems.extend(problems)
        if not isinstance(tree, Mapping):
            if isinstance(tree, Scalar) and tree.value is None and not tree.broken:
                return  # as an empty one
            self._source.complete = False
            if tree is not None and not (isinstance(tree, Scalar) and tree.broken):
                what = f"must be a mapping of sections, not {kind_of(plain(tree))}"
                self._source.problems.append(Problem(*tree.place, "file", what))
            return
        self._merge(tree, is_main=cause is None)
        self._open.append(real)
        self._includes(name, tree, is_main=cause is None)
        self._open.pop()

    def _text(self, name: str, cause: tuple[Loc, Place] | None) -> str | None:
        try:
            data = self._files.data(name)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self._failed(cause, name, f"cannot be read: {reason}")
            return None
        if len(data) > MAX_FILE_BYTES:
            self._failed(cause, name, f"is larger than {MAX_FILE_BYTES >> 20} MiB")
            return None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start]
            line = before.count(b"\n") + 1
            column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
            self._source.complete = False
            self._source.problems.append(Problem(name, line, column, "file", "is no UTF-8 text"))
            return None

    def _failed(self, cause: tuple[Loc, Place] | None, name: str, what: str) -> None:
        self._source.complete = False
        if cause is None:
            self._source.problems.append(Problem(name, 0, 0, "file", what))
        else:
            loc, place = cause
            self._source.problems.append(Problem(*place, dotted(loc), f"{name} {what}"))

    def _includes(self, name: str, tree: Mapping, *, is_main: bool) -> None:
        entry = tree.entries.get("include")
        if entry is None:
            return
        wrong = not isinstance(entry.node, Sequence)
        for index, item in enumerate(entry.node.items if isinstance(entry.node, Sequence) else ()):
            if isinstance(item, Scalar) and isinstance(item.value, str) and item.value:
                path = os.path.normpath(Path(name).parent / item.value)
                self.file(path, (("include", index), item.place))
            else:
                wrong = True
        if wrong and not is_main:  # the main file's own list is checked with all its keys
            what = "must be a list of paths"
            self._source.problems.append(Problem(*entry.place, "include", what))

    def _merge(self, tree: Mapping, *, is_main: bool) -> None:
        into = self._source.tree.entries
        for key, entry in tree.entries.items():
            if key == "include" and not is_main:
                continue
            known = into.get(key)
            if known is None:
                into[key] = entry
            elif isinstance(known.node, Mapping) and isinstance(entry.node, Mapping):
                into[key] = Entry(known.place, self._union(key, known.node, entry.node))
            else:
                self._twice((key,), entry, known)

    def _union(self, section: str, first: Mapping, second: Mapping) -> Mapping:
        entries = dict(first.entries)
        for name, entry in second.entries.items():
            if name in entries:
                self._twice((section, name), entry, entries[name])
            else:
                entries[name] = entry
        return Mapping(first.place, entries)

    def _twice(self, loc: Loc, entry: Entry, first: Entry) -> None:
        what = f"is set twice; first at {first.place}"
        self._source.problems.append(Problem(*entry.place, dotted(loc), what))
