"""One device port of an endpoint: opened, looked at, closed when it fails, opened again.

Rule 1. A port that cannot be opened, or that fails, is a fault in words; it is closed and opened
        again after `FIRST_PAUSE`, then twice that, up to `LONGEST_PAUSE`. One that has held for
        `LONGEST_PAUSE` begins again with the first pause.
Rule 2. An open port is told its state again each `CHECK`, so that one that has gone, or a line that
        does not follow, is noticed though nothing happens on it.
Rule 3. A squelch line without a descriptor to wait on is looked at each `POLL`.
Rule 4. A line by which the transmitter can be read back is looked at each `READ_BACK`.
Rule 5. Whatever a driver raises is a fault of its port and of nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf
from typing import cast

from gateway.errors import DriverError
from gateway.ports import LinePort, ReadBack

CHECK = 0.25
"""Seconds between looks at an open port; with opening again a vanished device is known in 1 s."""

POLL = 0.005
"""Seconds between looks at a squelch line that cannot be waited for (ports.LinePort.fileno)."""

READ_BACK = 0.05
"""Seconds between looks at what the transmitter itself says."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 2.0
"""Seconds to wait before opening again."""

_LOGGER = logging.getLogger(__name__)


class Port:
    """Keeps one `LinePort` open. ``open_port`` opens it, and may raise anything."""

    def __init__(self, name: str, open_port: Callable[[], LinePort], *, senses: bool) -> None:
        self._name = name
        self._open_port = open_port
        self._senses = senses
        self._port: LinePort | None = None
        self._pause = FIRST_PAUSE
        self._next_open = 0.0
        self._next_check = 0.0
        self._next_poll = 0.0
        self._next_read_back = inf
        self._opened_at = 0.0
        self.fault = "not opened yet"
        self.squelch_open: bool | None = None
        self.reads_keyed: bool | None = None

    @property
    def is_open(self) -> bool:
        return self._port is not None

    def fileno(self) -> int:
        """Descriptor to wait on; -1 where there is none."""
        if self._port is None or not self._senses:
            return -1
        try:
            return self._port.fileno()
        except Exception:  # noqa: BLE001 - rule 5; the next look says what is wrong with it
            return -1

    def key(self, keyed: bool, now: float) -> bool:
        """Drive the line; whether it followed."""
        if self._port is None:
            return False
        try:
            self._port.key(keyed)
        except Exception as error:  # noqa: BLE001 - rule 5
            self._fail(error, now)
            return False
        return True

    def sense(self, now: float) -> None:
        """Look at the squelch line."""
        if self._port is None or not self._senses:
            return
        try:
            self.squelch_open = self._port.squelch_open()
        except Exception as error:  # noqa: BLE001 - rule 5
            self._fail(error, now)

    def read_back(self, now: float) -> None:
        """Look at what the transmitter says."""
        if not self._reads_back():
            return
        try:
            self.reads_keyed = cast("ReadBack", self._port).reads_keyed()
        except Exception as error:  # noqa: BLE001 - rule 5
            self._fail(error, now)

    def step(self, now: float, *, keyed: bool) -> None:
        """Do what is due. ``keyed`` is what the line is to be if the port stays open."""
        if self._port is None:
            if now >= self._next_open:
                self._open(now)
            return
        if now >= self._next_check:
            self._next_check = now + CHECK
            if now - self._opened_at >= LONGEST_PAUSE:
                self._pause = FIRST_PAUSE
            if not self.key(keyed, now):
                return
            self.sense(now)
        elif now >= self._next_poll:
            self.sense(now)
        self._next_poll = now + POLL
        if now >= self._next_read_back:
            self._next_read_back = now + READ_BACK
            self.read_back(now)

    def due(self) -> float:
        """When `step` will have something to do."""
        if self._port is None:
            return self._next_open
        due = min(self._next_check, self._next_read_back)
        return min(due, self._next_poll) if self._senses and self.fileno() < 0 else due

    def close(self) -> None:
        """Release and close."""
        port, self._port = self._port, None
        self.squelch_open = None
        self.reads_keyed = None
        if port is not None:
            try:
                port.close()
            except Exception:
                _LOGGER.exception("%s: closing failed", self._name)

    def _open(self, now: float) -> None:
        try:
            self._port = self._open_port()
        except Exception as error:  # noqa: BLE001 - rule 5
            self._fail(error, now)
            return
        _LOGGER.info("%s: open", self._name)
        self.fault = ""
        self._opened_at = now
        self._next_check = now + CHECK
        self._next_poll = now + POLL
        self._next_read_back = now + READ_BACK if self._reads_back() else inf
        self.sense(now)

    def _reads_back(self) -> bool:
        return bool(getattr(self._port, "reads_back", False))

    def _fail(self, error: Exception, now: float) -> None:
        what = error.what if isinstance(error, DriverError) else repr(error)
        level = logging.DEBUG if what == self.fault else logging.WARNING
        _LOGGER.log(level, "%s: %s", self._name, what)
        self.fault = what
        self.close()
        self._next_open = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
