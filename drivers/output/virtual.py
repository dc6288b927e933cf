"""The ``virtual`` output: lines that only a program sees."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from drivers.output.options import VirtualOutputOptions

_LOGGER = logging.getLogger(__name__)


class VirtualOutput:
    """Lines without hardware (`gateway.ports.AlarmOutput`)."""

    def __init__(self, name: str, options: VirtualOutputOptions) -> None:
        self._name = name
        self._options = options
        self._running = False
        self.lit: set[str] = set()
        """The lines that are on."""

    async def run(self, ready: Callable[[], None]) -> None:
        self._running = True
        try:
            ready()
            await asyncio.get_running_loop().create_future()
        finally:
            self._running = False
            self.lit.clear()

    def set(self, line: str, on: bool) -> None:
        if not self._running or line not in self._options.lines:
            return
        if (line in self.lit) != on:
            (self.lit.add if on else self.lit.discard)(line)
            _LOGGER.info("output[%s]: %s %s", self._name, line, "on" if on else "off")
