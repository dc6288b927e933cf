"""What `gateway.ports.AudioDevice` promises, held against every audio driver.

A rig is the outside world's side: `speak` puts a block in front of the microphone, `heard` is what
has come out of the loudspeaker.
"""

import asyncio
import importlib.util
import socket
import time
import wave

import numpy as np
import pytest

from drivers.sip.options import SipOptions
from drivers.soundcard.options import SoundCardOptions
from drivers.virtual.file_audio import FileAudio
from drivers.virtual.options import FileAudioOptions, UdpAudioOptions
from drivers.virtual.udp import UdpAudio
from tests.drivers.pulse import Pulse
from tests.drivers.sip_peer import ANSWER, HUNG_UP, Rtp, sipp


class UdpRig:
    rate_hz = 16_000

    def __init__(self, folder):
        self.near = self._socket()
        self.address = self.near.getsockname()
        self.near.close()
        self.far = self._socket()
        self.far.setblocking(False)

    @staticmethod
    def _socket():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        return made

    def device(self):
        listen, send = (
            f"127.0.0.1:{port}" for port in (self.address[1], self.far.getsockname()[1])
        )
        return UdpAudio("radio", UdpAudioOptions(listen=listen, send=send))

    async def speak(self):
        while True:
            self.far.sendto(np.full(320, 5_000, np.int16).tobytes(), self.address)
            await asyncio.sleep(0.02)

    def heard(self):
        data = b""
        while True:
            try:
                data += self.far.recv(4096)
            except BlockingIOError:
                return np.frombuffer(data, np.int16)

    def end(self):
        self.far.close()


class FileRig:
    rate_hz = 16_000

    def __init__(self, folder):
        self.play, self.record = folder / "play.wav", folder / "record.wav"
        with wave.open(str(self.play), "wb") as file:
            file.setparams((1, 2, self.rate_hz, 0, "NONE", ""))
            file.writeframes(np.full(self.rate_hz * 3, 5_000, np.int16).tobytes())

    def device(self):
        return FileAudio("radio", FileAudioOptions(play=self.play, record=self.record))

    async def speak(self):
        pass

    def heard(self):
        with wave.open(str(self.record), "rb") as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16)

    def end(self):
        pass


class SoundCardRig:
    """Two wires of a sound server: one to speak into, one to listen at."""

    rate_hz = 48_000

    def __init__(self, folder):
        self.pulse = Pulse(folder, wires=2)
        self.pulse.start()
        self._heard = []
        self.listening = None

    def device(self):
        return self._card(capture="wire_1_in", playback="wire_2_out")

    def _card(self, **options):
        from drivers.soundcard.driver import SoundCard

        return SoundCard("radio", SoundCardOptions(rate_hz=self.rate_hz, **options))

    async def speak(self):
        async with self._card(playback="wire_1_out", capture="wire_2_in").open() as far:

            async def listen():
                while True:
                    self._heard.append(await far.read())

            listening = asyncio.create_task(listen())
            try:
                while True:
                    far.write(np.full(960, 5_000, np.int16))
                    await asyncio.sleep(0.02)
            finally:
                listening.cancel()

    def heard(self):
        return np.concatenate([np.zeros(0, np.int16), *self._heard])

    def end(self):
        self.pulse.kill()


class SipRig:
    """A door station: its signalling by sipp, its audio PCMU in RTP."""

    rate_hz = 8_000

    def __init__(self, folder):
        if importlib.util.find_spec("baresip") is None:
            pytest.skip("the extra `sip` is not installed")
        self.rtp = Rtp()
        scenario = ANSWER.format(then=HUNG_UP)
        self.sipp, self.port = sipp(folder, scenario, "-key", "rtp", str(self.rtp.port))

    def device(self):
        from drivers.sip.driver import SipAudio

        call = f"sip:door@127.0.0.1:{self.port}"
        return SipAudio("radio", SipOptions(call=call, rate_hz=self.rate_hz))

    async def speak(self):
        while True:
            self.rtp.speak(5_000)
            await asyncio.sleep(0.02)

    def heard(self):
        return self.rtp.heard()

    def end(self):
        self.sipp.kill()
        self.rtp.close()


@pytest.fixture(
    params=[
        UdpRig,
        FileRig,
        pytest.param(SoundCardRig, marks=pytest.mark.system),
        pytest.param(SipRig, marks=pytest.mark.system),
    ],
    ids=lambda rig: rig.__name__,
)
async def rig(request, tmp_path, monkeypatch):
    rig = request.param(tmp_path)
    for name, value in rig.pulse.environment.items() if hasattr(rig, "pulse") else ():
        monkeypatch.setenv(name, value)
    speaking = asyncio.create_task(rig.speak())
    yield rig
    speaking.cancel()
    await asyncio.gather(speaking, return_exceptions=True)
    rig.end()


async def read_until_speech(stream):
    async with asyncio.timeout(3):
        while np.abs(await stream.read()).max() < 4_000:
            pass


async def test_blocks_are_20_ms_of_16_bit_mono_at_the_rate_of_the_stream(rig):
    async with rig.device().open() as stream:
        assert stream.rate_hz == rig.rate_hz
        block = await asyncio.wait_for(stream.read(), 3)
        assert block.shape == (rig.rate_hz // 50,)
        assert block.dtype == np.int16
        block[:] = 0  # a block is the reader's own


async def test_speech_arrives_at_the_pace_of_real_time(rig):
    async with rig.device().open() as stream:
        await read_until_speech(stream)
        began = time.monotonic()
        for _ in range(25):
            await stream.read()
        assert 0.4 < time.monotonic() - began < 0.7


async def test_what_is_written_comes_out(rig):
    async with rig.device().open() as stream:
        await read_until_speech(stream)
        for _ in range(10):
            stream.write(np.full(rig.rate_hz // 50, 3_000, np.int16))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
    heard = rig.heard()
    assert np.count_nonzero(np.abs(heard - 3_000) < 100) >= 9.5 * rig.rate_hz / 50


async def test_writing_never_blocks_and_past_the_bound_something_is_dropped(rig):
    async with rig.device().open() as stream:
        await read_until_speech(stream)
        block = np.full(rig.rate_hz // 50, 3_000, np.int16)
        began = time.monotonic()
        for _ in range(500):
            stream.write(block)
        assert time.monotonic() - began < 0.5


async def test_unread_blocks_are_dropped_past_200_ms_and_counted(rig):
    async with rig.device().open() as stream:
        await read_until_speech(stream)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        for _ in range(9):
            await stream.read()
        assert time.monotonic() - began < 0.1
        assert stream.counters["capture_dropped"] >= 10


async def test_a_closed_device_can_be_opened_again(rig):
    for _ in range(3):
        async with rig.device().open() as stream:
            await read_until_speech(stream)
