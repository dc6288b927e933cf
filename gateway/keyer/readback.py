"""Whether a transmitter does what its line says, where it can be read back. Pure; times are seconds.

Rule 1. A transmitter that reads otherwise than its line has been driven for `SETTLE` is a
        disagreement: `Disagrees.NOT_KEYED` or `Disagrees.STUCK`.
Rule 2. It ends when both agree, or when nothing can be read any more.
Rule 3. Nothing is done about it here: the line is driven by `gateway.keyer.line` alone. A stuck
        transmitter is one that no line of ours can release; people have to know.
"""

from __future__ import annotations

from enum import StrEnum

SETTLE = 0.3
"""Seconds that a relay and a transmitter have to follow, and their lamp to show it."""


class Disagrees(StrEnum):
    """What a transmitter does otherwise than it was told."""

    NOT_KEYED = "not-keyed"
    STUCK = "stuck"


WORDS = {
    Disagrees.NOT_KEYED: "the transmitter does not transmit though it is keyed",
    Disagrees.STUCK: "the transmitter stays keyed though it is released",
}
"""For people."""


class ReadBack:
    """The transmitter of one line."""

    def __init__(self) -> None:
        self._driven = False
        self._since = 0.0
        self.disagrees: Disagrees | None = None

    def look(self, driven: bool, reads: bool | None, now: float) -> Disagrees | None:
        """Take over what the line is driven to and what is read; a disagreement that begins now."""
        if driven != self._driven:
            self._driven, self._since = driven, now
        if reads is None or reads == driven:
            self.disagrees = None
            return None
        found = Disagrees.NOT_KEYED if driven else Disagrees.STUCK
        if now < self._since + SETTLE or found is self.disagrees:
            return None
        self.disagrees = found
        return found
