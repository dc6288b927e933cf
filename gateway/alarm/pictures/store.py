"""The folder of the incidents' pictures, so that retained ones can be published again. Blocking.

A full disk is the journal's: `give_way` empties the folder, and nothing is kept below `KEEP_FREE`.

One file for each incident, ``<incident>_<endpoint>_<closed>.jpg``: ``closed`` is ``open``, or the
POSIX second of closing; the file's time of modification is when the picture was taken. It is a
copy of what was sent, not the record of anything: it may be lost, and is bounded.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass, replace
from pathlib import Path

RETAINED_FOR = 86_400
"""Seconds that a closed incident's picture is kept (contract: retained like the state)."""

MAX_PICTURES = 500
"""Bound of the folder: 256 MB at the largest size. The oldest goes first."""


KEEP_FREE = 64 * 1024 * 1024
"""Bytes of the disk that pictures leave to the journal."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of an incident; ``taken`` and ``closed`` are POSIX seconds."""

    incident: str
    endpoint: str
    taken: float
    closed: int | None = None

    @property
    def filename(self) -> str:
        closed = "open" if self.closed is None else self.closed
        return f"{self.incident}_{self.endpoint}_{closed}.jpg"

    def expiry(self, wall: float) -> int | None:
        """Seconds that the retained copy has left at ``wall``; 0 if it is past."""
        return None if self.closed is None else max(0, int(self.closed + RETAINED_FOR - wall))


class PictureStore:
    """The pictures in ``folder``. Raises OSError; its caller can do without."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, shot: Shot, data: bytes) -> None:
        """Keep this picture as the incident's only one."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = os.statvfs(self._folder)
        if status.f_bavail * status.f_frsize < KEEP_FREE:
            raise OSError(errno.ENOSPC, "the disk is nearly full")
        path = self._folder / shot.filename
        new = path.with_suffix(".new")
        new.write_bytes(data)
        os.utime(new, (shot.taken, shot.taken))
        for other in self._of(shot.incident):
            (self._folder / other.filename).unlink(missing_ok=True)
        new.replace(path)
        for old in sorted(self.shots(), key=lambda shot: shot.taken)[:-MAX_PICTURES]:
            (self._folder / old.filename).unlink(missing_ok=True)

    def close(self, incident: str, closed: int) -> Shot | None:
        """Mark the incident's picture; the picture as it is then, if there is one."""
        shot = next(iter(self._of(incident)), None)
        if shot is None or shot.closed is not None:
            return shot
        marked = replace(shot, closed=closed)
        (self._folder / shot.filename).rename(self._folder / marked.filename)
        return marked

    def read(self, shot: Shot) -> bytes:
        return (self._folder / shot.filename).read_bytes()

    def shots(self) -> list[Shot]:
        """Every picture that is kept."""
        return [shot for path in self._folder.glob("*.jpg") if (shot := _shot(path)) is not None]

    def prune(self, wall: float) -> None:
        """Remove what no retained copy is left of."""
        for shot in self.shots():
            if shot.expiry(wall) == 0:
                (self._folder / shot.filename).unlink(missing_ok=True)

    def give_way(self) -> int:
        """Remove every picture; how many bytes that made free."""
        freed = 0
        for path in self._folder.glob("*.jpg"):
            with contextlib.suppress(OSError):
                size = path.stat().st_blocks * 512
                path.unlink()
                freed += size
        return freed

    def _of(self, incident: str) -> list[Shot]:
        return [
            shot
            for path in self._folder.glob(f"{incident}_*.jpg")
            if (shot := _shot(path)) is not None
        ]


def _shot(path: Path) -> Shot | None:
    try:
        incident, endpoint, closed = path.stem.split("_")
        return Shot(
            incident,
            endpoint,
            path.stat().st_mtime,
            None if closed == "open" else int(closed),
        )
    except (ValueError, FileNotFoundError):
        return None
