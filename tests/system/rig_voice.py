"""Real gateways with virtual radios, and a client of their broker that knows only the contract.

Nothing here uses the product's codecs: RTP is packed and read with struct, floor messages with json,
Opus is coded by PyAV's libopus.
"""

import asyncio
import contextlib
import itertools
import json
import os
import re
import secrets
import signal
import socket
import struct
import sys
import threading
import time
import tty
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.cli.demo import sound

RATE_HZ = 16_000
BLOCK = RATE_HZ // 50

SHARED = """\
sites: {s1: {name: Hospital, class: hospital, street: x}}
"""
QUIET = "announcements: {times: 0}\n"
"""For tests in which nothing but what they say themselves is to be heard."""


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def until(condition, within=3.0, what=""):
    """Wait for a true value, and return it."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, what or "it did not come to pass"
        await asyncio.sleep(0.002)
    return value


# The wire, read by the contract


@dataclass(frozen=True)
class Rtp:
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    level: int
    voice: bool
    term: int
    grant: int
    last: bool
    pre_roll: bool
    emergency: bool
    captured: float
    payload: bytes

    @property
    def token(self):
        return self.term, self.grant


def read_rtp(data):
    """One packet by RFC 3550 and 8285; asserts what the contract says of every packet."""
    first, second, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", data)
    assert first >> 6 == 2, "version"
    assert not first & 0x20, "padding"
    assert first & 0x10, "extension"
    assert first & 0x0F == 0, "contributing sources"
    assert second & 0x7F == 111, "payload type"
    profile, words = struct.unpack_from(">HH", data, 12)
    assert profile == 0xBEDE, "one-byte header extensions"
    block, at, found = data[16 : 16 + 4 * words], 0, {}
    while at < len(block):
        if block[at] == 0:
            at += 1
            continue
        number, length = block[at] >> 4, (block[at] & 15) + 1
        assert number not in found
        found[number] = block[at + 1 : at + 1 + length]
        at += 1 + length
    assert {n: len(v) for n, v in found.items()} == {1: 1, 2: 8, 3: 1, 4: 8}
    term, grant = struct.unpack(">II", found[2])
    bits = found[3][0]
    assert bits < 8
    return Rtp(
        sequence, timestamp, ssrc, second >= 0x80, found[1][0] & 0x7F, found[1][0] >= 0x80,
        term, grant, bool(bits & 1), bool(bits & 2), bool(bits & 4),
        int.from_bytes(found[4], "big") / 2**32 - 2_208_988_800, data[16 + 4 * words :],
    )  # fmt: skip


def make_rtp(
    payload, sequence, ssrc, token, *, marker=False, last=False, level=20, captured=None, flags=0
):
    captured = time.time() if captured is None else captured
    extensions = struct.pack(
        ">BBBIIBBBQH", 0x10, 0x80 | level, 0x27, *token, 0x30, flags | last, 0x47,
        int((captured + 2_208_988_800) * 2**32), 0,
    )  # fmt: skip
    head = struct.pack(
        ">BBHII", 0x90, 111 | marker << 7, sequence & 0xFFFF, sequence * 960 & 0xFFFFFFFF, ssrc
    )
    return head + struct.pack(">HH", 0xBEDE, len(extensions) // 4) + extensions + payload


def opus_packets(samples, rate_hz=RATE_HZ):
    """20 ms Opus packets of ``samples``, coded by FFmpeg's libopus."""
    import av

    coder = av.CodecContext.create("libopus", "w")
    coder.sample_rate, coder.layout, coder.format = rate_hz, "mono", "s16"
    coder.options = {"frame_duration": "20", "application": "voip"}
    coder.bit_rate = 24_000
    packets = []
    for at in range(0, len(samples) - BLOCK + 1, BLOCK):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + BLOCK], "s16", "mono")
        frame.sample_rate = rate_hz
        packets += [bytes(packet) for packet in coder.encode(frame)]
    return packets


def opus_samples(payloads, rate_hz=RATE_HZ):
    """What FFmpeg hears in the payloads of a burst."""
    import av

    coder = av.CodecContext.create("libopus", "r")
    coder.sample_rate, coder.layout = 48_000, "mono"
    whole = []
    for payload in payloads:
        for frame in coder.decode(av.Packet(payload)):
            whole.append(frame.to_ndarray().reshape(-1))
    sound = np.concatenate(whole)
    if sound.dtype != np.int16:
        sound = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    import soxr

    return soxr.resample(sound, 48_000, rate_hz)


def likeness(heard, said):
    """Of the worst 300 ms of ``said``, the first and the last among them, to what was heard."""
    silence = np.zeros(RATE_HZ // 2, np.int16)
    found = sound.find(np.concatenate((silence, heard, silence)), said)
    return 0.0 if found is None else found.worst


@dataclass(frozen=True)
class Arrival:
    at: float
    wall: float
    topic: str
    payload: bytes
    retain: bool
    expiry: int | None = None

    @property
    def levels(self):
        return self.topic.split("/")[1:]

    @property
    def json(self):
        """Its payload, and nothing where it has none."""
        try:
            value = json.loads(self.payload)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Client:
    """A foreign client of the broker; sees everything, publishes what it is told to."""

    def __init__(self, name, port, password, *, user=None, identifier=None):
        self.name = name
        self.arrivals = []
        self.refused = []
        self._numbers = itertools.count(1)
        self._mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2, identifier or name, protocol=mqtt.MQTTv5
        )
        self._mqtt.username_pw_set(user or name, password)
        self._mqtt.on_message = self._message
        self._mqtt.on_connect = lambda client, *_: client.subscribe("baiying/#", qos=1)
        self._mqtt.on_subscribe = lambda *_: setattr(self, "ready", True)
        self.ready = False
        self._mqtt.connect("127.0.0.1", port, keepalive=30)
        self._mqtt.loop_start()

    def _message(self, _client, _data, message):
        self.arrivals.append(
            Arrival(
                time.monotonic(),
                time.time(),
                message.topic,
                bytes(message.payload),
                message.retain,
                getattr(message.properties, "MessageExpiryInterval", None),
            )
        )

    def close(self):
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def publish(self, topic, payload, *, qos=0, retain=False, expiry=None):
        if isinstance(payload, dict):
            payload = json.dumps(payload).encode()
        properties = None
        if expiry is not None:
            properties = Properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expiry
        return self._mqtt.publish(f"baiying/{topic}", payload, qos, retain, properties)

    def find(self, kind, since=0.0, **wanted):
        """Arrivals whose topic has ``kind`` as third (or second) level, with these JSON fields."""
        found = []
        for one in list(self.arrivals):
            if one.at < since or kind not in one.levels[:3]:
                continue
            if not wanted or (
                one.payload and all(one.json.get(key) == value for key, value in wanted.items())
            ):
                found.append(one)
        return found

    async def expect(self, kind, *, since=0.0, within=3.0, talkgroup=None, **wanted):
        def look():
            return [
                one
                for one in self.find(kind, since, **wanted)
                if talkgroup is None or one.levels[1] == talkgroup
            ]

        return (await until(look, within, f"no {kind} {wanted} within {within} s"))[0]

    # As a talker

    def ask(
        self,
        talkgroup,
        *,
        op="request",
        talker="radio",
        priority=100,
        emergency=False,
        retain=False,
    ):
        """Publish a FloorRequest; its seq."""
        seq = next(self._numbers)
        self.publish(
            f"talkgroup/{talkgroup}/request/{self.name}",
            {"v": 1, "op": op, "talker": f"{self.name}/{talker}", "priority": priority,
             "emergency": emergency, "seq": seq},
            retain=retain,
        )  # fmt: skip
        return seq

    async def answer(self, seq, within=2.0, **wanted):
        def look():
            return [
                one for one in self.find("answer", seq=seq, **wanted) if one.levels[3] == self.name
            ]

        return (await until(look, within, f"no answer to {seq} within {within} s"))[0]

    async def speak(
        self, talkgroup, packets, token, *, ssrc=None, first=None, last=True, pace=0.02
    ):
        """Send Opus packets at the pace of speech."""
        ssrc = secrets.randbits(32) if ssrc is None else ssrc
        first = secrets.randbits(16) if first is None else first
        due = time.monotonic()
        for number, payload in enumerate(packets):
            data = make_rtp(
                payload, first + number, ssrc, token,
                marker=number == 0, last=last and number == len(packets) - 1,
            )  # fmt: skip
            self.publish(f"talkgroup/{talkgroup}/voice/{self.name}", data, expiry=2)
            due += pace
            await asyncio.sleep(max(0.0, due - time.monotonic()))


# Gateways


class Gateway:
    """`baiying run`, as a process."""

    def __init__(self, name, config):
        self.name = name
        self.config = config
        self.log = config.with_suffix(".log")
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def said(self):
        return self.log.read_text("utf-8", errors="replace") if self.log.exists() else ""

    async def start(self):
        with self.log.open("ab") as log:
            begins = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "run", str(self.config)),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

        def ready():
            assert self.process.returncode is None, self.said()
            return " ready" in self.said()[begins:]

        await until(ready, 20, f"{self.name} is not ready")

    async def stop(self, number=signal.SIGTERM):
        """Its exit status."""
        if self.process is None or self.process.returncode is not None:
            return None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            async with asyncio.timeout(6):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            raise

    async def command(self, *words, config=True, within=20):
        """Run `baiying WORDS`: exit status, standard output, standard error."""
        process = await self.begin(*words, config=config)
        async with asyncio.timeout(within):
            out, error = await process.communicate()
        return process.returncode, out.decode(), error.decode()

    async def begin(self, *words, config=True):
        where = ("--config", str(self.config)) if config else ()
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *words, *where),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def reload(self, within=15):
        before = len(re.findall("reload: (done|refused)", self.said()))
        self.process.send_signal(signal.SIGHUP)
        await until(
            lambda: len(re.findall("reload: (done|refused)", self.said())) > before,
            within,
            "reload",
        )


class Radio(asyncio.DatagramProtocol):
    """A radio behind an endpoint: microphone and loudspeaker by UDP, COS and PTT by letters."""

    def __init__(self, name, folder):
        self.name = name
        self.line = folder / f"{name}.line"
        self.listen_port = free_port(socket.SOCK_DGRAM)
        self.send_port = free_port(socket.SOCK_DGRAM)
        self.heard = []  # (monotonic, samples)
        self.ptt = []  # (monotonic, keyed)
        self.mute = False  # a microphone that sends no datagram at all
        self._speech = []
        self._tone_hz = None
        self._ended = threading.Event()
        self._terminal = -1

    def yaml(self, talkgroup="tg", *, more="", squelch="pty", ptt=True):
        line = f"{{driver: pty, path: {self.line}}}"
        squelch = line if squelch == "pty" else squelch
        return (
            f"  {self.name}:\n    kind: radio\n    site: s1\n    talkgroup: {talkgroup}\n"
            f'    audio: {{driver: udp, listen: "127.0.0.1:{self.listen_port}",'
            f' send: "127.0.0.1:{self.send_port}", rate_hz: {RATE_HZ}}}\n'
            + (f"    ptt: {line}\n" if ptt else "")
            + (f"    squelch: {squelch}\n" if squelch else "")
            + (f"    {more}\n" if more else "")
        )

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self.send_port)
        )
        self._thread = threading.Thread(target=self._microphone, daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._transport.close()
        self.unplug()

    def plug_in(self):
        """Open the pseudo-terminal, as a radio interface does."""
        self.unplug()
        self._terminal = os.open(self.line, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._terminal)
        asyncio.get_running_loop().add_reader(self._terminal, self._letters)

    def unplug(self):
        if self._terminal >= 0:
            asyncio.get_running_loop().remove_reader(self._terminal)
            os.close(self._terminal)
            self._terminal = -1

    @property
    def keyed(self):
        return bool(self.ptt) and self.ptt[-1][1]

    def squelch(self, is_open):
        with contextlib.suppress(OSError):  # the other end is gone
            os.write(self._terminal, b"O" if is_open else b"Z")

    async def say(self, samples):
        """Into the microphone, block by block; returns when the last block has been captured."""
        blocks = [samples[at : at + BLOCK] for at in range(0, len(samples), BLOCK)]
        blocks[-1] = np.pad(blocks[-1], (0, BLOCK - len(blocks[-1])))
        self._speech = blocks
        while self._speech:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)

    def speak_tone(self, hz):
        """A steady tone into the microphone from now on; None ends it."""
        self._tone_hz = hz

    async def over(self, samples, hold=0.0):
        """A whole over: squelch, words, squelch; when it opened."""
        at = time.monotonic()
        self.squelch(True)
        await self.say(samples)
        await asyncio.sleep(hold)
        self.squelch(False)
        return at

    def sound(self, since=0.0, length=float("inf")):
        """What came out of the loudspeaker from then on, for ``length`` seconds."""
        blocks = [block for at, block in self.heard if since <= at < since + length]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)

    async def becomes(self, keyed, *, since=0.0, within=2.0):
        """When PTT was last keyed, or released, at or after ``since``."""

        def look():
            return [at for at, on in self.ptt if on is keyed and at >= since]

        found = await until(
            look, within, f"{self.name}: PTT not {'keyed' if keyed else 'released'}"
        )
        return found[0]

    def datagram_received(self, data, addr):
        self.heard.append((time.monotonic(), np.frombuffer(data, "<i2")))

    def _microphone(self):
        """A thread of its own, for a microphone does not wait while a test thinks."""
        silence = np.zeros(BLOCK, np.int16)
        due, number = time.monotonic(), 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                block = self._speech.pop(0) if self._speech else silence
                if self._tone_hz is not None:
                    times = np.arange(number * BLOCK, (number + 1) * BLOCK) / RATE_HZ
                    block = (8000 * np.sin(2 * np.pi * self._tone_hz * times)).astype(np.int16)
                number += 1
                if not self.mute:
                    sender.sendto(block.astype("<i2").tobytes(), ("127.0.0.1", self.listen_port))
                due += 0.02

    def _letters(self):
        at = time.monotonic()
        try:
            letters = os.read(self._terminal, 256)
        except OSError:
            letters = b""
        if not letters:
            asyncio.get_running_loop().remove_reader(self._terminal)
        for letter in letters:
            assert letter in b"TR", letters
            self.ptt.append((at, letter == ord("T")))


class Stage:
    """Gateways on one broker, the one of gateway ``a``, with a folder of their own."""

    def __init__(self, folder: Path, *, shared, foreigners=("watcher", "foreign"), quiet=True):
        self.folder = folder
        self.shared = shared
        self.port = free_port()
        self.words = {name: secrets.token_urlsafe(9) for name in ("b", "c", *foreigners)}
        self.gateways = {}
        self._closing = contextlib.AsyncExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "users").write_text("".join(f"{n}:{w}\n" for n, w in self.words.items()))
        (folder / "shared.yaml").write_text(SHARED + QUIET * quiet + shared, "utf-8")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        # b and c first: they can say goodbye to a broker that still lives.
        for gateway in reversed(self.gateways.values()):
            with contextlib.suppress(TimeoutError):
                await gateway.stop()
        await self._closing.aclose()

    async def radio(self, name):
        return await self._closing.enter_async_context(Radio(name, self.folder))

    def configure(self, name, endpoints, *, more=""):
        """Write the file of a gateway; the gateway is not started."""
        if name == "a":
            broker = f'{{broker: embedded, listen: "127.0.0.1:{self.port}", users_file: users}}'
        else:
            (self.folder / f"{name}.password").write_text(self.words[name] + "\n")
            broker = f'{{broker: "mqtt://127.0.0.1:{self.port}", password_file: {name}.password}}'
        path = self.folder / f"{name}.yaml"
        path.write_text(
            f"gateway: {name}\ndata_dir: {name}\ninclude: [shared.yaml]\nmqtt: {broker}\n"
            f"{more}endpoints:\n{endpoints}",
            "utf-8",
        )
        if name not in self.gateways:
            self.gateways[name] = Gateway(name, path)
        return self.gateways[name]

    async def client(self, name):
        client = Client(name, self.port, self.words[name])
        self._closing.callback(client.close)
        await until(lambda: client.ready)
        return client
