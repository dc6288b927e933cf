"""Who controls the floor, and what happens to a burst when its controller goes."""

import asyncio
import time

import numpy as np
import pytest
import pytest_asyncio

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, likeness, until

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.asyncio(loop_scope="module")]

WHOLE = 0.6
SHARED = """\
talkgroups:
  tg: {hang_time_s: 0.2}
  ordered: {hang_time_s: 0.2, controllers: [c, b]}
"""


class Scene:
    pass


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory):
    """a (broker) has nobody on tg; b and c have. On ordered all three have."""
    self = Scene()
    async with Stage(tmp_path_factory.mktemp("election"), shared=SHARED) as stage:
        for name in ("tg-b", "tg-c", "ord-a", "ord-b", "ord-c"):
            setattr(self, name.replace("-", "_"), await stage.radio(name))
        self.a = stage.configure("a", self.ord_a.yaml("ordered"))
        self.b = stage.configure("b", self.tg_b.yaml() + self.ord_b.yaml("ordered"))
        self.c = stage.configure("c", self.tg_c.yaml() + self.ord_c.yaml("ordered"))
        for gateway in (self.a, self.b, self.c):
            await gateway.start()
        self.watcher = await stage.client("watcher")
        self.said = sound.recorded("Front_Center")
        await asyncio.sleep(0.6)
        plug_in(self)
        yield self


def plug_in(scene):
    for radio in (scene.tg_b, scene.tg_c, scene.ord_a, scene.ord_b, scene.ord_c):
        radio.plug_in()


def leaf(scene, talkgroup, client):
    """What the retained FloorState of a client says now; None where it is clear."""
    found = [
        one
        for one in scene.watcher.find("floor")
        if one.levels[1] == talkgroup and one.levels[3] == client
    ]
    return found[-1].json if found and found[-1].payload else None


async def say(scene, talker, listener, talkgroup, controller):
    """One short over; its FloorState, by the controller that must have granted it."""
    since = time.monotonic()
    await talker.over(scene.said[: RATE_HZ // 2])
    await listener.becomes(False, since=since)
    taken = [
        one
        for one in scene.watcher.find("floor", since, state="taken")
        if one.levels[1] == talkgroup
    ]
    assert {one.levels[3] for one in taken} == {controller}
    await until(lambda: leaf(scene, talkgroup, controller)["state"] == "idle", 2)
    await asyncio.sleep(0.35)
    return taken[-1].json


async def test_lowest_name_that_has_the_talkgroup_controls_and_passes_it_on(scene):
    terms = [(await say(scene, scene.tg_c, scene.tg_b, "tg", "b"))["term"]]
    assert leaf(scene, "tg", "a") is None
    assert leaf(scene, "tg", "c") is None
    assert await scene.b.stop() == 0
    assert leaf(scene, "tg", "b") is None, "one that leaves clears its FloorState"
    # With b gone c is alone on tg: grant it something, and see who did.
    since = time.monotonic()
    await scene.tg_c.over(scene.said[: RATE_HZ // 4])
    taken = await scene.watcher.expect("floor", since=since, talkgroup="tg", state="taken")
    assert taken.levels[3] == "c"
    terms.append(taken.json["term"])
    await scene.b.start()
    scene.tg_b.plug_in()
    scene.ord_b.plug_in()
    await until(lambda: leaf(scene, "tg", "c") is None, 3, "c does not clear its FloorState")
    terms.append((await say(scene, scene.tg_c, scene.tg_b, "tg", "b"))["term"])
    assert terms == sorted(set(terms)), "each controller under a term of its own"


async def test_configured_order_decides_and_a_burst_outlives_its_controller(scene):
    first = await say(scene, scene.ord_a, scene.ord_b, "ordered", "c")
    long = np.resize(scene.said, 3 * RATE_HZ)
    since = time.monotonic()
    over = asyncio.create_task(scene.ord_a.over(long))
    await scene.ord_b.becomes(True, since=since)
    await asyncio.sleep(0.7)
    killed = time.monotonic()
    scene.c.process.kill()
    taken = await scene.watcher.expect("floor", since=killed, talkgroup="ordered", state="taken")
    assert taken.levels[3] == "b"
    assert taken.json["talker"] == "a/ord-a"
    assert taken.json["term"] > first["term"]
    began = await over
    released = await scene.ord_b.becomes(False, since=killed)
    assert released > began + 3.0, "PTT dropped when the controller went"
    second = began + len(scene.said) / RATE_HZ
    assert likeness(scene.ord_b.sound(second - 0.1, 1.6), scene.said) > WHOLE
    answers = [one.json["op"] for one in scene.watcher.find("answer", killed)]
    assert "revoked" not in answers
    assert "denied" not in answers
    await scene.c.process.wait()
    await scene.c.start()
    scene.tg_c.plug_in()
    scene.ord_c.plug_in()
    await until(lambda: leaf(scene, "ordered", "b") is None, 3, "b does not give it back")
    last = await say(scene, scene.ord_a, scene.ord_b, "ordered", "c")
    assert last["term"] > taken.json["term"]


async def test_burst_outlives_the_return_of_a_better_controller(scene):
    assert await scene.c.stop() == 0
    await asyncio.sleep(0.3)
    long = np.resize(scene.said, 5 * RATE_HZ)
    since = time.monotonic()
    over = asyncio.create_task(scene.ord_a.over(long))
    await scene.ord_b.becomes(True, since=since)
    await scene.c.start()
    scene.tg_c.plug_in()
    scene.ord_c.plug_in()
    began = await over
    await scene.watcher.expect("floor", since=since, talkgroup="ordered", state="taken", within=1)
    assert await scene.ord_b.becomes(False, since=since) > began + 5.0
    assert [one.levels[3] for one in scene.watcher.find("floor", since, talker="a/ord-a")][
        -1
    ] == "c"
    last = began + 3 * len(scene.said) / RATE_HZ
    assert likeness(scene.ord_b.sound(last - 0.1, 1.3), scene.said[:RATE_HZ]) > WHOLE
