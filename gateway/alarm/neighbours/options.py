"""Which neighbours a gateway has. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.alarm.neighbours.cap import CapOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourOptions:
    """Which neighbours there are; ``discovery`` is Home Assistant's topic prefix."""

    cap: CapOptions | None = None
    cloudevents: bool = False
    discovery: str | None = None
