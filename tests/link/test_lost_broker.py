"""A broker that hangs, vanishes or goes silent, and what our clients make of it (fault table 1 to 4)."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import LinkError
from gateway.link.dial import Profile
from gateway.link.media_link import MediaLink
from gateway.link.session import ControlLink
from gateway.link.voice_link import VoiceLink

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]

GATEWAY = """
import asyncio, json, sys
from gateway.link.address import BrokerAddress
from gateway.link.presence import Presence
from gateway.link.session import ControlLink
async def main():
    presence = Presence(topic="baiying/gateway/zju1/status",
                        boot="0190a5c0-0000-7000-8000-000000000000", version="0")
    link = ControlLink("zju1", BrokerAddress(**json.loads(sys.argv[1])), presence=presence)
    await link.run()
asyncio.run(main())
"""


async def test_others_learn_at_once_that_a_gateway_was_killed(broker, until, tasks):
    address = broker.address("zju1")
    facts = {
        "host": address.host,
        "port": address.port,
        "username": "zju1",
        "password": address.password,
    }
    seen = []
    console = ControlLink("police", broker.address("police"))
    console.subscribe(
        "baiying/gateway/+/status",
        lambda incoming: seen.append((json.loads(incoming.payload)["state"], incoming.retain)),
    )
    async with tasks(console.run()):
        await until(lambda: console.connected)
        gateway = await asyncio.create_subprocess_exec(
            sys.executable, "-c", GATEWAY, json.dumps(facts), cwd=ROOT
        )
        await until(lambda: seen == [("online", True)], 10)
        gateway.kill()
        await gateway.wait()
        await until(lambda: seen == [("online", True), ("offline", True)], 1)


async def test_publish_waits_for_a_broker_that_hangs_and_fails_when_it_is_given_up(
    broker, until, tasks, stalled
):
    link = ControlLink("zju1", broker.address("zju1"), profile=Profile(keep_alive=1))
    ups = []
    link.on_connection(ups.append)
    async with tasks(link.run()):
        await until(lambda: link.connected)
        with stalled(broker.pid):
            many = [
                asyncio.create_task(link.publish("baiying/alarm/zju1", b"%d" % number))
                for number in range(200)
            ]
            await asyncio.sleep(0.3)
            assert not any(task.done() for task in many)
            results = await asyncio.wait_for(asyncio.gather(*many, return_exceptions=True), 4)
            assert all(isinstance(result, LinkError) for result in results)
            assert ups == [True, False]
        await until(lambda: link.connected, 12)
        await link.publish("baiying/alarm/zju1", b"again")


async def test_broker_restarted_under_all_three_connections_is_found_again(broker, until, tasks):
    control = ControlLink("zju1", broker.address("zju1"))
    voice = VoiceLink("zju1", broker.address("zju1"))
    media = MediaLink("zju1", broker.address("zju1"))
    hearer = VoiceLink("police", broker.address("police"))
    heard = []
    hearer.subscribe("baiying/talkgroup/+/voice/+", lambda _, payload: heard.append(payload))
    links = (control, voice, media, hearer)
    async with tasks(*(link.run() for link in links)):
        await until(lambda: all(link.connected for link in links))
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: not any(link.connected for link in links))
        await until(lambda: all(link.connected for link in links), 20)
        await asyncio.sleep(0.1)
        assert voice.publish("baiying/talkgroup/police/voice/zju1", b"again")
        await until(lambda: heard == [b"again"])


async def test_picture_of_the_largest_size_arrives_with_its_time(broker, until, tasks):
    camera = MediaLink("zju1", broker.address("zju1"))
    console = MediaLink("police", broker.address("police"))
    seen = []
    topic = "baiying/incident/0190a5c0-0000-7000-8000-000000000000/picture/zju1"
    picture = os.urandom(512 * 1024)
    async with tasks(camera.run(), console.run()):
        await until(lambda: camera.connected)
        taken = (("taken", "2026-11-24T05:45:08.123Z"),)
        await camera.publish(topic, picture, retain=True, expiry=86_400, properties=taken)
        console.subscribe("baiying/incident/+/picture/+", seen.append)
        await until(lambda: seen)
    assert (seen[0].topic, seen[0].payload == picture, seen[0].retain) == (topic, True, True)
    assert seen[0].properties == taken


async def test_our_own_voice_does_not_come_back(broker, until, tasks):
    voice, other = (VoiceLink(name, broker.address(name)) for name in ("zju1", "police"))
    heard = []
    voice.subscribe("baiying/talkgroup/#", lambda topic, _: heard.append(topic))
    async with tasks(voice.run(), other.run()):
        await until(lambda: voice.connected and other.connected)
        await asyncio.sleep(0.05)
        voice.publish("baiying/talkgroup/t/voice/zju1", b"own", expiry=2)
        other.publish("baiying/talkgroup/t/voice/police", b"theirs", expiry=2)
        await until(lambda: heard)
        await asyncio.sleep(0.05)
    assert heard == ["baiying/talkgroup/t/voice/police"]


HALF_OPEN = """
import asyncio, subprocess, sys, time
from gateway.link.address import BrokerAddress
from gateway.link.session import ControlLink
from gateway.link.voice_link import VoiceLink

broker = subprocess.Popen(["unshare", "--net", "--kill-child", "sh", "-c",
    "ip link set lo up; exec mosquitto -c " + sys.argv[1]], stderr=subprocess.DEVNULL)

def there(*command):
    subprocess.run(["nsenter", "-t", str(broker.pid), "-n", *command], check=True)

async def main():
    await asyncio.sleep(0.3)
    def here(*command):
        subprocess.run(command, check=True)
    here("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
    here("ip", "link", "set", "far", "netns", str(broker.pid))
    here("ip", "addr", "add", "10.9.0.1/24", "dev", "near")
    here("ip", "link", "set", "near", "up")
    there("ip", "addr", "add", "10.9.0.2/24", "dev", "far")
    there("ip", "link", "set", "far", "up")
    address = BrokerAddress(host="10.9.0.2", port=1883)
    control, voice = ControlLink("zju1", address), VoiceLink("zju1", address)
    tasks = [asyncio.create_task(link.run()) for link in (control, voice)]
    while not (control.connected and voice.connected):
        await asyncio.sleep(0.01)
    there("ip", "route", "add", "blackhole", "10.9.0.1/32")  # what the broker answers is lost
    started = time.monotonic()
    busy = sys.argv[2] == "busy"
    while control.connected or voice.connected:
        if busy:
            voice.publish("baiying/talkgroup/t/voice/zju1", b"x" * 100)
        await asyncio.sleep(0.02)
        assert time.monotonic() - started < 10
    print(time.monotonic() - started, flush=True)
    there("ip", "route", "del", "blackhole", "10.9.0.1/32")
    while not (control.connected and voice.connected):
        await asyncio.sleep(0.01)
        assert time.monotonic() - started < 20
    print("healed", flush=True)

try:
    asyncio.run(main())
finally:
    broker.kill()
"""


def namespaces():
    """Whether we may make network namespaces joined by a cable."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
        return False
    probe = ["unshare", "--net", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not namespaces(), reason="needs root and network namespaces with veth")
@pytest.mark.parametrize("traffic", ["busy", "idle"])
async def test_path_that_carries_nothing_is_noticed_within_three_seconds(tmp_path, traffic):
    """Half-open TCP: the broker hears us, its answers are lost. In a network of its own."""
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text("listener 1883 0.0.0.0\nallow_anonymous true\nuser root\n")
    command = ["unshare", "--net", sys.executable, "-c", HALF_OPEN, configuration, traffic]
    child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=ROOT)
    said, _ = await asyncio.wait_for(child.communicate(), 30)
    noticed, healed = said.decode().split()
    assert healed == "healed"
    assert float(noticed) <= 3.3  # fault table 4: 3 s; the rest is for a loaded machine
