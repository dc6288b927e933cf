"""The ``pty`` line: a pseudo-terminal instead of a radio's PTT and squelch (contract, section 4).

Its user opens the link, reads ``T`` when the transmitter is keyed and ``R`` when it is released,
and writes ``O`` when the squelch opens and ``Z`` when it closes; raw, no echo, no newline. Other
bytes say nothing. Before the first of them the squelch is unknown.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import time
import tty
from pathlib import Path

from drivers._squelch_lines import PtySquelchOptions
from drivers.ptt.options import PtyPttOptions
from gateway.errors import DriverIOError, DriverOpenError

_SQUELCH = {ord("O"): True, ord("Z"): False}
_CHUNK_BYTES = 4096
_ARRIVES = 0.01
_READ_WITHIN = 0.02
"""Seconds: a word reaches the other side of a terminal by a work queue, then its reader wakes up."""


class PtyLine:
    """Opens a `PtyPort`. Where both options are given they name one path."""

    def __init__(
        self, name: str, ptt: PtyPttOptions | None, squelch: PtySquelchOptions | None
    ) -> None:
        self._name = name
        self._ptt = ptt
        self._squelch = squelch

    def open(self) -> PtyPort:
        options = self._ptt or self._squelch
        assert options is not None
        return PtyPort(self._name, options.path, senses=self._squelch is not None)


class PtyPort:
    """A new pseudo-terminal with a link to it at ``path``.

    Its slave stays open here, so that the master lives while nobody has the link open. The link is
    removed at the end only if it still is ours.

    Raises:
        DriverOpenError: there is no terminal to be had, or the link cannot be made.
    """

    def __init__(self, name: str, path: Path, *, senses: bool) -> None:
        self._name = name
        self._path = path
        self._senses = senses
        self._keyed = False
        self._squelch_open: bool | None = None
        try:
            self._master, self._slave = os.openpty()
        except OSError as error:
            raise DriverOpenError(name, f"no pseudo-terminal: {error.strerror}") from error
        self._closed = False
        try:
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self._terminal = os.ttyname(self._slave)
            _link(self._terminal, path)
        except (OSError, termios.error) as error:
            self._close_terminal()
            why = getattr(error, "strerror", None) or error
            raise DriverOpenError(name, f"{path}: {why}") from error

    def key(self, keyed: bool) -> None:
        if keyed == self._keyed:
            return
        word = b"T" if keyed else b"R"
        try:
            try:
                os.write(self._master, word)
            except BlockingIOError:
                # Nobody reads. What waits there is old news: make room for the newest.
                termios.tcflush(self._slave, termios.TCIFLUSH)
                os.write(self._master, word)
        except (OSError, termios.error) as error:
            raise DriverIOError(self._name, f"{self._path}: {error}") from error
        self._keyed = keyed

    def squelch_open(self) -> bool | None:
        if not self._senses:
            return None
        try:
            said = os.read(self._master, _CHUNK_BYTES)
        except BlockingIOError:
            return self._squelch_open
        except OSError as error:
            raise DriverIOError(self._name, f"{self._path}: {error}") from error
        for byte in reversed(said):
            if byte in _SQUELCH:
                self._squelch_open = _SQUELCH[byte]
                break
        return self._squelch_open

    def fileno(self) -> int:
        return self._master if self._senses else -1

    def close(self) -> None:
        if self._closed:
            return
        if self._keyed:
            with contextlib.suppress(DriverIOError):
                self.key(False)
                self._let_read()
        with contextlib.suppress(OSError):
            if str(self._path.readlink()) == self._terminal:
                self._path.unlink()
        self._close_terminal()

    def _let_read(self) -> None:
        """Closing takes away what has not been read: give a reader the time of a few switches."""
        select.select([self._slave], [], [], _ARRIVES)
        until = time.monotonic() + _READ_WITHIN
        while time.monotonic() < until and select.select([self._slave], [], [], 0)[0]:
            time.sleep(0.001)

    def _close_terminal(self) -> None:
        self._closed = True
        os.close(self._slave)
        os.close(self._master)


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
