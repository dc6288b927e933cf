"""Feeds systemd's watchdog only while every task that must turn has turned.

A task registers a pulse with the longest time it may be silent and beats it from its own loop.
The watchdog is fed at a third of systemd's interval, from the event loop, and only when no pulse
is overdue: a blocked loop, or one dead task in a living loop, ends in a restart.
"""

from __future__ import annotations

import asyncio
import logging
import time

from gateway.ops.sd_notify import Notifier

_LOGGER = logging.getLogger(__name__)


class Pulse:
    """One task's sign of life."""

    def __init__(self, name: str, longest: float) -> None:
        self.name = name
        self.longest = longest
        self._beaten = time.monotonic()

    def beat(self) -> None:
        self._beaten = time.monotonic()

    def overdue(self, now: float) -> bool:
        return now - self._beaten > self.longest


class Liveness:
    """All pulses of a process."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._pulses: dict[str, Pulse] = {}
        self._silent: set[str] = set()

    def pulse(self, name: str, longest: float) -> Pulse:
        """Register a task; ``longest`` is in seconds. Registering a name again replaces it."""
        self._pulses[name] = Pulse(name, longest)
        return self._pulses[name]

    def forget(self, name: str) -> None:
        self._pulses.pop(name, None)

    def overdue(self) -> list[str]:
        """Names of the tasks that should have beaten by now."""
        now = time.monotonic()
        return sorted(pulse.name for pulse in self._pulses.values() if pulse.overdue(now))

    async def run(self) -> None:
        """Feed the watchdog until cancelled."""
        interval = self._notifier.watchdog / 3 if self._notifier.watchdog else 1.0
        while True:
            silent = set(self.overdue())
            for name in silent - self._silent:
                _LOGGER.error("%s does not turn; the watchdog is no longer fed", name)
            for name in self._silent - silent:
                _LOGGER.warning("%s turns again", name)
            self._silent = silent
            if not silent:
                self._notifier.alive()
            await asyncio.sleep(interval)
