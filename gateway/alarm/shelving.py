"""Shelving: an endpoint's troubles raise nothing until a given time (ISA 18.2). Pure.

Rules:

Rule 1. Only what is quiet can be shelved: troubles, tests, routine reports. An alarm never is, and
        neither is silence.
Rule 2. Every shelving has an end, at most `LONGEST` away. It ends by itself, and is told then.
Rule 3. What a shelved endpoint says is stored and told, marked as shelved; only no incident comes of it.
Rule 4. Ends are wall-clock times, so that they mean the same after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alarm.contact import Sighting
from gateway.alarm.plan import SUPERVISION
from gateway.moment import Moment

LONGEST = 30 * 86_400.0
"""Seconds; what is broken for longer is to be mended or taken out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """One endpoint's shelving; ``until`` in POSIX seconds."""

    endpoint: str
    until: float
    by: str
    reason: str


class Shelving:
    """What is shelved now, by endpoint."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}

    def __len__(self) -> int:
        return len(self._shelves)

    @property
    def shelves(self) -> tuple[Shelf, ...]:
        """What is shelved, the next to end first."""
        return tuple(sorted(self._shelves.values(), key=lambda one: (one.until, one.endpoint)))

    def shelve(self, shelf: Shelf, now: Moment) -> str | None:
        """Shelve, or shelve until another time; why not, where that cannot be."""
        if shelf.until <= now.wall:
            return "its end is past"
        if shelf.until - now.wall > LONGEST:
            return f"at most {LONGEST / 86_400:.0f} days"
        self._shelves[shelf.endpoint] = shelf
        return None

    def unshelve(self, endpoint: str) -> Shelf | None:
        """Take it off the shelf; what was there."""
        return self._shelves.pop(endpoint, None)

    def until(self, endpoint: str) -> float | None:
        """Until when an endpoint is shelved, POSIX seconds."""
        shelf = self._shelves.get(endpoint)
        return None if shelf is None else shelf.until

    def covers(self, sighting: Sighting, now: Moment) -> bool:
        """Whether no incident is to come of a signal (rules 1 and 3)."""
        if not sighting.quiet or sighting.category == SUPERVISION or sighting.source is None:
            return False
        shelf = self._shelves.get(sighting.source.endpoint)
        return shelf is not None and now.wall < shelf.until

    def deadline(self, now: Moment) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        soonest = min((one.until for one in self._shelves.values()), default=None)
        return None if soonest is None else now.elapsed + max(soonest - now.wall, 0.0)

    def tick(self, now: Moment) -> tuple[Shelf, ...]:
        """What has ended."""
        ended = tuple(one for one in self.shelves if one.until <= now.wall)
        for shelf in ended:
            del self._shelves[shelf.endpoint]
        return ended
