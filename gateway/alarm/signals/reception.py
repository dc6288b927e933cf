"""Lets signals wait for their decision, and has them decided a slice at a time.

Rules:

1. Who is next is said by `admission`: panics first, fair by source.
2. After `SLICE` of decisions the loop gets its turn, so that voice, timers and pages live on.
3. A journal that lags is waited for here, in the fair queue, and not in its own: only what may page
   is decided while `MAX_STORING` decisions are unanswered.
4. What is refused, and what still waits at the end, hears that it is not stored.
5. Where many wait, what drivers said is accepted before it is decided (`acceptance`). It keeps its place
   among those that wait. While it is accepted by the dozen, there is a slice of decisions each `PAUSE`:
   all of what may page at sources that were silent, `AGAIN` of what more comes from others, and one
   quiet signal at most. Devices wait for an acknowledgement, and nobody for a trouble; whom the
   second press of a site calls, its first has called already.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from gateway.alarm.raised import Raised
from gateway.alarm.signals.acceptance import Acceptance
from gateway.alarm.signals.admission import Admission
from gateway.alarm.signals.waiting import Waiting
from gateway.moment import Moment
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

SLICE = 0.005
"""Seconds of decisions at a time: a quarter of a voice packet, a twentieth of a timer's 100 ms."""
PAUSE = 0.02
"""Seconds between two slices then: what is decided in one is stored and said together, at half the price."""
AGAIN = 3
"""Of 3,000 panics at 600 sites 2,400 are such. Each costs a millisecond with all that it leads to: decided
at once, they kept the last acknowledgement back for 6 s; so it takes 4, and their pages another 2."""
MAX_STORING = 512
"""Decisions that the journal has not answered: about 50 ms of a busy disk."""

_NOTHING = Raised(None, False, ())


class Reception:
    """Used from the event loop only.

    ``decide`` makes one decision; ``storing`` says how many the journal has not answered, and
    whoever knows that it has answered calls `go`. ``acceptance`` is built on `waiting_of` and `go`.
    """

    def __init__(
        self,
        clock: SystemClock,
        counters: Counters,
        decide: Callable[[Waiting, Moment], None],
        storing: Callable[[], int],
        acceptance: Callable[[Reception], Acceptance],
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._decide = decide
        self._storing = storing
        self._admission: Admission[Waiting] = Admission()
        self.acceptance = acceptance(self)
        self._open = False
        self._next: asyncio.Handle | None = None
        self._accepting: asyncio.Handle | None = None
        self._refusing = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._admission)

    @property
    def crowded(self) -> bool:
        """Whether signals come in much faster than they are decided."""
        return self.acceptance.is_dense(self._clock.now())

    def waiting_of(self, source: str) -> int:
        """How many of a source wait."""
        return self._admission.waiting(source)

    def open(self) -> None:
        """Decide from now on; what came before waits."""
        self._open = True
        self.go()

    def close(self) -> None:
        """Decide nothing more."""
        self._open = False
        while (waiting := self._admission.take()) is not None:
            waiting.decided(_NOTHING)

    def admit(self, waiting: Waiting) -> None:
        """Let a signal wait, or refuse it."""
        if self._admission.put(waiting):
            self._refusing = False
            self.acceptance.put(waiting)
            self.go()
            return
        self._counters.add("alarm.refused")
        level = logging.DEBUG if self._refusing else logging.WARNING
        self._refusing = True
        _LOGGER.log(level, "%s: too many signals wait; refused", waiting.source)
        waiting.decided(_NOTHING)

    def readmit(self, accepted: Iterable[Waiting]) -> None:
        """What an earlier run has accepted waits again, before what came since; none is refused."""
        later = []
        while (waiting := self._admission.take()) is not None:
            later.append(waiting)
        for waiting in (*accepted, *later):
            self._admission.put(waiting, refusable=False)
        self.go()

    def go(self) -> None:
        """Go on, where there is something to do and the journal keeps up."""
        waiting = len(self._admission)
        if not self._open or not waiting:
            return
        loop = asyncio.get_running_loop()
        if self._accepting is None and self.acceptance.wants(waiting + self._storing()):
            self._accepting = loop.call_soon(self._accept)
        if self._next is None and self._may_decide():
            self._next = (
                loop.call_later(PAUSE, self._work) if self.crowded else loop.call_soon(self._work)
            )

    def _may_decide(self) -> bool:
        return bool(self._admission.urgent) or self._storing() < MAX_STORING

    def _accept(self) -> None:
        self._accepting = None
        self.acceptance.accept(len(self._admission) + self._storing())

    def _work(self) -> None:
        self._next = None
        now = self._clock.now()
        hurried = self.acceptance.is_dense(now)
        until = now.elapsed + SLICE
        again = 0
        while self._may_decide():
            last = hurried and not self._admission.urgent
            if hurried and not last and not self._admission.is_fresh:
                again += 1
                if again > AGAIN:
                    break
            waiting = self._admission.take()
            if waiting is None:
                break
            waiting.taken = True
            now = self._clock.now()
            try:
                self._decide(waiting, now)
            except Exception:  # a defect in one signal's path must not end the others'
                self._counters.add("alarm.signals_failed")
                _LOGGER.exception("%s: the signal failed", waiting.subject)
                waiting.decided(_NOTHING)
            if last or now.elapsed >= until:
                break
        if not len(self._admission):
            self.acceptance.none_waits()
        self.go()
