"""Is it a JPEG that may travel? Pure; nothing is decoded here."""

from __future__ import annotations

from gateway.errors import RemoteProtocolError
from gateway.ports import MAX_PICTURE_BYTES

_START = b"\xff\xd8\xff"
"""SOI and the first byte of the next marker (ITU-T T.81 B.2)."""
_END = b"\xff\xd9"
"""EOI."""


def is_jpeg(data: bytes) -> bool:
    """Whether ``data`` begins like a JPEG, whatever a camera calls it."""
    return data.startswith(_START)


def checked(data: bytes) -> bytes:
    """``data`` as one whole JPEG, without what cameras append after its end.

    Raises:
        RemoteProtocolError: it is no JPEG, is cut short, or is larger than `MAX_PICTURE_BYTES`.
    """
    if not is_jpeg(data):
        raise RemoteProtocolError(f"no JPEG: it begins with {data[:16]!r}")
    end = data.rfind(_END)
    if end < 0:
        raise RemoteProtocolError(f"a JPEG cut short after {len(data)} bytes")
    picture = data[: end + len(_END)]
    if len(picture) > MAX_PICTURE_BYTES:
        raise RemoteProtocolError(
            f"a JPEG of {len(picture)} bytes, more than {MAX_PICTURE_BYTES}; have the camera make it smaller"
        )
    return picture
