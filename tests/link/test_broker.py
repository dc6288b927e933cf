"""The embedded broker, a real mosquitto: who gets in, who may say what, and how it lives and dies."""

import asyncio
import dataclasses
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from gateway.errors import BrokerError, LinkError
from gateway.link.address import BrokerAddress, Tls
from gateway.link.broker import BrokerOptions, EmbeddedBroker, is_loopback
from gateway.link.incoming import Incoming
from gateway.link.presence import Presence
from gateway.link.session import ControlLink

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
BOOT = "0190a5c0-0000-7000-8000-000000000000"


class Stranger:
    """A client that is not ours (paho) and does as it pleases."""

    def __init__(self, port, client_id="", user=None, password=None, will=None):
        version = paho.CallbackAPIVersion.VERSION2
        self._client = paho.Client(version, client_id=client_id, protocol=paho.MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        if will is not None:
            self._client.will_set(will, b"forged will", qos=1)
        self._reason = None
        self._acknowledged = {}
        self._client.on_connect = self._connected
        self._client.on_publish = self._published
        self._client.connect("127.0.0.1", port, keepalive=30)
        self._spin(lambda: self._reason is not None)

    @property
    def admitted(self):
        return not self._reason.is_failure

    def publish(self, topic, payload=b"forged", qos=1):
        """The broker's reason, for QoS 1."""
        told = self._client.publish(topic, payload, qos=qos)
        if qos:
            self._spin(lambda: told.mid in self._acknowledged)
            return self._acknowledged[told.mid].getName()
        self._client.loop_write()
        return None

    def vanish(self):
        """Close the socket without a goodbye: the broker publishes the will."""
        self._client.socket().close()

    def close(self):
        self._client.disconnect()

    def _connected(self, _client, _data, _flags, reason, _properties):
        self._reason = reason

    def _published(self, _client, _data, mid, reason, _properties):
        self._acknowledged[mid] = reason

    def _spin(self, done):
        for _ in range(200):
            if done():
                return
            self._client.loop(0.02)
        raise AssertionError("the broker did not answer")


def leaves(owner):
    """One topic of each row of the contract's table, as ``owner`` may write it."""
    return [
        f"baiying/gateway/{owner}/status",
        f"baiying/gateway/{owner}/endpoint/x",
        f"baiying/talkgroup/x/voice/{owner}",
        f"baiying/talkgroup/x/request/{owner}",
        f"baiying/talkgroup/x/floor/{owner}",
        f"baiying/talkgroup/x/answer/x/{owner}",
        f"baiying/alarm/{owner}",
        f"baiying/group/x/page/{owner}",
        f"baiying/incident/x/action/{owner}",
        f"baiying/incident/x/picture/{owner}",
        f"baiying/incident/x/state/{owner}",
    ]


@pytest.fixture
async def everything(broker, until, tasks):
    """All that any client manages to publish, as topic and payload."""
    seen = []
    link = ControlLink("zju1", broker.address("zju1"))
    link.subscribe("#", lambda incoming: seen.append((incoming.topic, incoming.payload)))
    async with tasks(link.run()):
        await until(lambda: link.connected)
        await asyncio.sleep(0.05)  # for the SUBACK
        yield seen


def mosquitto_pub(port, *arguments):
    return subprocess.run(
        ["mosquitto_pub", "-V", "5", "-h", "127.0.0.1", "-p", str(port), *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


# Who gets in


async def test_anonymous_client_is_refused(broker, broker_options, everything):
    forged = ["-q", "1", "-t", "baiying/alarm/zju1", "-m", "forged"]
    assert mosquitto_pub(broker_options.port, *forged).returncode != 0
    assert not Stranger(broker_options.port, "zju1").admitted
    assert not Stranger(broker_options.port, "zju1", "zju1", "guessed").admitted
    assert not Stranger(broker_options.port, "zju1", "nobody", "").admitted
    await asyncio.sleep(0.1)
    assert everything == []


async def test_client_of_the_users_file_gets_in(broker_options, tmp_path):
    users = tmp_path / "users"
    users.write_text("console-1:a long: word\n")
    options = dataclasses.replace(broker_options, users_file=users)
    async with EmbeddedBroker(options).running() as broker:
        assert broker.credentials("console-1") == ("console-1", "a long: word")
        own = ["-u", "console-1", "-P", "a long: word", "-q", "1", "-t", "baiying/alarm/console-1"]
        told = mosquitto_pub(options.port, *own, "-m", "x")
        assert (told.returncode, told.stderr) == (0, "")
        with pytest.raises(BrokerError, match="stranger"):
            broker.credentials("stranger")


async def test_bad_users_file_is_named_with_its_line(broker_options, tmp_path):
    users = tmp_path / "users"
    users.write_text("a:1\nB:2\n")
    broker = EmbeddedBroker(dataclasses.replace(broker_options, users_file=users))
    with pytest.raises(BrokerError, match="users: line 2"):
        await broker.run()


async def test_terminals_ctrl_c_does_not_reach_the_broker(broker):
    """The kernel sends it to the terminal's process group; the gateway's goodbye needs the broker."""
    assert os.getpgid(broker.pid) != os.getpgrp()


async def test_passwords_are_private_and_outlive_a_restart(broker_options):
    async with EmbeddedBroker(broker_options).running() as broker:
        first = broker.credentials("zju1")
        assert first != broker.credentials("police")
        assert len(first[1]) >= 32
    folder = broker_options.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in (folder / "passwords", folder / "acl", folder / "clients" / "zju1"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first[1] not in (folder / "passwords").read_text()
    async with EmbeddedBroker(broker_options).running() as broker:
        assert broker.credentials("zju1") == first


async def test_client_of_mqtt_3_may_join(broker, broker_options, until, tasks):
    seen = []
    link = ControlLink("zju1", broker.address("zju1"))
    link.subscribe("baiying/incident/+/action/+", seen.append)
    user, password = broker.credentials("police")
    async with tasks(link.run()):
        await until(lambda: link.connected)
        await asyncio.sleep(0.05)
        own = ["-V", "mqttv311", "-u", user, "-P", password, "-q", "1"]
        told = await asyncio.to_thread(
            mosquitto_pub,
            broker_options.port,
            *own,
            "-t",
            "baiying/incident/i/action/police",
            "-m",
            "x",
        )
        assert told.returncode == 0
        await until(lambda: seen)
    assert seen == [Incoming("baiying/incident/i/action/police", b"x", retain=False)]


# Who may say what


async def test_client_publishes_its_own_leaves_and_nothing_of_another(
    broker, broker_options, everything, until
):
    police = Stranger(broker_options.port, "police", *broker.credentials("police"))
    for forged, own in zip(leaves("zju1"), leaves("police"), strict=True):
        for topic in (forged, f"{forged}/police", f"{own}/x"):
            assert police.publish(topic) == "Not authorized", topic
            police.publish(topic, qos=0)
        assert police.publish(own, b"own") != "Not authorized", own
    for elsewhere in ("other", "baiying", "baiying/police", "$SYS/broker/x", "xihu/alarm/police"):
        assert police.publish(elsewhere) == "Not authorized"
    await until(lambda: len(everything) >= len(leaves("police")))
    assert everything == [(topic, b"own") for topic in leaves("police")]
    police.close()


async def test_client_leaves_no_will_on_anothers_topic(broker, broker_options, everything, until):
    will = "baiying/gateway/zju1/status"
    police = Stranger(broker_options.port, "police", *broker.credentials("police"), will=will)
    if police.admitted:
        police.vanish()
    honest = "baiying/gateway/police/status"
    other = Stranger(broker_options.port, "police.2", *broker.credentials("police"), will=honest)
    other.vanish()
    await until(lambda: everything)
    await asyncio.sleep(0.1)
    assert everything == [(honest, b"forged will")]


async def test_refused_publication_is_an_error_for_our_own_client(broker, until, tasks):
    link = ControlLink("police", broker.address("police"))
    async with tasks(link.run()):
        await until(lambda: link.connected)
        with pytest.raises(LinkError, match="not authorized"):
            await link.publish("baiying/alarm/zju1", b"forged")


async def test_subscriber_of_thousands_of_retained_topics_gets_them_all(
    broker, everything, until, tasks
):
    """With mosquitto's own limits it got 1,020 of 5,000."""
    gateway, console = (ControlLink("police", broker.address("police")) for _ in range(2))
    topics = {f"baiying/gateway/police/endpoint/e{number}" for number in range(3000)}
    async with tasks(gateway.run()):
        for topic in topics:
            gateway.set_retained(topic, b"x" * 300)
        await until(lambda: len(everything) == 3000, 20)
    found = set()
    console.subscribe("baiying/gateway/#", lambda incoming: found.add(incoming.topic))
    async with tasks(console.run()):
        await until(lambda: found == topics, 20)


# How it lives and dies


async def test_killed_broker_comes_back_and_hears_every_retained_topic_again(broker, until, tasks):
    presence = Presence(topic="baiying/gateway/zju1/status", boot=BOOT, version="0")
    gateway = ControlLink("zju1", broker.address("zju1"), presence=presence)
    console = ControlLink("police", broker.address("police"))
    seen, ups = [], []
    console.subscribe("baiying/#", seen.append)
    gateway.on_connection(ups.append)
    gateway.set_retained("baiying/gateway/zju1/endpoint/a", b"{}")
    async with tasks(gateway.run(), console.run()):
        await until(lambda: len(seen) >= 2)
        await until(lambda: not gateway._retained._in_flight)
        seen.clear()
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: len(seen) >= 2, 15)
        assert {incoming.topic for incoming in seen} == {
            "baiying/gateway/zju1/status",
            "baiying/gateway/zju1/endpoint/a",
        }
        assert (ups, broker.starts) == ([True, False, True], 2)


async def test_taken_port_is_named_with_its_holder(broker_options):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", broker_options.port))
        holder.listen()
        with pytest.raises(BrokerError) as caught:
            await EmbeddedBroker(broker_options).run()
    assert f"127.0.0.1:{broker_options.port}" in str(caught.value)
    assert f"process {os.getpid()} (" in str(caught.value)
    assert "pytest" in str(caught.value)


async def test_address_of_another_machine_is_an_error_that_says_so(broker_options, tmp_path, tls):
    users = tmp_path / "users"
    users.write_text("a:1\n")
    options = dataclasses.replace(
        broker_options, host="192.0.2.1", users_file=users, cert_file=tls.cert, key_file=tls.key
    )
    with pytest.raises(BrokerError, match=r"192\.0\.2\.1.*(assign|requested)"):
        await EmbeddedBroker(options).run()


async def test_two_gateways_do_not_share_a_folder(broker, broker_options, free_port):
    second = EmbeddedBroker(dataclasses.replace(broker_options, port=free_port()))
    with pytest.raises(BrokerError, match=f"in use by process {os.getpid()}"):
        await second.run()


async def test_missing_mosquitto_is_an_error_that_says_what_to_install(broker_options, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BrokerError, match="apt install mosquitto"):
        await EmbeddedBroker(broker_options).run()


async def test_broker_does_not_tell_systemd_that_the_gateway_is_ready(
    broker_options, monkeypatch, tmp_path
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        async with EmbeddedBroker(broker_options).running():
            pass
        with pytest.raises(BlockingIOError):  # it has ended, and has said nothing
            systemd.recv(4096)


PARENT = """
import asyncio, sys
from pathlib import Path
from gateway.link.broker import BrokerOptions, EmbeddedBroker
async def main():
    options = BrokerOptions(host="127.0.0.1", port=int(sys.argv[1]), folder=Path(sys.argv[2]),
                            clients=("zju1", "police"))
    async with EmbeddedBroker(options).running() as broker:
        print(broker.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


def alive(pid):
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


async def test_broker_dies_with_a_gateway_that_is_killed(broker_options, until):
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PARENT,
        str(broker_options.port),
        str(broker_options.folder),
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    pid = int(await asyncio.wait_for(parent.stdout.readline(), 10))
    assert alive(pid)
    parent.kill()
    await parent.wait()
    await until(lambda: not alive(pid), 1)
    async with EmbeddedBroker(broker_options).running() as broker:  # the port is free again
        assert broker.starts == 1


async def test_orphan_of_a_former_gateway_is_ended(broker_options, until):
    EmbeddedBroker(broker_options).prepare()
    orphan = await asyncio.create_subprocess_exec(
        "mosquitto",
        "-c",
        str(broker_options.folder / "mosquitto.conf"),
        stderr=subprocess.DEVNULL,
    )
    try:
        await until(lambda: socket_open(broker_options.port))
        async with EmbeddedBroker(broker_options).running() as broker:
            assert broker.pid != orphan.pid
            await asyncio.wait_for(orphan.wait(), 1)
    finally:
        if orphan.returncode is None:
            orphan.kill()
            await orphan.wait()


def socket_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_stop_ends_the_broker_even_while_it_hangs(broker_options, stalled):
    async with EmbeddedBroker(broker_options).running() as broker:
        pid = broker.pid
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)
    assert not socket_open(broker_options.port)


# Beyond loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.7", False),
        ("broker.example", False),
    ],
)
def test_only_this_machine_reaches_loopback(host, expected):
    assert is_loopback(host) is expected


@pytest.mark.parametrize("missing", ["users", "tls", "key"])
def test_beyond_loopback_without_users_and_tls_is_refused(broker_options, tls, tmp_path, missing):
    users = tmp_path / "users"
    users.write_text("console-1:x\n")
    options = dataclasses.replace(
        broker_options,
        host="0.0.0.0",
        users_file=None if missing == "users" else users,
        cert_file=None if missing == "tls" else tls.cert,
        key_file=None if missing in ("tls", "key") else tls.key,
    )
    with pytest.raises(BrokerError):
        EmbeddedBroker(options).prepare()


async def test_tls_broker_admits_who_has_a_password_and_trusts_it(
    broker_options, tls, tmp_path, until, tasks
):
    users = tmp_path / "users"
    users.write_text("console-1:word\n")
    options = dataclasses.replace(
        broker_options, host="0.0.0.0", users_file=users, cert_file=tls.cert, key_file=tls.key
    )
    async with EmbeddedBroker(options).running() as broker:
        seen = []
        own = ControlLink("zju1", broker.address("zju1"))
        own.subscribe("baiying/#", lambda incoming: seen.append(incoming.payload))
        far = BrokerAddress(
            host="localhost",
            port=options.port,
            username="console-1",
            password="word",
            tls=Tls(ca_file=tls.ca),
        )
        console = ControlLink("console-1", far)
        strangers = [
            ControlLink("console-2", dataclasses.replace(far, tls=None)),
            ControlLink("console-3", dataclasses.replace(far, tls=Tls())),
            ControlLink("console-4", dataclasses.replace(far, password="guessed")),
            # The certificate bears the name localhost, and no other.
            ControlLink("console-5", dataclasses.replace(far, host="127.0.0.1")),
        ]
        async with tasks(*(link.run() for link in (own, console, *strangers))):
            await until(lambda: own.connected and console.connected)
            await console.publish("baiying/alarm/console-1", b"hello")
            await until(lambda: seen == [b"hello"])
            told = await asyncio.to_thread(
                mosquitto_pub,
                options.port,
                *("--cafile", str(tls.ca), "-u", "console-1", "-P", "word", "--insecure"),
                *("-q", "1", "-t", "baiying/alarm/console-1", "-m", "theirs"),
            )
            assert told.returncode == 0
            await until(lambda: seen == [b"hello", b"theirs"])
            assert not any(link.connected for link in strangers)


def test_unusable_certificate_is_named(broker_options, tls):
    options = BrokerOptions(
        host="127.0.0.1", port=1, folder=broker_options.folder, cert_file=tls.key, key_file=tls.cert
    )
    with pytest.raises(BrokerError, match=r"key\.pem"):
        EmbeddedBroker(options).prepare()
