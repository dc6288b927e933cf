"""Frames on the control socket. Pure codec.

A frame is a 4-byte big-endian length of what follows, one byte of kind, and the body: ``J`` is a
JSON object, ``A`` one block of audio (s16le mono PCM, 20 ms at the rate agreed in the request).
A connection carries one request: the client's first ``J`` frame names it in ``op``; the gateway
sends any number of events, then one ``J`` frame with ``done`` (the result) or ``error`` (text), and
``wrong_call`` true where the request names what there is not.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.errors import RemoteProtocolError

MAX_FRAME_BYTES = 1024 * 1024
_HEAD = struct.Struct(">I")
JSON = b"J"
AUDIO = b"A"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame; ``kind`` is `JSON` or `AUDIO`."""

    kind: bytes
    body: bytes

    def to_bytes(self) -> bytes:
        return _HEAD.pack(len(self.body) + 1) + self.kind + self.body


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes, in order.

        Raises:
            RemoteProtocolError: a length or a kind that is not allowed; the stream is lost.
        """
        self._buffer += data
        frames = []
        while len(self._buffer) >= _HEAD.size:
            (length,) = _HEAD.unpack_from(self._buffer)
            if not 1 <= length <= MAX_FRAME_BYTES:
                raise RemoteProtocolError(f"control frame of {length} bytes")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                break
            kind = bytes(self._buffer[_HEAD.size : _HEAD.size + 1])
            if kind not in (JSON, AUDIO):
                raise RemoteProtocolError(f"control frame of kind {kind!r}")
            frames.append(Frame(kind, bytes(self._buffer[_HEAD.size + 1 : end])))
            del self._buffer[:end]
        return frames
