"""What the voice connection has yet to write while the broker is slow. Pure.

Rules:

1. At most ``limit_bytes`` wait. Past it the oldest *voice* goes; a floor message goes only where
   no voice is left to drop. What is dropped is counted.
2. Voice that has waited `MAX_VOICE_AGE` seconds is dropped. Receivers would not yet (contract,
   section 3, ``max_age_s`` is 2); but the way is still before it, and the words of now are behind it.
3. What remains leaves in the order in which it came: a release never overtakes its last word.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MAX_VOICE_AGE = 1.0
"""Seconds; a listener has caught up with so much in 5 s of speech."""

LIMIT_BYTES = 64 * 1024
"""About two seconds of four talkers, 180 bytes a packet."""


@dataclass(frozen=True, slots=True)
class _Item:
    packet: bytes
    voice: bool
    queued: float


class Outbox:
    """Packets in order, bounded. ``now`` is any clock in seconds that never goes back."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.dropped_voice = 0
        self.dropped_floor = 0
        self._limit = limit_bytes
        self._items: deque[_Item] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def put(self, packet: bytes, *, voice: bool, now: float) -> None:
        """Queue a packet; drops what rule 1 says."""
        self._items.append(_Item(packet, voice, now))
        self._bytes += len(packet)
        while self._bytes > self._limit:
            self._drop_one()

    def take(self, now: float) -> bytes | None:
        """The oldest packet that is still of use, or None."""
        while self._items:
            item = self._items.popleft()
            self._bytes -= len(item.packet)
            if not item.voice or now - item.queued < MAX_VOICE_AGE:
                return item.packet
            self.dropped_voice += 1
        return None

    def clear(self) -> None:
        """The connection is gone; so is what waited for it. Counted as dropped."""
        while self._items:
            self._drop_one()

    def _drop_one(self) -> None:
        for index, item in enumerate(self._items):
            if item.voice:
                del self._items[index]
                self._bytes -= len(item.packet)
                self.dropped_voice += 1
                return
        self._bytes -= len(self._items.popleft().packet)
        self.dropped_floor += 1
