"""The one place that reads clocks for machines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from gateway.moment import Moment


class SystemClock:
    """CLOCK_BOOTTIME and CLOCK_REALTIME of this machine."""

    def now(self) -> Moment:
        return Moment(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def kernel_boot_id() -> str:
    """UUID of this boot of the kernel; deadlines on CLOCK_BOOTTIME are comparable within it only."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class DeadlineTimer:
    """Calls ``expired`` once a machine's deadline has passed; armed anew after every event.

    The machine names its deadline on `Moment.elapsed`; the loop's clock stands still while the
    machine sleeps, so a deadline is looked at again at least every ``_LONGEST`` seconds.
    """

    _LONGEST = 30.0

    def __init__(self, clock: SystemClock, expired: Callable[[Moment], None]) -> None:
        self._clock = clock
        self._expired = expired
        self._deadline: float | None = None
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, deadline: float | None) -> None:
        """Wait for ``deadline`` (seconds on `Moment.elapsed`) instead; None waits for nothing."""
        if deadline == self._deadline and self._handle is not None:
            return
        self.cancel()
        self._deadline = deadline
        if deadline is not None:
            self._wait()

    def cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._deadline = None

    def _wait(self) -> None:
        assert self._deadline is not None
        left = self._deadline - self._clock.now().elapsed
        delay = min(max(left, 0.0), self._LONGEST)
        self._handle = asyncio.get_running_loop().call_later(delay, self._look)

    def _look(self) -> None:
        self._handle = None
        now = self._clock.now()
        if self._deadline is None:
            return
        if now.elapsed < self._deadline:  # uvloop may fire early; a suspend makes it late
            self._wait()
            return
        self._deadline = None
        self._expired(now)
