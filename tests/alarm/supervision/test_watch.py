"""The watch's shell: what it hears, asks, reports and keeps (`gateway.alarm.supervision.watch`, `lifesigns`)."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from gateway.alarm.journal.rows import Kind, Stored
from gateway.alarm.raised import Raised
from gateway.alarm.supervision.availability import Chain, chains_row
from gateway.alarm.supervision.lifesigns import KEPT_WITHIN, Watching
from gateway.alarm.supervision.presence import Presences
from gateway.alarm.supervision.supervision import Name, Part
from gateway.alarm.supervision.watch import Watch
from gateway.link.messages import Alive, Ping, Presence, Status, decode, encode
from gateway.link.topics import Topics
from gateway.moment import Moment, timestamp
from gateway.ops.counters import Counters
from gateway.ports import SignalKind
from tests.alarm.alarm_world import SOURCES, START
from tests.alarm.desk_world import BOOT, Message, until

TOPICS = Topics()
OTHER = Name(Part.GATEWAY, "zju2")
CAR = Name(Part.RESPONDER, "car-7")
PANEL = Name(Part.INPUT, "receiver-1")
BUTTON = Name(Part.ENDPOINT, "south-gate-button")
INTERCOM = Name(Part.ENDPOINT, "south-gate-intercom")


class HandClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> Moment:
        return self.at


class Wire:
    """The broker's side of a control connection, with a handler for each filter."""

    def __init__(self) -> None:
        self.connected = True
        self.handlers: dict[str, list] = {}
        self.posted: list[Message] = []
        self._callbacks: list = []

    def subscribe(self, topic_filter, handler):
        self.handlers.setdefault(topic_filter, []).append(handler)

    def unsubscribe(self, topic_filter, handler=None):
        self.handlers[topic_filter].remove(handler)
        if not self.handlers[topic_filter]:
            del self.handlers[topic_filter]

    def on_connection(self, callback):
        self._callbacks.append(callback)

    def post(self, topic, payload, *, expiry=None):
        self.posted.append(Message(topic, payload, expiry=expiry))
        sent = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent

    def connect(self, connected=True):
        self.connected = connected
        for callback in self._callbacks:
            callback(connected)

    def receive(self, topic, message, *, retain=False):
        payload = message if isinstance(message, bytes) else encode(message)
        levels = topic.split("/")
        for topic_filter, handlers in list(self.handlers.items()):
            wanted = topic_filter.split("/")
            if len(wanted) == len(levels) and all(
                want in ("+", level) for want, level in zip(wanted, levels, strict=True)
            ):
                for handler in handlers:
                    handler(Message(topic, payload, retain))


class Log:
    """A journal that keeps rows in a list."""

    def __init__(self, *before: tuple[str, str]) -> None:
        self.before = [
            Stored(number, START.wall - 60, Kind.LINK, key, body.encode())
            for number, (key, body) in enumerate(before)
        ]
        self.rows: list = []

    def append_soon(self, rows):
        self.rows += rows

    async def standing(self, kind):
        assert kind is Kind.LINK
        return tuple(self.before)

    @property
    def links(self):
        return [(row.key, json.loads(row.body)["up"]) for row in self.rows if row.key != "chains"]


class World:
    """A running watch."""

    def __init__(self, tmp_path, intervals, *, speaking=(), positions=False, before=()):
        self.clock, self.wire, self.log = HandClock(), Wire(), Log(*before)
        self.told: list = []
        self.refuse = False
        self.well = True
        self.presences = Presences()
        self.watch = Watch(
            "zju1",
            BOOT,
            TOPICS,
            self.wire,
            self.log,
            self.clock,
            Counters(),
            self.presences,
            self._report,
            SOURCES.get,
            lambda _name: self.well,
            tmp_path / "alive",
        )
        self.watching = Watching(
            intervals=intervals, speaking=frozenset(speaking), positions=positions
        )

    def _report(self, sighting, rows, done):
        if self.refuse:
            done(Raised(None, False, ()))
            return
        self.told.append((sighting.signal, sighting.subject))
        self.last = sighting
        self.log.append_soon(rows)

    def take(self):
        told, self.told = self.told, []
        return told

    def later(self, seconds):
        """Let time pass by a timer that is never late."""
        until = START.elapsed + seconds
        while (due := self.watch._timer._deadline) is not None and due <= until:
            self._set(due - START.elapsed)
            self.watch._timer.cancel()
            self.watch._expired(self.clock.now())
        self._set(seconds)

    def _set(self, seconds):
        self.clock.at = START.later(seconds)

    @contextlib.asynccontextmanager
    async def running(self):
        self.watch.configure(self.watching)
        task = asyncio.create_task(self.watch.run())
        try:
            while not self.watch._running:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def alive(now=START):
    return Alive(boot=BOOT, time=timestamp(now.wall))


def status(state="online"):
    return Status(state=state, boot=BOOT, version="0", since=timestamp(START.wall))


def presence(seconds=0.0, client="car-7"):
    return Presence(
        client=client,
        groups=("police",),
        on_duty=True,
        position=(30.2, 120.1),
        fixed=timestamp(START.wall + seconds),
        interval_s=10.0,
        time=timestamp(START.wall + seconds),
    )


async def test_gateway_is_asked_each_interval_and_silent_when_it_does_not_answer(tmp_path):
    async with World(tmp_path, {OTHER: 10.0}).running() as world:
        world.later(0)
        world.later(20)
        pings = [one for one in world.wire.posted if one.topic == TOPICS.ping("zju1", "zju2")]
        assert len(pings) == 3
        assert decode(Ping, pings[0].payload).interval_s == 10.0
        world.wire.receive(TOPICS.alive("zju2"), alive())
        world.later(42.4)
        assert world.take() == []
        world.later(42.5)
        assert world.take() == [(SignalKind.LOST, "gateway:zju2")]
        assert (world.last.category, world.last.source) == ("supervision", None)
        world.wire.receive(TOPICS.alive("zju2"), alive())
        assert world.take() == [(SignalKind.RESTORE, "gateway:zju2")]
        assert [one for one in world.log.links if one[0] == "gateway/zju2"] == [
            ("gateway/zju2", False),
            ("gateway/zju2", True),
        ]


async def test_retained_answers_and_forged_ones_are_no_signs_of_life(tmp_path):
    async with World(tmp_path, {OTHER: 10.0, CAR: 10.0}).running() as world:
        world.later(20)
        world.wire.receive(TOPICS.alive("zju2"), alive(), retain=True)
        world.wire.receive(TOPICS.alive("zju2"), b"{}")
        world.wire.receive(TOPICS.status("zju2"), status("offline"), retain=True)
        world.wire.receive(TOPICS.presence("car-7"), presence(client="car-8"))
        world.later(22.5)
        assert {subject for _, subject in world.take()} == {"gateway:zju2", "responder:car-7"}


async def test_status_and_presence_are_signs_of_life(tmp_path):
    async with World(tmp_path, {OTHER: 10.0, CAR: 10.0}).running() as world:
        for second in range(0, 100, 10):
            world.later(second)
            world.wire.receive(TOPICS.status("zju2"), status(), retain=True)
            world.wire.receive(TOPICS.presence("car-7"), presence(second), retain=True)
        assert world.take() == []
        world.later(95)
        world.wire.receive(TOPICS.action("x", "car-7"), b"any")
        world.later(90 + 22.5)
        assert world.take() == [(SignalKind.LOST, "gateway:zju2")]
        world.later(95 + 22.5)
        assert world.take() == [(SignalKind.LOST, "responder:car-7")]


async def test_what_the_broker_has_kept_wakes_nobody_who_was_silent_before_the_restart(tmp_path):
    before = (("gateway/zju2", '{"up":false}'), ("responder/car-7", '{"up":false}'))
    world = World(tmp_path, {OTHER: 10.0, CAR: 10.0}, before=before)
    async with world.running():
        world.wire.receive(TOPICS.status("zju2"), status(), retain=True)
        world.wire.receive(TOPICS.presence("car-7"), presence(), retain=True)
        world.later(KEPT_WITHIN)
        assert world.take() == []
        world.later(100)
        assert world.take() == []  # and what was told before is not told again
        world.wire.receive(TOPICS.status("zju2"), status(), retain=True)
        assert world.take() == [(SignalKind.RESTORE, "gateway:zju2")]


async def test_who_asks_is_answered_and_many_at_once_get_one_answer(tmp_path):
    async with World(tmp_path, {}).running() as world:
        ping = Ping(interval_s=1.0, time=timestamp(START.wall))
        for asker in ("zju2", "zju3"):
            world.wire.receive(TOPICS.ping(asker, "zju1"), ping)
        world.wire.receive(TOPICS.ping("zju2", "zju9"), ping)
        assert [one.topic for one in world.wire.posted] == [TOPICS.alive("zju1")]
        world.later(0.31)
        world.wire.receive(TOPICS.ping("zju2", "zju1"), ping)
        world.wire.receive(TOPICS.ping("zju3", "zju1"), ping, retain=True)
        assert len(world.wire.posted) == 2


async def test_input_is_heard_by_its_heartbeats(tmp_path):
    async with World(tmp_path, {PANEL: 30.0}).running() as world:
        world.later(30)
        world.watch.input_heard("receiver-1")
        world.watch.input_heard("another")
        world.later(30 + 67.5)
        assert world.take() == [(SignalKind.LOST, "input:receiver-1")]


async def test_endpoint_is_heard_by_its_signals_or_by_its_health(tmp_path):
    world = World(tmp_path, {BUTTON: 10.0, INTERCOM: 10.0}, speaking=[BUTTON.name])
    async with world.running():
        world.watch.endpoint_health(BUTTON.name, well=True)
        world.later(20)
        world.watch.endpoint_signalled(BUTTON.name)
        world.later(42.5)
        assert world.take() == [(SignalKind.LOST, "endpoint:south-gate-button")]
        assert world.last.source == SOURCES[BUTTON.name]
        world.later(50)
        world.watch.endpoint_health(INTERCOM.name, well=False)
        world.later(72.5)
        assert world.take() == [(SignalKind.LOST, "endpoint:south-gate-intercom")]
        world.watch.endpoint_health(INTERCOM.name, well=True)
        assert world.take() == [(SignalKind.RESTORE, "endpoint:south-gate-intercom")]


async def test_without_the_broker_no_gateway_is_called_silent(tmp_path):
    async with World(tmp_path, {OTHER: 1.0}).running() as world:
        world.wire.connect(False)
        world.later(60)
        world.wire.connect()
        world.later(62.2)
        assert world.take() == []
        world.later(62.25)
        assert world.take() == [(SignalKind.LOST, "gateway:zju2")]
        assert [one for one in world.log.links if one[0] == "broker"] == [
            ("broker", True),
            ("broker", False),
            ("broker", True),
        ]


async def test_what_the_desk_cannot_take_is_reported_again(tmp_path):
    async with World(tmp_path, {PANEL: 1.0}).running() as world:
        world.refuse = True
        world.later(2.25)
        assert world.take() == []
        assert ("input/receiver-1", False) not in world.log.links
        world.refuse = False
        world.later(3.25)
        assert world.take() == [(SignalKind.LOST, "input:receiver-1")]
        assert ("input/receiver-1", False) in world.log.links


async def test_run_of_the_gateway_is_noted_and_an_earlier_one_that_was_killed(tmp_path):
    (tmp_path / "alive").write_text(f"{START.wall - 30:.3f}\n", encoding="ascii")
    world = World(tmp_path, {}, before=(("gateway", '{"up":true}'),))
    async with world.running():
        rows = [json.loads(row.body) for row in world.log.rows if row.key == "gateway"]
        assert rows == [{"up": False, "since": START.wall - 30}, {"up": True}]
        await until(lambda: (tmp_path / "alive").read_text() == f"{START.wall:.3f}\n")
    assert [up for key, up in world.log.links if key == "gateway"] == [False, True, False]


async def test_outage_of_the_journal_is_written_down_once_it_is_over(tmp_path):
    async with World(tmp_path, {}).running() as world:
        world.watch.storage("disk full")
        world.later(30)
        world.watch.storage("disk full still")
        assert "journal" not in dict(world.log.links)
        world.watch.storage(None)
        rows = [json.loads(row.body) for row in world.log.rows if row.key == "journal"]
        assert rows == [{"up": False, "since": START.wall}, {"up": True}]


async def test_groups_come_and_go_with_their_clients(tmp_path):
    before = (("group/street", '{"up":true}'),)
    world = World(tmp_path, {}, positions=True, before=before)
    async with world.running():
        world.wire.receive(TOPICS.presence("car-7"), presence(), retain=True)
        assert len(list(world.presences.fixes("police", world.clock.now()))) == 1
        world.later(15)
        world.wire.receive(TOPICS.presence("car-7"), b"")
        groups = [one for one in world.log.links if one[0].startswith("group/")]
        assert groups == [("group/police", True), ("group/street", False), ("group/police", False)]


async def test_only_what_is_wanted_is_listened_to(tmp_path):
    async with World(tmp_path, {}).running() as world:
        assert set(world.wire.handlers) == {TOPICS.ping("+", "zju1")}
        world.watch.configure(Watching(intervals={CAR: 5.0}))
        assert TOPICS.presence("car-7") in world.wire.handlers
        world.watch.configure(Watching(intervals={CAR: 5.0, OTHER: 5.0}, positions=True))
        assert set(world.wire.handlers) == {
            TOPICS.ping("+", "zju1"),
            TOPICS.status("+"),
            TOPICS.alive("zju2"),
            TOPICS.action("+", "+"),
            TOPICS.presence("+"),
        }
        world.watch.configure(Watching())
        assert set(world.wire.handlers) == {TOPICS.ping("+", "zju1")}
    assert world.wire.handlers == {}


async def test_who_is_taken_out_of_the_configuration_while_silent_is_restored(tmp_path):
    async with World(tmp_path, {PANEL: 1.0}).running() as world:
        world.later(2.25)
        world.take()
        world.watch.configure(Watching())
        assert world.take() == [(SignalKind.RESTORE, "input:receiver-1")]
        assert world.last.text == "input receiver-1 is no longer supervised"


@pytest.mark.parametrize("known", [True, False])
async def test_chains_are_kept_only_where_they_have_changed(tmp_path, known):
    chain = Chain(input="desk", endpoint=None, groups=("police",), local=(), sources=2)
    before = (("chains", chains_row([chain]).body.decode()),) if known else ()
    world = World(tmp_path, {}, before=before)
    world.watch.take_chains([chain])  # before it is known what the journal has
    async with world.running():
        kept = [row for row in world.log.rows if row.key == "chains"]
        assert len(kept) == (0 if known else 1)
        world.watch.take_chains([chain])
        assert [row for row in world.log.rows if row.key == "chains"] == kept
