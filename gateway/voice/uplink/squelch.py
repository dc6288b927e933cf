"""Whether somebody speaks into an endpoint: lines and listeners to the audio, joined by and, or, not. Pure.

Rules:
1. A line is what was last heard of it; unknown counts as closed.
2. A listener (VOX, CTCSS) says so with each block. While the endpoint plays, what it would hear is
   our own voice: it is not fed, and counts as closed until it is fed again.
3. A combination is open while all of ``all`` are open, at least one of ``any`` is (where there are
   any), and ``none`` is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.ports import AudioSquelch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class Line:
    """A squelch line of the keyer, by its place among those of the endpoint."""

    number: int
    open: bool = False


@dataclass(slots=True)
class Ear:
    """A squelch that listens to the audio."""

    squelch: AudioSquelch
    open: bool = False


@dataclass(frozen=True, slots=True)
class Combination:
    """Parts joined by rule 3."""

    all: tuple[Part, ...] = ()
    any: tuple[Part, ...] = ()
    none: Part | None = None

    @property
    def open(self) -> bool:
        if self.none is not None and self.none.open:
            return False
        return all(part.open for part in self.all) and (
            not self.any or any(part.open for part in self.any)
        )


Part = Line | Ear | Combination


class Squelch:
    """All of one endpoint. Without a part it never opens."""

    def __init__(self, part: Part | None) -> None:
        self._part = part
        self._ears = [one for one in _leaves(part) if isinstance(one, Ear)]
        self._lines = {one.number: one for one in _leaves(part) if isinstance(one, Line)}

    @property
    def listens(self) -> bool:
        """Whether any part listens to the audio, and so could hear what is played."""
        return bool(self._ears)

    @property
    def open(self) -> bool:
        return self._part is not None and self._part.open

    def feed(self, block: NDArray[np.int16], now: float) -> bool:
        """A block was captured; whether it is open after it."""
        for ear in self._ears:
            ear.open = ear.squelch.feed(block, now)
        return self.open

    def line(self, number: int, is_open: bool) -> bool:
        """A line has changed; whether it is open now."""
        if number in self._lines:
            self._lines[number].open = is_open
        return self.open

    def deafen(self) -> bool:
        """The endpoint begins to play (rule 2); whether it is open by what else there is."""
        for ear in self._ears:
            ear.open = False
        return self.open


def _leaves(part: Part | None) -> Iterator[Line | Ear]:
    if isinstance(part, Combination):
        for one in (*part.all, *part.any, part.none):
            yield from _leaves(one)
    elif part is not None:
        yield part
