"""Bridges with real sockets on a talkgroup of the simplest kind."""

import asyncio
import contextlib
import random
import socket
import struct
from ipaddress import ip_address, ip_network

import numpy as np
import pytest
import pytest_asyncio

from gateway.ops.counters import Counters
from gateway.voice.bridges.bridges import Bridges
from gateway.voice.bridges.options import (
    BridgeOptions,
    RtpOptions,
    SpeakingOptions,
    UdpAddress,
    UsrpOptions,
)
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.endpoint_ports import TalkgroupFacts
from gateway.voice.opus import Encoder
from gateway.voice.rtp import BurstFlags, Packet, Token
from tests.voice.rig import Channel

pytestmark = [pytest.mark.asyncio, pytest.mark.realtime]

HERE = ip_address("127.0.0.1")
LOCAL = (ip_network("127.0.0.0/8"),)
TONE = [
    Encoder(16_000).encode(
        (8000 * np.sin(np.arange(320 * n, 320 * (n + 1)) * 0.3)).astype(np.int16)
    )
    for n in range(3)
]


class Wire:
    """A UDP socket at the other end."""

    def __init__(self, port=0, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, port))
        self.port = self.socket.getsockname()[1]

    def send(self, data, port):
        self.socket.sendto(data, ("127.0.0.1", port))

    def got(self):
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.socket.recv(4096))
        return found


def free():
    with contextlib.closing(Wire().socket) as probe:
        return probe.getsockname()[1]


def rtp(number, ssrc=9, payload=None, kind=111):
    head = struct.pack(">BBHII", 0x80, kind, number & 0xFFFF, number * 960 & 0xFFFFFFFF, ssrc)
    return head + (TONE[number % 3] if payload is None else payload)


def voice(number, ssrc=1, last=False):
    return Packet(
        number, number * 960, ssrc, number == 0, TONE[number % 3], 20, True, Token(1, 9),
        BurstFlags(last=last), 0.0,
    )  # fmt: skip


class World:
    def __init__(self):
        self.channel = Channel("tg")
        self.counters = Counters()
        self.far = Wire()
        self.listen = free()

    def rtp(self, **more):
        speaking = SpeakingOptions(**more.pop("speaking", {}))
        facts = {
            "send": UdpAddress(HERE, self.far.port), "listen": UdpAddress(HERE, self.listen),
            "sources": LOCAL, "rtcp": False, "speaking": speaking, **more,
        }  # fmt: skip
        return BridgeOptions(talkgroup="tg", way=RtpOptions(**facts))

    def usrp(self):
        way = UsrpOptions(
            send=UdpAddress(HERE, self.far.port),
            listen=UdpAddress(HERE, self.listen),
            sources=LOCAL,
        )
        return BridgeOptions(talkgroup="tg", way=way)

    async def run(self, options):
        await self.bridges.configure(self.group, {"bridge": options})
        await asyncio.sleep(0.03)

    async def arrive(self, *datagrams, pause=0.01):
        for data in datagrams:
            self.far.send(data, self.listen)
            await asyncio.sleep(pause)
        await asyncio.sleep(0.02)

    def talk(self, packet):
        """Somebody else on the talkgroup."""
        self.channel._deliver("bridge", "other", packet.to_bytes())

    @property
    def sent(self):
        return [packet for _, _, packet in self.channel.packets]


@pytest_asyncio.fixture
async def world():
    one = World()
    ticker = Ticker(one.counters)
    facts = TalkgroupFacts(tot=30.0, hang_time=0.1, bitrate_bps=24_000)
    one.bridges = Bridges("gw", lambda _: one.channel, lambda _: facts, ticker, one.counters)
    async with asyncio.TaskGroup() as one.group:
        yield one
        await one.bridges.close()
    assert not one.channel.members
    assert one.channel.holder is None
    one.far.socket.close()


async def test_a_stream_becomes_a_burst_with_its_payloads_as_they_were(world):
    await world.run(world.rtp(speaking={"priority": 77}))
    await world.arrive(*(rtp(n) for n in (5, 6, 8)))
    assert world.channel.log == [("request", "bridge", 77)]
    first, second, third = world.sent
    assert [one.payload for one in world.sent] == [TONE[2], TONE[0], TONE[2]]
    assert [one.marker for one in world.sent] == [True, False, False]
    assert third.sequence - first.sequence & 0xFFFF == 3
    assert third.timestamp - first.timestamp & 0xFFFFFFFF == 3 * 960
    assert first.flags.pre_roll
    assert not second.flags.pre_roll
    assert 3 < first.level_dbov < 30
    assert first.token == Token(1, 1)
    await asyncio.sleep(0.4)
    assert world.channel.log[-1] == ("release", "bridge")
    await world.arrive(rtp(100, ssrc=4))
    assert world.sent[-1].ssrc != first.ssrc
    assert world.sent[-1].marker


async def test_what_waits_for_the_floor_is_sent_first(world):
    world.channel.answers = False
    await world.run(world.rtp())
    await world.arrive(*(rtp(n) for n in range(6)))
    assert not world.sent
    world.channel.grant("bridge")
    assert [one.payload for one in world.sent] == [TONE[n % 3] for n in range(6)]
    assert all(one.flags.pre_roll for one in world.sent)
    assert world.sent[0].captured < world.sent[5].captured - 0.04


async def test_refused_it_is_dropped_and_asks_again_when_the_floor_is_idle(world):
    await world.run(world.rtp())
    world.channel.holder = "other"
    await world.arrive(*(rtp(n) for n in range(3)))
    assert not world.sent
    assert world.counters["bridge.refused"] == 3
    world.channel.release("other")
    await world.arrive(rtp(3))
    assert len(world.sent) == 1


async def test_revoked_it_says_nothing_more(world):
    await world.run(world.rtp())
    await world.arrive(rtp(0), rtp(1))
    world.channel.revoke()
    await world.arrive(rtp(2), rtp(3))
    assert len(world.sent) == 2
    assert world.counters["bridge.refused"] == 2


async def test_strangers_and_garbage_are_counted(world):
    await world.run(world.rtp(sources=(ip_network("127.0.0.2"),)))
    await world.arrive(rtp(0))
    assert world.counters["bridge.foreign_source"] == 1
    known = Wire(host="127.0.0.2")
    for data in (b"x", rtp(0, kind=0), rtp(0), rtp(1, ssrc=8), rtp(1, payload=b"\x0b\x41\xff")):
        known.send(data, world.listen)
        await asyncio.sleep(0.01)
    known.socket.close()
    assert len(world.sent) == 1
    assert {name: world.counters[f"bridge.{name}"] for name in ("payload_type", "other_ssrc")} == {
        "payload_type": 1,
        "other_ssrc": 1,
    }
    assert world.counters["bridge.malformed"] == world.counters["bridge.malformed_opus"] == 1


async def test_what_was_sent_out_does_not_come_back(world):
    """By half duplex at once, and by its SSRC at any time."""
    await world.run(world.rtp())
    for number in range(4):
        world.talk(voice(number))
        await asyncio.sleep(0.01)
    echo = world.far.got()
    assert len(echo) == 4
    assert echo[0][:2] == b"\x80\xef"
    assert {data[12:] for data in echo} == set(TONE)
    await world.arrive(rtp(0))
    assert world.counters["bridge.half_duplex"] == 1
    await asyncio.sleep(0.35)
    await world.arrive(*echo)
    assert world.counters["bridge.looped"] == 4
    assert not world.channel.log
    await world.arrive(rtp(1))
    assert world.channel.log == [("request", "bridge", 100)]


async def test_goodbye_ends_a_burst_at_once_and_reports_are_sent(world):
    report = Wire(world.far.port + 1)
    await world.run(world.rtp(rtcp=True))
    await world.arrive(rtp(0))
    receiver = struct.pack(">BBHI", 0x80, 201, 1, 9)
    name = struct.pack(">BBHIBB", 0x81, 202, 2, 9, 1, 1) + b"x\0"
    goodbye = receiver + name + struct.pack(">BBHI", 0x81, 203, 1, 9)
    world.far.send(goodbye, world.listen + 1)
    world.far.send(b"x", world.listen + 1)
    await asyncio.sleep(0.03)
    assert world.channel.log[-1] == ("release", "bridge")
    assert world.counters["bridge.rtcp_in"] == world.counters["bridge.rtcp_malformed"] == 1
    await world.bridges.close()
    first, last = report.got()
    report.socket.close()
    assert first[:4] == bytes.fromhex("80c90001")
    assert b"bridge@gw" in first
    assert last[-8:-4] == bytes.fromhex("81cb0001")


async def test_a_description_is_written_and_written_anew(world, tmp_path):
    path = tmp_path / "new" / "x.sdp"
    await world.run(world.rtp(sdp=path))
    await asyncio.sleep(0.05)
    text = path.read_bytes()
    assert b"c=IN IP4 127.0.0.1\r\nt=0 0\r\n" in text
    await world.run(world.rtp(sdp=path, payload_type=99))
    await asyncio.sleep(0.05)
    assert b"RTP/AVP 99\r\n" in path.read_bytes()
    assert [one.name for one in path.parent.iterdir()] == ["x.sdp"]


async def test_a_port_that_is_taken_is_tried_again(world, monkeypatch):
    monkeypatch.setattr("gateway.voice.bridges.bridges._AGAIN", 0.05)
    taken = Wire(world.listen)
    await world.run(world.rtp())
    assert world.counters["bridge.failed"] >= 1
    assert not world.channel.members
    taken.socket.close()
    await asyncio.sleep(0.1)
    await world.arrive(rtp(0))
    assert len(world.sent) == 1


async def test_what_does_not_change_is_left_alone(world):
    await world.run(world.rtp())
    before = world.channel.members["bridge"]
    await world.run(world.rtp())
    assert world.channel.members["bridge"] is before
    await world.bridges.configure(world.group, {})
    assert not world.channel.members


# USRP


def usrp(number, keyup=1, body=b"\1\0" * 160, kind=0):
    return b"USRP" + struct.pack(">7I", number, 0, keyup, 0, kind, 0, 0) + body


async def test_keyed_frames_become_a_burst_whose_end_is_marked(world):
    await world.run(world.usrp())
    await world.arrive(usrp(1), usrp(2), usrp(5), usrp(4), usrp(6, 0, b""))
    assert len(world.sent) == 6  # 3 and 4 are made up for; then the end
    assert [one.flags.last for one in world.sent] == [False] * 5 + [True]
    assert [one.sequence - world.sent[0].sequence & 0xFFFF for one in world.sent] == [*range(6)]
    assert world.counters["bridge.lost"] == 2
    assert world.counters["bridge.late"] == 1
    assert world.channel.log == [("request", "bridge", 100), ("release", "bridge")]


async def test_a_peer_that_falls_silent_loses_the_floor(world):
    await world.run(world.usrp())
    await world.arrive(usrp(1), usrp(0, 0, b"text", 2), b"garbage", usrp(2, 1, b""))
    assert len(world.sent) == 1
    assert world.counters["bridge.not_voice"] == world.counters["bridge.malformed"] == 1
    await asyncio.sleep(0.4)
    assert world.channel.log[-1] == ("release", "bridge")
    assert len(world.sent) == 1


async def test_a_burst_is_sent_keyed_and_ended_once(world):
    await world.run(world.usrp())
    for number in range(10):
        world.talk(voice(number, last=number == 9))
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.6)
    *frames, end = world.far.got()
    assert 9 <= len(frames) <= 40  # more than ten where this process was held up
    assert all(len(data) == 352 and data[12:16] == b"\0\0\0\1" for data in frames)
    assert end == b"USRP" + data_of(len(frames) + 1)
    loud = np.frombuffer(b"".join(data[32:] for data in frames), "<i2")
    assert 3_000 < np.abs(loud.astype(int)).max() < 14_000
    assert world.counters["bridge.packets_out"] == len(frames)


def data_of(sequence):
    return struct.pack(">7I", sequence, 0, 0, 0, 0, 0, 0)


async def test_noise_on_the_wire_ends_nothing(world):
    chance = random.Random(4)
    await world.run(world.usrp())
    for _ in range(300):
        data = usrp(chance.randrange(9), chance.randrange(2), b"", chance.randrange(9))
        cut = data[: chance.randrange(33)] + chance.randbytes(chance.randrange(400))
        world.far.send(cut, world.listen)
    await asyncio.sleep(0.5)
    await world.arrive(usrp(1))
    assert world.channel.holder == "bridge"
    assert world.counters["bridge.failed"] == 0


async def test_a_peer_does_not_hear_itself_come_back(world):
    await world.run(world.usrp())
    for number in range(10):
        world.talk(voice(number))
        await asyncio.sleep(0.02)
    assert world.far.got()
    await world.arrive(usrp(1))
    assert world.counters["bridge.half_duplex"] == 1
    assert not world.channel.log
