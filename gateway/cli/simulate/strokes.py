"""What happens in a simulated district, and when: presses, restores, troubles, tests. Pure.

Rules:

Rule 1. Signals begin at random, ``rate`` of them a second on average (a Poisson process), each at a
        device chosen evenly. The same seed and devices make the same strokes.
Rule 2. An alarm is restored, and a trouble mended, a while later by the same device: `HELD` and
        `BROKEN` are the medians in seconds. Those come on top of the rate.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log

from gateway.cli.simulate.district import Device


class What(StrEnum):
    """A signal of a panel's zone, by its Contact ID event: qualifier and code."""

    ALARM = "E120"
    RESTORE = "R120"
    TROUBLE = "E380"
    MENDED = "R380"
    TEST = "E602"


MIX: Mapping[What, float] = {What.ALARM: 1, What.TROUBLE: 3, What.TEST: 6}
"""How often each begins: most of what a district's panels say is tests and troubles."""

HELD = 12.0
BROKEN = 60.0


@dataclass(frozen=True, slots=True)
class Stroke:
    """One signal of one device, ``at`` seconds after the beginning."""

    at: float
    device: Device
    what: What

    @property
    def line(self) -> str:
        """What a Sur-Gard receiver says of it (MLR2, Contact ID), without its terminator."""
        return f"5011 18{self.device.site.account}{self.what}01{self.device.zone}"


def strokes(
    devices: Sequence[Device],
    *,
    rate: float,
    seconds: float,
    seed: int,
    haste: float = 1.0,
    mix: Mapping[What, float] = MIX,
) -> Iterator[Stroke]:
    """Everything that happens, in order of time; what began in ``seconds`` is also ended.

    Args:
        devices: those that can be pressed; at least one.
        rate: beginnings a second.
        seconds: for how long something begins.
        seed: of all chance in it.
        haste: how much sooner than usual it is ended, though no alarm before it counts.
        mix: weights of what begins.
    """
    chance = random.Random(seed)
    kinds, weights = tuple(mix), tuple(mix.values())
    ends: list[tuple[float, int, Stroke]] = []
    at, number = chance.expovariate(rate), 0
    while at < seconds:
        while ends and ends[0][0] <= at:
            yield heapq.heappop(ends)[2]
        stroke = Stroke(at, chance.choice(devices), chance.choices(kinds, weights)[0])
        yield stroke
        end = _end_of(stroke, chance, haste)
        if end is not None:
            number += 1  # of two ends at one time the older is first
            heapq.heappush(ends, (end.at, number, end))
        at += chance.expovariate(rate)
    while ends:
        yield heapq.heappop(ends)[2]


def _end_of(stroke: Stroke, chance: random.Random, haste: float) -> Stroke | None:
    if stroke.what is What.ALARM:
        held = max(stroke.device.hold + 1.0, chance.lognormvariate(log(HELD), 0.5) / haste)
        return Stroke(stroke.at + held, stroke.device, What.RESTORE)
    if stroke.what is What.TROUBLE:
        broken = chance.lognormvariate(log(BROKEN), 0.5) / haste
        return Stroke(stroke.at + broken, stroke.device, What.MENDED)
    return None
