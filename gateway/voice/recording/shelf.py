"""The folder of recordings: their files, and the index of them. Blocking.

`<folder>/<talkgroup>/<id>_<talker>[_incident-<uuid>][_lost-<n>].opus`, and ``<id>.part`` while one is
being written. Rules:

  1. A file that is being written is good up to its last page, whatever happens. One left behind by a
     gateway that was killed is ended there at the next start.
  2. A file has its final name only once all of it is on the disk.
  3. Nothing is written where the disk has less free than `Limits.keep_free`: the oldest recordings go,
     and if that is not enough, none begins until there is room (`no_room` says so).
  4. The index follows the files: what it has too little is read from them, what it has too much goes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import RemoteProtocolError
from gateway.voice.recording.facts import (
    PART,
    SUFFIX,
    Kept,
    Recording,
    file_of,
    has_incident,
    part_of,
)
from gateway.voice.recording.index import Index, on_disk
from gateway.voice.recording.ogg import MAX_PAGE_BYTES
from gateway.voice.recording.opus_file import (
    BEGINNING,
    HEAD_BYTES,
    Stream,
    beginning,
    mended,
    serial_of,
    summary_of,
    tags_page,
)
from gateway.voice.recording.retention import Held, Limits, excess, overdue

_LOGGER = logging.getLogger(__name__)

INDEX = "index.db"

AT_ONCE = 16 * 1024 * 1024
"""Bytes of recordings that go each time the journal asks for room."""

_AT_A_TIME = 64
"""Recordings that are looked at, and go if they must, before looking again."""

_ROOM_AGAIN = 1.1
"""So many times `Limits.keep_free` before recording begins again: not at every burst anew."""


@dataclass(slots=True)
class _Part:
    """A file that is being written."""

    recording: Recording
    descriptor: int
    stream: Stream


class Shelf:
    """The recordings in ``folder``. All methods but `give_way` are one thread's.

    OSError is raised where the disk fails; the recording in question is given up then, and what is
    on the disk of it is mended at the next start.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._index = Index(folder / INDEX)
        self._parts: dict[str, _Part] = {}
        self._total = 0
        self.no_room = False

    def open(self) -> None:
        """Make the folder, end what was left behind, bring the index up to date."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while free_bytes(self._folder) < self._limits.keep_free and give_way(self._folder):
            _LOGGER.warning("recordings: the disk is full; the oldest gave way")
        try:
            self._index.open()
        except sqlite3.OperationalError as error:
            raise OSError(f"{INDEX}: {error}") from error
        except sqlite3.DatabaseError as error:
            _LOGGER.warning("recordings: the index is made anew: %s", error)
            for suffix in ("", "-wal", "-shm"):
                (self._folder / (INDEX + suffix)).unlink(missing_ok=True)
            self._index.open()
        for part in sorted(self._folder.glob(f"*/*{PART}")):
            self._mend(part)
        self.reconcile()

    def close(self) -> None:
        """Let go of what is still being written."""
        for name in tuple(self._parts):
            self._give_up(name)
        self._index.close()

    def configure(self, limits: Limits) -> None:
        """Live by other limits from now on."""
        self._limits = limits
        self.make_room()

    # One recording

    def begin(self, recording: Recording) -> bool:
        """Begin to write; False where there is no room."""
        self.make_room()
        if self.no_room:
            return False
        path = self._folder / part_of(recording)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        self._parts[recording.id] = _Part(recording, descriptor, Stream(serial_of(recording)))
        self._put(recording.id, beginning(recording))
        return True

    def write(self, name: str, payloads: Sequence[bytes]) -> None:
        """Write packets of it; nothing where it was not begun, or was given up."""
        part = self._parts.get(name)
        if part is not None:
            self._put(name, part.stream.pages(payloads))

    def finish(self, recording: Recording, payloads: Sequence[bytes]) -> Kept | None:
        """Write its last packets and its tags, and give it its name; None where it was given up."""
        part = self._parts.get(recording.id)
        if part is None:
            return None
        self._put(recording.id, part.stream.pages(payloads, last=True))
        recording = replace(recording, ticks=part.stream.ticks)
        try:
            os.pwrite(part.descriptor, tags_page(recording), HEAD_BYTES)
            os.fsync(part.descriptor)
            size = os.fstat(part.descriptor).st_size
        except OSError:
            self._give_up(recording.id)
            raise
        os.close(self._parts.pop(recording.id).descriptor)
        kept = Kept(recording, file_of(recording), size)
        self._name(self._folder / part_of(part.recording), kept)
        self._add([kept])
        return kept

    def _put(self, name: str, data: bytes) -> None:
        descriptor = self._parts[name].descriptor
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            self._give_up(name)
            raise

    def _give_up(self, name: str) -> None:
        part = self._parts.pop(name)
        with contextlib.suppress(OSError):
            os.close(part.descriptor)

    def _name(self, path: Path, kept: Kept) -> None:
        final = self._folder / kept.file
        path.rename(final)
        folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _mend(self, path: Path) -> None:
        """Rule 1."""
        try:
            whole = mended(path.read_bytes())
            if whole is None:
                _LOGGER.warning("recordings: nothing was written of %s", path.name)
                path.unlink()
                return
            data, recording = whole
            with path.open("r+b") as file:
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            kept = Kept(recording, file_of(recording), len(data))
            self._name(path, kept)
        except OSError as error:
            _LOGGER.warning("recordings: %s cannot be mended now: %s", path.name, error)
            return
        self._add([kept])
        _LOGGER.info("recordings: %s was cut off, and is kept up to there", kept.file)

    def _add(self, kept: Sequence[Kept]) -> None:
        try:
            self._index.put(kept)
        except sqlite3.Error as error:
            # The file is there; the next start reads it.
            _LOGGER.warning("recordings: not in the index: %s", error)
        self._total += sum(on_disk(one.size) for one in kept)

    # All of them

    def reconcile(self) -> None:
        """Rule 4."""
        try:
            indexed = self._index.files()
            there = set(files_in(self._folder))
            self._index.remove([name for file, name in indexed.items() if file not in there])
            self._index.put(list(read_all(self._folder, sorted(there - indexed.keys()))))
            self._total = self._index.total_bytes()
        except sqlite3.Error as error:
            raise OSError(f"{INDEX}: {error}") from error

    def tidy(self, wall: float) -> int:
        """Remove what is older than it may be; how many."""
        self.reconcile()
        try:
            old = overdue(self._index.held(), self._limits, wall)
            self._remove(old)
        except sqlite3.Error as error:
            raise OSError(f"{INDEX}: {error}") from error
        self.make_room()
        return len(old)

    def make_room(self) -> None:
        """Remove the oldest where recordings take too much, or the disk has too little (rule 3)."""
        limits = self._limits
        free = free_bytes(self._folder)
        gone = 0
        try:
            while some := excess(
                self._index.held(most=_AT_A_TIME), limits, total=self._total, free=free
            ):
                self._remove(some)
                gone += len(some)
                # Some file systems say later what has become free.
                free = max(free + sum(one.size for one in some), free_bytes(self._folder))
        except sqlite3.Error as error:
            _LOGGER.warning("recordings: no room can be made: %s", error)
        if gone:
            _LOGGER.info("recordings: the oldest %d gave way", gone)
        enough = limits.keep_free * (_ROOM_AGAIN if self.no_room else 1.0)
        self.no_room = free_bytes(self._folder) < enough

    def _remove(self, going: Sequence[Held]) -> None:
        for one in going:
            if (file := self._index.file(one.id)) is not None:
                (self._folder / file).unlink(missing_ok=True)
        self._index.remove([one.id for one in going])
        self._total = max(0, self._total - sum(one.size for one in going))


def read_all(folder: Path, files: Iterable[str]) -> Iterable[Kept]:
    """What files of ours say of themselves; what is none of ours is left out."""
    for name in files:
        path = folder / name
        try:
            with path.open("rb") as file:
                start = file.read(BEGINNING)
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - MAX_PAGE_BYTES))
                found = summary_of(start, file.read())
        except (OSError, RemoteProtocolError) as error:
            _LOGGER.warning("recordings: %s: %s", name, error)
            continue
        yield Kept(found, name, size)


def give_way(folder: Path) -> int:
    """Remove the oldest recordings, those of no incident first; how many bytes that made free.

    From any thread, also while the folder is in use: for the journal on a full disk. The index
    notices later.
    """
    freed = 0
    files = sorted(
        folder.glob(f"*/*{SUFFIX}"), key=lambda path: (has_incident(path.name), path.name)
    )
    for path in files:
        with contextlib.suppress(OSError):
            size = path.stat().st_blocks * 512
            path.unlink()
            freed += size
        if freed >= AT_ONCE:
            break
    return freed


def files_in(folder: Path) -> Iterator[str]:
    """Every recording's file, relative to the folder; there may be a hundred thousand."""
    for below in os.scandir(folder):
        if below.is_dir():
            for file in os.scandir(below):
                if file.name.endswith(SUFFIX):
                    yield f"{below.name}/{file.name}"


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written there."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
