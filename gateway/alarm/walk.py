"""The walk test: every button is pressed once, is seen to arrive, and calls nobody. Pure.

Rules:

Rule 1. While a walk is on, the first alarm of each of its endpoints is a test.
Rule 2. A second alarm of the same endpoint is real, and so is every alarm of any other: who presses
        twice means it.
Rule 3. A walk ends by itself at its time, at the latest after `LONGEST`. It is not kept over a
        restart: what is pressed then is real.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.moment import Moment

LONGEST = 8 * 3600.0
"""Seconds: a working day."""


@dataclass(slots=True)
class Walk:
    """One walk over ``endpoints``, until ``ends`` on `Moment.elapsed`."""

    endpoints: frozenset[str]
    ends: float
    seen: dict[str, float] = field(default_factory=dict)
    """When each endpoint was pressed, POSIX seconds, in that order."""

    @classmethod
    def begun(cls, endpoints: Iterable[str], seconds: float, now: Moment) -> Walk:
        return cls(frozenset(endpoints), now.elapsed + min(seconds, LONGEST))

    @property
    def missing(self) -> frozenset[str]:
        """Endpoints that were not pressed yet."""
        return self.endpoints - self.seen.keys()

    def is_on(self, now: Moment) -> bool:
        return now.elapsed < self.ends

    def takes(self, endpoint: str, now: Moment) -> bool:
        """Whether this alarm is the walk's (rules 1 and 2); it is ticked off then."""
        if not self.is_on(now) or endpoint not in self.missing:
            return False
        self.seen[endpoint] = now.wall
        return True
