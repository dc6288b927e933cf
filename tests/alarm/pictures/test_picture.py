from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from gateway.alarm.pictures import cameras as cameras_module
from gateway.alarm.pictures import picture as picture_module
from gateway.alarm.pictures import store as picture_store
from gateway.alarm.pictures.cameras import Cameras
from gateway.alarm.pictures.picture import Pictures
from gateway.alarm.pictures.store import PictureStore, Shot
from gateway.errors import DriverIOError, DriverOpenError, LinkError
from gateway.link.broker import BrokerOptions, EmbeddedBroker
from gateway.link.media_link import MediaLink
from gateway.link.topics import Topics
from gateway.moment import Moment, parse_timestamp
from gateway.ops.counters import Counters
from tests.alarm.pictures.test_jpeg import GOLDEN
from tests.alarm.test_inbox import INCIDENT, OTHER
from tests.alarm.test_responder import free_port, until

TOPICS = Topics()
TOPIC = TOPICS.picture(INCIDENT, "zju1")
NOON = 1_795_500_000.0


def jpeg_of(name: str) -> bytes:
    """A picture that says whose it is, in a comment segment."""
    comment = name.encode()
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return GOLDEN[:2] + segment + GOLDEN[2:]


class Lens:
    """A camera as its surroundings see it: what it shows, how long it takes, whether it works."""

    def __init__(self, shows: bytes, takes: float = 0.0) -> None:
        self.shows = shows
        self.takes = takes
        self.fails: Exception | None = None
        self.will_not_open: Exception | None = None
        self.openings = 0
        self.shots = 0
        self.gave_up = 0
        self.unplugged = asyncio.Event()

    async def run(self, ready) -> None:
        self.openings += 1
        if self.will_not_open is not None:
            raise self.will_not_open
        ready()
        await self.unplugged.wait()
        raise DriverIOError("lens", "unplugged")

    async def picture(self) -> bytes:
        self.shots += 1
        try:
            await asyncio.sleep(self.takes)
        except asyncio.CancelledError:
            self.gave_up += 1
            raise
        if self.fails is not None:
            raise self.fails
        return self.shows


@dataclass(frozen=True)
class Sent:
    topic: str
    payload: bytes
    retain: bool
    expiry: int | None
    properties: dict[str, str]


class Wire:
    """The broker's side of a media connection."""

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[Sent] = []
        self.open = asyncio.Event()
        self.open.set()
        self._callbacks = []

    async def publish(self, topic, payload, *, retain=False, expiry=None, properties=()) -> None:
        await self.open.wait()
        if not self.connected:
            raise LinkError("not connected")
        self.sent.append(Sent(topic, payload, retain, expiry, dict(properties)))

    def on_connection(self, callback) -> None:
        self._callbacks.append(callback)

    def connect(self, connected: bool) -> None:
        self.connected = connected
        for callback in self._callbacks:
            callback(connected)


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.wall = NOON

    def now(self) -> Moment:
        return Moment(self.wall - NOON, self.wall)


class Site:
    """Cameras and pictures of one gateway."""

    def __init__(self, folder: Path, wire) -> None:
        self.wire = wire
        self.clock = Clock()
        self.counters = Counters()
        self.faults: list[tuple[str, str | None]] = []
        self.store = PictureStore(folder)
        self.cameras = Cameras(lambda *fault: self.faults.append(fault), self.counters)
        self.pictures = Pictures(
            "zju1", TOPICS, wire, self.cameras, self.store, self.clock, self.counters
        )

    @contextlib.asynccontextmanager
    async def running(self, **lenses: Lens) -> AsyncIterator[Site]:
        async def run() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.pictures.run())
                for name, lens in lenses.items():
                    self.cameras.start(group, name.replace("_", "-"), lens)

        task = asyncio.create_task(run())
        await asyncio.sleep(0.02)
        try:
            yield self
        finally:
            assert not task.done(), task
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "pictures", Wire())


# On a press


async def test_a_press_publishes_the_picture_with_when_it_was_taken(site: Site):
    async with site.running(intercom=Lens(jpeg_of("gate"))):
        site.pictures.take(INCIDENT, ["button", "intercom"])
        await until(lambda: site.wire.sent)
    (sent,) = site.wire.sent
    assert (sent.topic, sent.payload, sent.retain, sent.expiry) == (
        TOPIC, jpeg_of("gate"), True, None,
    )  # fmt: skip
    assert parse_timestamp(sent.properties["taken"]) == NOON
    assert sent.properties["endpoint"] == "intercom"


async def test_only_endpoints_of_the_incident_that_have_a_camera_here_are_asked(site: Site):
    gate, ward = Lens(jpeg_of("gate")), Lens(jpeg_of("ward"))
    async with site.running(gate=gate, ward=ward):
        site.pictures.take(INCIDENT, ["button", "gate", "elsewhere", "gate"])
        await until(lambda: site.wire.sent)
    assert (gate.shots, ward.shots) == (1, 0)


async def test_a_slow_a_dead_and_a_lying_camera_delay_nothing(site: Site, monkeypatch):
    monkeypatch.setattr(picture_module, "PICTURE_TIME", 0.3)
    slow, dead, lying = Lens(GOLDEN, takes=60), Lens(GOLDEN), Lens(b"\x89PNG" + bytes(100))
    dead.fails = DriverIOError("dead", "no route to host")
    wild = Lens(GOLDEN)
    wild.fails = ZeroDivisionError("a defect of the driver")
    begin = time.monotonic()
    async with site.running(slow=slow, dead=dead, lying=lying, wild=wild, good=Lens(GOLDEN)):
        site.pictures.take(INCIDENT, ["slow", "dead", "lying", "wild", "good"])
        await until(lambda: site.wire.sent)
        assert time.monotonic() - begin < 0.25
        await until(lambda: slow.gave_up)
        await until(lambda: site.counters["camera.slow.failed"])
    assert [sent.properties["endpoint"] for sent in site.wire.sent] == ["good"]
    failed = {name: site.counters[f"camera.{name}.failed"] for name in ("dead", "lying", "wild")}
    assert failed == {"dead": 1, "lying": 1, "wild": 1}


async def test_two_presses_at_one_camera_share_the_picture_being_taken(site: Site):
    slow = Lens(GOLDEN, takes=0.2)
    async with site.running(slow=slow):
        site.pictures.take(INCIDENT, ["slow"])
        await until(lambda: slow.shots)
        site.pictures.take(OTHER, ["slow"])
        await until(lambda: len(site.wire.sent) == 2)
        assert slow.shots == 1
    topics = {sent.topic.split("/")[2] for sent in site.wire.sent}
    assert topics == {INCIDENT, OTHER}


async def test_a_camera_that_gives_nothing_is_no_picture_for_either_press(site: Site, monkeypatch):
    monkeypatch.setattr(picture_module, "PICTURE_TIME", 0.3)
    slow = Lens(GOLDEN, takes=60)
    async with site.running(slow=slow):
        site.pictures.take(INCIDENT, ["slow"])
        await until(lambda: slow.shots)
        site.pictures.take(OTHER, ["slow"])
        await until(lambda: site.counters["camera.slow.failed"] == 2)
        assert slow.shots == 1


async def test_the_topic_keeps_the_picture_of_the_first_endpoint_that_has_one(site: Site):
    first, second = Lens(jpeg_of("first"), takes=0.1), Lens(jpeg_of("second"))
    async with site.running(first=first, second=second):
        site.pictures.take(INCIDENT, ["first", "second"])
        await until(lambda: len(site.wire.sent) == 2)
        assert [sent.retain for sent in site.wire.sent] == [True, True]  # second came alone first
        first.takes, second.takes = 0.0, 0.1
        site.pictures.take(INCIDENT, ["first", "second"])
        await until(lambda: len(site.wire.sent) == 4)
    assert [(sent.properties["endpoint"], sent.retain) for sent in site.wire.sent[2:]] == [
        ("first", True),
        ("second", False),
    ]


async def test_a_later_presss_picture_replaces_an_earlier_ones(site: Site):
    lens = Lens(jpeg_of("before"))
    async with site.running(gate=lens):
        site.pictures.take(INCIDENT, ["gate"])
        await until(lambda: len(site.wire.sent) == 1)
        lens.shows = jpeg_of("after")
        site.pictures.take(INCIDENT, ["gate"])
        await until(lambda: len(site.wire.sent) == 2)
        await until(lambda: site.store.read(site.store.shots()[0]) == jpeg_of("after"))
    assert all(sent.retain for sent in site.wire.sent)
    assert len(site.store.shots()) == 1


# As long as the incident


async def test_the_picture_is_published_again_on_every_connect_and_after_a_restart(
    site: Site, tmp_path: Path
):
    async with site.running(gate=Lens(GOLDEN)):
        site.pictures.take(INCIDENT, ["gate"])
        await until(lambda: len(site.store.shots()) == 1)
        site.wire.connect(False)
        site.wire.connect(True)
        await until(lambda: len(site.wire.sent) == 2)
    again = Site(tmp_path / "pictures", Wire())
    async with again.running():
        await until(lambda: again.wire.sent)
    assert site.wire.sent[0] == site.wire.sent[1] == again.wire.sent[0]


async def test_a_picture_taken_while_the_broker_is_away_comes_with_it(site: Site):
    site.wire.connected = False
    async with site.running(gate=Lens(GOLDEN)):
        site.pictures.take(INCIDENT, ["gate"])
        await until(lambda: len(site.store.shots()) == 1)
        assert site.wire.sent == []
        site.wire.connect(True)
        await until(lambda: site.wire.sent)


async def test_a_closed_incidents_picture_expires_24_hours_after_it(site: Site):
    async with site.running(gate=Lens(GOLDEN)):
        site.pictures.take(INCIDENT, ["gate"])
        await until(lambda: len(site.store.shots()) == 1)
        site.pictures.closed(INCIDENT)
        site.pictures.closed(INCIDENT)
        await until(lambda: site.store.shots()[0].closed is not None and len(site.wire.sent) >= 2)
        assert (site.wire.sent[1].retain, site.wire.sent[1].expiry) == (True, 86_400)
        site.clock.wall += 86_399
        site.wire.connect(True)
        # The one of before may still be on its way: what counts is that this one has a second left.
        await until(lambda: site.wire.sent[-1].expiry == 1)
        count = len(site.wire.sent)
        site.clock.wall += 1
        site.wire.connect(True)
        await until(lambda: site.store.shots() == [])
    assert len(site.wire.sent) == count


async def test_a_picture_that_comes_after_the_end_expires_too(site: Site):
    async with site.running(gate=Lens(GOLDEN, takes=0.1)):
        site.pictures.take(INCIDENT, ["gate"])
        site.pictures.closed(INCIDENT)
        await until(lambda: site.wire.sent)
    assert site.wire.sent[0].expiry == 86_400


async def test_a_broker_that_stalls_bounds_what_waits_for_it(site: Site, monkeypatch):
    monkeypatch.setattr(picture_module, "MAX_UNDER_WAY", 2)
    site.wire.open.clear()
    lenses = {f"gate{number}": Lens(GOLDEN) for number in range(4)}
    async with site.running(**lenses):
        site.pictures.take(INCIDENT, list(lenses))
        await until(lambda: site.counters["pictures.not_published"] == 2)
        site.wire.open.set()
        await until(lambda: len(site.wire.sent) >= 2)


async def test_without_room_on_disk_the_picture_is_still_published(site: Site, tmp_path: Path):
    (tmp_path / "pictures").write_text("in the way")
    async with site.running(gate=Lens(GOLDEN)):
        site.pictures.take(INCIDENT, ["gate"])
        await until(lambda: site.counters["pictures.not_kept"])
    assert len(site.wire.sent) == 1


# The store


def test_the_folder_is_bounded_and_the_oldest_picture_goes_first(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(picture_store, "MAX_PICTURES", 3)
    store = PictureStore(tmp_path / "pictures")
    for number in range(5):
        store.keep(Shot(f"incident-{number}", "gate", NOON + number), GOLDEN)
    assert sorted(shot.incident for shot in store.shots()) == [
        "incident-2",
        "incident-3",
        "incident-4",
    ]


def test_what_is_no_picture_of_ours_in_the_folder_is_left_alone(tmp_path: Path):
    store = PictureStore(tmp_path)
    for name in ("holiday.jpg", "a_b_c.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert store.shots() == []
    store.prune(NOON)
    assert len(list(tmp_path.iterdir())) == 3


# The cameras


async def test_a_camera_that_goes_away_is_a_fault_and_is_opened_again(site: Site):
    lens = Lens(GOLDEN)
    async with site.running(gate=lens):
        assert site.faults == [("gate", None)]
        lens.will_not_open = DriverOpenError("gate", "refused")
        lens.unplugged.set()
        await until(lambda: ("gate", "unplugged") in site.faults)
        await until(lambda: ("gate", "refused") in site.faults)
        lens.will_not_open = None
        lens.unplugged.clear()
        await until(lambda: site.faults[-1] == ("gate", None))
        await site.cameras.stop("gate")
        assert "gate" not in site.cameras
        assert lens.openings >= 3


async def test_a_defect_in_a_driver_is_a_fault_of_its_camera_only(site: Site):
    bad = Lens(GOLDEN)
    bad.will_not_open = ZeroDivisionError("a defect")
    async with site.running(bad=bad, good=Lens(GOLDEN)):
        await until(lambda: ("bad", "ZeroDivisionError('a defect')") in site.faults)
        site.pictures.take(INCIDENT, ["good"])
        await until(lambda: site.wire.sent)


class Snapshot(Lens):
    """One that keeps nothing open: it says so and is done."""

    async def run(self, ready) -> None:
        self.openings += 1
        ready()


class Slow(Lens):
    async def run(self, ready) -> None:
        await self.unplugged.wait()
        ready()
        await asyncio.sleep(60)


async def test_a_camera_that_keeps_nothing_open_is_up_and_is_not_opened_again(site: Site):
    snapshot = Snapshot(GOLDEN)
    async with site.running(gate=snapshot):
        await site.cameras.settled()
        assert not [one for one in asyncio.all_tasks() if one.get_name() == "camera[gate]"]
        site.pictures.take(INCIDENT, ["gate"])
        await until(lambda: site.wire.sent)
    assert site.faults == [("gate", None)]
    assert snapshot.openings == 1


async def test_a_start_waits_for_cameras_but_not_for_long(site: Site, monkeypatch):
    monkeypatch.setattr(cameras_module, "OPEN_PATIENCE", 0.2)
    slow = Slow(GOLDEN)
    async with site.running(slow=slow, good=Lens(GOLDEN)):
        await site.cameras.settled()
        assert site.faults == [("good", None), ("slow", "is still being opened")]
        slow.unplugged.set()
        await site.cameras.settled()
        assert site.faults[-1] == ("slow", None)


# At a real broker


@pytest.mark.system
async def test_the_picture_is_retained_at_a_broker_and_again_when_that_restarts_empty(
    tmp_path: Path,
):
    options = BrokerOptions(
        host="127.0.0.1", port=free_port(), folder=tmp_path / "broker", clients=("zju1", "eye")
    )
    async with EmbeddedBroker(options).running() as broker:
        link = MediaLink("zju1", broker.address("zju1"))
        linking = asyncio.create_task(link.run())
        site = Site(tmp_path / "pictures", link)
        try:
            async with site.running(gate=Lens(jpeg_of("gate"))):
                await until(lambda: link.connected)
                site.pictures.take(INCIDENT, ["gate"])
                await until(lambda: len(site.store.shots()) == 1)
                first = await asyncio.to_thread(retained, broker)
                starts = broker.starts
                os.kill(broker.pid, signal.SIGKILL)
                await until(lambda: broker.starts > starts, 10)
                again = await asyncio.to_thread(retained, broker)
        finally:
            linking.cancel()
            await asyncio.gather(linking, return_exceptions=True)
    assert first.payload == again.payload == jpeg_of("gate")
    assert dict(first.properties.UserProperty)["endpoint"] == "gate"


def retained(broker: EmbeddedBroker) -> paho.MQTTMessage:
    """The retained picture, as a client that is not ours sees it."""
    found: list[paho.MQTTMessage] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "eye", protocol=paho.MQTTv5)
    client.username_pw_set(*broker.credentials("eye"))
    client.on_message = lambda _client, _data, message: found.append(message)
    client.on_connect = lambda *_: client.subscribe(TOPIC, qos=1)
    deadline = time.monotonic() + 10
    connected = False
    while not found:
        assert time.monotonic() < deadline
        if not connected:
            with contextlib.suppress(OSError):
                client.connect("127.0.0.1", broker.address("eye").port)
                connected = True
        if client.loop(0.05) != paho.MQTT_ERR_SUCCESS:
            connected = False
    client.disconnect()
    return found[0]
