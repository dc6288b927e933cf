"""Devices that are absent, late or gone, and the order of a transmitter."""

import asyncio
import contextlib
import signal
import socket
import time
import wave

import numpy as np
import pytest
import pytest_asyncio

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, likeness, until

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.asyncio(loop_scope="module")]

SHARED = "talkgroups: {tg: {hang_time_s: 0.2}, wav: {hang_time_s: 0.2}}\n"


class Scene:
    pass


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory):
    """a alone: left; slow (tx_delay 0.3, tail 0.4, rx_mute 0.5); vox; late, whose port is taken."""
    self = Scene()
    folder = tmp_path_factory.mktemp("device")
    async with Stage(folder, shared=SHARED) as stage:
        self.folder = folder
        for name in ("left", "slow", "talky", "late"):
            setattr(self, name, await stage.radio(name))
        self.said = sound.recorded("Front_Center")
        sound.write_wav(folder / "play.wav", np.zeros(RATE_HZ // 2, np.int16))
        self.taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.taken.bind(("127.0.0.1", self.late.listen_port))
        self.a = stage.configure(
            "a",
            self.left.yaml()
            + self.slow.yaml(more="tx_delay_s: 0.3\n    tail_s: 0.4\n    rx_mute_s: 0.5")
            + self.talky.yaml(squelch="{driver: vox, threshold_dbfs: -40, hang_s: 0.3}", ptt=False)
            + self.late.yaml()
            + "  recorder: {kind: relay, site: s1, talkgroup: tg, audio: {driver: file, play: play.wav, record: record.wav}}\n",
        )
        await self.a.start()
        self.left.plug_in()
        self.slow.plug_in()
        self.watcher = await stage.client("watcher")
        await asyncio.sleep(0.6)
        yield self
        self.taken.close()


def state_of(scene, endpoint):
    found = [one for one in scene.watcher.find("endpoint") if one.levels[-1] == endpoint]
    return found[-1].json if found else {}


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def quiet(scene):
    yield
    await until(lambda: not scene.left.keyed and not scene.slow.keyed, 3)
    await asyncio.sleep(0.6)


async def test_gateway_with_a_taken_audio_port_runs_and_reports_and_recovers(scene):
    assert state_of(scene, "late")["health"] == "fault"
    assert state_of(scene, "late")["faults"]
    assert state_of(scene, "left")["health"] == "ok"
    scene.taken.close()
    await until(lambda: state_of(scene, "late")["health"] == "ok", 8)
    assert state_of(scene, "late")["faults"] == []


async def test_transmit_delay_and_tail_enclose_the_whole_word(scene):
    began = await scene.left.over(scene.said)
    closed = time.monotonic()
    keyed = await scene.slow.becomes(True, since=began)
    released = await scene.slow.becomes(False, since=began)
    times = [at for at, _ in scene.slow.heard if at >= began]
    assert keyed - began < 0.1, "it keys at once"
    assert 0.29 <= times[0] - keyed < 0.36
    assert 0.38 <= released - times[-1] < 0.48
    assert released > closed
    assert likeness(scene.slow.sound(began), scene.said) > 0.6


async def test_squelch_of_a_transmitting_radio_is_not_listened_to_nor_for_its_mute_time(scene):
    began = time.monotonic()
    over = asyncio.create_task(scene.left.over(scene.said[: RATE_HZ // 2]))
    await scene.slow.becomes(True, since=began)
    scene.slow.squelch(True)  # as a duplexer makes it
    await over
    released = await scene.slow.becomes(False, since=began)
    assert not state_of(scene, "slow")["squelch_open"]
    asked = await scene.watcher.expect("request", since=began, talker="a/slow", within=2)
    assert 0.48 <= asked.at - released < 0.65
    scene.slow.squelch(False)


async def test_open_squelch_without_audio_never_asks(scene):
    scene.left.mute = True
    try:
        since = time.monotonic()
        await asyncio.sleep(0.1)
        scene.left.squelch(True)
        await asyncio.sleep(3.2)
        states = [one.json for one in scene.watcher.find("floor", since)]
        assert not scene.slow.keyed
        taken = [one for one in states if one["state"] == "taken"]
        assert len(taken) <= 1, "it takes the floor again and again without a word"
    finally:
        scene.left.squelch(False)
        scene.left.mute = False


async def test_microphone_that_dies_in_a_burst_frees_floor_and_transmitter(scene):
    began = time.monotonic()
    over = asyncio.create_task(scene.left.over(np.resize(scene.said, 3 * RATE_HZ)))
    await scene.slow.becomes(True, since=began)
    await asyncio.sleep(0.4)
    died = time.monotonic()
    scene.left.mute = True
    free = await until(
        lambda: [one for one in scene.watcher.find("floor", died) if one.json["state"] != "taken"],
        2,
    )
    assert free[0].at - died < 1.0
    assert await scene.slow.becomes(False, since=died) - died < 1.2
    await asyncio.sleep(0.3)
    assert not scene.slow.keyed
    scene.left.mute = False
    await scene.slow.becomes(True, since=time.monotonic(), within=1)  # still open: it asks again
    await over
    await scene.slow.becomes(False, since=time.monotonic())
    assert [on for at, on in scene.slow.ptt if at >= began] == [True, False, True, False]


async def test_voice_operated_endpoint_speaks_by_itself_with_its_first_syllable(scene):
    began = time.monotonic()
    await scene.talky.say(scene.said)
    keyed = await scene.left.becomes(True, since=began)
    assert keyed - began < 0.15
    await scene.left.becomes(False, since=began)
    assert likeness(scene.left.sound(began), scene.said) > 0.6


async def test_radio_that_nobody_has_plugged_in_holds_nothing_up(scene):
    scene.slow.unplug()
    for _ in range(2):
        began = await scene.left.over(scene.said[: RATE_HZ // 2])
        await asyncio.sleep(1.2)
        assert scene.slow.sound(began).any()
    scene.slow.plug_in()
    began = await scene.left.over(scene.said)
    await scene.slow.becomes(True, since=began)
    await scene.slow.becomes(False, since=began)


async def test_datagrams_of_any_kind_do_no_harm(scene):
    began = time.monotonic()
    over = asyncio.create_task(scene.left.over(scene.said))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for size in (0, 1, 2, 639, 641, 4000, 60_000):
            for port in (scene.left.listen_port, scene.slow.listen_port):
                with contextlib.suppress(OSError):
                    sender.sendto(b"\xff" * size, ("127.0.0.1", port))
    await over
    await scene.slow.becomes(False, since=began)
    assert likeness(scene.slow.sound(began), scene.said) > 0.6


async def test_recording_of_a_file_endpoint_is_valid_after_a_kill(scene):
    began = await scene.left.over(scene.said)
    await scene.slow.becomes(False, since=began)
    await asyncio.sleep(1.2)
    assert await scene.a.stop(signal.SIGKILL) == -signal.SIGKILL
    with wave.open(str(scene.folder / "record.wav")) as recording:
        heard = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
        assert recording.getnchannels() == 1
    assert len(heard) / RATE_HZ > 1
    assert likeness(heard[-2 * len(scene.said) :], scene.said) > 0.6
    await scene.a.start()
    scene.left.plug_in()
    scene.slow.plug_in()
