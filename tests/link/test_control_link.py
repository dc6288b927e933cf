"""The control connection against a broker whose every answer the test decides."""

import asyncio

import mqtt5
import pytest

from gateway.errors import LinkError
from gateway.link.dial import Profile
from gateway.link.incoming import Incoming
from gateway.link.media_link import MediaLink
from gateway.link.presence import Presence
from gateway.link.session import ControlLink
from gateway.ops.counters import Counters

PRESENCE = Presence(
    topic="baiying/gateway/zju1/status",
    boot="0190a5c0-0000-7000-8000-000000000000",
    version="0.1.0",
)


def suback(packet, code=mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE):
    return mqtt5.SubAckPacket(packet.packet_id, [code] * len(packet.topic_filters))


async def connected(scripted, link, connack=None):
    """The peer once the link, which has no presence and no subscription, is up."""
    peer, _ = await scripted.greet(connack)
    while not link.connected:
        await asyncio.sleep(0)
    return peer


async def test_gateway_connects_cleanly_under_its_name_with_its_will(scripted, tasks):
    link = ControlLink("zju1", scripted.address, presence=PRESENCE)
    async with tasks(link.run()):
        peer, hello = await scripted.greet()
        assert (hello.client_id, hello.username, hello.password) == ("zju1", "zju1", b"secret")
        assert hello.clean_start
        assert hello.session_expiry_interval == 0
        assert hello.will.topic == PRESENCE.topic
        assert hello.will.retain
        assert hello.will.qos == mqtt5.QoS.AT_LEAST_ONCE
        assert b'"state":"offline"' in hello.will.payload
        status = await peer.next(mqtt5.PublishPacket)
        assert (status.topic, status.retain) == (PRESENCE.topic, True)
        assert b'"state":"online"' in status.payload


async def test_connect_announces_subscribes_calls_back_and_then_retains(scripted, tasks):
    link = ControlLink("zju1", scripted.address, presence=PRESENCE)
    link.subscribe("baiying/incident/+/action/+", lambda _: None)
    link.set_retained("baiying/gateway/zju1/endpoint/a", b"{}")
    seen = []

    def called(up):
        seen.append(up)
        if up:
            asyncio.get_running_loop().create_task(link.publish("baiying/alarm/zju1", b"now"))

    link.on_connection(called)
    async with tasks(link.run()):
        peer, _ = await scripted.greet()
        assert (await peer.next(mqtt5.PublishPacket)).topic == PRESENCE.topic
        subscription = await peer.next(mqtt5.SubscribePacket)
        wanted = subscription.topic_filters[0]
        assert wanted.pattern == "baiying/incident/+/action/+"
        assert (wanted.no_local, wanted.retain_as_published) == (False, True)
        rest = {(await peer.next(mqtt5.PublishPacket)).topic for _ in range(2)}
        assert rest == {"baiying/gateway/zju1/endpoint/a", "baiying/alarm/zju1"}
        assert seen == [True]
        peer.hang_up()
        await scripted.greet()
        assert seen[:2] == [True, False]


async def test_publish_returns_at_puback_and_not_before(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        sent = asyncio.create_task(link.publish("a", b"1", expiry=60, properties=(("k", "v"),)))
        packet = await peer.next(mqtt5.PublishPacket)
        assert packet.message_expiry_interval == 60
        assert packet.user_properties == [("k", "v")]
        assert packet.qos == mqtt5.QoS.AT_LEAST_ONCE
        await asyncio.sleep(0.05)
        assert not sent.done()
        peer.send(mqtt5.PubAckPacket(packet.packet_id))
        await asyncio.wait_for(sent, 1)


async def test_publish_without_a_broker_fails_at_once(scripted):
    link = ControlLink("zju1", scripted.address)
    with pytest.raises(LinkError, match="not connected"):
        await link.publish("a", b"1")


async def test_publish_lost_before_its_puback_fails(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        sent = asyncio.create_task(link.publish("a", b"1"))
        await peer.next(mqtt5.PublishPacket)
        peer.hang_up()
        with pytest.raises(LinkError, match="lost before PUBACK"):
            await asyncio.wait_for(sent, 1)


async def test_publish_that_the_broker_refuses_fails(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        sent = asyncio.create_task(link.publish("a", b"1"))
        packet = await peer.next(mqtt5.PublishPacket)
        refusal = mqtt5.PubAckReasonCode.NOT_AUTHORIZED
        peer.send(mqtt5.PubAckPacket(packet.packet_id, reason_code=refusal))
        with pytest.raises(LinkError, match="not authorized"):
            await asyncio.wait_for(sent, 1)


async def test_message_that_nobody_subscribed_to_is_delivered_all_the_same(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        sent = asyncio.create_task(link.publish("a", b"1"))
        packet = await peer.next(mqtt5.PublishPacket)
        nobody = mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS
        peer.send(mqtt5.PubAckPacket(packet.packet_id, reason_code=nobody))
        await asyncio.wait_for(sent, 1)


@pytest.mark.parametrize(("receive_max", "window"), [(65_535, 64), (64, 64), (20, 20), (1, 1)])
async def test_no_more_than_the_window_is_in_flight(scripted, tasks, receive_max, window):
    link = ControlLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer = await connected(scripted, link, mqtt5.ConnAckPacket(receive_max=receive_max))
        total = window + 10
        sent = [asyncio.create_task(link.publish("a", b"%d" % number)) for number in range(total)]
        first = [await peer.next(mqtt5.PublishPacket) for _ in range(window)]
        await peer.silence()
        # One acknowledgement, out of order, makes room for one; the others are not held up by it.
        peer.send(mqtt5.PubAckPacket(first[-1].packet_id))
        following = await peer.next(mqtt5.PublishPacket)
        assert following.payload == b"%d" % window
        await asyncio.wait_for(sent[window - 1], 1)
        await peer.silence()
        in_flight = [*first[:-1], following]
        while in_flight:
            peer.send(mqtt5.PubAckPacket(in_flight.pop(0).packet_id))
            while len(in_flight) < window and following.payload != b"%d" % (total - 1):
                following = await peer.next(mqtt5.PublishPacket)
                in_flight.append(following)
        await asyncio.wait_for(asyncio.gather(*sent), 2)


async def test_slot_of_a_publish_that_was_given_up_is_freed_by_its_puback_only(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer = await connected(scripted, link, mqtt5.ConnAckPacket(receive_max=1))
        given_up = asyncio.create_task(link.publish("a", b"1"))
        first = await peer.next(mqtt5.PublishPacket)
        given_up.cancel()
        waiting = asyncio.create_task(link.publish("a", b"2"))
        never = asyncio.create_task(link.publish("a", b"3"))
        await asyncio.sleep(0)
        never.cancel()
        last = asyncio.create_task(link.publish("a", b"4"))
        await peer.silence()
        peer.send(mqtt5.PubAckPacket(first.packet_id))
        second = await peer.next(mqtt5.PublishPacket)
        assert second.payload == b"2"
        peer.send(mqtt5.PubAckPacket(second.packet_id))
        fourth = await peer.next(mqtt5.PublishPacket)
        assert fourth.payload == b"4"  # 3 was given up before it was sent
        peer.send(mqtt5.PubAckPacket(fourth.packet_id))
        await asyncio.wait_for(asyncio.gather(waiting, last), 1)


async def test_alarm_does_not_wait_behind_a_district_of_retained_states(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    for number in range(500):
        link.set_retained(f"baiying/gateway/zju1/endpoint/e{number}", b"{}")
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        states = [await peer.next(mqtt5.PublishPacket) for _ in range(16)]
        await peer.silence()
        alarm = asyncio.create_task(link.publish("baiying/alarm/zju1", b"now"))
        assert (await peer.next(mqtt5.PublishPacket)).topic == "baiying/alarm/zju1"
        peer.send(mqtt5.PubAckPacket(states[0].packet_id))
        assert (await peer.next(mqtt5.PublishPacket)).topic.endswith("/e16")
        alarm.cancel()


async def test_alarm_does_not_wait_behind_pictures_that_a_thin_line_holds_up(scripted, tasks):
    media, control = MediaLink("zju1", scripted.address), ControlLink("zju1", scripted.address)
    async with tasks(media.run()):
        _, hello = await scripted.greet()  # and nothing is read from this connection any more
        assert (hello.client_id, hello.will) == ("zju1.media", None)
        while not media.connected:
            await asyncio.sleep(0)
        pictures = [asyncio.create_task(media.publish("p", bytes(512 * 1024))) for _ in range(20)]
        async with tasks(control.run()):
            peer = await connected(scripted, control)
            alarm = asyncio.create_task(control.publish("baiying/alarm/zju1", b"now"))
            peer.send(mqtt5.PubAckPacket((await peer.next(mqtt5.PublishPacket)).packet_id))
            await asyncio.wait_for(alarm, 1)
            assert not any(picture.done() for picture in pictures)
    with pytest.raises(LinkError):
        await pictures[0]
    await asyncio.gather(*pictures, return_exceptions=True)


async def test_retained_value_is_published_again_on_every_connect(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    link.set_retained("t", b"1")
    async with tasks(link.run()):
        peer, _ = await scripted.greet()
        first = await peer.next(mqtt5.PublishPacket)
        peer.send(mqtt5.PubAckPacket(first.packet_id))
        peer.hang_up()
        peer, _ = await scripted.greet()
        again = await peer.next(mqtt5.PublishPacket)
        assert (again.topic, again.payload, again.retain) == ("t", b"1", True)


async def test_subscriptions_are_renewed_on_every_connect(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    filters = [f"t/{number}/+" for number in range(250)]
    for topic_filter in filters:
        link.subscribe(topic_filter, lambda _: None)
    link.subscribe("gone", lambda _: None)
    async with tasks(link.run()):
        for round_ in range(2):
            peer, _ = await scripted.greet()
            asked = []
            while len(asked) < 250 + (round_ == 0):
                packet = await peer.next(mqtt5.SubscribePacket)
                asked += [one.pattern for one in packet.topic_filters]
                peer.send(suback(packet))
            assert asked == filters + ["gone"] * (round_ == 0)
            if round_ == 0:
                link.unsubscribe("gone")
                assert (await peer.next(mqtt5.UnsubscribePacket)).patterns == ["gone"]
            peer.hang_up()


async def test_message_goes_to_its_handlers_and_is_acknowledged_after_them(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    seen = []
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        link.subscribe("a/+", seen.append)
        peer.send(suback(await peer.next(mqtt5.SubscribePacket)))
        packet = mqtt5.PublishPacket(
            "a/b",
            b"1",
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=9,
            retain=True,
            user_properties=[("taken", "x")],
        )
        for byte in packet.write():  # a byte at a time
            peer.send(bytes([byte]))
        assert (await peer.next(mqtt5.PubAckPacket)).packet_id == 9
        assert seen == [Incoming("a/b", b"1", retain=True, properties=(("taken", "x"),))]


async def test_two_messages_in_one_write_both_arrive(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    seen = []
    link.subscribe("#", lambda incoming: seen.append(incoming.payload))
    async with tasks(link.run()):
        peer, _ = await scripted.greet()
        await peer.next(mqtt5.SubscribePacket)
        one = mqtt5.PublishPacket("a", b"1", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1)
        two = mqtt5.PublishPacket("a", b"2", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=2)
        peer.send(one.write() + two.write())
        acknowledged = [(await peer.next(mqtt5.PubAckPacket)).packet_id for _ in range(2)]
        assert (seen, acknowledged) == ([b"1", b"2"], [1, 2])


async def test_handler_that_fails_is_counted_and_harms_nobody(scripted, tasks, until):
    counters, seen = Counters(), []
    link = ControlLink("zju1", scripted.address, counters=counters)
    link.subscribe("#", lambda _: 1 / 0)
    link.subscribe("#", lambda incoming: seen.append(incoming.payload))
    link.on_connection(lambda _: 1 / 0)
    async with tasks(link.run()):
        peer, _ = await scripted.greet()
        await peer.next(mqtt5.SubscribePacket)
        peer.send(mqtt5.PublishPacket("a", b"1", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1))
        await peer.next(mqtt5.PubAckPacket)
        assert seen == [b"1"]
        assert counters["link.handler_failed"] == 2
        assert link.connected


async def test_refused_subscription_is_logged_by_name(scripted, tasks, until, caplog):
    link = ControlLink("zju1", scripted.address)
    link.subscribe("secret/#", lambda _: None)
    async with tasks(link.run()):
        peer, _ = await scripted.greet()
        packet = await peer.next(mqtt5.SubscribePacket)
        peer.send(suback(packet, mqtt5.SubAckReasonCode.NOT_AUTHORIZED))
        await until(lambda: "secret/#" in caplog.text)
        assert "not authorized" in caplog.text


async def test_refused_retained_topic_is_counted_and_does_not_stop_the_others(
    scripted, tasks, until
):
    counters = Counters()
    link = ControlLink("zju1", scripted.address, counters=counters)
    for number in range(40):
        link.set_retained(f"t/{number}", b"x")
    async with tasks(link.run()):
        peer, _ = await scripted.greet()
        for _ in range(40):
            packet = await peer.next(mqtt5.PublishPacket)
            refusal = mqtt5.PubAckReasonCode.NOT_AUTHORIZED
            peer.send(mqtt5.PubAckPacket(packet.packet_id, reason_code=refusal))
        await until(lambda: counters["link.refused"] == 40)


async def test_message_larger_than_the_broker_takes_fails_and_the_link_lives(scripted, tasks):
    link = ControlLink("zju1", scripted.address)
    async with tasks(link.run()):
        peer = await connected(scripted, link, mqtt5.ConnAckPacket(max_packet_size=100))
        with pytest.raises(LinkError, match="at most 100"):
            await link.publish("a", b"x" * 100)
        sent = asyncio.create_task(link.publish("a", b"small"))
        peer.send(mqtt5.PubAckPacket((await peer.next(mqtt5.PublishPacket)).packet_id))
        await asyncio.wait_for(sent, 1)


@pytest.mark.parametrize(
    "junk",
    [
        b"\xf0\x00",
        b"\x00\x00",
        b"\x30\xff\xff\xff\xff\x7f",
        b"\x30\x04\x00\x01\xff\x00",  # a topic that is not UTF-8; the codec also complains aloud
        mqtt5.PingReqPacket().write(),
        mqtt5.ConnAckPacket().write(),
        b"\x30\x80\x80\x10" + b"x" * (140 * 1024),  # announces, and sends, more than we take
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_malformed_bytes_end_the_connection_and_another_is_made(scripted, tasks, junk):
    link = ControlLink("zju1", scripted.address)
    link.subscribe("#", lambda _: pytest.fail("something was made of it"))
    async with tasks(link.run()):
        peer, _ = await scripted.greet()
        await peer.next(mqtt5.SubscribePacket)
        peer.send(junk)
        await peer.closed()
        await scripted.greet()


async def test_broker_that_says_nothing_for_a_keep_alive_is_left(scripted, tasks):
    link = ControlLink("zju1", scripted.address, profile=Profile(keep_alive=1))
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        started = asyncio.get_running_loop().time()
        await peer.closed()
        assert 1.5 <= asyncio.get_running_loop().time() - started < 2.6
        await scripted.greet()


async def test_broker_that_answers_pings_is_kept(scripted, tasks):
    link = ControlLink("zju1", scripted.address, profile=Profile(keep_alive=1))
    async with tasks(link.run()):
        peer = await connected(scripted, link)
        for _ in range(5):
            assert isinstance(await peer._packet(), mqtt5.PingReqPacket)
            peer.send(mqtt5.PingRespPacket())
        assert link.connected


async def test_refused_gateway_says_why_once_and_tries_again(scripted, tasks, caplog):
    link = ControlLink("zju1", scripted.address)
    bad = mqtt5.ConnAckPacket(reason_code=mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD)
    async with tasks(link.run()):
        for _ in range(3):
            await scripted.greet(bad)
        await scripted.greet()
    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "bad user name or password" in warnings[0]
    assert "secret" not in caplog.text


async def test_stop_says_offline_and_leaves_so_that_the_will_is_not_needed(scripted):
    link = ControlLink("zju1", scripted.address, presence=PRESENCE)
    running = asyncio.create_task(link.run())
    peer, _ = await scripted.greet()
    online = await peer.next(mqtt5.PublishPacket)
    peer.send(mqtt5.PubAckPacket(online.packet_id))
    link.announce_stopping()
    assert b'"state":"stopping"' in (await peer.next(mqtt5.PublishPacket)).payload
    running.cancel()
    offline = await peer.next(mqtt5.PublishPacket)
    assert b'"state":"offline"' in offline.payload
    peer.send(mqtt5.PubAckPacket(offline.packet_id))
    goodbye = await peer.next(mqtt5.DisconnectPacket)
    assert goodbye.reason_code == mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION
    await asyncio.wait([running], timeout=1)
    assert running.cancelled()
    assert not link.connected


async def test_stop_does_not_wait_for_a_broker_that_hangs(scripted):
    link = ControlLink("zju1", scripted.address, presence=PRESENCE)
    running = asyncio.create_task(link.run())
    peer, _ = await scripted.greet()
    await peer.next(mqtt5.PublishPacket)
    started = asyncio.get_running_loop().time()
    running.cancel()
    await asyncio.wait([running], timeout=3)
    assert running.cancelled()
    assert asyncio.get_running_loop().time() - started < 1.5


async def test_stop_while_connecting_leaves_nothing_open(scripted):
    link = ControlLink("zju1", scripted.address)
    running = asyncio.create_task(link.run())
    peer = await scripted.accept()
    await peer.next(mqtt5.ConnectPacket)  # and no CONNACK
    running.cancel()
    await asyncio.wait([running], timeout=1)
    assert running.cancelled()
    await peer.closed()
