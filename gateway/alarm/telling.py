"""Tells of incidents' new states at once, and in a storm of the newest of each, a few at a time.

Rules:

1. While nothing matters more, each state is told as it comes.
2. In a storm a state waits its turn, round by site; a newer one of its incident takes its place.
3. A refusal never waits, nor does the state whose window of applied actions the next changes
   would leave: whoever acted sees what became of it.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.alarm.actions import PUBLISHED_ACTIONS
from gateway.alarm.fair_queue import FairQueue
from gateway.alarm.saying import Saying
from gateway.ops.pacing import Pace

HANDFUL = 8


class Telling:
    """``tell`` is called with what is to be told; ``busy`` says whether something matters more."""

    def __init__(self, tell: Callable[[Saying], None], busy: Callable[[], bool]) -> None:
        self._tell = tell
        self._busy = busy
        self._waiting: dict[str, tuple[Saying, int]] = {}  # with the changes since the last telling
        self._turns: FairQueue[str] = FairQueue()
        self._pace = Pace(self._go_on, HANDFUL, busy)

    def put(self, saying: Saying, changes: int) -> None:
        """A state that came of so many changes since the one before it."""
        state = saying.state.message
        waits = self._waiting.get(state.id)
        changes += waits[1] if waits is not None else 0
        urgent = state.refused is not None or changes + 1 >= PUBLISHED_ACTIONS
        if urgent or (waits is None and not self._busy()):
            self._waiting.pop(state.id, None)
            self._tell(saying)
            return
        self._waiting[state.id] = saying, changes
        if waits is None:
            self._turns.put(state.site or state.id, state.id)
        self._pace.go()

    def stop(self) -> None:
        """Tell all that waits, and nothing later on."""
        self._pace.stop()
        while self._waiting:
            self._go_on(len(self._waiting))

    def _go_on(self, most: int) -> bool:
        told = 0
        while told < most and (incident := self._turns.take()) is not None:
            waits = self._waiting.pop(incident, None)
            if waits is not None:  # else it was urgent meanwhile
                told += 1
                self._tell(waits[0])
        return bool(self._waiting)
