"""A pseudo-terminal with a link to it, which stands for a device's port (contract, section 4)."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import time
import tty
from pathlib import Path

from gateway.errors import DriverIOError, DriverOpenError

_ARRIVES = 0.01
_READ_WITHIN = 0.02
"""Seconds: a word reaches the other side of a terminal by a work queue, then its reader wakes up."""


class PtyLink:
    """A new pseudo-terminal, raw, with a link to it at ``path``; its master never blocks.

    Its slave stays open here, so that the master lives while nobody has the link open. The link is
    removed at the end only if it still is ours.

    Raises:
        DriverOpenError: there is no terminal to be had, or the link cannot be made.
    """

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self._path = path
        self._closed = False
        try:
            self.master, self._slave = os.openpty()
        except OSError as error:
            raise DriverOpenError(name, f"no pseudo-terminal: {error.strerror}") from error
        try:
            tty.setraw(self._slave)
            os.set_blocking(self.master, False)
            self._terminal = os.ttyname(self._slave)
            _link(self._terminal, path)
        except (OSError, termios.error) as error:
            self._close_terminal()
            why = getattr(error, "strerror", None) or error
            raise DriverOpenError(name, f"{path}: {why}") from error

    def say(self, word: bytes, instead: bytes | None = None) -> None:
        """Write a word whole; where nobody reads and it has no room, ``instead`` takes all the room.

        Raises:
            DriverIOError: the terminal is gone.
        """
        try:
            try:
                if os.write(self.master, word) == len(word):
                    return
            except BlockingIOError:
                pass
            # Nobody reads. What waits there is old news: make room for the newest.
            termios.tcflush(self._slave, termios.TCIFLUSH)
            os.write(self.master, word if instead is None else instead)
        except (OSError, termios.error) as error:
            raise DriverIOError(self._name, f"{self._path}: {error}") from error

    def check(self) -> None:
        """Notice that the link is gone, which stands for a device that was unplugged.

        Raises:
            DriverIOError: it is. One that names another terminal by now is somebody else's affair.
        """
        if not self._path.is_symlink():
            raise DriverIOError(self._name, f"{self._path}: the link is gone")

    def let_read(self) -> None:
        """Closing takes away what has not been read: give a reader the time of a few switches."""
        select.select([self._slave], [], [], _ARRIVES)
        until = time.monotonic() + _READ_WITHIN
        while time.monotonic() < until and select.select([self._slave], [], [], 0)[0]:
            time.sleep(0.001)

    def close(self) -> None:
        """Remove the link and end the terminal; safe to call twice."""
        if self._closed:
            return
        with contextlib.suppress(OSError):
            if str(self._path.readlink()) == self._terminal:
                self._path.unlink()
        self._close_terminal()

    @property
    def closed(self) -> bool:
        return self._closed

    def _close_terminal(self) -> None:
        self._closed = True
        os.close(self._slave)
        os.close(self.master)


def _link(terminal: str, path: Path) -> None:
    """Make ``path`` a link to ``terminal``, in one step where another link is there."""
    if os.path.lexists(path) and not path.is_symlink():
        raise FileExistsError("what is there is no link; remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    fresh.symlink_to(terminal)
    fresh.replace(path)
