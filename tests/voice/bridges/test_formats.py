"""What bridges write and read: plain RTP, RTCP, SDP, USRP, against bytes packed here."""

import contextlib
import random
import struct
from ipaddress import ip_address

import pytest

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.voice.bridges import rtcp
from gateway.voice.bridges.options import UdpAddress
from gateway.voice.bridges.plain_rtp import PlainPacket
from gateway.voice.bridges.sdp import Stream, description
from gateway.voice.bridges.usrp import Kind, UsrpPacket

PLAIN = bytes.fromhex("80ef0102 01020304 a1a2a3a4") + b"opus"
"""By hand after RFC 3550, 5.1: version 2, marker, payload type 111."""

VOICE = b"USRP" + bytes.fromhex(
    "00000007 00000000 00000001 0000002a 00000000 00000000 00000000"
) + struct.pack("<160h", *range(-80, 80))  # fmt: skip


# Plain RTP


def test_a_packet_is_written_and_read_as_the_standard_has_it():
    packet = PlainPacket(111, True, 0x0102, 0x01020304, 0xA1A2A3A4, b"opus")
    assert packet.to_bytes() == PLAIN
    assert PlainPacket.from_bytes(PLAIN) == packet


def test_what_stands_around_a_payload_is_passed_over():
    head = bytes([0xB2]) + PLAIN[1:12]  # padding, extension, two contributing sources
    whole = head + bytes(8) + struct.pack(">HHI", 0xBEDE, 1, 0x10FF0000) + b"opus" + b"\0\0\3"
    assert PlainPacket.from_bytes(whole) == PlainPacket.from_bytes(PLAIN)
    for length in range(12 + 8 + 8):
        with pytest.raises(RemoteProtocolError):
            PlainPacket.from_bytes(whole[:length])


@pytest.mark.parametrize(
    "data",
    [
        *(PLAIN[:length] for length in range(13)),
        b"\x40" + PLAIN[1:],
        b"\xa0" + PLAIN[1:] + b"\0",
        b"\xa0" + PLAIN[1:] + b"\xff",
        PLAIN + bytes(8_192),
    ],
)
def test_what_is_no_rtp_is_refused(data):
    with pytest.raises(RemoteProtocolError):
        PlainPacket.from_bytes(data)


# RTCP


def test_a_sender_report_names_what_was_sent_and_by_whom():
    data = rtcp.report(0xA1A2A3A4, "pa@zju1", rtcp.Sent(3, 300, 0x01020304), 1.5)
    assert data == bytes.fromhex(
        "80c80006 a1a2a3a4 83aa7e81 80000000 01020304 00000003 0000012c"
        "81ca0004 a1a2a3a4 0107 7061407a6a7531"  # CNAME, 7, pa@zju1
        "000000"
    )  # fmt: skip
    assert rtcp.leaving(data) == frozenset()


def test_without_anything_sent_it_is_a_receiver_report():
    assert rtcp.report(1, "x", None, 0.0)[:8] == bytes.fromhex("80c90001 00000001")


@pytest.mark.parametrize("length", range(1, 12))
def test_a_name_of_any_length_ends_with_a_zero(length):
    data = rtcp.report(1, "n" * length, None, 0.0)
    assert len(data) % 4 == 0
    assert data.endswith((b"n\x00", b"\x00\x00"))
    assert rtcp.leaving(data) == frozenset()


def test_goodbye_is_understood_and_every_part_of_it_refused():
    data = rtcp.bye(0xA1A2A3A4, "x")
    assert data[-8:] == bytes.fromhex("81cb0001 a1a2a3a4")
    assert rtcp.leaving(data) == {0xA1A2A3A4}
    whole = {8, len(data) - 8}  # where one packet of the compound ends
    for length in set(range(len(data))) - whole:
        with pytest.raises(RemoteProtocolError):
            rtcp.leaving(data[:length])
    for wrong in (data[-8:], b"\x82" + data[1:3] + b"\xff" + data[4:], PLAIN):
        with pytest.raises(RemoteProtocolError):
            rtcp.leaving(wrong)
    with pytest.raises(RemoteProtocolError):  # says that it names more than there are
        rtcp.leaving(data[:-8] + b"\x9f" + data[-7:])


def test_garbage_is_read_or_refused_and_nothing_else():
    chance = random.Random(1)
    for _ in range(20_000):
        data = bytes([0x80 | chance.randrange(32), chance.choice((200, 201, 203))])
        data += chance.randbytes(chance.randrange(40))
        for read in (rtcp.leaving, PlainPacket.from_bytes, UsrpPacket.from_bytes):
            with contextlib.suppress(RemoteProtocolError):
                read(data)


# SDP


def stream(to, **more):
    facts = {
        "name": "tg", "session": 3_900_000_000, "origin": ip_address("10.0.0.1"), "to": to,
        "ttl": 4, "payload_type": 111, "ssrc": 7, "cname": "pa@zju1", **more,
    }  # fmt: skip
    return description(Stream(**facts))


def test_a_description_is_complete_and_in_order():
    text = stream(UdpAddress(ip_address("239.1.2.3"), 5004))
    assert text.split("\r\n") == [
        "v=0",
        "o=- 3900000000 3900000000 IN IP4 10.0.0.1",
        "s=tg",
        "c=IN IP4 239.1.2.3/4",
        "t=0 0",
        "a=tool:baiying",
        "a=sendonly",
        "m=audio 5004 RTP/AVP 111",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 stereo=0;sprop-stereo=0;useinbandfec=1;usedtx=0",
        "a=ptime:20",
        "a=ssrc:7 cname:pa@zju1",
        "",
    ]


@pytest.mark.parametrize(
    ("to", "line"),
    [
        ("10.0.0.7", "c=IN IP4 10.0.0.7"),
        ("ff05::1", "c=IN IP6 ff05::1"),
        ("2001:db8::7", "c=IN IP6 2001:db8::7"),
    ],
)
def test_only_ipv4_groups_have_a_ttl(to, line):
    assert line in stream(UdpAddress(ip_address(to), 5004)).split("\r\n")


# USRP


def test_a_voice_frame_is_written_and_read_as_chan_usrp_has_it():
    packet = UsrpPacket(7, True, 42, Kind.VOICE, VOICE[32:])
    assert len(VOICE) == 352
    assert packet.to_bytes() == VOICE
    assert UsrpPacket.from_bytes(VOICE) == packet


def test_the_end_of_a_burst_is_a_header_alone():
    end = UsrpPacket(8, False, 42)
    assert end.to_bytes() == b"USRP" + struct.pack(">7I", 8, 0, 0, 42, 0, 0, 0)
    assert UsrpPacket.from_bytes(end.to_bytes()) == end


def test_text_comes_whole_and_any_keyup_but_zero_is_keyed():
    data = b"USRP" + struct.pack(">7I", 9, 5, 0x100, 0, 2, 6, 0) + b"N0CALL\0"
    assert UsrpPacket.from_bytes(data) == UsrpPacket(9, True, 0, 2, b"N0CALL\0", 5, 6)


@pytest.mark.parametrize("length", [*range(32), *range(33, 352)])
def test_every_part_of_a_voice_frame_is_refused(length):
    with pytest.raises(RemoteProtocolError):
        UsrpPacket.from_bytes(VOICE[:length])


def test_what_does_not_fit_is_not_written():
    with pytest.raises(LocalProtocolError):
        UsrpPacket(1 << 32, True).to_bytes()
    with pytest.raises(RemoteProtocolError):
        UsrpPacket.from_bytes(b"usrp" + VOICE[4:])


def test_every_packet_that_is_read_is_written_again():
    chance = random.Random(2)
    for _ in range(2_000):
        head = struct.pack(">6I", *(chance.randrange(1 << 32) for _ in range(2)),
                           chance.randrange(2), chance.randrange(1 << 32),
                           chance.randrange(1, 9), chance.randrange(1 << 32))  # fmt: skip
        data = b"USRP" + head + bytes(4) + chance.randbytes(chance.randrange(50))
        assert UsrpPacket.from_bytes(data).to_bytes() == data
