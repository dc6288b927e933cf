from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.pictures import jpeg
from gateway.errors import RemoteProtocolError

MAX = 512 * 1024

# A whole JPEG of one grey pixel, 8 by 8, by hand from ITU-T T.81: SOI, DQT, SOF0, DHT, SOS, EOI.
GOLDEN = bytes.fromhex(
    "ffd8"
    "ffdb0043 00" + "01" * 64 + "ffc0000b 08 0008 0008 01 01 11 00"
    "ffc40014 00 01000000000000000000000000000000 00"
    "ffda0008 01 01 00 00 3f 00"
    "7f ff00 3f"
    "ffd9"
)


def test_a_jpeg_by_hand_is_a_picture_with_its_size():
    assert jpeg.parse(GOLDEN, MAX) == jpeg.Picture(GOLDEN, 8, 8)


def test_a_jpeg_of_another_program_is_a_picture_with_its_size():
    av = pytest.importorskip("av")
    np = pytest.importorskip("numpy")
    out = io.BytesIO()
    with av.open(out, "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((240, 320, 3), np.uint8), format="rgb24")
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    picture = jpeg.parse(out.getvalue(), MAX)
    assert (picture.width, picture.height) == (320, 240)


def test_what_a_camera_pads_behind_the_end_is_cut_off():
    assert jpeg.parse(GOLDEN + bytes(100), MAX).data == GOLDEN


def test_every_truncated_prefix_is_refused():
    for length in range(len(GOLDEN)):
        with pytest.raises(RemoteProtocolError):
            jpeg.parse(GOLDEN[:length], MAX)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no JPEG"),
        (b"<html>404</html>", "no JPEG"),
        (b"", "no JPEG"),
        (GOLDEN.replace(b"\x00\x08\x00\x08", b"\x00\x00\x00\x08"), "without a size"),
        (b"\xff\xd8\xff\xda\x00\x08" + bytes(20) + b"\xff\xd9", "without a size"),
        (b"\xff\xd8\xff\xd9\x00\x08", "wrong segment"),
        (b"\xff\xd8\xff\xdb\x00\x01" + bytes(20), "wrong segment"),
        (b"\xff\xd8\x00" + bytes(20), "no marker"),
    ],
)
def test_what_is_no_jpeg_is_refused_in_words(data: bytes, why: str):
    with pytest.raises(RemoteProtocolError, match=why):
        jpeg.parse(data, MAX)


def test_a_jpeg_of_the_largest_size_is_taken_and_of_one_byte_more_refused():
    assert jpeg.parse(GOLDEN, len(GOLDEN)).data == GOLDEN
    with pytest.raises(RemoteProtocolError, match="at most"):
        jpeg.parse(GOLDEN, len(GOLDEN) - 1)


@given(st.binary(max_size=400), st.booleans())
def test_garbage_is_refused_and_nothing_else_happens(data: bytes, begins_well: bool):
    try:
        picture = jpeg.parse(b"\xff\xd8" * begins_well + data, MAX)
    except RemoteProtocolError:
        return
    assert picture.data.startswith(b"\xff\xd8")
    assert picture.data.endswith(b"\xff\xd9")


@given(st.integers(0, len(GOLDEN) - 1), st.integers(0, 255))
def test_a_flipped_byte_is_refused_or_still_whole(at: int, value: int):
    data = bytearray(GOLDEN)
    data[at] = value
    try:
        picture = jpeg.parse(bytes(data), MAX)
    except RemoteProtocolError:
        return
    assert picture.data[-2:] == b"\xff\xd9"
