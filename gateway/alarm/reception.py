"""Lets signals wait for their decision, and has them decided a slice at a time.

Rules:

1. Who is next is said by `admission`: panics first, fair by source.
2. After `SLICE` of decisions the loop gets its turn, so that voice, timers and pages live on.
3. A journal that lags is waited for here, in the fair queue, and not in its own: only what may page
   is decided while `MAX_STORING` decisions are unanswered.
4. What is refused, and what still waits at the end, hears that it is not stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.alarm.admission import Admission
from gateway.alarm.clerk import Done, Raised
from gateway.alarm.contact import Sighting
from gateway.alarm.journal_rows import Row
from gateway.moment import Moment
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

SLICE = 0.005
"""Seconds of decisions at a time: a quarter of a voice packet, a twentieth of a timer's 100 ms."""
MAX_STORING = 512
"""Decisions that the journal has not answered: about 50 ms of a busy disk."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A signal that waits; ``done`` is told what has come of it, ``rows`` are stored with it."""

    sighting: Sighting
    drill: bool
    done: Done
    rows: tuple[Row, ...] = ()

    @property
    def subject(self) -> str:
        return self.sighting.subject

    @property
    def source(self) -> str:
        """Its site; of what no endpoint has, the input, which is what the subject begins with."""
        source = self.sighting.source
        return source.site if source is not None else self.sighting.subject.partition(":")[0]

    @property
    def quiet(self) -> bool:
        return self.sighting.quiet


class Reception:
    """Used from the event loop only.

    ``decide`` makes one decision; ``storing`` says how many the journal has not answered, and
    whoever knows that it has answered calls `go`.
    """

    def __init__(
        self,
        clock: SystemClock,
        counters: Counters,
        decide: Callable[[Waiting, Moment], None],
        storing: Callable[[], int],
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._decide = decide
        self._storing = storing
        self._admission: Admission[Waiting] = Admission()
        self._open = False
        self._next: asyncio.Handle | None = None
        self._refusing = False

    def __len__(self) -> int:
        """How many wait."""
        return len(self._admission)

    def open(self) -> None:
        """Decide from now on; what came before waits."""
        self._open = True
        self.go()

    def close(self) -> None:
        """Decide nothing more."""
        self._open = False
        while (waiting := self._admission.take()) is not None:
            waiting.done(Raised(None, False, ()))

    def admit(self, waiting: Waiting) -> None:
        """Let a signal wait, or refuse it."""
        if self._admission.put(waiting):
            self._refusing = False
            self.go()
            return
        self._counters.add("alarm.refused")
        level = logging.DEBUG if self._refusing else logging.WARNING
        self._refusing = True
        _LOGGER.log(level, "%s: too many signals wait; refused", waiting.source)
        waiting.done(Raised(None, False, ()))

    def go(self) -> None:
        """Go on deciding, where there is something and the journal keeps up."""
        if self._next is None and self._open and len(self._admission) and self._may_decide():
            self._next = asyncio.get_running_loop().call_soon(self._work)

    def _may_decide(self) -> bool:
        return self._admission.urgent or self._storing() < MAX_STORING

    def _work(self) -> None:
        self._next = None
        until: float | None = None
        while self._may_decide() and (waiting := self._admission.take()) is not None:
            now = self._clock.now()
            until = now.elapsed + SLICE if until is None else until
            try:
                self._decide(waiting, now)
            except Exception:  # a defect in one signal's path must not end the others'
                self._counters.add("alarm.signals_failed")
                _LOGGER.exception("%s: the signal failed", waiting.subject)
                waiting.done(Raised(None, False, ()))
            if now.elapsed >= until:
                break
        self.go()
