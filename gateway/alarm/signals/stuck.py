"""Contacts that stay in alarm: a jammed button, a wire that has shorted. Pure.

Rules:

Rule 1. An input that says how long it is in alarm is stuck after ``stuck_after`` seconds of it: one
        trouble, however long it lasts and however often its alarm is repeated meanwhile.
Rule 2. Its restore ends that; the next alarm begins anew.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import replace

from gateway.alarm.plans.plan import TROUBLE
from gateway.alarm.signals.contact import Contact, Sighting
from gateway.moment import Moment
from gateway.ports import SignalKind

_Key = tuple[str, str]
"""Endpoint, and where on it."""


class Stuck:
    """The contacts of one gateway that are in alarm, and since when."""

    def __init__(self) -> None:
        self._since: dict[_Key, tuple[float, float, Sighting]] = {}
        """Since when each is in alarm, when it is stuck, and what said so first."""
        self._due: list[tuple[float, _Key]] = []

    def see(self, sighting: Sighting, now: Moment) -> None:
        """One signal of a driver."""
        source = sighting.source
        if source is None or source.guard.stuck_after is None:
            return
        key = source.endpoint, sighting.contact.where
        if sighting.signal is SignalKind.RESTORE:
            self._since.pop(key, None)
        elif sighting.signal is SignalKind.ALARM and key not in self._since:
            due = now.elapsed + source.guard.stuck_after
            self._since[key] = now.elapsed, due, sighting
            heapq.heappush(self._due, (due, key))

    def forget(self, endpoints: Iterable[str]) -> None:
        """These are no longer configured, or configured otherwise."""
        gone = frozenset(endpoints)
        for key in [key for key in self._since if key[0] in gone]:
            del self._since[key]

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        while self._due:
            due, key = self._due[0]
            if key in self._since and self._since[key][1] == due:
                return due
            heapq.heappop(self._due)
        return None

    def tick(self, now: Moment) -> tuple[Sighting, ...]:
        """The troubles of what has become stuck."""
        found = []
        while (due := self.deadline()) is not None and due <= now.elapsed:
            _, key = heapq.heappop(self._due)
            since, _, sighting = self._since[key]
            found.append(
                replace(
                    sighting,
                    signal=SignalKind.FAULT,
                    category=TROUBLE,
                    contact=Contact(sighting.contact.where, TROUBLE),
                    text=f"stuck: in alarm for {due - since:.0f} s",
                    silent=False,
                )
            )
        return tuple(found)
