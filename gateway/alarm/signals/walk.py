"""The walk test: every button is pressed once, is seen to arrive, and calls nobody. Pure.

Rules:

Rule 1. While a walk is on, the first alarm of each of its endpoints is a test, and opens nothing,
        whatever plans say. Duress never is a test.
Rule 2. A second alarm of the same endpoint is real, and so is every alarm of any other: who presses
        twice means it. The same alarm again within `BOUNCE` with no restore between is still the
        first: a contact that bounces, or a panel that missed its acknowledgement.
Rule 3. A walk ends by itself at its time, at the latest after `LONGEST`. It is not kept over a
        restart: what is pressed then is real, and so is what was pressed before it began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.alarm.plans.plan import DURESS
from gateway.alarm.signals.contact import Contact, Sighting
from gateway.moment import Moment
from gateway.ports import SignalKind

LONGEST = 8 * 3600.0
"""Seconds: a working day."""

BOUNCE = 1.0
"""Seconds; nobody lets go of a button and presses it again unseen by its restore."""


@dataclass(slots=True)
class Walk:
    """One walk over ``endpoints``, from ``begins`` until ``ends`` on `Moment.elapsed`."""

    endpoints: frozenset[str]
    begins: float
    ends: float
    seen: dict[str, float] = field(default_factory=dict)
    """When each endpoint was pressed, POSIX seconds, in that order."""
    _held: dict[str, tuple[float, Contact]] = field(default_factory=dict)
    """What was pressed and not restored, and when on `Moment.elapsed`."""

    @classmethod
    def begun(cls, endpoints: Iterable[str], seconds: float, now: Moment) -> Walk:
        return cls(frozenset(endpoints), now.elapsed, now.elapsed + min(seconds, LONGEST))

    @property
    def missing(self) -> frozenset[str]:
        """Endpoints that were not pressed yet."""
        return self.endpoints - self.seen.keys()

    def is_on(self, now: Moment) -> bool:
        return now.elapsed < self.ends

    def takes(self, sighting: Sighting, now: Moment) -> bool:
        """Whether this signal is the walk's (rules 1 and 2); its endpoint is ticked off then."""
        source = sighting.source
        if not self.begins <= now.elapsed < self.ends:
            return False
        if source is None or source.endpoint not in self.endpoints:
            return False
        name = source.endpoint
        if sighting.signal is SignalKind.RESTORE:
            self._held.pop(name, None)
        if sighting.signal is not SignalKind.ALARM or sighting.quiet or sighting.category == DURESS:
            return False
        if name in self.seen:
            pressed, contact = self._held.get(name, (float("-inf"), None))
            return contact == sighting.contact and now.elapsed - pressed <= BOUNCE
        self.seen[name] = now.wall
        self._held[name] = now.elapsed, sighting.contact
        return True
