"""The ``pty`` output: a pseudo-terminal that says ``NAME on`` and ``NAME off``, a line each.

Raw, no echo. What is not read waits; past what a terminal holds the old news make room for how
every line is now.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from drivers._pty import PtyLink
from drivers.output.options import PtyOutputOptions
from gateway.errors import DriverIOError


class PtyOutput:
    """Lines behind one link (`gateway.ports.AlarmOutput`)."""

    def __init__(self, name: str, options: PtyOutputOptions) -> None:
        self._name = name
        self._options = options
        self._terminal: PtyLink | None = None
        self._on = dict.fromkeys(options.lines, False)
        self._failed: asyncio.Future[None] | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        self._on = dict.fromkeys(self._options.lines, False)
        terminal = self._terminal = PtyLink(self._name, self._options.path)
        self._failed = asyncio.get_running_loop().create_future()
        try:
            ready()
            await self._failed
        finally:
            self._terminal = None
            self._close(terminal)

    def set(self, line: str, on: bool) -> None:
        if self._terminal is None or self._on.get(line, on) == on:
            return
        self._on[line] = on
        everything = b"".join(_word(name, state) for name, state in self._on.items())
        try:
            self._terminal.say(_word(line, on), everything)
        except DriverIOError as error:
            if self._failed is not None and not self._failed.done():
                self._failed.set_exception(error)

    def _close(self, terminal: PtyLink) -> None:
        lit = [name for name, on in self._on.items() if on]
        with contextlib.suppress(DriverIOError):
            for name in lit:
                terminal.say(_word(name, False))
            if lit:
                terminal.let_read()
        terminal.close()


def _word(line: str, on: bool) -> bytes:
    return f"{line} {'on' if on else 'off'}\n".encode()
