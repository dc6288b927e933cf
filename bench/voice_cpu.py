"""CPU of one uplink and one downlink stream against libopus alone, on the same speech, in one run.

Uplink: squelch machine, level, Opus, RTP to bytes. Downlink: RTP from bytes, jitter buffer, PTT,
Opus, the clock of a sound card that is off, device. No network and no event loop on either side of
the ratio.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from drivers.squelch.options import VoxOptions
from drivers.squelch.vox import Vox
from gateway.ops.counters import Counters
from gateway.voice import opus
from gateway.voice.downlink import drift
from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.playout import Playout
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.processing.agc import AgcOptions
from gateway.voice.processing.chain import Chain, ProcessingOptions
from gateway.voice.rtp import Packet, Token
from gateway.voice.uplink.actions import Begin, Send
from gateway.voice.uplink.backlog import Block
from gateway.voice.uplink.sender import Sender
from gateway.voice.uplink.uplink import Uplink

RATE_HZ = 16_000
BITRATE_BPS = 24_000
SECONDS = 10
ROUNDS = 7


def speech() -> list[np.ndarray]:
    """Ten seconds of a gliding buzz in syllables over a little noise, in blocks."""
    rng = np.random.default_rng(1)
    at = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    phase = 2 * np.pi * (140 * at + 20 * np.sin(2 * np.pi * 0.7 * at))
    buzz = sum(np.sin(n * phase) / n for n in range(1, 25))
    loud = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * at)
    samples = (buzz * 4000 * loud + rng.normal(0, 60, len(at))).astype(np.int16)
    return list(samples.reshape(-1, RATE_HZ // 50))


def best(run: Callable[[], None], count: int) -> float:
    """Median CPU microseconds of one of ``count`` steps; the others share the machine."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        times.append((time.process_time() - began) / count * 1e6)
    return statistics.median(times)


def bare(blocks: list[np.ndarray]) -> tuple[float, float]:
    """libopus alone: pointers ready, nothing copied, called in a loop."""
    encoder, decoder = opus.Encoder(RATE_HZ, BITRATE_BPS), opus.Decoder(RATE_HZ)
    lib = opus._library()
    room = np.zeros(1275, np.uint8)
    out = ctypes.c_void_p(room.ctypes.data)
    inputs = [ctypes.c_void_p(block.ctypes.data) for block in blocks]
    state, length, size = encoder._state, ctypes.c_int(RATE_HZ // 50), ctypes.c_int32(1275)

    def encode() -> None:
        for pointer in inputs:
            lib.opus_encode(state, pointer, length, out, size)

    packets = [encoder.encode(block) for block in blocks]
    heard = np.zeros(5760, np.int16)
    samples = ctypes.c_void_p(heard.ctypes.data)

    def decode() -> None:
        for packet in packets:
            lib.opus_decode(decoder._state, packet, len(packet), samples, 5760, 0)

    return best(encode, len(blocks)), best(decode, len(blocks))


ALL = ProcessingOptions(
    dc_block=True,
    high_pass_hz=300.0,
    de_emphasis=True,
    agc=AgcOptions(target_dbfs=-20.0, max_gain_db=20.0, attack=0.1, release=1.0),
    limiter_dbfs=-1.0,
)


def uplink(blocks: list[np.ndarray], *, processed: bool = False) -> tuple[float, list[bytes]]:
    """``processed``: with every step of processing, and with VOX that follows the noise."""
    sent: list[bytes] = []

    def run() -> None:
        sent.clear()
        machine, sender = Uplink(pre_roll=0.04, rx_mute=0.3), Sender(RATE_HZ, lambda _bits: 1)
        chain = Chain(ALL, RATE_HZ)
        vox = Vox("bench", VoxOptions(margin_db=6.0))
        now = 0.0
        machine.squelch(True, now)
        for action in machine.granted(Token(1, 1), now):
            if isinstance(action, Begin):
                sender.begin(action.token, BITRATE_BPS)
        for samples in blocks:
            now += 0.02
            heard = samples
            if processed:
                vox.feed(samples, now)
                heard = chain.block(samples, is_open=True)
            for action in machine.block(Block(heard, now), now):
                if isinstance(action, Send):
                    packet = sender.packet(samples, now, pre_roll=action.pre_roll, last=action.last)
                    sent.append(packet.to_bytes())

    return best(run, len(blocks)), sent


class _Device:
    """A sound card whose clock is 100 ppm quick, which the correction follows from the first second on."""

    rate_hz = RATE_HZ

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.playback_delay = 0.0
        self.blocks = self.written = 0

    async def read(self) -> np.ndarray:
        raise NotImplementedError

    @property
    def queued(self) -> float:
        played = self.blocks * (RATE_HZ // 50) * (1 + 100e-6)
        return 0.008 + (self.written - played) / RATE_HZ

    def write(self, block: np.ndarray) -> None:
        self.blocks += 1
        self.written += len(block)


class _Line:
    def keepalive(
        self, token: Token, tot: float, talkgroup: str, *, confirmed: bool = True
    ) -> None:
        pass

    def unkey(self) -> None:
        pass


class _Beat(Ticker):
    """The bench beats itself."""

    def start(self, callback: Callable[[float], None], at: float) -> None:
        pass


def downlink(packets: list[bytes]) -> float:
    counters = Counters()
    drift.WARM_UP = 0.1  # it is 5 s otherwise, half of what is measured here

    def run() -> None:
        machine = Downlink(tx_delay=0.0, tail=0.0)
        machine.tune([Heard("police", 3600.0, 2.0)], 0.0)
        playout = Playout(
            "radio",
            machine,
            _Line(),
            _Beat(counters),
            counters,
            active=lambda _on: None,
            broken=lambda _error: None,
        )
        playout.attach(_Device())
        now = 0.0
        for data in packets:
            now += 0.02
            playout.packet("police", "a/b", Packet.from_bytes(data), now, confirmed=True)
            playout._tick(now + 0.009)

    return best(run, len(packets))


def measure() -> Iterator[dict[str, Any]]:
    """One result for each direction."""
    blocks = speech()
    encode, decode = bare(blocks)
    up, sent = uplink(blocks * 3)  # half a minute: twice the time in which a clock is followed
    processed, _ = uplink(blocks, processed=True)
    down = downlink(sent)
    for name, ours, library, target in (
        ("CPU per uplink stream", up, encode, 1.4),
        ("CPU per uplink stream, all processing and VOX", processed, encode, 1.4),
        ("CPU per downlink stream", down, decode, 2.5),
    ):
        yield {
            "benchmark": name,
            "us_per_packet": round(ours, 1),
            "percent_of_a_core": round(ours / 20_000 * 100, 2),
            "floor": "libopus alone",
            "floor_us_per_packet": round(library, 1),
            "ratio": round(ours / library, 2),
            "target_ratio": target,
        }
