"""Transmitters on pseudo-terminals, watched by one thread: when each was keyed and released."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gateway.ops.urgency import raise_priority

_LOOK = 0.01
"""Seconds between looks for a terminal that was made anew."""


@dataclass(slots=True, eq=False)
class Transmitter:
    """One radio's PTT. A terminal that is hung up releases it, as a line that drops does."""

    link: Path
    keyed: bool = False
    at: float = 0.0
    """When it changed last, monotonic."""
    descriptor: int = -1
    seen: tuple[int, int] | None = None
    history: list[tuple[float, bool]] = field(default_factory=list)

    def change(self, keyed: bool, at: float) -> None:
        if keyed != self.keyed:
            self.keyed, self.at = keyed, at
            self.history.append((at, keyed))


class Watcher(threading.Thread):
    """Opens what the keyers make, reads it, and opens it again. As urgent as this user may make it."""

    def __init__(self, links: list[Path]) -> None:
        super().__init__(name="ptt-watcher", daemon=True)
        self.transmitters = [Transmitter(link) for link in links]
        self._changed = threading.Condition()
        self._ends = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self.join()
        for one in self.transmitters:
            if one.descriptor >= 0:
                os.close(one.descriptor)

    def wait(self, condition: Callable[[], bool], within: float) -> bool:
        """Whether it came to pass in time; looked at whenever a transmitter changes."""
        with self._changed:
            return self._changed.wait_for(condition, within)

    def run(self) -> None:
        raise_priority()
        next_look = 0.0
        while not self._ends:
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + _LOOK
                for one in self.transmitters:
                    self._open(one)
            poll = select.poll()
            known = {one.descriptor: one for one in self.transmitters if one.descriptor >= 0}
            for descriptor in known:
                poll.register(descriptor, select.POLLIN)
            ready = poll.poll(_LOOK * 1000)
            at = time.monotonic()
            for descriptor, _ in ready:
                self._read(known[descriptor], at)
            if ready:
                with self._changed:
                    self._changed.notify_all()

    def _open(self, one: Transmitter) -> None:
        """Open a link once: the number of a dead terminal may be somebody else's by now."""
        if one.descriptor >= 0:
            return
        try:
            found = one.link.lstat()
            made = (found.st_ino, found.st_ctime_ns)
            if made == one.seen:
                return
            one.descriptor = os.open(one.link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            one.seen = made
        except OSError:
            return

    def _read(self, one: Transmitter, at: float) -> None:
        try:
            said = os.read(one.descriptor, 256)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        for letter in said:
            if letter in b"TR":
                one.change(letter == ord("T"), at)
        if not said:
            os.close(one.descriptor)
            one.descriptor = -1
            one.change(False, at)
