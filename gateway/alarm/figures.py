"""How busy the alarm side is, in the figures of EEMUA 191 (and IEC 62682). Pure.

Rules:

Rule 1. Rates are of the last `WINDOW` seconds, in steps of `STEP`: what is older by less than a
        step may still be counted.
Rule 2. A flood begins with `FLOOD_BEGINS` alarms in the window and ends when fewer than
        `FLOOD_ENDS` are left in it (EEMUA 191, 3rd edition, "alarm floods").
Rule 3. An alarm is what is new to an operator: a signal that opened or joined an incident.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from dataclasses import dataclass, field

from gateway.moment import Moment

WINDOW = 600.0
STEP = 10.0
FLOOD_BEGINS = 10
FLOOD_ENDS = 5
BUSIEST = 10
STALE = 86_400.0
"""Seconds after which an incident that still stands is stale (EEMUA 191)."""


@dataclass(slots=True)
class _Step:
    began: float
    alarms: int = 0
    signals: int = 0
    subjects: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """The figures at one moment; for their meaning see `gateway.link.messages.AlarmFigures`."""

    signals: int
    signals_10min: int
    alarms_10min: int
    peak_10min: int
    flood: bool
    floods: int
    flood_time: float
    busiest: dict[str, int]


class Figures:
    """Counts signals as they are decided."""

    def __init__(self) -> None:
        self._steps: deque[_Step] = deque()
        self._total = 0
        self._signals = 0
        self._alarms = 0
        self._subjects: Counter[str] = Counter()
        self._peak = 0
        self._floods = 0
        self._flood_began: float | None = None
        self._flooded = 0.0

    def signal(self, subject: str, now: Moment, *, alarm: bool) -> None:
        """One signal; ``alarm`` if it opened or joined an incident."""
        self._forget(now)
        if not self._steps or now.elapsed - self._steps[-1].began >= STEP:
            self._steps.append(_Step(now.elapsed // STEP * STEP))
        step = self._steps[-1]
        step.signals += 1
        step.subjects[subject] += 1
        self._subjects[subject] += 1
        self._signals += 1
        self._total += 1
        if alarm:
            step.alarms += 1
            self._alarms += 1
            self._peak = max(self._peak, self._alarms)
            if self._flood_began is None and self._alarms >= FLOOD_BEGINS:
                self._flood_began = now.elapsed
                self._floods += 1

    def rates(self, now: Moment) -> Rates:
        self._forget(now)
        running = 0.0 if self._flood_began is None else now.elapsed - self._flood_began
        return Rates(
            signals=self._total,
            signals_10min=self._signals,
            alarms_10min=self._alarms,
            peak_10min=self._peak,
            flood=self._flood_began is not None,
            floods=self._floods,
            flood_time=self._flooded + running,
            busiest=dict(
                heapq.nsmallest(BUSIEST, self._subjects.items(), key=lambda one: (-one[1], one[0]))
            ),
        )

    def _forget(self, now: Moment) -> None:
        while self._steps and now.elapsed - self._steps[0].began >= WINDOW + STEP:
            step = self._steps.popleft()
            self._signals -= step.signals
            self._alarms -= step.alarms
            for subject, count in step.subjects.items():
                if self._subjects[subject] > count:
                    self._subjects[subject] -= count
                else:
                    del self._subjects[subject]
            if self._flood_began is not None and self._alarms < FLOOD_ENDS:
                ended = step.began + WINDOW + STEP
                self._flooded += ended - self._flood_began
                self._flood_began = None
