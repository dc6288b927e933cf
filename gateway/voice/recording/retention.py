"""Which recordings go, and in which order. Pure.

Rules:
  1. What is older than its time goes: `keep`, or `keep_incident` for a recording of an incident.
  2. Where all together take more than `max_bytes`, or the disk has less free than `keep_free`, the
     oldest go: first those of no incident, then the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long recordings are kept, in seconds, and how much room they may take; None: no limit."""

    keep: float | None = 30 * 86_400.0
    keep_incident: float | None = 400 * 86_400.0
    max_bytes: int | None = 10 * 1024**3
    keep_free: int = 256 * 1024**2


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Held:
    """What is kept of one recording; ``ended`` is POSIX seconds, ``size`` bytes on the disk."""

    id: str
    ended: float
    size: int
    of_incident: bool


def overdue(held: Iterable[Held], limits: Limits, wall: float) -> list[Held]:
    """Rule 1."""

    def is_overdue(one: Held) -> bool:
        keep = limits.keep_incident if one.of_incident else limits.keep
        return keep is not None and wall - one.ended > keep

    return [one for one in held if is_overdue(one)]


def excess(held: Iterable[Held], limits: Limits, *, total: int, free: int) -> list[Held]:
    """Rule 2, out of those named; all take ``total`` bytes, ``free`` of the disk are free now."""
    kept = sorted(held, key=lambda one: (one.of_incident, one.ended, one.id))
    most = total if limits.max_bytes is None else limits.max_bytes
    out = []
    for one in kept:
        if total <= most and free >= limits.keep_free:
            break
        total -= one.size
        free += one.size
        out.append(one)
    return out
