"""What a gateway tells of itself: `baiying status` and Prometheus, while people talk."""

import asyncio
import json
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from gateway.cli.demo import sound
from tests.system.rig_voice import BLOCK, RATE_HZ, Stage, free_port, until

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.asyncio(loop_scope="module")]


class Scene:
    def fetch(self, path="/metrics", method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    async def samples(self):
        kind, text = await asyncio.to_thread(self.fetch)
        assert kind.startswith("text/plain; version=0.0.4")
        return {
            (one.name, *sorted(one.labels.values())): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory):
    self = Scene()
    self.port = free_port()
    stage = Stage(tmp_path_factory.mktemp("figures"), shared="talkgroups: {tg: {hang_time_s: 0}}\n")
    async with stage:
        self.left, self.right = await stage.radio("left"), await stage.radio("right")
        more = f'metrics: {{listen: "127.0.0.1:{self.port}"}}\n'
        self.gateway = stage.configure("a", self.left.yaml() + self.right.yaml(), more=more)
        await self.gateway.start()
        await until(lambda: "the floor is controlled by a" in self.gateway.said(), 5)
        self.left.plug_in()
        self.right.plug_in()
        await asyncio.sleep(0.3)
        words = sound.recorded("Front_Center")
        blocks = words[: words.size // BLOCK * BLOCK].reshape(-1, BLOCK)
        loud = blocks[np.abs(blocks.astype(np.int32)).max(axis=1) > 1000]  # no pause to look into
        self.said = np.resize(loud.ravel(), 4 * RATE_HZ)
        yield self


async def test_status_shows_the_talker_while_it_talks_and_nobody_after(scene):
    await until(lambda: not scene.right.keyed, 8)  # where it is tried again
    since = time.monotonic()
    over = asyncio.create_task(scene.left.over(scene.said))
    await scene.right.becomes(True, since=since)
    await asyncio.sleep(0.3)
    status, out, error = await scene.gateway.command("status", "--json")
    assert status == 0, error
    now = json.loads(out)
    (talkgroup,) = now["talkgroups"]
    assert talkgroup["state"] == "taken", now
    assert talkgroup["talker"] == "a/left"
    assert talkgroup["controller"] == "a"
    assert set(talkgroup["members"]) == {"left", "right"}
    assert 0 < talkgroup["level_dbov"] < 90
    endpoints = {one["endpoint"]: one for one in now["endpoints"]}
    assert endpoints["left"]["squelch_open"]
    assert endpoints["right"]["ptt"]
    assert now["broker"] == {"control": True, "voice": True, "media": True}
    await over
    await scene.right.becomes(False, since=since)
    await until(lambda: not scene.right.keyed)
    await asyncio.sleep(0.5)
    _, out, _ = await scene.gateway.command("status", "--once")
    assert "a/left" not in out, out
    assert "left" in out
    assert "idle" in out
    assert "immediate" in " ".join(out.split())


async def test_prometheus_reads_the_kpis(scene):
    before, since = await scene.samples(), time.monotonic()
    await scene.left.over(scene.said)
    await scene.right.becomes(False, since=since)
    await until(lambda: not scene.right.keyed)
    after = await scene.samples()

    def grown(*key):
        return after[key] - before.get(key, 0)

    assert grown("baiying_floor_access_seconds_count", "tg") == 1
    assert grown("baiying_floor_access_seconds_bucket", "0.3", "tg") == 1, "KPI 1"
    assert grown("baiying_voice_end_to_end_access_seconds_count", "tg") == 1
    assert grown("baiying_voice_end_to_end_access_seconds_bucket", "1.0", "tg") == 1, "KPI 2"
    heard = grown("baiying_voice_mouth_to_ear_seconds_count", "tg")
    assert heard >= 2
    assert grown("baiying_voice_mouth_to_ear_seconds_bucket", "0.3", "tg") == heard, "KPI 3"
    assert grown("baiying_voice_frames_total", "played", "tg") > 150
    assert grown("baiying_floor_requests_total", "immediate") == 1
    assert after["baiying_broker_connected", "voice"] == 1
    assert after["baiying_incidents_standing",] == 0
    assert after["baiying_loop_lag_seconds_count", "loop"] > 0


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/", "GET", 404), ("/metrics", "POST", 405)]
)
async def test_any_other_request_is_refused(scene, path, method, status):
    with pytest.raises(urllib.error.HTTPError) as refused:
        await asyncio.to_thread(scene.fetch, path, method)
    assert refused.value.code == status


async def test_rubbish_and_silence_do_no_harm(scene):
    for rubbish in (b"\r\n\r\n", b"\x16\x03\x01" * 4000, b"GET"):
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.port)
        writer.write(rubbish)
        if rubbish == b"GET":
            writer.close()
            continue
        assert b"200" not in await reader.read(15)
        writer.close()
    assert ("baiying_flood",) in await scene.samples()
