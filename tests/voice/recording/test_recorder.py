"""The recorder itself: ears on talkgroups, a thread for the disk, a fault that is told and ends."""

import asyncio
import random
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from gateway.moment import Moment
from gateway.ops.counters import Counters
from gateway.voice.recording import reading, recorder, shelf, writer
from gateway.voice.recording.incidents import Occasion
from gateway.voice.recording.index import Query
from gateway.voice.recording.recorder import Recorder, RecorderOptions
from gateway.voice.recording.retention import DEFAULT_LIMITS, Limits
from tests.voice.recording.rec_world import burst, ffmpeg, likeness

LIMITS = Limits(keep=None, keep_incident=None, max_bytes=None, keep_free=0)
INCIDENT = "0190a5c0-0000-7000-8000-000000000001"


class Floor:
    """A talkgroup as it has the recorder on it, and as somebody talks on it."""

    def __init__(self, name):
        self.name = name
        self.members = {}
        self.talker = None

    def join(self, member, *, speaks):
        assert not speaks
        assert member.name not in self.members
        self.members[member.name] = member

    def leave(self, name):
        del self.members[name]

    def say(self, packets, talker="zju1/radio"):
        now = asyncio.get_running_loop().time()
        for number, packet in enumerate(packets):
            for member in tuple(self.members.values()):
                at = now + number * 0.02
                member.on_packet(self.name, talker, packet, at, confirmed=True)


class Clock:
    def now(self):
        return Moment(time.monotonic(), time.time())


class Scene:
    def __init__(self, folder):
        self.folder = folder
        self.floors = {}
        self.faults = []
        self.counters = Counters()
        self.recorder = Recorder(
            "center",
            folder,
            self.floor,
            self.counters,
            Clock(),
            random.Random(1).getrandbits,
            self.faults.append,
        )

    def floor(self, name):
        return self.floors.setdefault(name, Floor(name))

    def configure(self, *talkgroups, **options):
        options.setdefault("limits", LIMITS)
        self.recorder.configure(RecorderOptions(talkgroups=frozenset(talkgroups), **options))

    @property
    def ears(self):
        return {name for name, floor in self.floors.items() if floor.members}

    async def kept(self, count=1, **query):
        deadline = time.monotonic() + 5
        while len(found := reading.find(self.folder, Query(**query))) < count:
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.01)
        return [one.recording for one in found]

    async def until(self, condition):
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


@pytest.fixture
async def scene(tmp_path):
    one = Scene(tmp_path / "recordings")
    yield one
    await one.recorder.close()


async def test_it_listens_where_it_is_told_to_and_nowhere_else(scene):
    scene.configure()
    assert scene.ears == set()
    assert not scene.folder.exists(), "nothing is recorded, so nothing is made"
    scene.configure("one", "two")
    assert scene.ears == {"one", "two"}
    scene.configure("two", "three")
    assert scene.ears == {"two", "three"}
    scene.configure()
    assert scene.ears == set()


async def test_a_burst_becomes_a_file(scene):
    scene.configure("tg")
    scene.floor("tg").say(burst(130))
    (one,) = await scene.kept()
    assert (one.talkgroup, one.talker, one.packets, one.whole) == ("tg", "zju1/radio", 130, True)
    await scene.until(lambda: scene.counters["recording.kept"] == 1)
    assert scene.counters["recording.bursts"] == 1
    assert scene.faults == []


async def test_the_talkers_full_name_is_asked_of_the_floor(scene):
    scene.configure("tg")
    scene.floor("tg").talker = "zju2/other"
    scene.floor("tg").say(burst(60)[:10], talker="zju1")
    assert [one.talker for one in scene.recorder.recording_now()] == ["zju1"]
    scene.floor("tg").talker = "zju1/radio"
    scene.floor("tg").say(burst(60)[10:], talker="zju1")
    (one,) = await scene.kept()
    assert one.talker == "zju1/radio"


async def test_a_talkgroup_that_is_recorded_no_more_ends_its_burst_where_it_is(scene):
    scene.configure("tg")
    scene.floor("tg").say(burst(60)[:40])
    scene.configure()
    (one,) = await scene.kept()
    assert (one.packets, one.whole) == (40, False)


async def test_a_burst_that_goes_silent_ends_by_itself(scene, monkeypatch):
    monkeypatch.setattr("gateway.voice.recording.bursts.SILENT", 0.1)
    scene.configure("tg")
    scene.floor("tg").say(burst(60)[:1])
    (one,) = await scene.kept()
    assert one.packets == 1


async def test_a_stop_keeps_what_there_is(tmp_path):
    scene = Scene(tmp_path / "recordings")
    scene.configure("tg")
    scene.floor("tg").say(burst(60)[:40])
    await scene.recorder.close()
    (one,) = await scene.kept()
    assert one.packets == 40
    assert scene.ears == set()


async def test_what_is_no_opus_is_not_recorded(scene):
    from dataclasses import replace

    scene.configure("tg")
    scene.floor("tg").say([replace(burst(2)[0], payload=b"\x03")])
    assert scene.counters["recording.malformed_opus"] == 1
    assert scene.recorder.recording_now() == []


async def test_a_folder_that_cannot_be_made_is_a_fault_that_ends(scene):
    scene.folder.write_text("in the way")
    scene.configure("tg")
    scene.floor("tg").say(burst(60))
    await scene.until(lambda: scene.faults)
    assert scene.recorder.fault is not None
    assert scene.counters["recording.failed"] >= 1
    scene.folder.unlink()
    scene.floor("tg").say(burst(60, ssrc=2))
    await scene.kept()
    await scene.until(lambda: scene.recorder.fault is None)
    assert len(scene.faults) == 2
    assert scene.faults[0] is not None
    assert scene.faults[1] is None


async def test_without_room_nothing_begins_and_the_fault_says_so(scene):
    scene.configure("tg", limits=Limits(keep_free=10**18))
    scene.floor("tg").say(burst(60))
    await scene.until(lambda: scene.faults)
    assert "MiB free" in scene.recorder.fault
    assert scene.counters["recording.no_room"] == 1
    assert reading.find(scene.folder, Query()) == []


async def test_a_start_makes_room_by_the_limits_that_are_configured(scene, monkeypatch):
    scene.configure("tg")
    scene.floor("tg").say(burst(60))
    await scene.until(lambda: reading.find(scene.folder, Query()))
    await scene.recorder.close()
    monkeypatch.setattr(shelf, "free_bytes", lambda _: DEFAULT_LIMITS.keep_free - 1)
    again = Scene(scene.folder)
    again.configure("tg", limits=replace(LIMITS, keep_free=DEFAULT_LIMITS.keep_free - 1))
    await again.recorder.close()
    assert len(reading.find(scene.folder, Query())) == 1


async def test_a_look_at_the_disk_tells_that_there_is_room_again(scene, monkeypatch):
    monkeypatch.setattr(recorder, "LOOK_PAUSE", 0.02)
    task = asyncio.create_task(scene.recorder.run())
    scene.configure("tg", limits=Limits(keep_free=10**18))
    await scene.until(lambda: scene.recorder.fault)
    scene.configure("tg")
    await scene.until(lambda: scene.recorder.fault is None)
    task.cancel()


async def test_voice_does_not_wait_for_a_disk_that_stands_still(scene, monkeypatch):
    """What is left out is counted as lost, and the length stays true."""
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    scene.configure("tg")
    scene.floor("tg").say(burst(1000)[:100])
    await scene.until(lambda: scene.counters["recording.bursts"])
    stands_still = threading.Event()
    scene.recorder._writer.do(stands_still.wait)
    began = time.monotonic()
    scene.floor("tg").say(burst(1000)[100:800])
    scene.floor("tg").say(burst(60, ssrc=2))
    assert time.monotonic() - began < 1.0
    assert scene.counters["recording.dropped"] > 300
    assert scene.counters["recording.refused"] == 1
    stands_still.set()
    await scene.until(lambda: scene.recorder._writer.accepts)
    scene.floor("tg").say(burst(1000)[800:])
    (one,) = await scene.kept()
    assert one.ticks == 1000 * 960
    assert one.lost == scene.counters["recording.dropped"]
    assert one.packets + one.lost == 1000


async def test_a_stop_does_not_wait_for_a_disk_that_never_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "CLOSE_WITHIN", 0.1)
    scene = Scene(tmp_path / "recordings")
    scene.configure("tg")
    scene.floor("tg").say(burst(60)[:40])
    stands_still = threading.Event()
    scene.recorder._writer.do(stands_still.wait)
    began = time.monotonic()
    await scene.recorder.close()
    assert time.monotonic() - began < 2.0
    assert scene.counters["recording.not_finished"] == 1
    stands_still.set()


def occasion(**changes):
    return Occasion(
        **{
            "incident": INCIDENT,
            "talkgroup": f"incident-{INCIDENT}",
            "talkers": frozenset({"center/gate"}),
            "severity": 1,
            "raised": time.time(),
            "drill": False,
            **changes,
        }
    )


async def test_an_incidents_talkgroup_is_recorded_while_it_is_open_if_asked_for(scene):
    scene.configure(incidents=True)
    scene.recorder.incident(occasion(talkgroup=None), ())
    assert scene.ears == set()
    scene.recorder.incident(occasion(), ())
    assert scene.ears == {f"incident-{INCIDENT}"}
    scene.floor(f"incident-{INCIDENT}").say(burst(60)[:40])
    scene.recorder.incident_closed(INCIDENT)
    assert scene.ears == set()
    (one,) = await scene.kept(incident=INCIDENT)
    assert one.packets == 40


async def test_an_incidents_talkgroup_is_not_recorded_by_default(scene):
    scene.configure("tg")
    scene.recorder.incident(occasion(), ())
    assert scene.ears == {"tg"}


def fill(scene, seconds=3.0, endpoint="gate"):
    ring = scene.recorder.ring(endpoint)
    ring.open(16_000)
    tone = (8000 * np.sin(np.arange(320) * 2 * np.pi / 32)).astype(np.int16)
    began = time.time() - seconds
    for number in range(round(seconds / 0.02)):
        ring.block(tone, began + number * 0.02)
    return tone


async def test_what_was_heard_before_an_alarm_is_stored_once(scene):
    scene.configure(pre_alarm={"gate": 2.0})
    tone = fill(scene)
    for _ in range(3):
        scene.recorder.incident(occasion(), {"gate", "button"})
    (one,) = await scene.kept(kind="pre-alarm")
    assert (one.talkgroup, one.talker, one.incident) == (None, "center/gate", INCIDENT)
    assert one.length == pytest.approx(2.0, abs=0.03)
    assert one.started == pytest.approx(time.time() - 2.0, abs=0.5)
    (kept,) = reading.find(scene.folder, Query())
    samples, said = ffmpeg(scene.folder / kept.file, rate_hz=16_000)
    assert said == ""
    assert abs(likeness(samples[8000:8320], tone)) > 0.5
    await asyncio.sleep(0.1)
    assert len(reading.find(scene.folder, Query())) == 1
    assert scene.counters["recording.before_alarms"] == 1


async def test_without_the_option_nothing_of_a_microphone_is_kept(scene):
    scene.configure("tg")
    assert scene.recorder.ring("gate") is None


async def test_an_incident_that_is_only_heard_of_now_stores_nothing(scene):
    scene.configure(pre_alarm={"gate": 2.0})
    fill(scene)
    scene.recorder.incident(occasion(raised=time.time() - 60), {"gate"})
    scene.recorder.incident(occasion(incident="other"), {"elsewhere"})
    await asyncio.sleep(0.1)
    assert reading.find(scene.folder, Query()) == []


async def test_an_option_that_is_taken_out_forgets_what_was_heard(scene):
    scene.configure(pre_alarm={"gate": 2.0})
    fill(scene)
    scene.configure("tg")
    scene.recorder.incident(occasion(), {"gate"})
    await asyncio.sleep(0.1)
    assert reading.find(scene.folder, Query(kind="pre-alarm")) == []
