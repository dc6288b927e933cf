"""The neighbours' shell: order, bounds, and what a broker that is away costs."""

import asyncio
from dataclasses import replace

from gateway.alarm.neighbours import neighbours
from gateway.alarm.neighbours.cap import CapOptions
from gateway.alarm.neighbours.neighbours import Neighbours
from gateway.alarm.neighbours.options import NeighbourOptions
from gateway.errors import LinkError
from gateway.link.topics import Topics
from gateway.ops.counters import Counters
from tests.alarm.neighbour_world import incident_state
from tests.alarm.neighbours.test_cloudevents import EVENT
from tests.alarm.neighbours.test_home_assistant import BUTTON

BOTH = NeighbourOptions(
    cap=CapOptions(sender="zju1", sender_name="zju1"), cloudevents=True, discovery="homeassistant"
)


class Broker:
    def __init__(self):
        self.connected = True
        self.published = []
        self.retained = {}
        self.answers = asyncio.Event()
        self.answers.set()

    async def publish(self, topic, payload, *, content_type=None):
        await self.answers.wait()
        if not self.connected:
            raise LinkError("away")
        self.published.append((topic, content_type))

    def set_retained(self, topic, payload):
        self.retained[topic] = payload


def made(broker, options=BOTH, endpoints=(BUTTON,)):
    made = Neighbours("zju1", Topics(), broker, Counters(), lambda _site: None)
    made.configure(options, endpoints)
    return made


async def running(made, until):
    task = asyncio.create_task(made.run())
    async with asyncio.timeout(5):
        while not until():
            await asyncio.sleep(0)
    task.cancel()


async def test_signal_and_incident_are_told_in_order_with_their_content_types():
    broker = Broker()
    one = made(broker)
    one.event(EVENT)
    one.incident(incident_state())
    await running(one, lambda: len(broker.published) == 3)
    assert broker.published == [
        ("baiying/cloudevents/zju1", "application/cloudevents+json; charset=utf-8"),
        ("baiying/cap/zju1", "application/cap+xml"),
        ("baiying/cloudevents/zju1", "application/cloudevents+json; charset=utf-8"),
    ]


async def test_nothing_is_told_where_nobody_is_configured():
    broker = Broker()
    one = made(broker, NeighbourOptions())
    one.event(EVENT)
    one.incident(incident_state())
    task = asyncio.create_task(one.run())
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    assert broker.published == []
    assert broker.retained == {}


async def test_older_copy_of_a_state_tells_nothing():
    broker = Broker()
    one = made(broker)
    one.incident(incident_state(seq=5))
    one.incident(incident_state(seq=4, level=2))
    await running(one, lambda: len(broker.published) == 2)
    assert len(broker.published) == 2


async def test_stalled_broker_costs_the_oldest_messages_and_a_count():
    broker = Broker()
    broker.answers.clear()
    counters = Counters()
    one = Neighbours("zju1", Topics(), broker, counters, lambda _site: None)
    one.configure(BOTH, ())
    for seq in range(neighbours.MAX_WAITING + 5):
        one.event(replace(EVENT, seq=seq))
    assert counters.snapshot()["neighbours.dropped"] == 5


async def test_message_that_was_refused_is_sent_again(monkeypatch):
    monkeypatch.setattr(neighbours, "RETRY", 0.01)
    broker = Broker()
    broker.connected = False
    one = made(broker, NeighbourOptions(cloudevents=True))
    one.event(EVENT)
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0.03)
    assert broker.published == []
    broker.connected = True
    async with asyncio.timeout(5):
        while not broker.published:
            await asyncio.sleep(0.005)
    task.cancel()


def test_endpoint_that_is_gone_is_taken_out_of_home_assistant():
    broker = Broker()
    one = made(broker)
    shown = [topic for topic, payload in broker.retained.items() if payload]
    assert "homeassistant/event/zju1/south-gate-button/config" in shown
    one.configure(BOTH, ())
    assert broker.retained["homeassistant/event/zju1/south-gate-button/config"] == b""
    one.configure(NeighbourOptions(), ())
    assert not any(broker.retained.values())
