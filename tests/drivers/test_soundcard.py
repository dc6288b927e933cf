"""The sound card driver through a real sound server, and its parts alone."""

import asyncio
import time
from collections import Counter

import numpy as np
import pytest

from drivers.soundcard.buffers import CaptureBuffer, PlaybackBuffer
from drivers.soundcard.devices import Device, choose
from drivers.soundcard.options import SoundCardOptions
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import ClockedStream
from tests.drivers.pulse import Pulse

pytestmark = pytest.mark.realtime

RATE_HZ = 48_000
BLOCK = 960

DEVICES = [
    Device(0, "USB Audio Device: - (hw:1,0)", 1),
    Device(1, "USB Audio Device: - (hw:2,0)", 1),
    Device(2, "Radio", 1),
    Device(3, "Radio monitor", 1),
    Device(4, "HDMI", 0),
]


@pytest.mark.parametrize(
    ("wanted", "index"), [("Radio", 2), ("radio mon", 3), ("(hw:2,0)", 1), ("hw:1", 0)]
)
def test_a_device_is_found_by_its_name_or_a_part_that_only_it_has(wanted, index):
    assert choose(DEVICES, wanted).index == index


def test_a_part_that_several_devices_have_is_refused_with_their_names():
    with pytest.raises(LookupError, match=r"hw:1,0.*hw:2,0"):
        choose(DEVICES, "USB Audio")


def test_a_device_of_the_other_direction_is_not_found_and_the_others_are_named():
    with pytest.raises(LookupError, match=r"'HDMI'; there are: .*'Radio'"):
        choose(DEVICES, "HDMI")


def test_captured_pieces_of_any_size_become_blocks_in_order():
    blocks = []
    buffer = CaptureBuffer(4, blocks.append)
    for piece in (b"ab", b"cdefghi", b"", b"jk", b"l"):
        buffer.put(piece)
    assert blocks == [b"abcd", b"efgh", b"ijkl"]


def playback(counters=None):
    return PlaybackBuffer(3, 4, Counter() if counters is None else counters)


def test_a_burst_begins_with_a_cushion_of_silence():
    buffer = playback()
    buffer.put(b"aaaa", 0.0)
    assert buffer.take(6, 0.0) == b"\0\0\0\0aa"
    assert buffer.take(6, 0.0) == b"aa\0\0\0\0"


def test_blocks_of_a_burst_are_joined_without_further_cushions():
    buffer = playback()
    buffer.put(b"aaaa", 0.0)
    buffer.put(b"bbbb", 0.02)
    assert buffer.take(12, 0.03) == b"\0\0\0\0aaaabbbb"


def test_past_its_depth_the_oldest_is_dropped_and_counted():
    counters = Counter()
    buffer = playback(counters)
    for block in (b"aaaa", b"bbbb", b"cccc", b"dddd"):
        buffer.put(block, 0.0)
    assert counters == {"playback_dropped": 2}
    assert buffer.take(12, 0.0) == b"bbbbccccdddd"


def test_silence_before_the_first_burst_is_no_underrun():
    counters = Counter()
    buffer = playback(counters)
    buffer.take(9, 0.0)
    buffer.put(b"aaaa", 0.01)
    assert not counters


@pytest.mark.parametrize(("pause", "counted"), [(0.099, 1), (0.1, 0)])
def test_running_dry_counts_as_an_underrun_only_if_the_burst_goes_on(pause, counted):
    counters = Counter()
    buffer = playback(counters)
    buffer.put(b"aaaa", 0.0)
    buffer.take(9, 1.0)
    buffer.take(9, 1.05)
    buffer.put(b"bbbb", 1.0 + pause)
    assert counters["underruns"] == counted


def test_taken_to_the_last_byte_it_has_not_run_dry_and_gets_no_further_silence():
    counters = Counter()
    buffer = playback(counters)
    buffer.put(b"aaaa", 0.0)
    assert buffer.take(8, 0.0) == b"\0\0\0\0aaaa"
    buffer.put(b"bbbb", 0.02)
    assert buffer.take(4, 0.03) == b"bbbb"
    assert not counters


def test_what_waits_is_counted_on_while_the_device_plays_what_it_took():
    buffer = playback()
    assert buffer.queued(0.0, 100) == 0.0
    buffer.put(b"aaaaaaaa", 0.0)
    assert buffer.queued(0.0, 100) == pytest.approx(0.12)
    buffer.take(2, 1.0)
    assert buffer.queued(1.0, 100) == pytest.approx(0.10)
    assert buffer.queued(1.01, 100) == pytest.approx(0.09)
    assert buffer.queued(1.5, 100) == pytest.approx(0.08)
    for _ in range(4):
        buffer.put(b"bbbb", 1.5)
    assert buffer.queued(2.0, 100) == pytest.approx(0.12 - 0.02)  # three blocks are the most


@pytest.fixture
def pulse(tmp_path, monkeypatch):
    pulse = Pulse(tmp_path, wires=2)
    for name, value in pulse.environment.items():
        monkeypatch.setenv(name, value)
    pulse.start()
    yield pulse
    pulse.kill()


def card(**options):
    from drivers.soundcard.driver import SoundCard

    return SoundCard("radio", SoundCardOptions(rate_hz=RATE_HZ, **options))


@pytest.mark.system
async def test_60_s_come_back_without_a_gap_and_at_their_level(pulse):
    seconds, hz = 60, 440
    t = np.arange(seconds * RATE_HZ)
    sent = np.round(10_000 * np.sin(2 * np.pi * hz / RATE_HZ * t)).astype(np.int16)
    recorded = []
    async with card(capture="wire_1_in", playback="wire_1_out", latency_s=0.06).open() as stream:

        async def record():
            while True:
                recorded.append(await stream.read())

        recording = asyncio.create_task(record())
        began = asyncio.get_running_loop().time()
        for number, block in enumerate(sent.reshape(-1, BLOCK)):
            # 100 ms ahead, so that a stall of the test's own process is no gap of the driver's.
            due = began + number * 0.02 - 0.1
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            stream.write(block)
        await asyncio.sleep(0.5)
        recording.cancel()
        counters = dict(stream.counters)
    got = np.concatenate(recorded).astype(float)
    loud = np.flatnonzero(np.abs(got) > 5_000)
    whole = got[loud[0] : loud[-1] + 1]
    assert len(whole) == pytest.approx(len(sent), abs=RATE_HZ // hz), counters
    level_db = 20 * np.log10(np.sqrt(np.mean(whole**2)) / np.sqrt(np.mean(sent.astype(float) ** 2)))
    assert abs(level_db) < 1
    # A gap, a repetition or a jump would break the sine: x[n+1] = 2 cos(w) x[n] - x[n-1].
    error = whole[2:] - 2 * np.cos(2 * np.pi * hz / RATE_HZ) * whole[1:-1] + whole[:-2]
    assert np.abs(error).max() < 10, counters
    assert not counters.get("underruns")
    assert not counters.get("capture_dropped")


@pytest.mark.system
async def test_what_waits_in_a_real_card_stays_about_where_it_began(pulse):
    async with card(playback="wire_1_out", latency_s=0.06).open() as stream:
        assert isinstance(stream, ClockedStream)
        began = asyncio.get_running_loop().time()
        levels = []
        for number in range(150):
            await asyncio.sleep(began + number * 0.02 - asyncio.get_running_loop().time())
            levels.append(stream.queued)
            stream.write(np.zeros(BLOCK + number % 3 - 1, np.int16))  # blocks of any length
        begin, end = np.median(levels[20:50]), np.median(levels[120:])
        assert abs(begin) < 0.1
        assert abs(end - begin) < 0.02, dict(stream.counters)


@pytest.mark.system
@pytest.mark.parametrize("way", ["capture", "playback"])
async def test_one_direction_alone_can_be_had(pulse, way):
    device = {"capture": "wire_1_in", "playback": "wire_1_out"}[way]
    async with card(**{way: device}).open() as stream:
        stream.write(np.ones(BLOCK, np.int16))
        if way == "capture":
            async with asyncio.timeout(2):
                assert (await stream.read()).shape == (BLOCK,)


async def read_on(stream):
    while True:
        await stream.read()


@pytest.mark.system
async def test_an_unplugged_card_is_an_error_within_a_second_and_can_be_opened_again(pulse):
    async with card(capture="wire_1_in", playback="wire_1_out").open() as stream:
        await stream.read()
        pulse.kill()
        at = time.monotonic()
        with pytest.raises(DriverIOError):
            await asyncio.wait_for(read_on(stream), 5)
        assert time.monotonic() - at < 1.0
        with pytest.raises(DriverIOError):
            stream.write(np.zeros(BLOCK, np.int16))
    with pytest.raises(DriverOpenError):
        async with card(capture="wire_1_in").open():
            pass
    pulse.start()
    async with asyncio.timeout(5), card(capture="wire_1_in").open() as stream:
        await stream.read()


@pytest.mark.system
@pytest.mark.parametrize("way", ["capture", "playback"])
async def test_a_card_that_falls_silent_without_a_word_is_an_error_within_a_second(pulse, way):
    device = {"capture": "wire_1_in", "playback": "wire_1_out"}[way]
    async with card(**{way: device}).open() as stream:
        await asyncio.sleep(0.5)
        pulse.hang()
        at = time.monotonic()
        with pytest.raises(DriverIOError, match=f"the {way} device has fallen silent"):
            await asyncio.wait_for(read_on(stream), 5)
        assert time.monotonic() - at < 1.0
        pulse.go_on()


@pytest.mark.system
async def test_an_unknown_device_is_refused_with_those_there_are(pulse):
    with pytest.raises(DriverOpenError, match=r"there are: .*wire_1_in"):
        async with card(capture="Radio").open():
            pass


@pytest.mark.system
async def test_a_reader_that_sleeps_loses_the_oldest_blocks_and_they_are_counted(pulse):
    async with card(capture="wire_1_in").open() as stream:
        await stream.read()
        await asyncio.sleep(0.5)
        assert 10 <= stream.counters["capture_dropped"] <= 25
