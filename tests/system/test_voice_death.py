"""What dies in the middle of a burst: the talker's gateway, the keyed one, the broker, the controller."""

import asyncio
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, likeness, until

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.asyncio(loop_scope="module")]

WHOLE = 0.6
SHARED = "talkgroups: {tg: {hang_time_s: 0.2}}\n"


class Scene:
    async def talks(self, radio, seconds):
        """Start an over of ``radio`` and wait until the others are keyed."""
        since = time.monotonic()
        over = asyncio.create_task(radio.over(self.speech(seconds)))
        for other in (self.one, self.two, self.left, self.near):
            if other is not radio:
                await other.becomes(True, since=since)
        return over

    def speech(self, seconds):
        return np.resize(self.said, int(seconds * RATE_HZ))

    async def begin_again(self, gateway, *radios):
        await gateway.start()
        for radio in radios:
            radio.plug_in()
        await self.settle()

    async def settle(self):
        """Everybody is there, nobody talks, nobody is keyed."""
        await until(lambda: floor(self).get("state") == "idle", 5, "the floor is not idle")
        await until(lambda: not any(r.keyed for r in (self.one, self.two, self.left, self.near)), 2)
        await asyncio.sleep(0.4)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory):
    """Gateway a (broker, controller): one, two. Gateway b: left, near. All on tg."""
    self = Scene()
    async with Stage(tmp_path_factory.mktemp("death"), shared=SHARED) as stage:
        for name in ("one", "two", "left", "near"):
            setattr(self, name, await stage.radio(name))
        self.a = stage.configure("a", self.one.yaml() + self.two.yaml())
        self.b = stage.configure("b", self.left.yaml() + self.near.yaml())
        await self.a.start()
        await self.b.start()
        for radio in (self.one, self.two, self.left, self.near):
            radio.plug_in()
        self.watcher = await stage.client("watcher")
        self.said = sound.recorded("Front_Center")
        await asyncio.sleep(0.6)
        # A first word, so that there is a FloorState to look at.
        await self.one.over(self.said[: RATE_HZ // 4])
        await self.settle()
        yield self


def floor(scene):
    states = [one for one in scene.watcher.find("floor") if one.levels[3] == "a"]
    return states[-1].json if states else {}


def children(pid, name):
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            fields = (one / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and name in (one / "cmdline").read_text():
                found.append(int(one.name))
        except OSError:
            continue
    return found


async def test_killed_talker_frees_the_floor_in_a_second_and_unkeys_the_far_radio_in_half(scene):
    over = await scene.talks(scene.left, 2.0)
    await asyncio.sleep(0.3)
    killed = time.monotonic()
    scene.b.process.kill()
    released = await scene.one.becomes(False, since=killed)
    assert released - killed < 0.5
    free = await until(
        lambda: [
            one for one in scene.watcher.find("floor", killed) if one.json["state"] != "taken"
        ],
        2,
    )
    assert free[0].at - killed < 1.0
    await over
    await scene.b.process.wait()
    await scene.begin_again(scene.b, scene.left, scene.near)


async def test_stopped_talker_frees_the_floor_in_a_second_and_unkeys_the_far_radio_in_half(scene):
    over = await scene.talks(scene.left, 2.0)
    await asyncio.sleep(0.3)
    stopped = time.monotonic()
    scene.b.process.send_signal(signal.SIGSTOP)
    try:
        assert await scene.one.becomes(False, since=stopped) - stopped < 0.5
        free = await until(
            lambda: [
                one for one in scene.watcher.find("floor", stopped) if one.json["state"] != "taken"
            ],
            2,
        )
        assert free[0].at - stopped < 1.0
        await over
    finally:
        scene.b.process.send_signal(signal.SIGCONT)
    await scene.settle()


async def test_killed_while_keyed_the_transmitter_is_released_within_50_ms(scene):
    took = []
    for _ in range(3):
        over = await scene.talks(scene.one, 0.9)
        await asyncio.sleep(0.2)
        killed = time.monotonic()
        scene.b.process.kill()
        for radio in (scene.left, scene.near):
            took.append(await radio.becomes(False, since=killed) - killed)
        await over
        await scene.b.process.wait()
        await scene.begin_again(scene.b, scene.left, scene.near)
        assert not scene.left.keyed
    assert max(took) < 0.05, took


async def test_stopped_while_keyed_the_transmitter_is_released_within_150_ms_and_keys_again(scene):
    took = []
    for _ in range(4):
        over = await scene.talks(scene.one, 1.3)
        await asyncio.sleep(0.1)
        stopped = time.monotonic()
        scene.b.process.send_signal(signal.SIGSTOP)
        try:
            for radio in (scene.left, scene.near):
                took.append(await radio.becomes(False, since=stopped) - stopped)
            await asyncio.sleep(0.3)
            assert not scene.left.keyed
        finally:
            scene.b.process.send_signal(signal.SIGCONT)
        again = time.monotonic()
        assert await scene.left.becomes(True, since=again) - again < 0.3, "the burst goes on"
        await over
        await scene.settle()
    assert max(took) < 0.15, took


async def test_killed_keyer_releases_and_a_new_one_keys_the_same_burst_again(scene):
    over = await scene.talks(scene.one, 2.5)
    (keyer,) = children(scene.b.pid, "gateway.cli.keyer")
    os.kill(keyer, signal.SIGKILL)
    await until(lambda: children(scene.b.pid, "gateway.cli.keyer") not in ([], [keyer]), 3)
    await until(lambda: scene.left.line.exists() and scene.near.line.exists(), 3)
    await asyncio.sleep(0.3)
    scene.left.plug_in()
    scene.near.plug_in()
    await over
    await scene.settle()
    await (await scene.talks(scene.one, 0.6))
    await scene.settle()


async def test_with_the_embedded_broker_killed_two_radios_of_one_gateway_hear_each_other(scene):
    over = await scene.talks(scene.one, 2.6)
    (broker,) = children(scene.a.pid, "mosquitto")
    killed = time.monotonic()
    os.kill(broker, signal.SIGKILL)
    began = await over
    assert likeness(scene.two.sound(began, 1.5), scene.said) > WHOLE
    second = began + len(scene.said) / RATE_HZ
    assert likeness(scene.two.sound(second - 0.1, 1.5), scene.said[:RATE_HZ]) > WHOLE
    assert await scene.two.becomes(False, since=killed) > began + 2.6, "PTT dropped in between"
    # The others come back by themselves.
    await until(lambda: scene.watcher.find("status", killed), 8)
    await asyncio.sleep(1.5)
    await (await scene.talks(scene.left, 0.8))
    await scene.settle()


async def test_with_the_broker_hanging_two_radios_of_one_gateway_hear_each_other(scene):
    (broker,) = children(scene.a.pid, "mosquitto")
    os.kill(broker, signal.SIGSTOP)
    try:
        await asyncio.sleep(0.1)
        for talker, listener in ((scene.one, scene.two), (scene.left, scene.near)):
            if talker is scene.left:
                continue  # its controller is elsewhere, and does not answer: it has to wait
            began = await talker.over(scene.said)
            await listener.becomes(False, since=began)
            assert likeness(listener.sound(began), scene.said) > WHOLE
    finally:
        os.kill(broker, signal.SIGCONT)
    await asyncio.sleep(1)
    await (await scene.talks(scene.left, 0.8))
    await scene.settle()


async def test_with_broker_and_controller_gone_the_others_radios_hear_each_other_all_the_time(
    scene,
):
    over = await scene.talks(scene.left, 3.0)
    await asyncio.sleep(0.5)
    killed = time.monotonic()
    scene.a.process.kill()
    began = await over
    released = await scene.near.becomes(False, since=killed)
    assert released > began + 3.0, "PTT dropped when the controller went"
    second = began + len(scene.said) / RATE_HZ
    assert likeness(scene.near.sound(second - 0.1, 1.6), scene.said) > WHOLE
    await scene.a.process.wait()
    await asyncio.sleep(0.5)
    for talker, listener in ((scene.left, scene.near), (scene.near, scene.left)):
        began = await talker.over(scene.said)
        await listener.becomes(False, since=began)
        assert likeness(listener.sound(began), scene.said) > WHOLE
        await asyncio.sleep(0.4)
    # And when the controller is back it controls, under a newer term than ever.
    back = time.monotonic()
    await scene.a.start()  # its FloorState died with its broker
    scene.one.plug_in()
    scene.two.plug_in()
    await until(lambda: [s for s in scene.watcher.find("status", back) if s.levels[1] == "b"], 8)
    await asyncio.sleep(1)
    await (await scene.talks(scene.left, 0.8))
    await scene.settle()


async def test_sigterm_while_keyed_and_talking_releases_everything_within_5_s(scene):
    over = await scene.talks(scene.left, 2.0)
    stopping = time.monotonic()
    assert await scene.b.stop() == 0
    assert time.monotonic() - stopping < 5
    assert await scene.one.becomes(False, since=stopping) - stopping < 0.5
    assert not scene.near.keyed
    assert not scene.left.keyed
    await over
    await scene.begin_again(scene.b, scene.left, scene.near)
