"""Speech as packets, bursts of it as a talker sends them, and the judgement of other programs."""

import subprocess
from functools import cache

import numpy as np

from gateway.cli.demo import sound
from gateway.voice.dsp import level_dbov
from gateway.voice.opus import Encoder
from gateway.voice.rtp import BurstFlags, Packet, Token

RATE_HZ = 16_000
BLOCK = RATE_HZ // 50


@cache
def speech(blocks=100, seed=0):
    """So many packets of a real voice."""
    samples = sound.recorded("Front_Center")
    samples = np.roll(np.tile(samples, 1 + blocks * BLOCK // len(samples)), seed * 977)
    encoder = Encoder(RATE_HZ)
    return tuple(
        (encoder.encode(block), level_dbov(block))
        for block in samples[: blocks * BLOCK].reshape(-1, BLOCK)
    )


def burst(
    blocks=100,
    *,
    ssrc=0x1234,
    sequence=65_500,
    timestamp=2**32 - 9_600,
    seed=0,
    token=(1, 1),
    captured=1e9,
):
    """A whole burst; its numbers run over the end of their range."""
    return [
        Packet(
            sequence + number & 0xFFFF,
            timestamp + number * 960 & 0xFFFF_FFFF,
            ssrc,
            number == 0,
            payload,
            level,
            True,
            Token(*token),
            BurstFlags(last=number == blocks - 1),
            captured + number * 0.02,
        )
        for number, (payload, level) in enumerate(speech(1500, seed)[:blocks])
    ]


def ffmpeg(path, decoder="opus", rate_hz=48_000):
    """Samples of a file, and what ffmpeg has to say against it."""
    done = subprocess.run(
        [
            *("ffmpeg", "-nostdin", "-v", "warning", "-c:a", decoder, "-i", path),
            *("-f", "s16le", "-ac", "1", "-ar", str(rate_hz), "-"),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return np.frombuffer(done.stdout, "<i2"), done.stderr.decode()


def lengths(paths, folder, rate_hz=16_000):
    """Samples in each of many files, and what ffmpeg has to say against any; one process for all."""
    inputs = [word for path in paths for word in ("-i", str(path))]
    outputs = [
        word
        for number in range(len(paths))
        for word in ("-map", f"{number}:a", "-f", "s16le", "-ar", str(rate_hz), f"{number}.raw")
    ]
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "warning", *inputs, *outputs],
        cwd=folder, capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    found = [(folder / f"{number}.raw").stat().st_size // 2 for number in range(len(paths))]
    return found, done.stderr.decode()


def opusinfo(path):
    """What opus-tools say of a file."""
    done = subprocess.run(
        ["opusinfo", path], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def likeness(one, other):
    """Correlation of two sounds."""
    length = min(len(one), len(other))
    return np.corrcoef(one[:length].astype(float), other[:length].astype(float))[0, 1]
