"""Who may not ask yet: those who ran into the talk limit, and those told off a moment ago. Pure."""

from __future__ import annotations


class Until:
    """Names with a time each, which are forgotten once it has come."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def set(self, name: str, until: float, now: float) -> None:
        """``name`` is held until then."""
        still = {other: time for other, time in self._until.items() if now < time}
        self._until = still | {name: until}

    def left(self, name: str, now: float) -> float:
        """Seconds for which ``name`` is held still; 0 where it is not."""
        return max(self._until.get(name, now) - now, 0.0)

    def clear(self) -> None:
        """Hold nobody."""
        self._until.clear()
