"""Whether the journal stores, and the row that remains of a time in which it did not. Pure.

Rules:
  1. A fault begins with the first unit that is not stored, or not in time, and ends with the first
     one that is stored after it. In between its reason is the newest one.
  2. Its beginning, its end and how many units it cost are a row of their own: the journal says
     itself what is missing from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from gateway.alarm.journal.rows import Kind, Row
from gateway.moment import timestamp


@dataclass(slots=True)
class Health:
    """``fault`` is None while all is well; ``since`` is when it began (POSIX seconds)."""

    fault: str | None = None
    since: float = 0.0
    units: int = 0

    def fails(self, why: str, wall: float, *, units: int = 0) -> bool:
        """``units`` more were not stored, because of ``why``; whether the fault begins with it."""
        begins = self.fault is None
        if begins:
            self.since, self.units = wall, 0
        self.fault = why
        self.units += units
        return begins

    def works(self) -> bool:
        """Something was stored; whether a fault ends with it."""
        ends = self.fault is not None
        self.fault = None
        return ends

    def row(self, until: float) -> Row:
        """The newest fault, up to ``until`` (POSIX seconds)."""
        text = f"storage failed from {timestamp(self.since)} to {timestamp(until)}"
        body = {"text": text, "units": self.units, "lasted_s": round(until - self.since, 3)}
        return Row(Kind.NOTE, "journal", json.dumps(body).encode())
