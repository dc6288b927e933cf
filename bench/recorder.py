"""What recording costs: of the loop for each packet, of the disk's thread for each burst, before an alarm.

The control is a coder beside each of them: what it would cost to code anew, or to keep what was heard
before an alarm coded instead of as samples.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.figures import spread_ms
from gateway.cli.demo import sound
from gateway.voice.opus import Encoder
from gateway.voice.opus_toc import ticks_of
from gateway.voice.recording.bursts import Begin, Bursts, Finish, Write
from gateway.voice.recording.coding import coded
from gateway.voice.recording.incidents import Occasions
from gateway.voice.recording.opus_file import Stream
from gateway.voice.recording.pre_alarm import PreAlarm
from gateway.voice.recording.retention import Limits
from gateway.voice.recording.shelf import Shelf
from gateway.voice.rtp import BurstFlags, Packet, Token

RATE_HZ = 16_000
BLOCKS = 1_500
STREAMS = 60


def speech() -> np.ndarray:
    said = np.asarray(sound.recorded("Front_Center"))
    size = BLOCKS * RATE_HZ // 50
    return np.tile(said, 1 + size // len(said))[:size].reshape(BLOCKS, -1)


def each(function: Callable[[Any], Any], arguments: Any) -> float:
    """Median seconds of a call."""
    taken = []
    for argument in arguments:
        began = time.perf_counter()
        function(argument)
        taken.append(time.perf_counter() - began)
    return median(taken)


def packets(payloads: list[bytes], ssrc: int) -> list[Packet]:
    return [
        Packet(
            n, n * 960, ssrc, n == 0, payload, 30, True, Token(1, 1),
            BurstFlags(last=n == len(payloads) - 1), n * 0.02,
        )
        for n, payload in enumerate(payloads)
    ]  # fmt: skip


def measure() -> Iterator[dict[str, Any]]:
    blocks = speech()
    encoder = Encoder(RATE_HZ)
    coding = each(encoder.encode, blocks)
    payloads = [encoder.encode(block) for block in blocks]
    yield before_alarms(blocks, coding)
    yield from bursts(payloads, coding)


def before_alarms(blocks: np.ndarray, coding: float) -> dict[str, Any]:
    """30 s of one intercom."""
    ring = PreAlarm(30.0)
    ring.open(RATE_HZ)
    numbers = iter(range(10**9))
    a_block = each(lambda block: ring.block(block, next(numbers) * 0.02), blocks)
    at = next(numbers) * 0.02
    began = time.perf_counter()
    before = ring.take(at)
    taking = time.perf_counter() - began
    assert before is not None
    began = time.perf_counter()
    coded(before.samples, before.rate_hz, 24_000)
    return {
        "bench": "recorder.before_alarm",
        "seconds": 30,
        "memory_kb": ring.size_bytes // 1000,
        "a_block_us": round(a_block * 1e6, 2),
        "cpu_percent": round(a_block / 0.02 * 100, 3),
        "coding_all_the_time_cpu_percent": round(coding / 0.02 * 100, 3),
        "loop_at_an_alarm_ms": round(taking * 1000, 2),
        "thread_at_an_alarm_ms": round((time.perf_counter() - began) * 1000, 1),
    }


def bursts(payloads: list[bytes], coding: float) -> Iterator[dict[str, Any]]:
    """60 bursts of 30 s at once: the loop's share, then the thread's."""
    machine = Bursts("center", Occasions())
    streams = [packets(payloads, ssrc) for ssrc in range(STREAMS)]
    actions = []
    taken = []
    for n in range(BLOCKS):
        for ssrc, stream in enumerate(streams):
            packet = stream[n]
            began = time.perf_counter()
            done = machine.packet(
                f"tg-{ssrc}", "zju1/radio", packet, ticks_of(packet.payload), n * 0.02, n * 0.02
            )
            taken.append(time.perf_counter() - began)
            actions += done
    yield {
        "bench": "recorder.loop",
        "streams": STREAMS,
        "a_packet_us": round(median(taken) * 1e6, 2),
        "a_packet_mean_us": round(sum(taken) / len(taken) * 1e6, 2),
        "cpu_percent_a_stream": round(median(taken) / 0.02 * 100, 3),
        "coding_anew_cpu_percent": round(coding / 0.02 * 100, 3),
    }
    with tempfile.TemporaryDirectory() as name:
        shelf = Shelf(Path(name) / "recordings", Limits(max_bytes=None, keep_free=0))
        shelf.open()
        pages, ends = [], []
        for action in actions:
            began = time.perf_counter()
            match action:
                case Begin(recording):
                    shelf.begin(recording)
                case Write(burst, some):
                    shelf.write(burst, some)
                    pages.append(time.perf_counter() - began)
                case Finish(recording, some):
                    shelf.finish(recording, some)
                    ends.append(time.perf_counter() - began)
        size = sum(path.stat().st_size for path in Path(name).glob("*/*/*.opus"))
        yield {
            "bench": "recorder.disk",
            "a_second_of_a_burst": spread_ms(pages),
            "an_end_with_fsync": spread_ms(ends),
            "mb_an_hour": round(size / STREAMS / 30 * 3600 / 1e6, 2),
            "overhead_percent": round(100 * (size / STREAMS / sum(map(len, payloads)) - 1), 2),
        }
        shelf.close()
    began = time.perf_counter()
    Stream(1).pages(payloads[:50])
    yield {"bench": "recorder.page", "ms": round((time.perf_counter() - began) * 1000, 3)}
