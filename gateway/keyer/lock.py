"""The lock of a data folder: at most one process at a time touches its PTT devices."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

NAME = "keyer.lock"
"""Its file in ``data_dir``."""


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, not locked yet. Children do not inherit it.

    Raises:
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int) -> bool:
    """Take the lock if nobody has it. It is freed when the descriptor closes, by whatever death."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    line = f"{os.getpid()}\n".encode()  # for people, who never find it empty
    os.pwrite(descriptor, line, 0)
    os.ftruncate(descriptor, len(line))
    return True
