"""A gateway that is killed at any moment loses no press that it has acknowledged.

Real everything: `baiying run`, a panel on a pseudo-terminal, a broker, and a receiver that signs.
Every sync of the journal's disk takes 20 ms more, so that there is a "before the commit" to be
killed in.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from tests.disk import FaultyDisk
from tests.system import rig

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
SYNC_MS = 20
CYCLES = 100
CONTROL_CYCLES = 12
GROUPS = ("police", "hospital", "street")


class Starter:
    """Starts and kills one gateway after another; ``log`` holds all of their runs."""

    def __init__(self, config: Path, disk: FaultyDisk, mode: str) -> None:
        self._log = config.with_suffix(".log")
        self._pid = 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, Path(__file__).with_name("crash_starter.py"), config, mode],
                env={**disk.environment, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
            )
        assert self._say() == "imported"

    def _say(self, line: str | None = None) -> str:
        if line is not None:
            self._process.stdin.write(line + "\n")
        return self._process.stdout.readline().strip()

    def start(self) -> None:
        """One gateway, up to its word ``ready``."""
        before = self._log.stat().st_size
        self._pid = int(self._say("start"))

        def ready() -> bool:
            with self._log.open("rb") as log:
                log.seek(before)
                return b" ready" in log.read()

        rig.until(ready, 20, "ready")

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        assert self._say("") == "ended"
        self._pid = 0

    def end(self) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()


class Receiver:
    """A client that is not ours: keeps every event and page, and signs for each page."""

    def __init__(self, port: int) -> None:
        self.events: dict[str, list[dict]] = {}
        self.incidents: dict[str, set[str]] = {}
        self.paged: dict[str, set[str]] = {}
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="receiver", protocol=paho.MQTTv5
        )
        self._client.on_connect = lambda *_: self._client.subscribe("baiying/#", qos=1)
        self._client.on_message = self._arrived
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _arrived(self, _client, _userdata, message) -> None:
        levels = message.topic.split("/")[1:]
        if levels[0] == "alarm":
            event = json.loads(message.payload)
            self.events.setdefault(event["endpoint"], []).append(event)
        elif levels[0] == "group":
            page = json.loads(message.payload)
            self.incidents.setdefault(page["endpoint"], set()).add(page["incident"])
            self.paged.setdefault(page["endpoint"], set()).add(page["group"])
            self._sign(page)
        elif levels[2:3] == ["state"] and message.payload:
            state = json.loads(message.payload)
            self.incidents.setdefault(state["endpoint"], set()).add(state["id"])

    def _sign(self, page: dict) -> None:
        incident = page["incident"]
        receipt = {
            "v": 1,
            "id": str(uuid.uuid5(uuid.UUID(page["id"]), "receipt")),
            "incident": incident,
            "group": page["group"],
            "by": "receiver",
            "action": "receipt",
            "time": rig.now(),
            "page": page["id"],
        }
        self._client.publish(f"baiying/incident/{incident}/action/receiver", json.dumps(receipt), 1)

    def has(self, endpoint: str) -> bool:
        """Whether a press has come all the way: its event, and a page to every group."""
        return bool(self.events.get(endpoint)) and self.paged.get(endpoint) == set(GROUPS)

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class World:
    """One gateway to be killed, its panel, and who must hear of every press."""

    def __init__(self, folder: Path, broker: rig.Mosquitto, panel: rig.Panel, mode: str = ""):
        data = folder / "data"
        data.mkdir()
        self.disk = FaultyDisk(folder, data)
        self.disk.slow_down(SYNC_MS)
        self.config = folder / "zju1.yaml"
        self.config.write_text(configuration(broker.port, panel.path), "utf-8")
        self.panel = panel
        self.receiver = Receiver(broker.port)
        self.starter = Starter(self.config, self.disk, mode)
        self.acknowledged: set[str] = set()
        self.pressed: set[str] = set()

    def press(self, number: int) -> None:
        """The panel sends the line of one button."""
        self.pressed.add(button(number))
        self.panel.write(rig.contact_id(f"{number:03}").encode() + b"\x14")

    def press_until_acknowledged(self, number: int) -> None:
        """What a panel does with a line that it has no ACK for."""
        for _ in range(3):
            self.press(number)
            if self.panel.answer() == rig.ACK:
                self.acknowledged.add(button(number))
                return
        raise AssertionError(f"no ACK for {button(number)}")

    def kill(self, number: int) -> bool:
        """Kill the gateway; whether the press before it was acknowledged."""
        self.starter.kill()
        acknowledged = rig.ACK in self.unread()
        # What the dead gateway had not read is lost on the line, as it is with a real port.
        termios.tcflush(self.panel._slave, termios.TCIFLUSH)
        if acknowledged:
            self.acknowledged.add(button(number))
        return acknowledged

    def unread(self) -> bytes:
        """What the gateway has answered and nobody has looked at."""
        found = b""
        while select.select([self.panel._master], [], [], 0)[0]:
            found += os.read(self.panel._master, 16)
        return found

    def lost(self, within: float) -> set[str]:
        """Acknowledged presses that the receiver does not hear of in time."""

        def missing() -> set[str]:
            return {name for name in self.acknowledged if not self.receiver.has(name)}

        deadline = time.monotonic() + within
        while missing() and time.monotonic() < deadline:
            time.sleep(0.05)
        return missing()


def button(number: int) -> str:
    return f"button-{number:03}"


def configuration(port: int, panel: str) -> str:
    groups = "".join(
        f"  {name}: {{name: {name}, party: {name}, talkgroup: {name}}}\n" for name in GROUPS
    )
    return (
        "gateway: zju1\ndata_dir: data\nserves: []\n"
        f"mqtt: {{broker: mqtt://127.0.0.1:{port}}}\n"
        "sites:\n  zju1: {name: 浙大一院, class: hospital}\n"
        f"talkgroups: {{{', '.join(f'{name}: {{}}' for name in GROUPS)}}}\n"
        f"groups:\n{groups}"
        "plans:\n  panic:\n    when: {category: panic}\n    levels:\n"
        f"      - {{name: one, page: [{', '.join(GROUPS)}], ack_within_s: 3600}}\n"
        f"inputs: {{receiver-1: {{driver: panel, port: {panel}}}}}\n"
        "endpoints:\n" + "".join(rig.button(f"{number:03}") for number in range(CYCLES))
    )


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    with rig.Mosquitto(tmp_path) as broker, rig.Panel() as panel:
        world = World(tmp_path, broker, panel, getattr(request, "param", ""))
        try:
            yield world
        finally:
            world.starter.end()
            world.receiver.end()


def test_no_acknowledged_press_is_lost_by_kill_9_and_none_opens_two_incidents(world: World):
    chance = random.Random(2026)
    moments = {"before": 0, "at": 0, "after": 0}
    pending: int | None = None
    unacknowledged = 0
    for number in range(CYCLES):
        world.starter.start()
        if pending is not None:
            world.press_until_acknowledged(pending)
        world.press(number)
        moment = chance.choice(["before", "at", "at", "after"])
        if moment == "before":
            time.sleep(chance.uniform(0.0, 8 * SYNC_MS / 1000))
        else:
            assert select.select([world.panel._master], [], [], 4)[0], "no ACK"
            if moment == "after":
                time.sleep(chance.uniform(0.0, 4 * SYNC_MS / 1000))
        acknowledged = world.kill(number)
        moments[moment] += 1
        pending = None if acknowledged else number
        unacknowledged += not acknowledged
    # The last start is a process of its own, as a service manager would make it.
    with rig.Gateway(world.config):
        if pending is not None:
            world.press_until_acknowledged(pending)
        assert world.lost(within=20) == set()
        assert len(world.acknowledged) == CYCLES
        twice = {name: ids for name, ids in world.receiver.incidents.items() if len(ids) != 1}
        assert twice == {}
        assert set(world.receiver.incidents) == world.pressed
        events = [event for events in world.receiver.events.values() for event in events]
        assert all(event["stored"] for event in events)
        in_journal = {event["endpoint"] for event in rig.signals(world.config.parent / "data")}
        assert in_journal == world.pressed
    print(f"killed {moments} the ACK, {unacknowledged} times without one; nothing lost")


@pytest.mark.parametrize("world", ["early"], indirect=True)
def test_control_with_the_ack_before_the_commit_presses_are_lost(world: World):
    for number in range(CONTROL_CYCLES):
        world.starter.start()
        world.press(number)
        assert select.select([world.panel._master], [], [], 4)[0], "no ACK"
        world.kill(number)
    assert len(world.acknowledged) == CONTROL_CYCLES
    world.starter.start()
    lost = world.lost(within=3)
    assert lost != set()
    print(f"lost {len(lost)} of {CONTROL_CYCLES}")
