"""A decoded frame as a JPEG that may travel. Needs PyAV; used in the picture process only."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av

from gateway.ports import MAX_PICTURE_BYTES

_QUANTISERS = (4, 8, 16, 31)
"""MJPEG quantiser scales from fine to coarse; 4 gives about 100 KB for 1280 x 720."""


def to_jpeg(frame: Any, max_width_px: int) -> bytes:
    """``frame`` (an av.VideoFrame) as a JPEG of at most `MAX_PICTURE_BYTES`, made smaller if wide.

    Raises:
        ValueError: no quality makes it small enough.
    """
    width = min(frame.width, max_width_px) & ~1  # 4:2:0 wants even sizes
    height = round(frame.height * width / frame.width) & ~1
    if width < 2 or height < 2:
        raise ValueError(f"a picture of {frame.width} x {frame.height} pixels")
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    small.pts = None
    for quantiser in _QUANTISERS:
        encoder: Any = av.CodecContext.create("mjpeg", "w")
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
        encoder.time_base = Fraction(1, 25)
        encoder.options = {"qmin": str(quantiser), "qmax": str(quantiser)}
        packets = [*encoder.encode(small), *encoder.encode(None)]
        picture = b"".join(bytes(packet) for packet in packets)
        if len(picture) <= MAX_PICTURE_BYTES:
            return picture
    raise ValueError(f"a picture of {width} x {height} pixels stays too large")
