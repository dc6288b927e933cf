"""The codec of Sur-Gard lines: published bytes, round trip, prefixes, noise, joins and splits."""

import contextlib
import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.panel.surgard import (
    ContactIdLine,
    Heartbeat,
    LineReader,
    SiaLine,
    Undecoded,
    from_bytes,
)
from gateway.errors import InsufficientData, RemoteProtocolError

# The manual's example, the contract's press, and one SIA line, spelled out.
DURESS = b"5011 181234E12101001\x14"
PANIC = b"5011 181234E12001001\x14"
SIA_PANIC = b"3011    001234PA0001\x14"
BEAT = b"1011           @    \x14"

PANIC_FRAME = ContactIdLine(
    receiver="01", line="1", account="1234", qualifier="E", event="120", group="01", zone="001"
)
HEX = "0123456789ABCDEF"
contact_ids = st.builds(
    ContactIdLine,
    receiver=st.text(HEX, min_size=2, max_size=2),
    line=st.sampled_from(HEX),
    account=st.text(HEX, min_size=4, max_size=4),
    qualifier=st.sampled_from("ERP"),
    event=st.text(HEX, min_size=3, max_size=3),
    group=st.text(HEX, min_size=2, max_size=2),
    zone=st.text(HEX, min_size=3, max_size=3),
)
sia_lines = st.builds(
    SiaLine,
    receiver=st.text(HEX, min_size=2, max_size=2),
    line=st.sampled_from(HEX),
    account=st.text(HEX, min_size=1, max_size=6),
    event=st.text(string.ascii_uppercase, min_size=2, max_size=2),
    zone=st.text(HEX, min_size=4, max_size=4),
)
heartbeats = st.builds(
    Heartbeat, receiver=st.text(HEX, min_size=2, max_size=2), line=st.sampled_from(HEX)
)
frames = contact_ids | sia_lines | heartbeats


def read(data: bytes) -> tuple[list, int]:
    reader = LineReader()
    lines = reader.feed(data)
    return lines, reader.noise_bytes


@pytest.mark.parametrize(
    ("data", "frame"),
    [
        (
            DURESS,
            ContactIdLine(
                receiver="01",
                line="1",
                account="1234",
                qualifier="E",
                event="121",
                group="01",
                zone="001",
            ),
        ),
        (PANIC, PANIC_FRAME),
        (SIA_PANIC, SiaLine(receiver="01", line="1", account="001234", event="PA", zone="0001")),
        (BEAT, Heartbeat(receiver="01", line="1")),
    ],
)
def test_published_lines_are_read_and_written_as_published(data, frame):
    assert from_bytes(data) == frame
    assert frame.to_bytes() == data


def test_account_of_a_sia_line_may_be_padded_with_spaces_but_not_torn_by_one():
    assert from_bytes(b"3011      1234PA0001\x14").account == "1234"
    for torn in (
        b"3011    12 34 PA0001\x14",
        b"3011    12 034PA0001\x14",
        b"3011          PA0001\x14",
    ):
        with pytest.raises(RemoteProtocolError):
            from_bytes(torn)


def test_heartbeat_with_other_spacing_and_message_type_98_are_accepted():
    assert from_bytes(b"1011          @   \x14") == Heartbeat(receiver="01", line="1")
    assert from_bytes(b"5011 981234E12001001\x14") == PANIC_FRAME


@given(frames)
def test_every_frame_survives_the_wire(frame):
    assert from_bytes(frame.to_bytes()) == frame
    assert read(frame.to_bytes()) == ([frame], 0)


@pytest.mark.parametrize("data", [DURESS, PANIC, SIA_PANIC, BEAT])
def test_every_truncated_prefix_wants_more(data):
    for end in range(len(data)):
        with pytest.raises(InsufficientData):
            from_bytes(data[:end])
        assert read(data[:end])[0] == []


@pytest.mark.parametrize("data", [DURESS, PANIC, SIA_PANIC, BEAT])
def test_every_line_that_lost_its_beginning_is_undecoded_or_noise_never_something_else(data):
    for start in range(1, len(data)):
        lines, noise = read(data[start:])
        characters = len(data) - 1 - start
        assert lines == ([Undecoded(data[start:-1])] if characters >= 15 else [])
        assert noise == (0 if characters >= 15 else characters + 1)


@given(st.binary(max_size=200))
def test_garbage_gives_only_a_protocol_error(data):
    with contextlib.suppress(RemoteProtocolError, InsufficientData):
        from_bytes(data)
    read(data)


def test_line_without_its_first_byte_then_whole_is_one_line():
    assert read(PANIC[1:] + PANIC) == ([Undecoded(PANIC[1:-1]), PANIC_FRAME], 0)


def test_line_without_its_last_byte_then_whole_is_one_line():
    assert read(PANIC[:-1] + PANIC) == ([PANIC_FRAME], 20)


@pytest.mark.parametrize("cut", range(1, 21))
def test_line_cut_anywhere_and_sent_again_is_one_line(cut):
    assert read(PANIC[:cut] + PANIC)[0] == [PANIC_FRAME]


def test_noise_before_a_line_is_skipped_and_counted():
    noise = b"\x00\xffgarbage \x06\x15 abc"
    assert read(noise + PANIC) == ([PANIC_FRAME], len(noise))
    long = b"x" * 5000
    assert read(long + PANIC) == ([PANIC_FRAME], len(long))


@pytest.mark.parametrize(
    ("length", "undecoded"), [(14, False), (15, True), (64, True), (65, False), (4096, False)]
)
def test_what_is_worth_a_nak_is_15_to_64_characters(length, undecoded):
    line = b"?" * length
    lines, noise = read(line + b"\x14")
    assert lines == ([Undecoded(line)] if undecoded else [])
    assert noise == (0 if undecoded else length + 1)


def test_65_characters_in_pieces_are_noise_too_and_64_in_pieces_are_not():
    reader = LineReader()
    for _ in range(65):
        assert reader.feed(b"?") == []
    assert reader.feed(b"\x14") == []
    assert reader.noise_bytes == 66
    for _ in range(64):
        assert reader.feed(b"?") == []
    assert reader.feed(b"\x14") == [Undecoded(b"?" * 64)]
    assert reader.noise_bytes == 66


def test_unprintable_character_inside_a_line_makes_its_beginning_noise():
    broken = bytearray(PANIC)
    broken[2] = 0  # what a parity error becomes
    assert read(bytes(broken)) == ([Undecoded(PANIC[3:-1])], 3)
    broken = bytearray(PANIC)
    broken[10] = 0
    assert read(bytes(broken)) == ([], len(PANIC))


@given(st.lists(frames, min_size=1, max_size=5), st.data())
def test_lines_come_out_in_order_however_the_stream_is_cut(sent, data):
    stream = b"".join(frame.to_bytes() for frame in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    reader = LineReader()
    got = [
        line
        for start, end in pairwise([0, *cuts, len(stream)])
        for line in reader.feed(stream[start:end])
    ]
    assert got == sent
    assert reader.noise_bytes == 0


def test_lines_come_out_byte_by_byte_and_two_in_one_read():
    reader = LineReader()
    one_by_one = [line for byte in PANIC for line in reader.feed(bytes([byte]))]
    assert one_by_one == [PANIC_FRAME]
    assert read(PANIC + PANIC) == ([PANIC_FRAME, PANIC_FRAME], 0)


@given(st.binary(max_size=300), frames, st.lists(st.integers(0, 400), max_size=4))
def test_after_any_noise_the_next_line_is_understood_and_every_byte_is_accounted_for(
    noise, frame, cuts
):
    stream = noise + frame.to_bytes()
    reader = LineReader()
    lines = [
        line
        for start, end in pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)])
        for line in reader.feed(stream[start:end])
    ]
    assert lines[-1] == frame
    held = sum(
        len(line.line) + 1 if isinstance(line, Undecoded) else len(line.to_bytes())
        for line in lines
    )
    # A line of another spacing is shorter or longer on the wire than as we write it.
    if not any(isinstance(line, Heartbeat) for line in lines[:-1]):
        assert held + reader.noise_bytes == len(stream)


def test_a_mebibyte_of_noise_leaves_nothing_behind():
    reader = LineReader()
    block = bytes(value for value in range(256) if value != 0x14) * 16
    for _ in range(257):
        assert reader.feed(block) == []
    assert reader.feed(PANIC) == [PANIC_FRAME]
    assert reader.noise_bytes == 257 * len(block)
