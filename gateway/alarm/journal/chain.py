"""The hash chain over the journal's rows: whoever knows one hash can prove everything before it. Pure.

Rules:
  1. The hash of a row is SHA-256 over the hash of the row before it and the row itself. Before the
     first row there is `GENESIS`.
  2. Every field is of fixed length or has its length before it, so no two rows read the same.
  3. A changed, removed, inserted or moved row makes every later hash another one. What the chain
     alone cannot show is a tail that was cut off, or everything written anew: for that somebody
     else keeps a `Head` (it is published, contract: JournalHead) or an export.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256

GENESIS = bytes(32)
"""What stands before the first row of all."""

_FIXED = struct.Struct(">qdII")
"""Of a row: seq, wall, and the lengths of kind and key in bytes; the body is what is left."""


@dataclass(frozen=True, slots=True)
class Head:
    """A row's place in the chain: ``hash`` covers it and everything before it."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"


START = Head(0, GENESIS)
"""The head of an empty journal."""


def link(before: bytes, seq: int, wall: float, kind: str, key: str, body: bytes) -> bytes:
    """The hash of the row that follows the one with the hash ``before``.

    Raises:
        ValueError: kind or key is no text (a lone surrogate).
    """
    kind_bytes, key_bytes = kind.encode(), key.encode()
    fixed = _FIXED.pack(seq, wall, len(kind_bytes), len(key_bytes))
    return sha256(b"".join((before, fixed, kind_bytes, key_bytes, body))).digest()
