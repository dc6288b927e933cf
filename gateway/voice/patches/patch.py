"""Where an endpoint speaks and what it hears, with and without incidents. Pure.

The contract's rule: a joined endpoint speaks only on the incident's talkgroup and hears its own
as well; of two incidents the more severe, then the newer, has it. Nothing is re-encoded, so
patches cannot loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patch:
    """One incident's claim on endpoints of this gateway.

    ``severity`` counts from 1, the highest; ``raised`` orders by time, as POSIX seconds.
    """

    incident: str
    talkgroup: str
    severity: int
    raised: float
    endpoints: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tuning:
    """What one endpoint is tuned to: ``speaks`` on one talkgroup or none, ``hears`` the others.

    ``hears`` never contains ``speaks``; its order is its precedence.
    """

    speaks: str | None
    hears: tuple[str, ...]

    @property
    def talkgroups(self) -> tuple[str, ...]:
        """Every talkgroup, the one spoken on first."""
        return (self.speaks, *self.hears) if self.speaks is not None else self.hears


def tuning(
    endpoint: str, talkgroup: str | None, hears: tuple[str, ...], patches: Iterable[Patch]
) -> Tuning:
    """What ``endpoint`` is tuned to, whose own talkgroup is ``talkgroup``."""
    claims = sorted(
        (patch for patch in patches if endpoint in patch.endpoints),
        # The id decides between two of one instant, alike on every gateway.
        key=lambda patch: (patch.severity, -patch.raised, patch.incident),
    )
    if not claims:
        return Tuning(talkgroup, tuple(name for name in hears if name != talkgroup))
    speaks = claims[0].talkgroup
    wanted = [talkgroup, *hears] if talkgroup is not None else list(hears)
    return Tuning(speaks, tuple(dict.fromkeys(name for name in wanted if name != speaks)))
