"""Does what can wait a handful at a time, so that it never makes anything else wait.

While somebody says that there is something that matters more, or the loop comes late to a timer, a
handful is small. While there is a storm to be acknowledged it is one at a time, and seldom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PAUSE = 0.002
"""Seconds between two handfuls."""
REST = 0.02
"""Seconds between two things in a storm."""
LATE = 0.004
"""Seconds; a loop with time for everything is not this late to a timer."""
FEW = 8
"""What a handful is divided by while the loop is busy."""


class Pace:
    """Calls ``work(most)`` when asked to, and again as long as it says that there is more.

    ``most`` is how many things it may do; its answer is whether it would do more if it might.
    ``busy`` says whether something matters more now, ``storm`` whether everything else does. Between
    two calls there is always a pause. Used from the event loop only.
    """

    def __init__(
        self,
        work: Callable[[int], bool],
        handful: int,
        busy: Callable[[], bool] = lambda: False,
        storm: Callable[[], bool] = lambda: False,
    ) -> None:
        self._work = work
        self._handful = handful
        self.busy = busy
        self.storm = storm
        self._wanted = False
        self._timer: asyncio.TimerHandle | None = None

    def go(self) -> None:
        """There is something to do: at once, or after the pause that is on."""
        if self._timer is None:
            self._do(late=False)
        else:
            self._wanted = True

    def stop(self) -> None:
        """Call no more until the next `go`."""
        self._wanted = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _do(self, *, late: bool) -> None:
        most, pause = self._handful, PAUSE
        if self.storm():
            most, pause = 1, REST
        elif late or self.busy():
            most = max(self._handful // FEW, 1)
        loop = asyncio.get_running_loop()
        # Armed first: what is done may end up in `go` again.
        self._timer = loop.call_later(pause, self._again, loop.time() + pause)
        if self._work(most):
            self._wanted = True

    def _again(self, due: float) -> None:
        self._timer = None
        if self._wanted:
            self._wanted = False
            self._do(late=asyncio.get_running_loop().time() - due > LATE)
