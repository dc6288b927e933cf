"""Recordings of real gateways: what is said on a talkgroup, replayed, after a kill, before an alarm."""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import time
import wave

import numpy as np
import pytest
import pytest_asyncio

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, likeness, opus_packets, until

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.asyncio(loop_scope="module")]

WHOLE = 0.6
"""Least likeness of any 300 ms piece, as in test_voice_path."""

SHARED = """\
talkgroups:
  tg: {hang_time_s: 0.2, record: true}
  private: {hang_time_s: 0.2}
groups:
  police: {name: P, party: police, street: x, talkgroup: private}
plans:
  panic:
    when: {category: panic}
    levels: [{name: one, page: [police], patch: true, ack_within_s: 600}]
"""
A_MORE = """\
inputs: {keys: {driver: virtual}}
recordings: {incidents: true, max_gib: 0.1, keep_free_mib: 64}
"""


class Scene:
    pass


def small_disk(folder):
    """Mount a file system of 200 MB there, where that can be done."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0


def umount(folder):
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def endpoints(one):
    return (
        "  button: {kind: button, site: s1, place: gate, input: keys, category: panic}\n"
        + one.left.yaml()
        + one.gate.yaml("private", ptt=False, more="place: gate\n    pre_alarm_s: 5")
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory):
    """Gateway a: left on tg, gate (an intercom) on private. Gateway b: right on tg."""
    one = Scene()
    async with Stage(tmp_path_factory.mktemp("rec"), shared=SHARED) as stage:
        one.stage = stage
        for name in ("left", "gate", "right"):
            setattr(one, name, await stage.radio(name))
        one.a = stage.configure("a", endpoints(one), more=A_MORE)
        one.b = stage.configure("b", one.right.yaml())
        one.disk = stage.folder / "a"
        one.disk.mkdir()
        one.mounted = small_disk(one.disk)
        await one.a.start()
        await one.b.start()
        for name in ("left", "gate", "right"):
            getattr(one, name).plug_in()
        one.watcher = await stage.client("watcher")
        one.foreign = await stage.client("foreign")
        one.said = sound.recorded("Front_Center")
        await asyncio.sleep(0.6)
        yield one
    if one.mounted:
        umount(one.disk)


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def quiet(scene):
    yield
    await asyncio.sleep(0.8)


async def command(gateway, *words):
    status, out, error = await gateway.command("recordings", *words, "--json")
    assert status == 0, error
    return json.loads(out)


def listed(gateway):
    """The index as anybody may read it, the oldest first."""
    folder = gateway.config.parent / gateway.name / "recordings"
    path = folder / "index.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM recording ORDER BY started").fetchall()
    return [{**row, "file": folder / row["file"]} for row in rows]


async def recorded(gateway, count, within=6.0, **wanted):
    """What is listed, once there are as many of them."""

    def look():
        return [
            one
            for one in listed(gateway)
            if all(one[key] == value for key, value in wanted.items())
        ]

    with contextlib.suppress(AssertionError):
        await until(lambda: len(look()) >= count, within)
    assert len(look()) == count, listed(gateway)
    return look()


async def heard(gateway, identifier, folder):
    """The sound of a recording."""
    path = folder / f"{identifier}.wav"
    status, _, error = await gateway.command("recordings", "play", identifier, "-o", str(path))
    assert status == 0, error
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, 1)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    import soxr

    return soxr.resample(samples, 48_000, RATE_HZ)


def warnings(path):
    """What ffmpeg has to say against a file."""
    return subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "warning", "-i", path, "-f", "null", "-"],
        capture_output=True, text=True, timeout=30, check=True,
    ).stderr  # fmt: skip


async def test_an_over_is_recorded_once_at_each_gateway_whole(scene, tmp_path):
    await scene.left.over(scene.said)
    for gateway in (scene.a, scene.b):
        (one,) = await recorded(gateway, 1, talker="a/left")
        assert (one["talkgroup"], one["lost"], one["whole"]) == ("tg", 0, 1)
        assert one["gateway"] == gateway.name
        assert one["length"] >= len(scene.said) / RATE_HZ
        assert likeness(await heard(gateway, one["id"], tmp_path), scene.said) > WHOLE
        assert warnings(one["file"]) == ""


async def test_a_foreign_talker_is_recorded_by_its_full_name_and_a_stranger_not_at_all(scene):
    seq = scene.foreign.ask("tg")
    granted = (await scene.foreign.answer(seq, op="granted")).json
    token = granted["term"], granted["grant"]
    packets = opus_packets(scene.said)
    del packets[20:23]
    await scene.foreign.speak("tg", packets[:20], token, ssrc=7, first=100, last=False)
    await scene.foreign.speak("tg", packets[20:], token, ssrc=7, first=123)
    scene.foreign.ask("tg", op="release")
    (one,) = await recorded(scene.a, 1, talker="foreign/radio")
    assert one["lost"] == 3
    assert one["packets"] == len(packets)
    assert "_lost-3" in one["file"].name
    assert warnings(one["file"]) == ""
    # Under a token of yesterday nothing is played, and so nothing is recorded.
    await scene.foreign.speak("tg", packets[:30], (0, 1), ssrc=8)
    assert not list((scene.disk / "recordings").glob("*/*.part"))


async def test_the_last_burst_is_replayed_under_floor_control(scene, tmp_path):
    await scene.left.over(scene.said)
    await recorded(
        scene.a,
        len([one for one in listed(scene.a) if one["talker"] == "a/left"]) + 1,
        talker="a/left",
    )
    await asyncio.sleep(0.6)
    since = time.monotonic()
    done = await command(scene.a, "replay", "--last", "--to", "tg")
    assert done["outcome"] == "spoken"
    assert done["talker"] == "a/replay"
    state = await scene.watcher.expect("floor", since=since, talker="a/replay", talkgroup="tg")
    assert state.json["priority"] == 50
    await asyncio.sleep(0.5)
    assert likeness(scene.right.sound(since), scene.said) > WHOLE
    (again,) = await recorded(scene.b, 1, talker="a/replay")
    assert again["lost"] == 0


async def test_one_endpoint_alone_hears_what_it_missed(scene):
    since = time.monotonic()
    done = await command(
        scene.a, "replay", "--last", "--from", "tg", "--to", "private", "--endpoint", "gate"
    )
    assert done["outcome"] == "spoken"
    await asyncio.sleep(0.4)
    assert likeness(scene.gate.sound(since), scene.said) > WHOLE
    assert not [one for one in scene.watcher.find("voice", since) if one.levels[1] == "private"]
    status, _, error = await scene.a.command(
        "recordings", "replay", "--last", "--to", "tg", "--endpoint", "left"
    )
    assert (status, "transmitter" in error) == (2, True)


async def test_a_person_takes_the_floor_from_a_replay(scene):
    name = (await command(scene.a, "list", "--talker", "left", "--last", "1"))[0]["id"]
    since = time.monotonic()
    process = await scene.a.begin("recordings", "replay", name, "--to", "tg")
    await scene.watcher.expect("floor", since=since, talker="a/replay", within=8)
    await scene.foreign.answer(scene.foreign.ask("tg"), op="granted")
    scene.foreign.ask("tg", op="release")
    _, error = await process.communicate()
    assert process.returncode == 1
    assert b"revoked" in error


async def test_what_was_said_before_an_alarm_is_kept_and_marked_and_so_is_its_talkgroup(
    scene, tmp_path
):
    await scene.gate.say(scene.said)  # nobody has opened a squelch: nobody hears it
    _, out, _ = await scene.a.command("press", "button", "--json")
    incident = json.loads(out)["incidents"][0]["id"]
    (before,) = await recorded(scene.a, 1, kind="pre-alarm")
    assert before["incident"] == incident
    assert before["talker"] == "a/gate"
    assert before["talkgroup"] is None
    assert 2.0 < before["length"] <= 5.1
    assert warnings(before["file"]) == ""
    assert likeness(await heard(scene.a, before["id"], tmp_path), scene.said) > WHOLE

    await asyncio.sleep(0.6)
    await scene.gate.over(scene.said)
    await recorded(scene.a, 1, talkgroup=f"incident-{incident}", incident=incident)
    of_it = [one for one in listed(scene.a) if one["incident"] == incident]
    assert [one["kind"] for one in of_it][:2] == ["pre-alarm", "burst"]
    assert of_it[1]["talker"] == "a/gate"
    out = tmp_path / "incident.opus"
    done = await command(scene.a, "export", "--incident", incident, "-o", str(out))
    assert done["recordings"] >= 2
    assert warnings(out) == ""


async def test_a_kill_in_the_middle_of_an_over_costs_its_last_seconds_only(scene):
    speech = np.tile(scene.said, 3)
    before = {one["id"] for one in listed(scene.a)}
    over = asyncio.create_task(scene.right.over(speech))
    await asyncio.sleep(2.6)
    scene.a.process.kill()
    await scene.a.process.wait()
    await over
    await scene.a.start()
    for radio in (scene.left, scene.gate):
        radio.plug_in()
    (one,) = await recorded(scene.a, 1, talker="b/right", whole=False)
    assert before < {found["id"] for found in listed(scene.a)}, "a start removes nothing"
    assert 1.0 <= one["length"] <= 2.7
    assert warnings(one["file"]) == ""
    await asyncio.sleep(1.0)


async def test_on_a_full_disk_recordings_give_way_and_presses_are_stored(scene):
    if not scene.mounted:
        pytest.skip("no file system can be mounted here")
    known = len(listed(scene.a))
    await scene.left.over(scene.said[:RATE_HZ])
    await until(lambda: len(listed(scene.a)) > known, 10)
    since = time.monotonic()
    ballast = scene.disk / "ballast"
    status = os.statvfs(scene.disk)
    try:
        with ballast.open("wb") as file:
            size = status.f_bavail * status.f_frsize - 32 * 1024 * 1024
            os.posix_fallocate(file.fileno(), 0, size)
        fault = {"recording": "fault", "storage": "ok"}
        await scene.watcher.expect("status", since=since, **fault, within=8)
        status, _, error = await scene.a.command("recordings", "status")
        assert status == 1
        assert "less than 64 MiB free" in error
        assert listed(scene.a) == [], "recordings give way before the journal does"
        await scene.left.over(scene.said[:RATE_HZ])
        status, out, _ = await scene.a.command("press", "button", "--json")
        assert json.loads(out)["stored"]
        assert listed(scene.a) == []
        since = time.monotonic()
    finally:
        ballast.unlink()  # the tests after this one have the same disk
    await scene.watcher.expect("status", since=since, recording="ok", within=8)
    await scene.left.over(scene.said[:RATE_HZ])
    await recorded(scene.a, 1, talker="a/left")


async def test_a_stop_in_the_middle_of_an_over_keeps_what_there_is(scene):
    await until(lambda: not scene.left.keyed)
    over = asyncio.create_task(scene.right.over(np.tile(scene.said, 3)))
    await asyncio.sleep(2.2)
    assert await scene.a.stop() == 0
    await over
    # Its controller goes, so the burst may have gone on under another one's grant.
    found = [one for one in listed(scene.a) if one["talker"] == "b/right"]
    assert 1 <= len(found) <= 2
    assert 1.5 <= sum(one["length"] for one in found) <= 2.6
    assert all(warnings(one["file"]) == "" for one in found)
