"""The ``sip`` audio driver against peers that are not ours, on loopback."""

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.sip.driver import SipAudio
from drivers.sip.options import SipOptions
from gateway.errors import DriverIOError, DriverOpenError
from tests.drivers import sip_peer
from tests.drivers.sip_peer import ANSWER, FINAL, HANGS_UP, HUNG_UP, REGISTRAR, Rtp

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.system,
    pytest.mark.skipif(
        importlib.util.find_spec("baresip") is None, reason="the extra `sip` is not installed"
    ),
]


@pytest.fixture
def peers(tmp_path):
    with contextlib.ExitStack() as stack:

        class Peers:
            def sipp(self, *arguments, **options):
                process, port = sip_peer.sipp(tmp_path, *arguments, **options)
                stack.callback(process.kill)
                return process, port

            def baresip(self, *arguments, **options):
                process, port = sip_peer.baresip(tmp_path, *arguments, **options)
                stack.callback(process.kill)
                return process, port

            def rtp(self):
                rtp = Rtp()
                stack.callback(rtp.close)
                return rtp

        yield Peers()


def device(**options):
    return SipAudio("gate", SipOptions(**options))


async def speak(stream, rtp=None, blocks=50, level=3_000):
    """Both sides speak at real pace; returns what the stream captured meanwhile."""
    loop = asyncio.get_running_loop()
    captured = []

    async def read():
        while True:
            captured.append(await stream.read())

    reading = asyncio.create_task(read())
    began = loop.time()
    for number in range(blocks):
        stream.write(np.full(stream.rate_hz // 50, level, np.int16))
        if rtp is not None:
            rtp.speak(5_000)
        await asyncio.sleep(max(0.0, began + (number + 1) * 0.02 - loop.time()))
    reading.cancel()
    return np.concatenate([np.zeros(0, np.int16), *captured])


def close_to(samples, level):
    """Seconds at 8 kHz in which the samples have this level, as well as PCMU keeps it."""
    return np.count_nonzero(np.abs(samples.astype(int) - level) < 150) / 8_000


async def failure(stream, within):
    async with asyncio.timeout(within):
        while True:
            try:
                await stream.read()
            except DriverIOError as error:
                return error.what


async def test_a_door_station_that_is_called_hears_and_is_heard(peers):
    rtp = peers.rtp()
    sipp, port = peers.sipp(ANSWER.format(then=HUNG_UP), "-m", "1", "-key", "rtp", str(rtp.port))
    async with device(
        call=f"sip:door@127.0.0.1:{port}", codecs=("pcmu",), rate_hz=8_000
    ).open() as stream:
        rtp.speak(0)
        captured = await speak(stream, rtp)
        await asyncio.sleep(0.1)
        heard = rtp.heard()
        assert 0.9 < close_to(heard, 3_000) <= 1.0  # whole, and once
        assert close_to(captured, 5_000) > 0.7
        assert stream.counters["playback_dropped"] == 0
    assert sipp.wait(5) == 0, sipp.text()  # it was hung up properly


@pytest.mark.parametrize(
    ("codec", "theirs"),
    [("opus", "opus/48000/2"), ("g722", "g722/16000/1"), ("pcma", "pcma/8000/1")],
)
async def test_every_codec_brings_a_tone_there_and_back(peers, codec, theirs):
    process, port = peers.baresip(codecs=theirs)
    async with device(call=f"sip:door@127.0.0.1:{port}", codecs=(codec,)).open() as stream:
        tone = (
            8_000 * np.sin(2 * np.pi * 440 * np.arange(stream.rate_hz) / stream.rate_hz)
        ).astype(np.int16)
        captured = []
        for block in tone.reshape(50, -1):
            stream.write(block)
            captured.append(await asyncio.wait_for(stream.read(), 2))
        spectrum = np.abs(np.fft.rfft(np.concatenate(captured[-15:])))
        peak_hz = np.argmax(spectrum) * stream.rate_hz / (15 * stream.rate_hz // 50)
        assert peak_hz == pytest.approx(440, abs=5)
    assert f"Set audio decoder: {codec.upper() if codec != 'opus' else codec}" in process.text()


async def test_the_other_side_hanging_up_is_an_error_within_a_second(peers):
    rtp = peers.rtp()
    _, port = peers.sipp(
        ANSWER.format(then=HANGS_UP.format(after=500)), "-key", "rtp", str(rtp.port)
    )
    async with device(call=f"sip:door@127.0.0.1:{port}", codecs=("pcmu",)).open() as stream:
        assert "hung up" in await failure(stream, 1.5)
        with pytest.raises(DriverIOError):
            stream.write(np.zeros(stream.rate_hz // 50, np.int16))


async def test_a_call_without_audio_is_lost(peers):
    rtp = peers.rtp()
    _, port = peers.sipp(ANSWER.format(then=HUNG_UP), "-key", "rtp", str(rtp.port))
    async with device(
        call=f"sip:door@127.0.0.1:{port}", codecs=("pcmu",), silent_s=1
    ).open() as stream:
        rtp.speak(0)
        await speak(stream, rtp, blocks=10)
        assert "no audio came for 1 s" in await failure(stream, 4)


async def test_a_busy_station_is_an_error_that_says_so(peers):
    _, port = peers.sipp(FINAL.format(status="486 Busy Here"))
    with pytest.raises(DriverOpenError, match="486 Busy Here"):
        async with device(call=f"sip:door@127.0.0.1:{port}").open():
            pass


async def test_a_station_that_does_not_answer_is_given_up_in_time():
    began = time.monotonic()
    with pytest.raises(DriverOpenError, match="did not answer within 1 s"):
        async with device(
            call=f"sip:door@127.0.0.1:{sip_peer.free_port()}", answer_within_s=1.0
        ).open():
            pass
    assert time.monotonic() - began < 4


async def test_a_listed_caller_talks_and_may_call_again_after_hanging_up(peers, tmp_path):
    source = sip_peer.spoken(tmp_path / "spoken.wav", 3_000)
    here, there = sip_peer.free_port(), sip_peer.free_port()
    async with device(
        accept_from=(f"sip:door@127.0.0.1:{there}",), listen=f"127.0.0.1:{here}", rate_hz=8_000
    ).open() as stream:
        for calls in (1, 2):
            process, _ = peers.baresip(f"/dial sip:any@127.0.0.1:{here}", port=there, source=source)
            async with asyncio.timeout(8):
                while stream.counters["calls"] < calls:
                    await asyncio.sleep(0.05)
            captured = await speak(stream, blocks=60)
            assert close_to(captured, 3_000) > 0.7
            process.process.send_signal(signal.SIGTERM)
            process.wait(5)
            await asyncio.sleep(0.4)
            stream.write(np.zeros(160, np.int16))  # nobody hears it, and that is no fault
        assert stream.counters["unheard"] > 0


async def test_a_caller_who_is_not_listed_is_refused(peers):
    here = sip_peer.free_port()
    async with device(
        accept_from=("sip:front@127.0.0.1",), listen=f"127.0.0.1:{here}"
    ).open() as stream:
        process, _ = peers.baresip(f"/dial sip:baiying@127.0.0.1:{here}")
        async with asyncio.timeout(8):
            while "486" not in process.text():
                await asyncio.sleep(0.05)
            while not stream.counters["calls_refused"]:
                await asyncio.sleep(0.05)
        assert stream.counters["calls"] == 0


async def test_a_caller_who_was_killed_gets_through_again_at_once(peers):
    here, there = sip_peer.free_port(), sip_peer.free_port()
    async with device(
        accept_from=("sip:door@127.0.0.1",), listen=f"127.0.0.1:{here}", silent_s=20
    ).open() as stream:
        for calls in (1, 2):
            process, _ = peers.baresip(f"/dial sip:any@127.0.0.1:{here}", port=there)
            async with asyncio.timeout(5):
                while stream.counters["calls"] < calls:
                    await asyncio.sleep(0.05)
            process.kill()


async def test_a_taken_port_is_an_error_when_opening():
    here = sip_peer.free_port()
    options = {"accept_from": ("sip:door@127.0.0.1",), "listen": f"127.0.0.1:{here}"}
    async with device(**options).open():
        with pytest.raises(DriverOpenError, match="in use"):
            async with device(**options).open():
                pass


async def test_a_registrar_is_answered_with_the_password_and_its_later_refusal_is_an_error(
    peers, tmp_path
):
    (tmp_path / "password").write_text("secret word\n")
    sipp, port = peers.sipp(REGISTRAR.replace("{expires}", "3"), "-m", "1")
    async with device(
        accept_from=("sip:door@127.0.0.1",),
        registrar=f"127.0.0.1:{port}",
        username="gate",
        password_file=tmp_path / "password",
        register_every_s=20,
    ).open() as stream:
        assert "503" in await failure(stream, 8)
    assert sipp.log.exists()


async def test_a_wrong_password_is_an_error_when_opening(peers, tmp_path):
    (tmp_path / "password").write_text("guess\n")
    _, port = peers.sipp(REGISTRAR.replace("{expires}", "20"), "-m", "1")
    with pytest.raises(DriverOpenError, match="403"):
        async with device(
            accept_from=("sip:door@127.0.0.1",),
            registrar=f"127.0.0.1:{port}",
            username="gate",
            password_file=tmp_path / "password",
        ).open():
            pass


# The process with the stack.


def child_of_this_process():
    task = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    (found,) = [pid for pid in task if b"sip_child" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return int(found)


@pytest.mark.parametrize(
    ("signum", "says"),
    [(signal.SIGKILL, "died"), (signal.SIGSEGV, "died"), (signal.SIGSTOP, "hung")],
)
async def test_a_stack_that_crashes_or_hangs_is_an_error_within_a_second(signum, says):
    async with device(
        accept_from=("sip:door@127.0.0.1",), listen=f"127.0.0.1:{sip_peer.free_port()}"
    ).open() as stream:
        await asyncio.sleep(0.7)
        child = child_of_this_process()
        began = time.monotonic()
        os.kill(child, signum)
        assert says in await failure(stream, 2)
        assert time.monotonic() - began < 1.1
    assert not Path(f"/proc/{child}").exists()


async def test_a_gateway_that_is_killed_leaves_neither_call_nor_files(peers, tmp_path):
    """The process notices the end of its input, hangs up and ends."""
    rtp = peers.rtp()
    sipp, port = peers.sipp(ANSWER.format(then=HUNG_UP), "-m", "1", "-key", "rtp", str(rtp.port))
    program = (
        "import asyncio, os, signal\n"
        "from drivers.sip.driver import SipAudio\n"
        "from drivers.sip.options import SipOptions\n"
        "async def main():\n"
        f"    options = SipOptions(call='sip:door@127.0.0.1:{port}')\n"
        "    async with SipAudio('gate', options).open() as stream:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    folder = tmp_path / "tmp"
    folder.mkdir()
    gateway = sip_peer.Process(
        *(tmp_path / "gateway.log", sys.executable, "-c", program),
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert await asyncio.to_thread(gateway.wait, 10) == -signal.SIGKILL
    assert await asyncio.to_thread(sipp.wait, 5) == 0, sipp.text()
    async with asyncio.timeout(3):
        while list(folder.iterdir()):
            await asyncio.sleep(0.05)
