"""An event loop whose clock jumps to the next timer instead of waiting for it.

Nothing here reads the machine's clock: two runs of one scenario are the same run.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from gateway.moment import Moment
from gateway.ops.clock import SystemClock

T = TypeVar("T")

START_WALL = 1_795_485_600.0
"""POSIX time at which every scenario begins unless it says otherwise: 2026-11-24T02:00:00Z."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: where nothing is ready, time passes at once."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("a scenario waits for something that no timer brings")
            self._pass_time(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs at the speed of the machine; `time` is virtual, in seconds from 0."""

    def __init__(self) -> None:
        self._virtual = 0.0
        super().__init__(_Jumping(self._pass_time))

    def time(self) -> float:
        return self._virtual

    def _pass_time(self, seconds: float) -> None:
        # A little more than asked for, or the timer that it is for would not be due by a rounding.
        self._virtual += max(seconds, 0.0) + 1e-9

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """At once and on the loop: a thread would live in another time."""
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as a thread would have handed it over
            future.set_exception(error)
        return future


class VirtualClock(SystemClock):
    """The clocks of a machine in virtual time; ``step`` moves its wall clock."""

    def __init__(self, loop: VirtualLoop, wall: float = START_WALL) -> None:
        self._loop = loop
        self._wall = wall

    def now(self) -> Moment:
        return Moment(1_000.0 + self._loop.time(), self._wall + self._loop.time())

    def step(self, seconds: float) -> None:
        self._wall += seconds
