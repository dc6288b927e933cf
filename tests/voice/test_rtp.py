"""The RTP codec against golden bytes and a reader that shares no code with it."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.voice.rtp import BurstFlags, Packet, Token

# Written by hand from RFC 3550, RFC 8285 and section 3 of the contract.
GOLDEN = bytes.fromhex(
    "90 ef 1234 000003c0 deadbeef"  # V=2 X=1; M, PT 111; sequence; timestamp 960; SSRC
    "bede 0006"  # one-byte extensions, six words
    "10 9e"  # 1: voice activity, -30 dBov
    "27 00000102 0000000a"  # 2: term 258, grant 10
    "30 05"  # 3: last, emergency
    "47 ee7f0e80 80000000"  # 4: 2026-10-17T00:00:00.5Z as NTP
    "0000"  # padding to a word
    "48 0b0c0d"  # Opus
)
PACKET = Packet(
    sequence=0x1234,
    timestamp=960,
    ssrc=0xDEADBEEF,
    marker=True,
    payload=b"\x48\x0b\x0c\x0d",
    level_dbov=30,
    voice_activity=True,
    token=Token(258, 10),
    flags=BurstFlags(last=True, emergency=True),
    captured=0xEE7F0E80 - 2_208_988_800 + 0.5,
)


def parse(data):
    """An independent reading: bit by bit, straight from the RFCs."""
    bits = "".join(f"{byte:08b}" for byte in data)

    def take(start, length):
        return int(bits[start : start + length], 2)

    assert take(0, 2) == 2
    padding, extended, sources = take(2, 1), take(3, 1), take(4, 4)
    fields = {"m": take(8, 1), "pt": take(9, 7), "seq": take(16, 16), "ts": take(32, 32)}
    fields["ssrc"] = take(64, 32)
    at = 12 + 4 * sources
    assert extended
    assert data[at : at + 2] == b"\xbe\xde"
    words = take(8 * at + 16, 16)
    block, at = data[at + 4 : at + 4 + 4 * words], at + 4 + 4 * words
    fields["payload"] = data[at : len(data) - (data[-1] if padding else 0)]
    elements = {}
    while block:
        if block[0] == 0:
            block = block[1:]
            continue
        length = (block[0] & 15) + 1
        elements[block[0] >> 4] = block[1 : 1 + length]
        block = block[1 + length :]
    return fields, elements


def rtp(*elements, payload=b"\x48\x01", first=0x90, second=111, profile=0xBEDE, after=b""):
    """A packet put together by hand; ``elements`` are raw bytes of the extension block."""
    block = b"".join(elements)
    block += bytes(-len(block) % 4)
    head = struct.pack(">BBHII", first, second, 1, 2, 3) + bytes(4 * (first & 15))
    return head + struct.pack(">HH", profile, len(block) // 4) + block + payload + after


LEVEL = b"\x10\x20"
TOKEN = b"\x27" + struct.pack(">II", 5, 6)
FLAGS = b"\x30\x00"
CAPTURED = b"\x47" + struct.pack(">II", 2_208_988_800 + 1_700_000_000 & 0xFFFFFFFF, 0)
ALL = (LEVEL, TOKEN, FLAGS, CAPTURED)

packets = st.builds(
    Packet,
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    marker=st.booleans(),
    payload=st.binary(min_size=1, max_size=300),
    level_dbov=st.integers(0, 127),
    voice_activity=st.booleans(),
    token=st.builds(Token, st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF)),
    flags=st.builds(BurstFlags, st.booleans(), st.booleans(), st.booleans()),
    # Quarter seconds are exact on both sides; 2036 is where the NTP era ends.
    captured=st.integers(0, 4 * 3_000_000_000).map(lambda quarters: quarters / 4),
)


def test_a_packet_is_written_as_the_golden_bytes():
    assert PACKET.to_bytes() == GOLDEN


def test_the_golden_bytes_are_read_as_the_packet():
    assert Packet.from_bytes(GOLDEN) == PACKET


@given(packets)
def test_an_independent_parser_reads_what_was_written(packet):
    fields, elements = parse(packet.to_bytes())
    assert fields == {
        "m": packet.marker,
        "pt": 111,
        "seq": packet.sequence,
        "ts": packet.timestamp,
        "ssrc": packet.ssrc,
        "payload": packet.payload,
    }
    assert elements[1] == bytes([packet.level_dbov | packet.voice_activity << 7])
    assert elements[2] == struct.pack(">II", packet.token.term, packet.token.grant)
    flags = packet.flags
    assert elements[3] == bytes([flags.last + 2 * flags.pre_roll + 4 * flags.emergency])
    ntp = int.from_bytes(elements[4], "big")
    assert ntp == int((packet.captured + 2_208_988_800) * 4) * 2**30 % 2**64


@given(packets.filter(lambda packet: packet.captured < 2_200_000_000))
def test_writing_and_reading_gives_the_same_packet(packet):
    assert Packet.from_bytes(packet.to_bytes()) == packet


@given(packets)
def test_the_quick_and_the_general_way_read_alike(packet):
    data = packet.to_bytes()
    assert Packet.from_bytes(data) == Packet._read(data)


@pytest.mark.parametrize(("second", "posix"), [(0xFFFFFFFF, 2_085_978_495), (0, 2_085_978_496)])
def test_capture_times_go_on_over_the_end_of_the_ntp_era_in_2036(second, posix):
    captured = b"\x47" + struct.pack(">II", second, 0)
    assert Packet.from_bytes(rtp(LEVEL, TOKEN, FLAGS, captured)).captured == posix


def test_every_truncated_prefix_is_a_protocol_error():
    for length in range(len(GOLDEN) - 3):  # a shorter Opus payload is still a payload
        with pytest.raises(RemoteProtocolError):
            Packet.from_bytes(GOLDEN[:length])


@given(st.binary(max_size=200))
def test_garbage_gives_only_a_protocol_error(data):
    with pytest.raises(RemoteProtocolError):
        Packet.from_bytes(data)


@given(st.data())
def test_a_damaged_packet_gives_a_packet_or_a_protocol_error_either_way(data):
    damaged = bytearray(GOLDEN)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    outcomes = []
    for read in (Packet.from_bytes, Packet._read):
        try:
            outcomes.append(read(bytes(damaged)))
        except RemoteProtocolError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    ("data", "token"),
    [
        (rtp(*ALL, first=0x92), (5, 6)),  # two contributing sources
        (rtp(*ALL, first=0xB0, after=b"\0\0\3"), (5, 6)),  # RTP padding
        (rtp(CAPTURED, FLAGS, TOKEN, LEVEL), (5, 6)),  # another order
        (rtp(b"\x52abc", *ALL, b"\xe0z"), (5, 6)),  # foreign elements 5 and 14
        (rtp(*ALL, b"\xf0\x27"), (5, 6)),  # 15 ends the elements
        (rtp(*ALL, b"\x05" + b"\xff" * 7), (5, 6)),  # id 0 with a length ends them too
        (rtp(b"\0\0", LEVEL, b"\0", TOKEN, FLAGS, CAPTURED), (5, 6)),  # padding between
        (rtp(LEVEL, TOKEN, FLAGS, b"\x4f" + CAPTURED[1:] + bytes(8)), (5, 6)),  # long capture time
        (
            rtp(
                b"\1\1\x20",
                b"\2\x08" + TOKEN[1:],
                b"\0",
                b"\xc8\0",  # foreign id 200, empty
                b"\3\1\xf8",  # flags of a later version
                b"\4\x08" + CAPTURED[1:],
                profile=0x1003,
            ),
            (5, 6),
        ),
    ],
)
def test_any_valid_rtp_with_the_four_elements_is_read(data, token):
    packet = Packet.from_bytes(data)
    assert packet.token == Token(*token)
    assert packet.payload == b"\x48\x01"
    assert packet.captured == 1_700_000_000
    assert packet.flags == BurstFlags()
    assert (packet.level_dbov, packet.voice_activity) == (32, False)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (rtp(*ALL, first=0x50), "version 1"),
        (rtp(*ALL, second=96), "payload type 96"),
        (rtp(*ALL, first=0x80), "no header extension"),
        (rtp(*ALL, profile=0x0001), "profile 0x0001"),
        (rtp(*ALL, first=0xB0, after=b"\0"), "padding of 0"),
        (rtp(*ALL, first=0xB0, after=b"\xff"), "padding of 255"),
        (rtp(*ALL, payload=b""), "no payload"),
        (rtp(*ALL, payload=b"", first=0xB0, after=b"\1"), "no payload"),
        (rtp(TOKEN, FLAGS, CAPTURED), "no audio level"),
        (rtp(LEVEL, FLAGS, CAPTURED), "no floor token"),
        (rtp(LEVEL, TOKEN, CAPTURED), "no burst flags"),
        (rtp(LEVEL, TOKEN, FLAGS), "no capture time"),
        (rtp(*ALL, TOKEN), "floor token: twice"),
        (rtp(LEVEL, b"\x26" + TOKEN[1:8], FLAGS, CAPTURED), "7 bytes long"),
        (rtp(*ALL, b"\x5f"), "breaks off"),
        (rtp(*ALL, payload=bytes(9000)), "too long"),
    ],
)
def test_what_is_not_our_rtp_is_refused_with_the_reason(data, why):
    with pytest.raises(RemoteProtocolError, match=why):
        Packet.from_bytes(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sequence": 65536},
        {"timestamp": -1},
        {"level_dbov": 128},
        {"payload": b""},
        {"token": Token(2**32, 0)},
        {"captured": float("nan")},
        {"captured": float("inf")},
    ],
)
def test_a_field_that_does_not_fit_is_our_own_error(wrong):
    fields = {name: getattr(PACKET, name) for name in Packet.__slots__} | wrong
    with pytest.raises(LocalProtocolError):
        Packet(**fields).to_bytes()


def test_a_later_grant_is_the_greater_token():
    assert Token(1, 9) < Token(2, 0) < Token(2, 1)


# The payload of an earlier packet


@pytest.mark.parametrize("length", [1, 15, 16, 60, 159])
def test_what_is_carried_once_more_comes_back_and_old_readers_skip_it(length):
    earlier = bytes(range(length))
    sent = replace(PACKET, earlier=earlier)
    data = sent.to_bytes()
    assert Packet.from_bytes(data) == replace(Packet.from_bytes(PACKET.to_bytes()), earlier=earlier)
    assert data[:2] == PACKET.to_bytes()[:2]
    assert data[12:14].hex() == "bede"  # still the one-byte form of the contract
    assert len(data) % 4 == len(PACKET.to_bytes()) % 4


def test_what_is_too_long_to_be_carried_once_more_is_left_out():
    assert replace(PACKET, earlier=bytes(160)).to_bytes() == PACKET.to_bytes()


def test_elements_of_these_ids_that_mean_something_else_are_none():
    data = bytearray(replace(PACKET, earlier=b"abc").to_bytes())
    at = data.index(b"\x53\x05abc")
    data[at + 1] = 4  # another distance
    assert Packet.from_bytes(bytes(data)).earlier == b""
