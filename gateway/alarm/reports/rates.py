"""How busy the alarms were, after EEMUA publication 191, from the journal's signals. Pure.

An *alarm* here is a signal that asks for somebody: no restore, no cancel, no test, and none of the
quiet categories that raise nothing by themselves. Windows are of ten minutes, aligned to the clock,
so that the same rows give the same windows wherever they are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.alarm.plans.plan import QUIET_CATEGORIES, SUPERVISION
from gateway.link.messages import AlarmEvent

WINDOW = 600.0
"""Seconds."""

FLOOD_BEGINS = 10
"""Alarms in a window from which on it is a flood (EEMUA 191)."""

BUSIEST = 10


@dataclass(frozen=True, slots=True)
class Rates:
    """``mean`` and ``peak`` alarms in ten minutes; ``floods`` of ``windows`` had a flood."""

    alarms: int
    windows: int
    mean: float | None
    peak: int
    floods: int
    flood_share: float | None
    busiest: Mapping[str, int]
    """The ten sources with the most signals of any kind."""
    busiest_share: float | None
    """Their share of all signals; a bad actor or two often make most of them."""


class RateCount:
    """Counts signals as they come."""

    def __init__(self) -> None:
        self._windows: Counter[int] = Counter()
        self._sources: Counter[str] = Counter()
        self._signals = 0

    def signal(self, event: AlarmEvent, wall: float) -> None:
        """One signal, stored at ``wall``."""
        self._signals += 1
        self._sources[event.endpoint or event.account or event.site or event.gateway] += 1
        quiet = event.category in QUIET_CATEGORIES and event.category != SUPERVISION
        if event.signal not in ("restore", "cancel", "test") and not quiet:
            self._windows[int(wall // WINDOW)] += 1

    def rates(self, since: float, until: float) -> Rates:
        """Of the period that was counted."""
        windows = max(int(until // WINDOW) - int(since // WINDOW), 1)
        alarms = sum(self._windows.values())
        floods = sum(count >= FLOOD_BEGINS for count in self._windows.values())
        busiest = dict(
            sorted(self._sources.most_common(BUSIEST), key=lambda one: (-one[1], one[0]))
        )
        return Rates(
            alarms=alarms,
            windows=windows,
            mean=alarms / windows,
            peak=max(self._windows.values(), default=0),
            floods=floods,
            flood_share=floods / windows,
            busiest=busiest,
            busiest_share=sum(busiest.values()) / self._signals if self._signals else None,
        )
