"""A gateway that may be killed at any moment, its panels under a storm, and who must hear of all of it.

Real everything: `baiying run`, panels on pseudo-terminals, a broker, and a receiver that signs and
acknowledges. Every sync of the journal's disk takes `SYNC_MS` more, so that there is a "before the
commit" to be killed in.

`CRASH=full` in the environment asks for the full numbers (`make test-crash`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho

from tests.disk import FaultyDisk
from tests.system import rig

ROOT = Path(__file__).parents[2]
FULL = os.environ.get("CRASH") == "full"
SYNC_MS = 20
GROUPS = ("police", "hospital", "street")
STORM_PANELS = 8
STORM_ZONES = 6
"""Zones of each panel of the storm; every second one sends troubles."""
PAUSE = 0.002
"""Seconds between an ACK and the panel's next line."""


class Starter:
    """Starts and kills one gateway after another; ``log`` holds all of their runs."""

    def __init__(self, config: Path, disk: FaultyDisk, mode: str) -> None:
        self.log = config.with_suffix(".log")
        self._pid = 0
        with self.log.open("ab") as log:
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
        before = self.log.stat().st_size
        self._pid = int(self._say("start"))

        def ready() -> bool:
            with self.log.open("rb") as log:
                log.seek(before)
                return b" ready" in log.read()

        rig.until(ready, 30, "ready")

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
    """A client that is not ours: signs for pages, and acknowledges for the police until it is heard."""

    ACKS_FOR = "police"

    def __init__(self, port: int) -> None:
        self.events: dict[str, dict[str, dict]] = {}
        """By endpoint and id."""
        self.incidents: dict[str, set[str]] = {}
        self.paged: dict[str, set[str]] = {}
        self.acked: set[str] = set()
        """Incidents whose state has said that the police's ack stands."""
        self.paged_again: list[dict] = []
        """Pages to the police after that; there must be none."""
        self._asked: dict[str, float] = {}
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="receiver", protocol=paho.MQTTv5
        )
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.on_connect = lambda *_: self._client.subscribe("baiying/#", qos=1)
        self._client.on_message = self._arrived
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _arrived(self, _client, _userdata, message) -> None:
        levels = message.topic.split("/")[1:]
        if levels[0] == "alarm":
            event = json.loads(message.payload)
            self.events.setdefault(event["endpoint"], {})[event["id"]] = event
        elif levels[0] == "group" and levels[2] == "page":
            self._page_arrived(json.loads(message.payload))
        elif levels[0] == "incident" and levels[2] == "state" and message.payload:
            self._state_arrived(json.loads(message.payload))

    def _page_arrived(self, page: dict) -> None:
        incident, group = page["incident"], page["group"]
        self.incidents.setdefault(page["endpoint"], set()).add(incident)
        self.paged.setdefault(page["endpoint"], set()).add(group)
        if group != self.ACKS_FOR:
            receipt_id = str(uuid.uuid5(uuid.UUID(page["id"]), "receipt"))
            self._act(incident, group, receipt_id, "receipt", page=page["id"])
        elif incident in self.acked:
            self.paged_again.append(page)
        else:
            self._ack(incident)

    def _state_arrived(self, state: dict) -> None:
        incident = state["id"]
        self.incidents.setdefault(state["endpoint"], set()).add(incident)
        police = state["groups"].get(self.ACKS_FOR)
        if police is None:
            return
        if police["state"] == "acked":
            self.acked.add(incident)
        elif time.monotonic() - self._asked.get(incident, 0.0) > 0.5:
            self._ack(incident)

    def _ack(self, incident: str) -> None:
        self._asked[incident] = time.monotonic()
        action_id = str(uuid.uuid5(uuid.UUID(incident), "ack"))
        self._act(incident, self.ACKS_FOR, action_id, "ack")

    def _act(self, incident: str, group: str, action_id: str, action: str, **more: str) -> None:
        body = {
            "v": 1,
            "id": action_id,
            "incident": incident,
            "group": group,
            "by": "receiver",
            "action": action,
            "time": rig.now(),
            **more,
        }
        self._client.publish(f"baiying/incident/{incident}/action/receiver", json.dumps(body), 1)

    def has_pages(self, endpoint: str) -> bool:
        """Whether every group was paged for it, or has acked, and the police's ack stands."""
        incidents = self.incidents.get(endpoint, set())
        # An ack that answers a state comes before a page that the broker took to its grave.
        called = self.paged.get(endpoint, set()) | {self.ACKS_FOR}
        return bool(incidents) and called == set(GROUPS) and incidents <= self.acked

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class StormPanel(threading.Thread):
    """A panel that sends line after line, each until it has an ACK; a context manager.

    A line without an ACK is sent again only to the next gateway: so an ACK is always that of the
    line that it is counted for.
    """

    def __init__(self, account: str) -> None:
        super().__init__(name=f"panel {account}", daemon=True)
        self.account = account
        self.panel = rig.Panel()
        self.acknowledged: Counter[str] = Counter()
        self.settled = 0
        """The number of the newest gateway whose death it has taken note of."""
        self._deaths = 0
        self._lives = False
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self.join(5)
        self.panel.__exit__()

    def endpoints(self) -> dict[str, str]:
        """Its zones by endpoint."""
        return {f"storm-{self.account}-{zone:03}": f"{zone:03}" for zone in range(STORM_ZONES)}

    def born(self) -> None:
        with self._changed:
            self._lives = True
            self._changed.notify()

    def died(self) -> None:
        """The gateway is dead, which has been waited for."""
        with self._changed:
            self._lives = False
            self._deaths += 1

    def run(self) -> None:
        while not self._ended:
            for number, (endpoint, zone) in enumerate(self.endpoints().items()):
                code = "E120" if number % 2 == 0 else "E301"
                line = rig.contact_id(zone, code, self.account).encode() + b"\x14"
                while not self._ended and not self._send(line):
                    pass
                if self._ended:
                    return
                self.acknowledged[endpoint] += 1
                time.sleep(PAUSE)

    def _send(self, line: bytes) -> bool:
        with self._changed:
            while not self._lives:
                if self._ended:
                    return False
                self.settled = self._deaths
                self._changed.wait(0.05)
            deaths = self._deaths
            self.panel.write(line)
        while not self._ended:
            if select.select([self.panel._master], [], [], 0.02)[0]:
                assert os.read(self.panel._master, 1) == rig.ACK
                return True
            if self._deaths != deaths:
                # What it wrote before it died was there already when its end was waited for.
                acknowledged = bool(select.select([self.panel._master], [], [], 0)[0])
                if acknowledged:
                    os.read(self.panel._master, 1)
                termios.tcflush(self.panel._slave, termios.TCIFLUSH)
                self.settled = self._deaths
                return acknowledged
        return False

    def wait_settled(self) -> None:
        """Returns once nothing of the dead gateway is on the line any more."""
        rig.until(lambda: self.settled == self._deaths or not self.is_alive(), 5, self.name)


class World:
    """One gateway to be killed, the panel that tries each of its moments, and the storm beside it."""

    def __init__(
        self, folder: Path, broker: rig.Mosquitto, panel: rig.Panel, buttons: int, mode: str = ""
    ):
        data = folder / "data"
        data.mkdir()
        self.disk = FaultyDisk(folder, data)
        self.disk.slow_down(SYNC_MS)
        self.panel = panel
        self.storm = [StormPanel(f"{2000 + number}") for number in range(STORM_PANELS)]
        self.config = folder / "zju1.yaml"
        self.config.write_text(configuration(broker.port, panel.path, buttons, self.storm), "utf-8")
        self.receiver = Receiver(broker.port)
        self.starter = Starter(self.config, self.disk, mode)
        self.acknowledged: set[str] = set()
        self.pressed: set[str] = set()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.starter.end()
        self.receiver.end()

    def taken_up(self) -> int:
        """How many starts found something that was accepted and not decided."""
        return self.starter.log.read_text("utf-8").count("accepted signals are decided now")

    def break_loose(self) -> None:
        """Begin the storm."""
        for panel in self.storm:
            self._stack.enter_context(panel)

    def start(self) -> None:
        self.starter.start()
        self.started()

    def started(self) -> None:
        for panel in self.storm:
            panel.born()

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
        for panel in self.storm:
            panel.died()
        acknowledged = rig.ACK in self.unread()
        # What the dead gateway had not read is lost on the line, as it is with a real port.
        termios.tcflush(self.panel._slave, termios.TCIFLUSH)
        for panel in self.storm:
            panel.wait_settled()
        if acknowledged:
            self.acknowledged.add(button(number))
        return acknowledged

    def unread(self) -> bytes:
        """What the gateway has answered and nobody has looked at."""
        found = b""
        while select.select([self.panel._master], [], [], 0)[0]:
            found += os.read(self.panel._master, 16)
        return found

    def check(self, *, events: bool = True) -> str:
        """All that must be true once a gateway runs that nobody kills; what there was, in words.

        ``events``: also those on the broker. One that is killed may lose what it has acknowledged.
        """
        panics = {name for panel in self.storm for name in list(panel.endpoints())[::2]}
        storm = Counter[str]()
        for panel in self.storm:
            storm += panel.acknowledged
        heard = self.acknowledged | (panics & storm.keys())

        def missing() -> set[str]:
            return {
                name
                for name in heard
                if not self.receiver.has_pages(name)
                or (events and name in self.acknowledged and not self.receiver.events.get(name))
            }

        def lost() -> dict[str, tuple[int, int]]:
            stored = Counter(row["endpoint"] for row in rig.signals(self.config.parent / "data"))
            return {
                name: (count, stored[name]) for name, count in storm.items() if stored[name] < count
            }

        deadline = time.monotonic() + 30
        while (missing() or lost()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert missing() == set(), "acknowledged, and not heard of"
        assert lost() == {}, "more ACKs than rows"
        rows = rig.signals(self.config.parent / "data")
        ids = [row["id"] for row in rows]
        assert len(ids) == len(set(ids)), "decided a second time"
        assert {row["endpoint"] for row in rows} >= self.pressed
        twice = {name: ids for name, ids in self.receiver.incidents.items() if len(ids) != 1}
        assert twice == {}, "a second incident"
        assert self.receiver.paged_again == [], "a page to a group that had acked"
        incidents = len(self.receiver.incidents)
        return f"{len(rows)} signals, {len(heard)} panics of {incidents} incidents, nothing lost"


def button(number: int) -> str:
    return f"button-{number:03}"


def configuration(port: int, panel: str, buttons: int, storm: list[StormPanel]) -> str:
    groups = "".join(
        f"  {name}: {{name: {name}, party: {name}, talkgroup: {name}}}\n" for name in GROUPS
    )
    inputs = "".join(
        f"  storm-{one.account}: {{driver: panel, port: {one.panel.path}}}\n" for one in storm
    )
    zones = "".join(
        f"  {name}: {{kind: button, site: zju1, input: storm-{one.account}, "
        f'account: "{one.account}", zone: "{zone}", category: panic}}\n'
        for one in storm
        for name, zone in one.endpoints().items()
    )
    return (
        "gateway: zju1\ndata_dir: data\nserves: []\n"
        f"mqtt: {{broker: mqtt://127.0.0.1:{port}}}\n"
        "sites:\n  zju1: {name: 浙大一院, class: hospital}\n"
        f"talkgroups: {{{', '.join(f'{name}: {{}}' for name in GROUPS)}}}\n"
        f"groups:\n{groups}"
        "plans:\n  panic:\n    when: {category: panic}\n    levels:\n"
        f"      - {{name: one, page: [{', '.join(GROUPS)}], ack_within_s: 3600}}\n"
        f"inputs:\n  receiver-1: {{driver: panel, port: {panel}}}\n{inputs}"
        "endpoints:\n" + "".join(rig.button(f"{number:03}") for number in range(buttons)) + zones
    )
