"""Named counts of what was refused, dropped or repaired, readable at any time."""

from __future__ import annotations

from collections import Counter


class Counters:
    """Counts by dotted name, such as ``voice.dropped``; a name exists from its first count on.

    Used from the event loop only.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, number: int = 1) -> None:
        self._counts[name] += number

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """A copy, sorted by name."""
        return dict(sorted(self._counts.items()))
