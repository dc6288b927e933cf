"""The voice, real and as it may fail."""

import asyncio
import contextlib
import struct
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gateway.errors import DriverIOError, DriverUnavailable
from gateway.voice.announcing.rendering import VOICES, Espeak, read_wav


def program(tmp_path, body):
    """A stand-in for espeak-ng, in Python."""
    path = tmp_path / "voice.py"
    path.write_text(body)
    return (sys.executable, str(path))


async def rendered(espeak, text="hello", voice="en-gb", within=10.0, **more):
    return await espeak.render(text, voice, 150, within=within, gently=False, **more)


@pytest.mark.parametrize(("language", "text"), [("zh", "浙大一院"), ("en", "First Hospital")])
async def test_real_voice_speaks(language, text):
    spoken = await rendered(Espeak(), text, VOICES[language])
    assert spoken.rate_hz == 22_050
    assert 0.3 < len(spoken.samples) / spoken.rate_hz < 5
    assert np.abs(spoken.samples.astype(int)).max() > 3_000


async def test_mandarin_voice_reads_syllables_and_not_the_letters_of_their_pinyin():
    """Four syllables; the voice `cmn` of espeak-ng 1.51 spells them as English and takes far longer."""
    right = await rendered(Espeak(), "浙大一院", VOICES["zh"])
    wrong = await rendered(Espeak(), "浙大一院", "cmn")
    assert len(right.samples) < 0.75 * len(wrong.samples)


async def test_real_voice_has_a_version():
    assert "1." in await Espeak().version()


async def test_voice_that_there_is_not_is_a_fault_in_words():
    with pytest.raises(DriverIOError, match=r"exit status 1: .*does not exist"):
        await rendered(Espeak(), voice="zz")


@pytest.mark.parametrize("gently", [False, True])
async def test_program_that_is_not_installed_is_named(gently):
    espeak = Espeak(("/nowhere/espeak-ng",))
    with pytest.raises(DriverUnavailable) as error:
        await espeak.render("x", "en-gb", 150, within=5.0, gently=gently)
    assert error.value.package == "espeak-ng"


async def test_program_that_fails_says_why(tmp_path):
    espeak = Espeak(program(tmp_path, "import sys; print('no data', file=sys.stderr); sys.exit(3)"))
    with pytest.raises(DriverIOError, match="exit status 3: no data"):
        await rendered(espeak)


async def test_program_that_hangs_is_killed(tmp_path):
    body = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    espeak = Espeak(program(tmp_path, body))
    began = time.monotonic()
    with pytest.raises(DriverIOError, match="did not answer"):
        await rendered(espeak, within=0.5)
    assert time.monotonic() - began < 2.0
    await asyncio.sleep(0.2)
    if (tmp_path / "pid").exists():
        pid = (tmp_path / "pid").read_text()
        words = Path(f"/proc/{pid}/cmdline")
        assert not words.exists() or not words.read_bytes(), "reaped, or about to be"


async def test_text_is_given_on_standard_input_and_never_as_an_option(tmp_path):
    body = f"""
import struct, sys
text = sys.stdin.buffer.read()
open({str(tmp_path / "seen")!r}, "w").write(repr((text.decode(), sys.argv[1:])))
sys.stdout.buffer.write(b"RIFF\\xff\\xff\\xff\\x7fWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 22050, 44100, 2, 16) + b"data\\xff\\xff\\xff\\x7f" + b"\\1\\0" * 100)
"""
    spoken = await rendered(Espeak(program(tmp_path, body)), "--help 浙")
    assert len(spoken.samples) == 100
    text, words = eval((tmp_path / "seen").read_text())
    assert text == "--help 浙"
    assert words == ["-v", "en-gb", "-s", "150", "-b", "1", "--stdin", "--stdout"]


def wav(kind=1, channels=1, bits=16, rate=22_050, samples=b"\1\0\2\0", before=b""):
    head = struct.pack("<IHHIIHH", 16, kind, channels, rate, rate * 2, 2, bits)
    return b"RIFF\0\0\0\0WAVE" + before + b"fmt " + head + b"data\xff\xff\xff\x7f" + samples


def test_wav_whose_length_was_not_known_is_read_to_its_end():
    assert list(read_wav(wav()).samples) == [1, 2]
    assert list(read_wav(wav(before=b"LIST\3\0\0\0abc\0")).samples) == [1, 2]
    assert list(read_wav(wav(samples=b"\1\0\2")).samples) == [1], "half a sample is none"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"hello, I am no WAV file",
        wav(channels=2),
        wav(bits=8),
        wav(kind=3),
        wav(rate=1),
    ],
)
def test_what_is_no_mono_wav_is_refused(data):
    with pytest.raises(DriverIOError):
        read_wav(data)


def test_every_truncated_prefix_is_refused_or_shorter():
    whole = wav(samples=b"\1\0" * 50)
    for length in range(len(whole)):
        with contextlib.suppress(DriverIOError):
            assert len(read_wav(whole[:length]).samples) < 50
