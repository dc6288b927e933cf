"""What the edges of one line say about its contact. Pure.

Rules:

1. The level read at the start is told whatever it is: it may have changed while nobody looked.
2. After that only changes are told, in order.
3. The kernel numbers a line's edges. A gap in the numbers is counted; if the level after it is the
   one before it, the line has been elsewhere in between, and both changes are told: a press whose
   edge was lost is still a press.
4. A level that is read now and then is told if no edge has told it. Every level that does not
   last for ``debounce`` seconds is passed over, where the kernel cannot do that itself.
"""

from __future__ import annotations


class LineState:
    """One line; ``debounce`` in seconds, 0 where the kernel debounces. See the rules above."""

    def __init__(self, debounce: float = 0.0) -> None:
        self._debounce = debounce
        self._active: bool | None = None  # what was told last
        self._candidate: bool | None = None  # a level that has not lasted long enough
        self._settles = 0.0
        self._sequence = 0  # the kernel's first edge of a request is number 1
        self.missed = 0
        """Edges that the kernel dropped, so far."""

    def start(self, active: bool) -> list[bool]:
        """The level at the start; the changes to tell, as in the other methods."""
        self._active = active
        return [active]

    def edge(self, active: bool, sequence: int, now: float) -> list[bool]:
        """An edge to ``active`` with the kernel's number of it; ``now`` in seconds, monotonic."""
        gap = sequence - self._sequence - 1
        self._sequence = sequence
        if gap > 0:
            self.missed += gap
            if active == self._active and self._candidate is None:
                return [not active, *self._told(active)]
        return self.look(active, now)

    def look(self, active: bool, now: float) -> list[bool]:
        """The level as it is now."""
        changes = self.tick(now)
        if not self._debounce:
            return changes if active == self._active else [*changes, *self._told(active)]
        if active == self._active:
            self._candidate = None
        elif self._candidate is None:
            self._candidate = active
            self._settles = now + self._debounce
        return changes

    def deadline(self) -> float | None:
        """When `tick` is due, in seconds, monotonic; None if never."""
        return None if self._candidate is None else self._settles

    def tick(self, now: float) -> list[bool]:
        if self._candidate is None or now < self._settles:
            return []
        return self._told(self._candidate)

    def _told(self, active: bool) -> list[bool]:
        self._active = active
        self._candidate = None
        return [active]
