"""A device that is listened to for what comes before an alarm is the same device to everybody else."""

import contextlib
import time

import numpy as np
import pytest

from gateway.ports import ClockedStream
from gateway.voice.recording.pre_alarm import PreAlarm
from gateway.voice.recording.tap import TappedDevice


class Stream:
    rate_hz = 16_000
    playback_delay = 0.02

    def __init__(self):
        self.counters = {"underruns": 3}
        self.written = []

    async def read(self):
        return np.full(320, 7, np.int16)

    def write(self, block):
        self.written.append(block)


class SoundCard(Stream):
    queued = 0.04


class Device:
    def __init__(self, stream):
        self.stream = stream
        self.closed = False

    @contextlib.asynccontextmanager
    async def open(self):
        yield self.stream
        self.closed = True


@pytest.mark.parametrize("kind", [Stream, SoundCard])
async def test_it_is_the_same_device_and_its_microphone_is_kept(kind):
    device, ring = Device(kind()), PreAlarm(1.0)
    async with TappedDevice(device, ring).open() as stream:
        assert (stream.rate_hz, stream.playback_delay) == (16_000, 0.02)
        assert stream.counters == {"underruns": 3}
        assert isinstance(stream, ClockedStream) is (kind is SoundCard)
        assert getattr(stream, "queued", None) == getattr(kind, "queued", None)
        block = await stream.read()
        assert block[0] == 7
        stream.write(block)
        assert device.stream.written[0] is block
    assert device.closed
    assert ring.take(1e12) is None
    kept = ring.take(time.time())
    assert list(kept.samples) == [7] * 320
    assert kept.started == pytest.approx(time.time(), abs=1.0)
