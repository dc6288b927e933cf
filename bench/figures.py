"""Medians and percentiles of a series, rounded for people."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 1).__int__() - 1))]


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Count, median, p99 and worst of a series of seconds, in milliseconds."""
    return {
        "n": len(seconds),
        "median_ms": round(median(seconds) * 1000, 2),
        "p99_ms": round(percentile(seconds, 0.99) * 1000, 2),
        "worst_ms": round(max(seconds) * 1000, 2),
    }
