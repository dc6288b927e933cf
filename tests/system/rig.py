"""Real daemons and what stands around them, as an outsider sees them.

Nothing here imports the gateway: processes are started by the `baiying` command, messages are read
by paho-mqtt and the standard library's JSON, a panel is bytes on a pseudo-terminal, a broker is
mosquitto. All of it is blocking; what waits, waits for a condition and has a limit.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import tty
import uuid
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho

ACK, NAK = b"\x06", b"\x15"
BAIYING = (sys.executable, "-m", "gateway")
READY_WITHIN = 20.0
STOP_WITHIN = 5.0  # contract, section 5


def free_port(kind=socket.SOCK_STREAM):
    """A port on loopback that nobody holds at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, within=5.0, what="it"):
    """Wait for ``condition()`` to be true; its value."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come to pass within {within} s"
        time.sleep(0.005)
    return value


def new_id():
    return str(uuid.uuid4())


def wall(timestamp):
    """POSIX seconds of an RFC 3339 time."""
    from datetime import datetime

    return datetime.fromisoformat(timestamp).timestamp()


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str
    took: float

    @property
    def json(self):
        return json.loads(self.out)


def baiying(*words, cwd=None, within=20.0):
    """Run one `baiying` command to its end."""
    began = time.monotonic()
    done = subprocess.run(
        [*BAIYING, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


class Gateway:
    """`baiying run` on one file; a context manager. ``log`` holds all of its runs."""

    def __init__(self, config, environment=None):
        self.config = config
        self.log = config.with_suffix(".log")
        self.environment = environment
        self.process = None
        self._said_before = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.running:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(STOP_WITHIN + 2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def start(self, *, ready=True):
        self._said_before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*BAIYING, "run", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
        if ready:
            try:
                self.ready()
            except BaseException:
                self.__exit__()
                raise
        return self

    def said(self):
        """What this run has logged."""
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[self._said_before :].decode("utf-8", "replace")

    def ready(self, within=READY_WITHIN):
        def ended_or_ready():
            assert self.running, self.said()
            return " ready" in self.said()

        until(ended_or_ready, within, f"{self.config.stem} ready")

    def expect_said(self, words, within=5.0):
        until(lambda: words in self.said(), within, f"{self.config.stem} saying {words!r}")

    def stop(self):
        """SIGTERM; the exit status and the seconds it took."""
        began = time.monotonic()
        self.process.terminate()
        return self.process.wait(STOP_WITHIN + 5), time.monotonic() - began

    def kill(self):
        self.process.kill()
        self.process.wait()

    @contextlib.contextmanager
    def frozen(self):
        """The daemon stands still for the length of a block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def hang_up(self):
        """SIGHUP, and wait until the reload is done or refused."""
        before = self.said().count("reload: done") + self.said().count("reload: refused")
        self.process.send_signal(signal.SIGHUP)
        until(
            lambda: (
                self.said().count("reload: done") + self.said().count("reload: refused") > before
            ),
            10,
            "the reload",
        )

    def command(self, *words):
        """`baiying WORDS` against this gateway."""
        return baiying(*words, "--config", self.config)

    def children(self, words):
        """Process ids of this gateway's descendants whose command line has ``words``."""
        found, parents = [], {self.process.pid}
        table = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    table[int(entry.name)] = (int(stat[1]), line)
        grown = True
        while grown:
            more = {pid for pid, (parent, _) in table.items() if parent in parents} - parents
            parents |= more
            grown = bool(more)
        for pid in parents - {self.process.pid}:
            if words in table.get(pid, (0, ""))[1]:
                found.append(pid)
        return found


class Mosquitto:
    """An external broker, which forgets everything when it is restarted; a context manager."""

    def __init__(self, folder, *, port=None, config=()):
        self.port = port or free_port()
        self._folder = folder
        self._lines = config or (f"listener {self.port} 127.0.0.1", "allow_anonymous true")
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        config = self._folder / f"mosquitto-{self.port}.conf"
        config.write_text("\n".join([*self._lines, "persistence false"]) + "\n")
        with (self._folder / f"mosquitto-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(["mosquitto", "-c", config], stdout=log, stderr=log)

        def listens():
            assert self.process.poll() is None, "mosquitto ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return True
            return False

        until(listens, 5, "mosquitto listening")

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Arrival:
    """One message; ``at`` is monotonic, ``topic`` the levels below the root."""

    at: float
    topic: tuple
    payload: bytes
    retain: bool
    properties: dict
    expiry: int | None

    @property
    def body(self):
        """The JSON object; empty where the payload is none."""
        try:
            value = json.loads(self.payload)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Console:
    """A client of the broker that is not ours: keeps all that arrives, and can publish.

    It connects again by itself, so it may be made before the broker is there.
    """

    def __init__(self, port, name="console", password=None, *, tls=None, root="baiying"):
        self.name = name
        self.port = port
        self.root = root
        self.arrivals = []
        self.refused = None
        self.connections = 0
        self._news = threading.Condition()
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5
        )
        if password is not None:
            self._client.username_pw_set(name, password)
        if tls is not None:
            self._client.tls_set(ca_certs=str(tls))
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.on_connect = self._connected
        self._client.on_message = self._arrived
        self._acknowledged = {}
        self._client.on_publish = self._published
        self._client.connect_async("127.0.0.1", port, keepalive=30)
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()

    def __enter__(self):
        self._client.loop_start()
        assert self._subscribed.wait(5), f"console: {self.refused}"
        return self

    def __exit__(self, *_):
        self._client.disconnect()
        self._client.loop_stop()

    def wait_again(self, within=5.0):
        """Wait until it is subscribed at a broker that was restarted."""
        until(lambda: self._subscribed.is_set() and self._client.is_connected(), within, "console")

    def lost(self):
        """To be called before the broker is restarted."""
        self._subscribed.clear()

    def _connected(self, client, _userdata, _flags, reason, _properties):
        if reason.is_failure:
            self.refused = str(reason)
            return
        self.connections += 1
        client.subscribe(f"{self.root}/#", qos=1)

    def _published(self, _client, _userdata, mid, reason, _properties):
        self._acknowledged[mid] = reason.value

    def _arrived(self, _client, _userdata, message):
        properties = dict(getattr(message.properties, "UserProperty", []))
        expiry = getattr(message.properties, "MessageExpiryInterval", None)
        topic = tuple(message.topic.split("/")[1:])
        with self._news:
            self.arrivals.append(
                Arrival(
                    time.monotonic(), topic, message.payload, message.retain, properties, expiry
                )
            )
            self._news.notify_all()

    def find(self, wanted, since=0):
        """All that arrived at or after index ``since`` and is wanted."""
        with self._news:
            arrivals = self.arrivals[since:]
        return [one for one in arrivals if wanted(one)]

    @property
    def mark(self):
        """An index for ``since``: what arrives from now on."""
        return len(self.arrivals)

    def expect(self, wanted, within=5.0, *, count=1, since=0, what="message"):
        """The first ``count`` that are wanted."""
        deadline = time.monotonic() + within
        while len(found := self.find(wanted, since)) < count:
            left = deadline - time.monotonic()
            assert left > 0, (
                f"{len(found)} of {count} {what} within {within} s; came: "
                f"{[('/'.join(one.topic), one.payload[:300]) for one in self.find(lambda _: True, since)[-12:]]}"
            )
            with self._news:
                self._news.wait(min(left, 0.05))
        return found[:count]

    def publish(self, topic, payload, *, qos=1, retain=False, expiry=None, within=5.0):
        """Publish below the root; the reason code of the broker's PUBACK."""
        properties = None
        if expiry is not None:
            properties = paho.Properties(paho.PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expiry
        if not isinstance(payload, str | bytes):
            payload = json.dumps(payload)
        info = self._client.publish(
            f"{self.root}/{topic}", payload, qos=qos, retain=retain, properties=properties
        )
        until(lambda: info.mid in self._acknowledged, within, f"PUBACK of {topic}")
        return self._acknowledged.pop(info.mid)

    # The contract's words

    def events(self, check=lambda _: True, since=0):
        return [
            one.body for one in self.find(lambda a: a.topic[0] == "alarm", since) if check(one.body)
        ]

    def expect_event(self, check=lambda _: True, within=5.0, since=0):
        found = self.expect(
            lambda a: a.topic[0] == "alarm" and check(a.body), within, since=since, what="event"
        )
        return found[0].body

    def pages(self, incident=None, *, since=0, **fields):
        return [one.body for one in self.find(_page(incident, fields), since)]

    def expect_pages(self, incident=None, within=5.0, *, count=1, since=0, **fields):
        return self.expect(_page(incident, fields), within, count=count, since=since, what="pages")

    def states(self, incident, since=0):
        return [one.body for one in self.find(_state(incident), since)]

    def state(self, incident):
        """The newest one, by the contract's order."""
        return max(self.states(incident), key=lambda one: (one["owner_term"], one["seq"]))

    def expect_state(self, incident, check=lambda _: True, within=5.0, since=0):
        found = self.expect(
            lambda a: _state(incident)(a) and check(a.body), within, since=since, what="state"
        )
        return found[0].body

    def act(self, incident, action, group=None, *, by=None, action_id=None, **fields):
        """Publish one Action, once; its id."""
        action_id = action_id or new_id()
        body = {
            "v": 1,
            "id": action_id,
            "incident": incident,
            "group": group,
            "by": by or self.name,
            "action": action,
            "time": now(),
            **fields,
        }
        self.publish(f"incident/{incident}/action/{self.name}", body)
        return action_id

    def applied(self, incident, action, group=None, within=5.0, **fields):
        """Act, and the first state that has applied it."""
        action_id = self.act(incident, action, group, **fields)
        return self.expect_state(
            incident,
            lambda one: action_id in one["applied"] or _refused(one) == action_id,
            within,
        ) | {"asked": action_id}

    def refusal(self, incident, action, group=None, **fields):
        """Act, expecting to be refused; the state that says so."""
        state = self.applied(incident, action, group, **fields)
        assert _refused(state) == state["asked"], state
        assert state["asked"] not in state["applied"]
        return state


def now():
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _refused(state):
    return state["refused"] and state["refused"]["id"]


def _page(incident, fields):
    return lambda one: (
        one.topic[0] == "group"
        and one.topic[2] == "page"
        and "id" in one.body
        and (incident is None or one.body["incident"] == incident)
        and all(one.body[key] == value for key, value in fields.items())
    )


def _state(incident):
    return lambda one: (
        one.topic[:1] == ("incident",)
        and one.topic[1] == incident
        and one.topic[2] == "state"
        and one.payload != b""
    )


class Panel:
    """An alarm receiver on a serial line: bytes out, single bytes in with their times."""

    def __init__(self):
        self._master, self._slave = os.openpty()  # ours stays open while the gateway restarts
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._master)
        os.close(self._slave)

    def write(self, data):
        """All of it, however slowly the other end reads."""
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                select.select([], [self._master], [], 0.05)

    def answer(self, within=4.0):
        """The next byte of the gateway; b"" if there is none."""
        ready, _, _ = select.select([self._master], [], [], within)
        return os.read(self._master, 1) if ready else b""

    def send(self, line, within=4.0):
        """One line with its terminator; its answer."""
        self.write(line.encode("ascii") + b"\x14")
        return self.answer(within)

    def silent(self, duration=0.3):
        return self.answer(duration) == b""


def journal(data_dir):
    """A connection of our own to a gateway's journal, which may be running."""
    return sqlite3.connect(f"file:{data_dir / 'journal.db'}?mode=ro", uri=True)


def signals(data_dir):
    """The AlarmEvents in the journal, oldest first."""
    with contextlib.closing(journal(data_dir)) as rows:
        return [
            json.loads(body)
            for (body,) in rows.execute("SELECT body FROM events WHERE kind='signal' ORDER BY seq")
        ]


def published(data_dir):
    """Ids of the AlarmEvents that the journal has as acknowledged by a broker."""
    with contextlib.closing(journal(data_dir)) as rows:
        return {key for (key,) in rows.execute("SELECT key FROM events WHERE kind='published'")}


DISTRICT = """\
announcements: {times: 0}
sites:
  zju1: {name: 浙大一院, class: hospital, street: xiaoying, grid: xiaoying-03, position: [30.2573, 120.1776]}
talkgroups: {police-xiaoying: {}, hospital-security: {}, street-xiaoying: {}, alliance-wulin: {}}
groups:
  police-xiaoying:   {name: 小营派出所,   party: police,   street: xiaoying, talkgroup: police-xiaoying}
  hospital-security: {name: 医院保卫科,   party: hospital, street: xiaoying, talkgroup: hospital-security}
  street-xiaoying:   {name: 小营街道,     party: street,   street: xiaoying, talkgroup: street-xiaoying}
  alliance-wulin:    {name: 武林商圈联盟, party: alliance, street: wulin, tags: [neighbour], talkgroup: alliance-wulin}
plans:
  quick:
    when: {class: hospital, category: duress}
    levels:
      - {name: 吹哨响应, page: [police-xiaoying, hospital-security], ack_within_s: 2}
      - {name: 一呼百应, page: [street-xiaoying], ack_within_s: 2}
  hospital-panic:
    when: {class: hospital, category: panic}
    levels:
      - {name: 吹哨响应, page: [police-xiaoying, hospital-security, street-xiaoying], answered_by: [police, hospital], ack_within_s: 30}
      - {name: 双向响应, page_where: {tag: neighbour}, patch: true, ack_within_s: 60}
      - {name: 一呼百应, page_where: {street: xiaoying}, ack_within_s: 120}
"""
"""What gateways of one district share. ``quick`` is the same with short timers, for category duress."""

THREE = ("police-xiaoying", "hospital-security", "street-xiaoying")


def button(zone, category="panic", name=None):
    """One line of ``endpoints:``, on the panel ``receiver-1``."""
    return (
        f'  {name or f"button-{zone}"}: {{kind: button, site: zju1, input: receiver-1, account: "1234", '
        f'zone: "{zone}", category: {category}}}\n'
    )


def contact_id(zone, code="E120", account="1234"):
    """A Contact ID line of the Sur-Gard MLR2, without its terminator."""
    return f"5011 18{account}{code}01{zone}"
