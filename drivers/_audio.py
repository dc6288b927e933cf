"""What audio drivers share: captured blocks on their way to the loop, with a bound."""

from __future__ import annotations

import asyncio
from collections import Counter, deque

import numpy as np
from numpy.typing import NDArray

from gateway.errors import DriverIOError

DEPTH_BLOCKS = 10
"""Blocks that wait for a reader, or for playback: 200 ms. Past it the oldest is dropped."""


class CaptureQueue:
    """Captured blocks, in order. Used on the event loop only.

    Drops the oldest past `DEPTH_BLOCKS` and counts it as ``capture_dropped`` in ``counters``.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._error: DriverIOError | None = None
        self._changed = asyncio.Event()

    def put(self, block: NDArray[np.int16]) -> None:
        if len(self._blocks) >= DEPTH_BLOCKS:
            self._blocks.popleft()
            self._counters["capture_dropped"] += 1
        self._blocks.append(block)
        self._changed.set()

    def fail(self, error: DriverIOError) -> None:
        """End the queue: what was captured can still be read, then `get` raises ``error``."""
        if self._error is None:
            self._error = error
            self._changed.set()

    @property
    def error(self) -> DriverIOError | None:
        return self._error

    async def get(self) -> NDArray[np.int16]:
        """The oldest block.

        Raises:
            DriverIOError: the device has failed.
        """
        while not self._blocks:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        return self._blocks.popleft()
