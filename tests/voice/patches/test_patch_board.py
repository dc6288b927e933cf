"""Patches by hand as gateways tell each other of them, and keep them."""

import asyncio
import json

import pytest

from gateway.errors import LocalProtocolError, StorageError
from gateway.link.messages import PatchMembers, PatchState, decode, encode
from gateway.link.topics import Topics
from gateway.moment import Moment, timestamp
from gateway.ops.counters import Counters
from gateway.voice.patches import patch_board
from gateway.voice.patches.hand_patches import OwnEndpoint
from gateway.voice.patches.patch_board import PatchBoard, Wanted
from tests.voice.rig import in_virtual_time

START = 1_800_000_000.0
PATCH = "0190a5c0-0000-7000-8000-000000000001"
MEMBERS = PatchMembers(talkgroups=("sec", "pol"), endpoints=())
OWN = [OwnEndpoint("guard", "sec")]


class Clock:
    """The loop's time, as both clocks."""

    def now(self):
        elapsed = asyncio.get_running_loop().time()
        return Moment(elapsed, START + elapsed - 1000.0)


class Broker:
    """The control connection and what the broker keeps."""

    def __init__(self):
        self.kept = {}
        self.handler = self.connection = None

    def subscribe(self, topic, handler):
        assert topic == "baiying/patch/+/+"
        self.handler = handler

    def on_connection(self, callback):
        self.connection = callback

    def set_retained(self, topic, payload, *, expiry=None):
        self.kept[topic] = (payload, expiry)

    def says(self, topic, payload):
        class Message:
            pass

        message = Message()
        message.topic, message.payload = topic, payload
        self.handler(message)


class Memory:
    def __init__(self, *kept):
        self.rows = dict(kept)
        self.fails = False
        self.hangs = False

    async def _may(self):
        if self.hangs:
            await asyncio.sleep(1_000)
        if self.fails:
            raise StorageError("no disk")

    async def standing(self):
        await self._may()
        return tuple(self.rows.values())

    async def made(self, patch, body):
        await self._may()
        self.rows[patch] = body

    async def ended(self, patch, body):
        await self._may()
        self.rows.pop(patch, None)


class World:
    def __init__(self, memory=None):
        self.broker, self.memory, self.counters = Broker(), memory or Memory(), Counters()
        self.changes = 0
        self.board = PatchBoard(
            "a", Topics(), self.broker, self.memory, Clock(), lambda: PATCH, self.counters, self._changed
        )  # fmt: skip

    def _changed(self):
        self.changes += 1

    @property
    def joined(self):
        return {patch.talkgroup: set(patch.endpoints) for patch in self.board.claims(OWN)}


def wanted(seconds=60.0, members=MEMBERS, name="race"):
    return Wanted(name, members, "li", seconds)


def state(patch=PATCH, owner="b", lasts=600.0, seq=1, talkgroup=None):
    return PatchState(
        id=patch, name="race", talkgroup=talkgroup or f"patch-{patch}", members=MEMBERS, owner=owner, by="wu",
        since=timestamp(START), until=timestamp(START + lasts), seq=seq,
    )  # fmt: skip


TOPIC = f"baiying/patch/{PATCH}"


@in_virtual_time
async def test_patch_is_joined_told_and_kept_and_ends_at_its_time():
    world = World()
    await world.board.start()
    made, stored = await world.board.make(wanted(60.0))
    assert stored
    assert world.joined == {f"patch-{PATCH}": {"guard"}}
    payload, expiry = world.broker.kept[TOPIC + "/a"]
    assert decode(PatchState, payload) == made
    assert expiry == 60
    assert PATCH in world.memory.rows
    await asyncio.sleep(59.9)
    assert world.joined
    await asyncio.sleep(0.3)
    assert world.joined == {}
    assert world.broker.kept[TOPIC + "/a"][0] == b""
    assert world.memory.rows == {}
    assert world.changes == 2


@in_virtual_time
async def test_patch_is_ended_before_its_time():
    world = World()
    await world.board.start()
    made, _ = await world.board.make(wanted())
    assert await world.board.end(made, "li")
    assert world.joined == {}
    assert world.broker.kept[TOPIC + "/a"][0] == b""
    assert world.memory.rows == {}


@in_virtual_time
async def test_restart_takes_up_what_is_left_and_ends_what_is_over():
    left, over = (
        state(owner="a"),
        state("0190a5c0-0000-7000-8000-000000000002", owner="a", lasts=-1.0),
    )
    world = World(Memory((left.id, encode(left)), (over.id, encode(over)), ("x", b"{broken")))
    await world.board.start()
    await asyncio.sleep(0.1)
    assert world.joined == {left.talkgroup: {"guard"}}
    assert decode(PatchState, world.broker.kept[TOPIC + "/a"][0]) == left
    assert over.id not in world.memory.rows


@pytest.mark.parametrize("fault", ["fails", "hangs"])
@in_virtual_time
async def test_disk_that_does_not_keep_it_keeps_nobody_from_talking(fault):
    world = World()
    await world.board.start()
    setattr(world.memory, fault, True)
    _, stored = await world.board.make(wanted())
    assert not stored
    assert world.joined
    assert world.counters["patch.not_stored"] == 1


@in_virtual_time
async def test_journal_that_cannot_be_read_leaves_the_brokers_copy_to_be_believed():
    memory = Memory()
    memory.fails = True
    world = World(memory)
    await world.board.start()
    world.broker.says(TOPIC + "/a", encode(state(owner="a")))
    assert world.joined == {f"patch-{PATCH}": {"guard"}}


@in_virtual_time
async def test_own_patch_that_the_journal_has_as_ended_is_cleared_at_the_broker():
    world = World()
    await world.board.start()
    world.broker.says(TOPIC + "/a", encode(state(owner="a")))
    assert world.joined == {}
    assert world.broker.kept == {TOPIC + "/a": (b"", None)}


@in_virtual_time
async def test_patch_of_another_gateway_is_joined_and_left_as_it_says():
    world = World()
    await world.board.start()
    world.broker.says(TOPIC + "/b", encode(state()))
    world.broker.says(TOPIC + "/b", encode(state()))
    assert world.joined == {f"patch-{PATCH}": {"guard"}}
    assert world.changes == 1, "told again is no change"
    world.broker.says(TOPIC + "/b", b"")
    assert world.joined == {}
    assert world.broker.kept == {}, "what is another's is not ours to clear"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPIC + "/c", encode(state(owner="b"))),
        ("baiying/patch/0190a5c0-0000-7000-8000-000000000009/b", encode(state())),
        (TOPIC + "/b", encode(state(talkgroup="police-xiaoying"))),
        (TOPIC + "/b", b"{"),
        (TOPIC + "/b", json.dumps({"v": 1}).encode()),
    ],
)
@in_virtual_time
async def test_what_is_no_patch_of_its_publisher_is_refused_and_counted(topic, payload):
    world = World()
    await world.board.start()
    world.broker.says(topic, payload)
    assert world.joined == {}
    assert world.counters["patch.malformed"] == 1


@in_virtual_time
async def test_what_the_broker_no_longer_tells_after_a_connect_has_ended():
    world = World()
    await world.board.start()
    other = "0190a5c0-0000-7000-8000-000000000002"
    world.broker.says(TOPIC + "/b", encode(state()))
    world.broker.says(f"baiying/patch/{other}/b", encode(state(other)))
    await world.board.make(Wanted("own", MEMBERS, "li", 500.0))  # the same id, of another owner
    world.broker.connection(False)
    await asyncio.sleep(100)
    assert len(world.joined) == 2, "without a broker what is known holds"
    world.broker.connection(True)
    world.broker.says(f"baiying/patch/{other}/b", encode(state(other)))
    await asyncio.sleep(patch_board._TOLD_WITHIN + 0.1)
    assert [one.owner for one in world.board.all()] == ["a", "b"]
    assert [one.id for one in world.board.all()][1] == other


@in_virtual_time
async def test_callers_mistake_is_an_error_before_anything_is_done():
    world = World()
    await world.board.start()
    with pytest.raises(LocalProtocolError):
        await world.board.make(
            wanted(members=PatchMembers(talkgroups=("Not A Name",), endpoints=()))
        )
    assert world.joined == {}
    assert world.broker.kept == {}
