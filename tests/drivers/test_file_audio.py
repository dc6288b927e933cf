"""Audio from and to WAV files."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from drivers.virtual.file_audio import FileAudio
from drivers.virtual.options import FileAudioOptions
from gateway.errors import DriverIOError, DriverOpenError


def write_wav(path, samples, *, rate_hz=16_000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples.tobytes())
    return path


def read_wav(path):
    with wave.open(str(path), "rb") as file:
        assert file.getnchannels() == 1
        assert file.getsampwidth() == 2
        data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        assert len(data) == file.getnframes()
        return file.getframerate(), data


def audio(**options):
    return FileAudio("radio", FileAudioOptions(**options))


@pytest.fixture
def speech(tmp_path):
    """Three and a half blocks, 1, 2, 3, 4."""
    samples = np.concatenate(
        [np.full(length, value) for value, length in ((1, 320), (2, 320), (3, 320), (4, 160))]
    )
    return write_wav(tmp_path / "speech.wav", samples.astype(np.int16))


async def test_a_file_comes_at_the_pace_of_real_time_and_then_silence(speech):
    async with audio(play=speech).open() as stream:
        began = time.monotonic()
        blocks = [await stream.read() for _ in range(6)]
        took = time.monotonic() - began
    assert stream.rate_hz == 16_000
    assert [block[0] for block in blocks] == [1, 2, 3, 4, 0, 0]
    assert list(blocks[3][158:162]) == [4, 4, 0, 0]
    assert all(block.shape == (320,) for block in blocks)
    assert 0.11 < took < 0.2


async def test_a_repeated_file_begins_again(speech):
    async with audio(play=speech, repeat=True).open() as stream:
        assert [(await stream.read())[0] for _ in range(9)] == [1, 2, 3, 4, 1, 2, 3, 4, 1]


async def test_a_reader_that_sleeps_loses_the_oldest_and_they_are_counted(speech):
    async with audio(play=speech, repeat=True).open() as stream:
        await stream.read()
        await asyncio.sleep(0.42)
        began = time.monotonic()
        for _ in range(9):
            await stream.read()
        assert time.monotonic() - began < 0.05
        assert 8 <= stream.counters["capture_dropped"] <= 15


async def test_stereo_is_mixed(tmp_path):
    both = np.array([[100, 300], [-100, -300]] * 160, np.int16)
    path = write_wav(tmp_path / "stereo.wav", both, channels=2)
    async with audio(play=path).open() as stream:
        assert list((await stream.read())[:2]) == [200, -200]


async def test_what_is_played_is_recorded_without_the_pauses(tmp_path):
    out = tmp_path / "out.wav"
    async with audio(record=out, rate_hz=8_000).open() as stream:
        for value in range(20):
            stream.write(np.full(160, value, np.int16))
            await asyncio.sleep(0.01 if value != 10 else 0.1)
    rate_hz, data = read_wav(out)
    assert rate_hz == 8_000
    assert list(data[::160]) == list(range(20))


async def test_an_existing_recording_is_replaced_and_an_empty_one_is_a_whole_file(tmp_path):
    out = tmp_path / "out.wav"
    out.write_bytes(bytes(100_000))
    async with audio(record=out).open():
        pass
    assert read_wav(out)[1].size == 0


RECORDER = """
import asyncio, sys
from pathlib import Path
import numpy as np
from drivers.virtual.file_audio import FileAudio
from drivers.virtual.options import FileAudioOptions
async def main():
    async with FileAudio("r", FileAudioOptions(record=Path(sys.argv[1]))).open() as stream:
        while True:
            stream.write(np.ones(320, np.int16))
            print("written", flush=True)
            await asyncio.sleep(0.02)
asyncio.run(main())
"""


@pytest.mark.system
def test_a_recording_is_whole_after_kill_9(tmp_path):
    out = tmp_path / "out.wav"
    with subprocess.Popen([sys.executable, "-c", RECORDER, out], stdout=subprocess.PIPE) as process:
        for _ in range(20):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert read_wav(out)[1].size >= 18 * 320


async def test_a_full_disk_is_refused_at_opening():
    with pytest.raises(DriverOpenError, match="No space left"):
        async with audio(record=Path("/dev/full")).open():
            pass


async def test_a_recording_that_cannot_grow_is_an_error_of_the_device(tmp_path, monkeypatch):
    monkeypatch.setattr("drivers.virtual.file_audio.MAX_RECORD_BYTES", 2 * 640)
    async with audio(record=tmp_path / "out.wav").open() as stream:
        for _ in range(3):
            stream.write(np.ones(320, np.int16))
            await asyncio.sleep(0.05)
        with pytest.raises(DriverIOError, match="cannot be longer"):
            stream.write(np.ones(320, np.int16))
        with pytest.raises(DriverIOError, match="cannot be longer"):
            await stream.read()
    assert read_wav(tmp_path / "out.wav")[1].size == 640


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"width": 1}, "8 bits"),
        ({"width": 4}, "32 bits"),
        ({"channels": 4}, "4 channels"),
        ({"rate_hz": 11_025}, "11025 Hz"),
        ({"rate_hz": 96_000}, "96000 Hz"),
        ({"rate_hz": 8_000}, "while rate_hz is 16000"),
    ],
)
async def test_a_file_that_cannot_be_played_is_refused_with_what_can(tmp_path, fields, what):
    path = write_wav(tmp_path / "in.wav", np.zeros(4_000, np.int16), **fields)
    with pytest.raises(DriverOpenError, match=what):
        async with audio(play=path, rate_hz=16_000).open():
            pass


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not audio at all" * 10])
async def test_a_file_that_is_no_wav_is_refused(tmp_path, content):
    path = tmp_path / "in.wav"
    path.write_bytes(content)
    with pytest.raises(DriverOpenError, match=r"in\.wav: \S"):
        async with audio(play=path).open():
            pass


async def test_a_truncated_wav_plays_what_there_is(tmp_path, speech):
    speech.write_bytes(speech.read_bytes()[: 44 + 641])
    async with audio(play=speech).open() as stream:
        assert [(await stream.read())[0] for _ in range(3)] == [1, 0, 0]


async def test_absent_files_are_refused(tmp_path):
    with pytest.raises(DriverOpenError, match="No such file"):
        async with audio(play=tmp_path / "none.wav").open():
            pass
    with pytest.raises(DriverOpenError, match="No such file"):
        async with audio(record=tmp_path / "none" / "out.wav").open():
            pass


def test_neither_file_is_refused():
    with pytest.raises(ValueError, match=r"neither"):
        FileAudioOptions()
