"""A broker that does what a test says, and a real one."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import mqtt5
import pytest

from gateway.link.address import BrokerAddress
from gateway.link.broker import BrokerOptions, EmbeddedBroker


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def until(condition, within=5.0):
    """Wait for ``condition()``; the only waiting in these tests, and never longer than needed."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def tasks(*coroutines):
    """Run coroutines beside a block, and cancel them with it."""
    running = [asyncio.create_task(one) for one in coroutines]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Peer:
    """The broker's end of one connection."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer
        self._buffer = b""

    async def next(self, kind=None, within=3.0):
        """The next packet that is no PINGREQ; of ``kind`` where one is named."""
        while True:
            packet = await asyncio.wait_for(self._packet(), within)
            if isinstance(packet, mqtt5.PingReqPacket):
                continue
            assert kind is None or isinstance(packet, kind), packet
            return packet

    async def silence(self, duration=0.1):
        """Nothing comes for a while."""
        with pytest.raises(TimeoutError):
            await self.next(within=duration)

    def send(self, packet):
        self._writer.write(packet if isinstance(packet, bytes) else packet.write())

    async def closed(self, within=3.0):
        """Wait for the end of the client's stream."""
        async with asyncio.timeout(within):
            with contextlib.suppress(ConnectionError):
                while await self._reader.read(65_536):
                    pass

    def hang_up(self):
        self._writer.close()

    async def _packet(self):
        while True:
            with contextlib.suppress(IndexError):
                packet, size = mqtt5.read(memoryview(self._buffer))
                self._buffer = self._buffer[size:]
                return packet
            data = await self._reader.read(65_536)
            assert data, "the client hung up"
            self._buffer += data


class ScriptedBroker:
    """Accepts connections; the test plays the broker's part on each."""

    def __init__(self):
        self._peers = asyncio.Queue()
        self._writers = []

    async def accept(self, within=5.0) -> Peer:
        return await asyncio.wait_for(self._peers.get(), within)

    async def greet(self, connack=None, within=5.0):
        """Accept and answer CONNECT; the peer and the CONNECT packet."""
        peer = await self.accept(within)
        hello = await peer.next(mqtt5.ConnectPacket)
        peer.send(connack or mqtt5.ConnAckPacket())
        return peer, hello

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.address = BrokerAddress(
            host="127.0.0.1", port=port, username="zju1", password="secret"
        )
        return self

    async def __aexit__(self, *_):
        for writer in self._writers:
            writer.close()
        self._server.close()

    def _accepted(self, reader, writer):
        self._writers.append(writer)
        self._peers.put_nowait(Peer(reader, writer))


@pytest.fixture
async def scripted():
    async with ScriptedBroker() as broker:
        yield broker


@pytest.fixture
def broker_options(tmp_path):
    return BrokerOptions(
        host="127.0.0.1",
        port=free_port(),
        folder=tmp_path / "broker",
        clients=("zju1", "police"),
    )


@pytest.fixture
async def broker(broker_options):
    async with EmbeddedBroker(broker_options).running() as running:
        yield running


@pytest.fixture(name="until")
def until_fixture():
    return until


@pytest.fixture(name="tasks")
def tasks_fixture():
    return tasks


@pytest.fixture(name="free_port")
def free_port_fixture():
    return free_port


@contextlib.contextmanager
def stalled_process(pid):
    """A process that hangs, and goes on afterwards."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def stalled():
    return stalled_process


@dataclass(frozen=True)
class Certificates:
    """An authority, and what it made for the name ``localhost``."""

    ca: Path
    cert: Path
    key: Path


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=ca")
    openssl("req", *curve, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    signer = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-extfile", "names"]
    openssl("x509", "-req", "-in", "request.pem", *signer, "-out", "cert.pem", "-days", "2")
    return Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
