"""The voice connection: QoS 0, never waiting, the oldest voice dropped and counted."""

import asyncio
import socket

import mqtt5
import pytest

from gateway.link import dial
from gateway.link.dial import Profile
from gateway.link.voice_link import VoiceLink
from gateway.ops.counters import Counters

TOPIC = "baiying/talkgroup/police/voice/zju1"


async def connected(scripted, link):
    peer, hello = await scripted.greet()
    while not link.connected:
        await asyncio.sleep(0)
    return peer, hello


async def test_voice_connects_under_a_name_of_its_own_without_a_will(scripted, tasks):
    link = VoiceLink("zju1", scripted.address)
    link.subscribe("baiying/talkgroup/+/voice/+", lambda *_: None)
    async with tasks(link.run()):
        peer, hello = await connected(scripted, link)
        assert (hello.client_id, hello.username, hello.will) == ("zju1.voice", "zju1", None)
        wanted = (await peer.next(mqtt5.SubscribePacket)).topic_filters[0]
        assert wanted.no_local
        assert wanted.max_qos == mqtt5.QoS.AT_MOST_ONCE


async def test_voice_goes_out_at_qos_0_with_its_expiry(scripted, tasks):
    link = VoiceLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer, _ = await connected(scripted, link)
        assert link.publish(TOPIC, b"rtp", expiry=2) is True
        packet = await peer.next(mqtt5.PublishPacket)
        assert (packet.topic, packet.payload) == (TOPIC, b"rtp")
        assert packet.qos == mqtt5.QoS.AT_MOST_ONCE
        assert packet.message_expiry_interval == 2
        assert packet.retain is False


async def test_without_a_broker_voice_is_not_kept(scripted, tasks):
    counters = Counters()
    link = VoiceLink("zju1", scripted.address, counters=counters)
    assert link.publish(TOPIC, b"rtp") is False
    assert counters["voice_link.unsent"] == 1
    async with tasks(link.run()):
        peer, _ = await connected(scripted, link)
        link.publish(TOPIC, b"new")
        assert (await peer.next(mqtt5.PublishPacket)).payload == b"new"


async def test_message_goes_to_its_handler_and_a_retained_one_does_not(scripted, tasks, until):
    counters, seen = Counters(), []
    link = VoiceLink("zju1", scripted.address, counters=counters)
    link.subscribe("a/+", lambda topic, payload: seen.append((topic, payload)))
    link.subscribe("a/b", lambda *_: 1 / 0)
    async with tasks(link.run()):
        peer, _ = await connected(scripted, link)
        peer.send(mqtt5.PublishPacket("a/b", b"echo", retain=True))
        peer.send(mqtt5.PublishPacket("a/b", b"live"))
        peer.send(mqtt5.PublishPacket("b", b"stranger"))
        peer.send(mqtt5.PublishPacket("a/c", b"last"))
        await until(lambda: len(seen) == 2)
        assert seen == [("a/b", b"live"), ("a/c", b"last")]
        assert counters["voice_link.retained_ignored"] == 1
        assert counters["voice_link.handler_failed"] == 1
        link.unsubscribe("a/+")
        peer.send(mqtt5.PublishPacket("a/c", b"after"))
        peer.send(mqtt5.PublishPacket("a/b", b"mark"))
        await until(lambda: counters["voice_link.handler_failed"] == 2)
        assert len(seen) == 2


@pytest.mark.system
async def test_stalled_broker_costs_the_oldest_voice_and_no_floor_message(
    broker, until, tasks, stalled
):
    """A real mosquitto is stopped under a flood: publish never blocks, memory stays bounded."""
    counters, seen = Counters(), []
    talker = VoiceLink("zju1", broker.address("zju1"), counters=counters)
    hearer = VoiceLink("police", broker.address("police"))
    hearer.subscribe("#", lambda _, payload: seen.append(payload))
    loop = asyncio.get_running_loop()
    async with tasks(talker.run(), hearer.run()):
        await until(lambda: talker.connected and hearer.connected)
        await asyncio.sleep(0.1)
        with stalled(broker.pid):
            await asyncio.sleep(0.05)
            number = 0
            started = loop.time()
            while not counters["voice_link.dropped_voice"] and number < 300_000:
                talker.publish(TOPIC, b"%06d" % number + b"x" * 900)
                number += 1
                if number % 200 == 0:
                    await asyncio.sleep(0)
            release = b"release"
            assert talker.publish("baiying/talkgroup/police/request/zju1", release, voice=False)
            for _ in range(200):
                talker.publish(TOPIC, b"%06d" % number + b"x" * 900)
                number += 1
            assert talker._outbox.size_bytes <= 64 * 1024
            assert loop.time() - started < 5
        await until(lambda: release in seen)
        await until(lambda: seen[-1].startswith(b"%06d" % (number - 1)))
    voice = [int(payload[:6]) for payload in seen if payload != release]
    assert voice == sorted(voice)  # never reordered
    dropped = counters["voice_link.dropped_voice"]
    assert dropped > 0
    assert counters["voice_link.dropped_floor"] == 0


@pytest.mark.parametrize(
    ("name", "used"), [("reno", "reno"), ("no-such-thing", None), (None, None)]
)
async def test_congestion_control_is_asked_for_and_may_be_refused(broker, name, used):
    kernels = await dial._open(broker.address("zju1"), Profile())
    opened = await dial._open(broker.address("zju1"), Profile(congestion=name))
    try:
        size = 16
        found, own = (
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, size).split(b"\0")[0].decode()
            for one in (opened, kernels)
        )
        assert found == (used or own)
    finally:
        opened.close()
        kernels.close()
