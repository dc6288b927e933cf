"""The last seconds of an endpoint's microphone, in memory, for the case that an alarm comes. Pure.

Kept as samples: a ring of 30 s is 960 kB at 16 kHz and costs a copy of a block each 20 ms; coding
all of it, all the time, for an alarm that hardly ever comes would cost a hundred times that. It is
coded when it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.ports import BLOCK

_HOLE = 1.0
"""Seconds without a block after which what was before is of another time. Less is a loop that was held
up: the device has kept the blocks, which come together then."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was heard: int16 mono at ``rate_hz``, whole blocks, from ``started`` on (POSIX seconds)."""

    samples: NDArray[np.int16]
    rate_hz: int
    started: float


class PreAlarm:
    """A ring of ``seconds`` for one endpoint."""

    def __init__(self, seconds: float) -> None:
        self._blocks = max(1, round(seconds / BLOCK))
        self._rate_hz = 0
        self._ring = np.zeros((0, 0), np.int16)
        self._next = 0
        self._full = 0
        self._captured = 0.0  # of the newest block

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        return self._ring.nbytes

    def open(self, rate_hz: int) -> None:
        """The device was opened, at this rate; what was heard on another one is forgotten."""
        if rate_hz != self._rate_hz:
            self._rate_hz = rate_hz
            self._ring = np.zeros((self._blocks, rate_hz // 50), np.int16)
        self.forget()

    def forget(self) -> None:
        """What is here is not to be kept."""
        self._full = self._next = 0

    def block(self, samples: NDArray[np.int16], captured: float) -> None:
        """A block was captured; ``captured`` is when its first sample was, POSIX seconds."""
        if self._full and abs(captured - self._captured) > _HOLE:
            self.forget()
        if samples.shape != self._ring.shape[1:]:
            return
        self._captured = captured
        self._ring[self._next] = samples
        self._next = (self._next + 1) % self._blocks
        self._full = min(self._full + 1, self._blocks)

    def take(self, at: float) -> Before | None:
        """A copy of what was heard up to ``at`` (POSIX seconds); None where that is nothing."""
        ages_ago = max(0, round((self._captured - at) / BLOCK))  # captured after it
        count = self._full - ages_ago
        if count <= 0 or at - self._captured > self._blocks * BLOCK:
            return None
        first = (self._next - self._full) % self._blocks
        order = np.arange(first, first + count) % self._blocks
        started = self._captured - (self._full - 1) * BLOCK
        return Before(self._ring[order].reshape(-1), self._rate_hz, started)
