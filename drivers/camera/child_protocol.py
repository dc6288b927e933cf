"""What the gateway and the process that decodes pictures say to each other. Pure codec.

The gateway sends the `Source` as one frame, then an empty ``request`` frame for each picture that
it wants, answered in order by a ``picture`` (a JPEG) or ``none`` (why not) frame. Of itself the
child sends ``ready`` once when pictures can be had, ``alive`` while data arrives, and ``failed``
(why) before it ends. A frame is one byte of kind, four of length (big endian) and the body.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import IO

from gateway.errors import RemoteProtocolError
from gateway.ports import MAX_PICTURE_BYTES

HEAD = struct.Struct(">cI")
MAX_BODY_BYTES = MAX_PICTURE_BYTES

SOURCE = b"S"
REQUEST = b"Q"
PICTURE = b"P"
NONE = b"N"
READY = b"R"
ALIVE = b"A"
FAILED = b"F"
_KINDS = frozenset({SOURCE, REQUEST, PICTURE, NONE, READY, ALIVE, FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the child shall show. ``url`` is an RTSP address or, with ``film``, a path."""

    url: str
    film: bool
    transport: str
    timeout: float
    """Seconds without data after which a stream has failed."""
    max_width_px: int

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Source:
        return cls(**json.loads(body))


def to_bytes(kind: bytes, body: bytes = b"") -> bytes:
    """One frame."""
    return HEAD.pack(kind, len(body)) + body


def parse_head(head: bytes) -> tuple[bytes, int]:
    """Kind and length of the body that follows.

    Raises:
        RemoteProtocolError: no frame begins so.
    """
    kind, length = HEAD.unpack(head)
    if kind not in _KINDS or length > MAX_BODY_BYTES:
        raise RemoteProtocolError(f"frame of kind {kind!r} and {length} bytes")
    return kind, length


def read(stream: IO[bytes]) -> tuple[bytes, bytes] | None:
    """The next frame of a blocking stream; None at its end."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, length = parse_head(head)
    body = stream.read(length)
    return None if len(body) < length else (kind, body)
