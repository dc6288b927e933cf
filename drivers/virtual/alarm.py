"""The ``virtual`` alarm input: pressed by a program instead of a finger."""

from __future__ import annotations

import asyncio

from drivers.virtual.options import VirtualInputOptions
from gateway.errors import DriverIOError
from gateway.ports import AlarmSignal, SignalKind, SignalSink

BEAT = 1.0
"""Seconds between two signs of life, the shortest interval that supervision knows."""


class VirtualInput:
    """An alarm input without hardware (`gateway.ports.AlarmInput`)."""

    def __init__(self, name: str, options: VirtualInputOptions) -> None:
        self._name = name
        self._options = options
        self._sink: SignalSink | None = None

    async def run(self, sink: SignalSink) -> None:
        """Stay open until cancelled."""
        self._sink = sink
        sink.ready()
        try:
            while True:
                sink.heartbeat()
                await asyncio.sleep(BEAT)
        finally:
            self._sink = None

    async def press(self, line: str | None = None) -> bool:
        """Raise the alarm of ``line``; True once it is on disk.

        Raises:
            DriverIOError: the input is not open.
        """
        return await self._deliver(SignalKind.ALARM, line, "pressed")

    async def release(self, line: str | None = None) -> bool:
        """Restore the alarm of ``line``; see `press`."""
        return await self._deliver(SignalKind.RESTORE, line, "released")

    async def _deliver(self, signal: SignalKind, line: str | None, text: str) -> bool:
        if self._sink is None:
            raise DriverIOError(self._name, "the input is not open")
        return await self._sink.accept(AlarmSignal(signal=signal, line=line, text=text))
