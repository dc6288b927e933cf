"""Histograms of durations by name and label. Pure; seconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.35, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the buckets: those of TS 22.179's KPIs (0.15, 0.3, 0.35, 1.0) are among them."""

MAX_LABELS = 512
"""Labels of one name; what comes under further ones is counted together as `OTHERS`."""
OTHERS = "others"


class Histogram:
    """How often a duration lay in which bucket; the last bucket has no upper bound."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    @property
    def number(self) -> int:
        """How many durations there were."""
        return sum(self.counts)

    def within(self, seconds: float) -> float | None:
        """The share that was at most ``seconds``, one of `BOUNDS`; None where there was nothing."""
        number = self.number
        return sum(self.counts[: BOUNDS.index(seconds) + 1]) / number if number else None

    def cumulative(self) -> list[tuple[str, int]]:
        """Each bucket's upper bound as Prometheus writes it, and how many were at most that."""
        so_far, found = 0, []
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, so_far))
        return found


class Measures:
    """All histograms of one gateway. Used from the event loop only."""

    def __init__(self) -> None:
        self._histograms: dict[str, dict[str, Histogram]] = {}

    def observe(self, name: str, label: str, seconds: float) -> None:
        """Add one duration to the histogram ``name`` of ``label``, such as a talkgroup."""
        labels = self._histograms.setdefault(name, {})
        histogram = labels.get(label)
        if histogram is None:
            if len(labels) >= MAX_LABELS:
                label = OTHERS
            histogram = labels.setdefault(label, Histogram())
        histogram.observe(seconds)

    def of(self, name: str) -> Mapping[str, Histogram]:
        """The histograms of a name, by label."""
        return self._histograms.get(name, {})

    def names(self) -> tuple[str, ...]:
        """Every name there was anything under, sorted."""
        return tuple(sorted(self._histograms))
