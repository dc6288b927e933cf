"""Audio between PortAudio's thread and the event loop. No call here waits for longer than a copy.

Bytes are 16-bit mono samples of the machine's byte order.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from math import inf

RESUMED = 0.1
"""Seconds: playback that ran dry and goes on within this time had a hole; later it is a new burst."""


class CaptureBuffer:
    """Collects what the sound thread brings into blocks; each is given to ``hand_over``."""

    def __init__(self, block_bytes: int, hand_over: Callable[[bytes], None]) -> None:
        self._block_bytes = block_bytes
        self._hand_over = hand_over
        self._collected = bytearray()

    def put(self, data: bytes) -> None:
        """Take what was captured (sound thread)."""
        self._collected += data
        while len(self._collected) >= self._block_bytes:
            self._hand_over(bytes(self._collected[: self._block_bytes]))
            del self._collected[: self._block_bytes]


class PlaybackBuffer:
    """Blocks that wait to be played.

    What comes after silence is given ``cushion_bytes`` of silence before it, so that the first
    block that is a little late makes no hole. Past ``depth`` blocks the oldest is dropped
    (``playback_dropped``); running dry within a burst is an ``underruns``.
    """

    def __init__(self, depth: int, cushion_bytes: int, counters: Counter[str]) -> None:
        self._depth = depth
        self._cushion = bytes(cushion_bytes)
        self._counters = counters
        self._lock = threading.Lock()
        self._blocks: deque[bytes] = deque()
        self._offset = 0  # bytes of the first block that have been played
        self._dry_since: float | None = -inf  # None: not dry; as if it had been so for ever
        self._bytes = 0
        self._taken = (-inf, 0)  # when last, and how many bytes

    def queued(self, now: float, bytes_a_second: float) -> float:
        """Seconds that wait; what the device took last is played evenly from when it was taken."""
        with self._lock:
            at, length = self._taken
            return self._bytes / bytes_a_second - min(now - at, length / bytes_a_second)

    def put(self, block: bytes, now: float) -> None:
        """Queue a block (event loop). ``now`` in seconds, monotonic."""
        with self._lock:
            # Taken to the last byte but no further, it has not run dry: silence would make the hole.
            if not self._blocks and self._dry_since is not None:
                if now - self._dry_since < RESUMED:
                    self._counters["underruns"] += 1
                self._blocks.append(self._cushion)
                self._offset = 0
                self._bytes = len(self._cushion)
            self._dry_since = None
            self._blocks.append(block)
            self._bytes += len(block)
            if len(self._blocks) > self._depth:
                self._bytes -= len(self._blocks.popleft()) - self._offset
                self._offset = 0
                self._counters["playback_dropped"] += 1

    def take(self, length: int, now: float) -> bytes:
        """The next ``length`` bytes to play, filled up with silence (sound thread)."""
        out = bytearray()
        with self._lock:
            while self._blocks and len(out) < length:
                block = self._blocks[0]
                part = block[self._offset : self._offset + length - len(out)]
                out += part
                self._offset += len(part)
                if self._offset >= len(block):
                    self._blocks.popleft()
                    self._offset = 0
            self._bytes -= len(out)
            self._taken = now, length
            if len(out) < length and self._dry_since is None:
                self._dry_since = now
        return bytes(out) + bytes(length - len(out))
