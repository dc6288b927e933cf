"""The ``pty`` line: a pseudo-terminal instead of a radio's PTT and squelch (contract, section 4).

Its user opens the link, reads ``T`` when the transmitter is keyed and ``R`` when it is released,
and writes ``O`` when the squelch opens and ``Z`` when it closes; raw, no echo, no newline. With
``readback`` it says ``t`` when it transmits and ``r`` when it does not. Other bytes say nothing.
Before the first of them the squelch is unknown, and so is whether it transmits.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from drivers._pty import PtyLink
from drivers._squelch_lines import PtySquelchOptions
from drivers.ptt.options import PtyPttOptions
from gateway.errors import DriverIOError

_SQUELCH = {ord("O"): True, ord("Z"): False}
_TRANSMITS = {ord("t"): True, ord("r"): False}
_CHUNK_BYTES = 4096


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
        echoes = self._ptt is not None and self._ptt.readback
        return PtyPort(self._name, options.path, senses=self._squelch is not None, echoes=echoes)


class PtyPort:
    """A new pseudo-terminal with a link to it at ``path``.

    Raises:
        DriverOpenError: there is no terminal to be had, or the link cannot be made.
    """

    def __init__(self, name: str, path: Path, *, senses: bool, echoes: bool = False) -> None:
        self._name = name
        self._path = path
        self._senses = senses
        self.reads_back = echoes
        self._keyed = False
        self._squelch_open: bool | None = None
        self._transmits: bool | None = None
        self._terminal = PtyLink(name, path)

    def key(self, keyed: bool) -> None:
        self._terminal.check()
        if keyed == self._keyed:
            return
        self._terminal.say(b"T" if keyed else b"R")
        self._keyed = keyed

    def squelch_open(self) -> bool | None:
        if not self._senses:
            return None
        self._listen()
        return self._squelch_open

    def reads_keyed(self) -> bool | None:
        """What its user says of the transmitter."""
        if not self.reads_back:
            return None
        self._listen()
        return self._transmits

    def fileno(self) -> int:
        return self._terminal.master if self._senses else -1

    def _listen(self) -> None:
        try:
            said = os.read(self._terminal.master, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise DriverIOError(self._name, f"{self._path}: {error}") from error
        for byte in said:
            self._squelch_open = _SQUELCH.get(byte, self._squelch_open)
            self._transmits = _TRANSMITS.get(byte, self._transmits)

    def close(self) -> None:
        if self._terminal.closed:
            return
        if self._keyed:
            with contextlib.suppress(DriverIOError):
                self._terminal.say(b"R")
                self._terminal.let_read()
        self._terminal.close()
