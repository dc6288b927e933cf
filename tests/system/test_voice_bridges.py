"""A gateway's talkgroups joined to ffmpeg, GStreamer, a multicast group, and a USRP peer."""

import asyncio
import contextlib
import itertools
import signal
import socket
import struct
import time
import wave

import numpy as np
import pytest
import pytest_asyncio
import soxr

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, free_port, likeness, opus_samples, until

pytestmark = [pytest.mark.system, pytest.mark.realtime, pytest.mark.asyncio(loop_scope="module")]

WHOLE = 0.6
"""Least likeness of any 300 ms piece, as in test_voice_path."""

GROUP = "239.255.77.1"
SHARED = """\
talkgroups: {rtp: {hang_time_s: 0.1}, usrp: {hang_time_s: 0.1}}
"""


class Scene:
    pass


def bridges(ports, *, player):
    at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    rtp = f'{{send: "{at["player"]}", listen: "{at["listen"]}", sources: [127.0.0.1], sdp: player.sdp}}'
    group = f'{{send: "{GROUP}:{ports["group"]}", ttl: 0, interface: lo, sdp: group.sdp}}'
    usrp = f'{{listen: "{at["to_asl"]}", send: "{at["from_asl"]}", number: 42}}'
    return (
        "bridges:\n"
        f"  group: {{talkgroup: rtp, rtp: {group}}}\n"
        f"  asl: {{talkgroup: usrp, usrp: {usrp}}}\n"
        + f"  player: {{talkgroup: rtp, rtp: {rtp}}}\n"
        * player
    )


class Peer(asyncio.DatagramProtocol):
    """The other end of USRP, by struct alone; or who listens to a group."""

    def __init__(self):
        self.arrivals = []  # (monotonic, data)

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.arrivals.append((time.monotonic(), data))


async def peer(port, group=None):
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    bound.bind((group or "127.0.0.1", port))
    if group is not None:
        loopback = socket.inet_aton(group) + socket.inet_aton("127.0.0.1")
        bound.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, loopback)
    _, one = await asyncio.get_running_loop().create_datagram_endpoint(Peer, sock=bound)
    return one


def pair_of_ports():
    while True:
        first = free_port(socket.SOCK_DGRAM)
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", first + 1))
            return first


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory):
    """Radios left on talkgroup rtp and right on usrp, three bridges, one gateway."""
    one = Scene()
    async with Stage(tmp_path_factory.mktemp("bridges"), shared=SHARED) as stage:
        one.folder = stage.folder
        one.left, one.right = await stage.radio("left"), await stage.radio("right")
        names = ("player", "listen", "group", "from_asl", "to_asl")
        one.ports = {name: pair_of_ports() for name in names}
        ports = one.ports
        endpoints = one.left.yaml("rtp") + one.right.yaml("usrp")

        def configure(*, player=True):
            one.a = stage.configure("a", endpoints, more=bridges(ports, player=player))

        one.configure = configure
        configure()
        one.asl = await peer(ports["from_asl"])
        one.group = await peer(ports["group"], GROUP)
        one.reports = await peer(ports["group"] + 1, GROUP)
        await one.a.start()
        for radio in (one.left, one.right):
            radio.plug_in()
        one.watcher = await stage.client("watcher")
        one.said = sound.recorded("Front_Center")
        await asyncio.sleep(0.8)
        yield one
        for listening in (one.asl, one.group, one.reports):
            listening.transport.close()


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def quiet(scene):
    yield
    await asyncio.sleep(0.8)


@contextlib.asynccontextmanager
async def process(*words, stops_with=signal.SIGINT):
    running = await asyncio.create_subprocess_exec(
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(stops_with)
        try:
            async with asyncio.timeout(8):
                out, _ = await running.communicate()
        except TimeoutError:
            running.kill()
            out, _ = await running.communicate()
        print(out.decode(errors="replace"))


def samples_of(path):
    data = path.read_bytes()
    at = data.index(b"data") + 8
    return np.frombuffer(data[at : at + (len(data) - at) // 2 * 2], "<i2")


async def test_ffmpeg_opens_the_description_and_hears_two_overs_until_goodbye(scene):
    heard = scene.folder / "heard.wav"
    sdp = scene.folder / "player.sdp"
    assert b"m=audio %d RTP/AVP 111\r\n" % scene.ports["player"] in sdp.read_bytes()
    async with process(
        *("ffmpeg", "-nostdin", "-protocol_whitelist", "file,udp,rtp", "-i", str(sdp)),
        *("-af", "aresample=async=1", "-ac", "1", "-ar", str(RATE_HZ), "-y", str(heard)),
    ) as ffmpeg:
        await asyncio.sleep(1.5)
        begun = time.monotonic()
        await scene.left.over(scene.said)
        await asyncio.sleep(1.0)
        again = time.monotonic()
        await scene.left.over(scene.said)
        await asyncio.sleep(0.5)
        scene.configure(player=False)
        await scene.a.reload()
        await until(lambda: ffmpeg.returncode is not None, 5, "BYE does not end it")
        scene.configure()
        await scene.a.reload()
    assert ffmpeg.returncode == 0
    sound_of = samples_of(heard)
    middle = round((again - begun) * RATE_HZ) - RATE_HZ // 4
    assert likeness(sound_of[:middle], scene.said) >= WHOLE
    assert likeness(sound_of[middle:], scene.said) >= WHOLE
    # What was written keeps the clock, also over the pause between them.
    assert len(sound_of) / RATE_HZ == pytest.approx(
        again - begun + len(scene.said) / RATE_HZ, abs=0.3
    )


async def test_gstreamer_speaks_and_a_member_hears_it(scene):
    said = scene.folder / "said.wav"
    with wave.open(str(said), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.concatenate((scene.said, np.zeros(4000, np.int16))).tobytes())
    since = time.monotonic()
    async with process(
        *("gst-launch-1.0", "filesrc", f"location={said}", "!", "wavparse", "!", "audioconvert"),
        *("!", "audioresample", "!", "opusenc", "!", "rtpopuspay", "pt=111", "!"),
        *("udpsink", "host=127.0.0.1", f"port={scene.ports['listen']}"),
    ):
        await scene.watcher.expect("floor", since=since, within=5, state="taken", talker="a/player")
        await scene.left.becomes(True, since=since)
        await scene.watcher.expect("floor", since=since, within=6, state="idle", talkgroup="rtp")
        await scene.left.becomes(False, since=since)
    assert likeness(scene.left.sound(since), scene.said) >= WHOLE
    out = [data for at, data in scene.group.arrivals if at >= since]
    assert len(out) >= len(scene.said) / RATE_HZ * 50  # and so does who listens to the group


async def test_a_group_gets_one_stream_whose_clock_goes_on_in_pauses(scene):
    since = time.monotonic()
    for pause in (1.0, 0.3):
        await scene.left.over(scene.said)
        await asyncio.sleep(pause)
    got = [(at, data) for at, data in scene.group.arrivals if at >= since]
    heads = [struct.unpack(">BBHII", data[:12]) for _, data in got]
    assert {head[0] for head in heads} == {0x80}
    assert {head[1] & 0x7F for head in heads} == {111}
    assert len({head[4] for head in heads}) == 1
    begins = [number for number, head in enumerate(heads) if head[1] & 0x80]
    assert len(begins) == 2
    assert begins[0] == 0
    steps = {after[2] - before[2] & 0xFFFF for before, after in itertools.pairwise(heads)}
    assert steps == {1}
    clock = (heads[begins[1]][3] - heads[0][3] & 0xFFFFFFFF) / 48_000
    assert clock == pytest.approx(got[begins[1]][0] - got[0][0], abs=0.1)
    first = opus_samples([data[12:] for _, data in got[: begins[1]]])
    assert likeness(first, scene.said) >= WHOLE
    report = [data for at, data in scene.reports.arrivals if data[1] == 200]
    assert report[-1][4:8] == got[0][1][8:12]


def frames_of(arrivals):
    for at, data in arrivals:
        eye, seq, memory, keyup, number, kind, mpxid, reserved = struct.unpack(">4s7I", data[:32])
        assert (eye, memory, kind, mpxid, reserved, number) == (b"USRP", 0, 0, 0, 0, 42)
        yield at, seq, keyup, data[32:]


async def test_a_usrp_peer_hears_an_over_keyed_and_unkeyed(scene):
    since = time.monotonic()
    await scene.right.over(scene.said)
    await asyncio.sleep(0.6)
    frames = list(frames_of((at, data) for at, data in scene.asl.arrivals if at >= since))
    *voice, end = frames
    assert {(keyup, len(body)) for _, _, keyup, body in voice} == {(1, 320)}
    assert end[2:] == (0, b"")
    assert [after[1] - before[1] for before, after in itertools.pairwise(frames)] == [1] * len(
        voice
    )
    samples = np.frombuffer(b"".join(body for *_, body in voice), "<i2")
    narrow = soxr.resample(soxr.resample(scene.said, RATE_HZ, 8_000), 8_000, RATE_HZ)
    assert likeness(soxr.resample(samples, 8_000, RATE_HZ), narrow) >= WHOLE


async def test_a_usrp_peer_speaks_and_a_member_hears_it(scene):
    narrow = soxr.resample(scene.said, RATE_HZ, 8_000)
    since = due = time.monotonic()
    for number, at in enumerate(range(0, len(narrow), 160)):
        block = np.pad(narrow[at : at + 160], (0, max(0, at + 160 - len(narrow))))
        data = struct.pack(">4s7I", b"USRP", number, 0, 1, 7, 0, 0, 0) + block.tobytes()
        scene.asl.transport.sendto(data, ("127.0.0.1", scene.ports["to_asl"]))
        due += 0.02
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    text = struct.pack(">4s7I", b"USRP", 0, 0, 0, 0, 2, 0, 0) + b"N0CALL"
    end = struct.pack(">4s7I", b"USRP", 0, 0, 0, 7, 0, 0, 0)
    for data in (text, b"garbage", end):
        scene.asl.transport.sendto(data, ("127.0.0.1", scene.ports["to_asl"]))
    ended = time.monotonic()
    await scene.watcher.expect("floor", since=since, state="taken", talker="a/asl")
    await scene.right.becomes(True, since=since)
    released = await scene.right.becomes(False, since=since)
    assert released - ended < 0.5
    assert likeness(
        scene.right.sound(since), soxr.resample(narrow, 8_000, RATE_HZ)
    ) >= WHOLE  # fmt: skip
    assert not [data for at, data in scene.asl.arrivals if at >= since]  # nothing comes back


async def test_at_the_end_the_stream_says_goodbye(scene):
    await scene.a.stop()
    await until(lambda: any(data[-8:-6] == b"\x81\xcb" for _, data in scene.reports.arrivals))
