"""One beat of 20 ms for everything that is played in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gateway.ops.counters import Counters
from gateway.ports import BLOCK

_LOGGER = logging.getLogger(__name__)

_EARLY = 0.0005  # timers may fire this much early
_CATCH_UP = 10  # beats; a loop that stood still for longer than 0.2 s does not make up for more


class Ticker:
    """Calls back every 20 ms of the loop's clock, in step, and sleeps while nobody wants it.

    The first to come after a pause sets the phase; what comes later falls in with it. A beat that
    is due is never left out for being late (each is a block to play) until too many are.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._callbacks: dict[Callable[[float], None], float] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._beating = False
        self._next = 0.0

    def start(self, callback: Callable[[float], None], at: float) -> None:
        """Call ``callback(beat)`` at ``at`` (loop time) or the next beat after it, and then each 20 ms.

        ``beat`` is when the beat was due. A callback already there is left alone.
        """
        self._callbacks.setdefault(callback, at)
        if self._handle is None and not self._beating:
            self._next = at
            self._handle = asyncio.get_running_loop().call_at(at, self._beat)

    def stop(self, callback: Callable[[float], None]) -> None:
        """Call it no more; also from within."""
        self._callbacks.pop(callback, None)
        if self._handle is not None and not self._callbacks:
            self._handle.cancel()
            self._handle = None

    def once(self, callback: Callable[[float], None], at: float) -> asyncio.TimerHandle:
        """Call ``callback(at)`` between two beats."""
        return asyncio.get_running_loop().call_at(at, self._call, callback, at)

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._handle = None
        self._beating = True
        late = int((loop.time() - self._next) / BLOCK)
        if late > _CATCH_UP:
            self._counters.add("voice.ticks_skipped", late - _CATCH_UP)
            self._next += (late - _CATCH_UP) * BLOCK
        while self._callbacks and self._next <= loop.time() + _EARLY:
            beat = self._next
            self._next += BLOCK
            for callback, first in list(self._callbacks.items()):
                if first <= beat + _EARLY and callback in self._callbacks:
                    self._call(callback, beat)
        self._beating = False
        if self._callbacks:
            self._handle = loop.call_at(self._next, self._beat)

    def _call(self, callback: Callable[[float], None], beat: float) -> None:
        try:
            callback(beat)
        except Exception:
            _LOGGER.exception("playout failed and is stopped")
            self._callbacks.pop(callback, None)
