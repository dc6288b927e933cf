"""Whether bytes are one whole JPEG picture (ITU-T T.81, annex B). Pure; decodes no pixels."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.errors import RemoteProtocolError

_START = b"\xff\xd8"
_END = b"\xff\xd9"
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15; C4, C8 and CC are tables and reserved."""
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_SCAN = 0xDA


@dataclass(frozen=True, slots=True)
class Picture:
    """One JPEG, from its first marker to its last."""

    data: bytes
    width: int
    height: int


def parse(data: bytes, max_bytes: int) -> Picture:
    """The picture in ``data``; what a camera pads behind its end is cut off.

    Raises:
        RemoteProtocolError: no JPEG, not a whole one, or one over ``max_bytes``.
    """
    if not data.startswith(_START):
        raise RemoteProtocolError(f"no JPEG: begins with {data[:8]!r}")
    try:
        width, height, scan = _header(data)
    except (IndexError, struct.error) as error:
        raise RemoteProtocolError("JPEG cut off in its header") from error
    end = data.rfind(_END, scan)
    if end < 0:
        raise RemoteProtocolError("JPEG cut off before its end")
    if end + len(_END) > max_bytes:
        raise RemoteProtocolError(f"JPEG of {end + len(_END)} bytes; at most {max_bytes}")
    return Picture(data[: end + len(_END)], width, height)


def _header(data: bytes) -> tuple[int, int, int]:
    """Width, height, and where the first scan's data begins."""
    size: tuple[int, int] | None = None
    at = len(_START)
    while True:
        if data[at] != 0xFF:
            raise RemoteProtocolError(f"JPEG with no marker at byte {at}")
        marker = data[at + 1]
        at += 1
        if marker == 0xFF:  # a fill byte
            continue
        at += 1
        if marker in _NO_LENGTH:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2 or marker in (0x00, *_START, *_END):
            raise RemoteProtocolError(f"JPEG with a wrong segment {marker:#04x}")
        if marker in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = width, height
        at += length
        if marker == _SCAN:
            if size is None or 0 in size:
                raise RemoteProtocolError("JPEG without a size")
            return *size, at
