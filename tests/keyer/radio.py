"""The outside world of a keyer: a radio on a pty link, and a scripted line port."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

from gateway.errors import DriverIOError, DriverOpenError


class PtyRadio:
    """What a radio's interface does with the link: reads T and R, writes O and Z."""

    def __init__(self, link: Path) -> None:
        self.terminal = str(link.readlink())
        self._descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY)
        self.heard = ""

    def open_squelch(self) -> None:
        os.write(self._descriptor, b"O")

    def close_squelch(self) -> None:
        os.write(self._descriptor, b"Z")

    def say_back(self, *, transmits: bool) -> None:
        os.write(self._descriptor, b"t" if transmits else b"r")

    def wait_for(self, word: str, timeout: float = 3.0) -> float:
        """When ``word`` came (time.monotonic)."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            if poll.poll(max(0, (until - time.monotonic()) * 1000)):
                said = os.read(self._descriptor, 1).decode()
                self.heard += said
                if said == word:
                    return time.monotonic()
        raise AssertionError(f"no {word!r} in {timeout} s; heard {self.heard!r}")

    def heard_nothing_for(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return not poll.poll(seconds * 1000)

    def close(self) -> None:
        os.close(self._descriptor)


class ScriptedPort:
    """A line port that does what a test says."""

    def __init__(self) -> None:
        self.keyed = False
        self.squelch: bool | None = None
        self.transmits: bool | None = None
        self.broken = ""
        self.closed = False
        self.written: list[bool] = []

    def key(self, keyed: bool) -> None:
        if self.broken:
            raise DriverIOError("radio", self.broken)
        self.written.append(keyed)
        self.keyed = keyed

    def squelch_open(self) -> bool | None:
        if self.broken:
            raise DriverIOError("radio", self.broken)
        return self.squelch

    @property
    def reads_back(self) -> bool:
        return self.transmits is not None

    def reads_keyed(self) -> bool | None:
        if self.broken:
            raise DriverIOError("radio", self.broken)
        return self.transmits

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.keyed = False
        self.closed = True


class ScriptedDevice:
    """Hands out ports while it is plugged in."""

    def __init__(self) -> None:
        self.plugged_in = True
        self.transmits: bool | None = None
        self.ports: list[ScriptedPort] = []
        self.attempts: list[float] = []
        self.now = 0.0

    @property
    def port(self) -> ScriptedPort:
        return self.ports[-1]

    def open(self) -> ScriptedPort:
        self.attempts.append(self.now)
        if not self.plugged_in:
            raise DriverOpenError("radio", "no such device")
        self.ports.append(ScriptedPort())
        self.port.transmits = self.transmits
        return self.port
