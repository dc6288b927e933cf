"""Room for the journal on a full disk. Blocking; used from the journal's threads.

Rules:
  1. What can be done without gives way first (pictures); then a file of `RESERVE_BYTES` that is
     kept for this alone. So the presses of the time until somebody makes room are stored too.
  2. The reserve is made again as soon as there is plenty of room. It is filled with blocks, not
     with a size only, and it may fail to be made: nothing depends on it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

_LOGGER = logging.getLogger(__name__)

RESERVE_BYTES = 4 * 1024 * 1024
"""Of the reserve: some hundred presses, each with its pages and incident, as the log holds them."""

_PLENTY = 16 * RESERVE_BYTES
"""Free bytes at which the reserve is made."""

_FULL = 1024 * 1024
"""Free bytes below which a disk counts as full where an error does not say so."""


class Room:
    """The room beside the journal at ``path``; each of ``givers`` frees what it can and says how many bytes."""

    def __init__(self, path: Path, givers: Sequence[Callable[[], int]] = ()) -> None:
        self._reserve = path.with_name(path.name + ".reserve")
        self._givers = (*givers, self._give_up_reserve)

    def is_full(self) -> bool:
        return _free(self._reserve.parent) < _FULL

    def make(self) -> bool:
        """Free something, the least missed first; False when there is nothing left."""
        for give in self._givers:
            if freed := give():
                _LOGGER.warning("the disk is full: gave up %d KiB for the journal", freed // 1024)
                return True
        return False

    def restock(self) -> None:
        """Make the reserve if there is none and plenty of room."""
        try:
            if self._reserve.exists() or _free(self._reserve.parent) < _PLENTY:
                return
            descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)
        except OSError as error:
            _LOGGER.debug("no reserve: %s", error)

    def _give_up_reserve(self) -> int:
        try:
            size = self._reserve.stat().st_blocks * 512
            self._reserve.unlink()
        except OSError:
            return 0
        return size


class NoRoom(Room):
    """Nothing gives way, and nothing is kept in reserve."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull))

    def make(self) -> bool:
        return False

    def is_full(self) -> bool:
        return False

    def restock(self) -> None:
        pass


def _free(folder: Path) -> int:
    """Bytes that this process may still write there; 0 where nobody can say."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_bavail * status.f_frsize
