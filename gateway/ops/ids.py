"""Identifiers that sort by time: UUID version 7 (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import time

_RANDOM_BYTES = 10
_POOL_IDS = 128
"""Ids whose randomness is asked of the kernel at once: its price is the call, not the bytes."""


class _Randomness:
    """Random numbers, each given out once; a forked child does not get its parent's."""

    def __init__(self) -> None:
        self._pool: list[bytes] = []
        os.register_at_fork(after_in_child=self._pool.clear)

    def take(self) -> int:
        """80 random bits; from any thread, since taking one off a list is a single step."""
        try:
            return int.from_bytes(self._pool.pop())
        except IndexError:
            fresh = os.urandom(_RANDOM_BYTES * _POOL_IDS)
            self._pool += (
                fresh[at : at + _RANDOM_BYTES] for at in range(0, len(fresh), _RANDOM_BYTES)
            )
            return int.from_bytes(os.urandom(_RANDOM_BYTES))


_RANDOMNESS = _Randomness()


def new_id() -> str:
    """A fresh UUIDv7 as text: 48 bits of milliseconds since 1970, then random bits."""
    random = _RANDOMNESS.take()
    time_bits = (time.time_ns() // 1_000_000) & (1 << 48) - 1
    first = 0x7000 | random >> 68  # version, 12 random bits
    second = 0x8000 | random >> 54 & 0x3FFF  # variant, 14 random bits
    digits = f"{time_bits:012x}"
    return f"{digits[:8]}-{digits[8:]}-{first:04x}-{second:04x}-{random & (1 << 48) - 1:012x}"
