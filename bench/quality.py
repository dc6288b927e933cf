"""What loss and jitter leave of real speech, in MOS: coder, RTP, jitter buffer and decoder on a virtual clock.

A packet is lost for good here, as one is that was dropped for its age; over MQTT that is rare, and
loss on the way becomes lateness (`bench.links`). Bursty loss is a Gilbert-Elliott link which loses
two packets in a row on average. With jitter each packet is late by 0 to 80 ms, evenly spread, and
none overtakes another, as over TCP. Of two bursts the second is measured; the first teaches the link.

PESQ (ITU-T P.862.2, wide band) compares what is played with what was said. ViSQOL was tried and left
out: its speech mode finds the control, in which one word in ten has a hole, 0.2 worse than ours.
The control has neither FEC nor concealment: what is lost is silence.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.recordings import NAMES, RATE_HZ, recording
from gateway.ops.counters import Counters
from gateway.voice import opus
from gateway.voice.downlink.decoding import Decoding
from gateway.voice.downlink.jitter import Frame, Jitter, Kind
from gateway.voice.downlink.lateness import Lateness
from gateway.voice.rtp import FRAME_TICKS, Packet, Token
from gateway.voice.uplink.sender import Sender

BLOCK = 0.02
LOSSES = (0.0, 0.05, 0.10, 0.20)
JITTERS = (0.0, 0.08)
SEEDS = (1, 2, 3)

Samples = NDArray[np.int16]


def lost(chance: float, count: int, rng: random.Random, *, bursty: bool) -> list[bool]:
    """Which of ``count`` packets never come."""
    if not bursty:
        return [rng.random() < chance for _ in range(count)]
    leave = 0.5  # two in a row on average
    enter = chance * leave / (1 - chance)
    found, bad = [], False
    for _ in range(count):
        bad = rng.random() >= leave if bad else rng.random() < enter
        found.append(bad)
    return found


def packets(said: Samples, *, fec: bool = True, redundant: bool = False) -> list[Packet]:
    """One talk burst, coded as an endpoint does."""
    sender = Sender(RATE_HZ, lambda _bits: 7)
    sender.begin(Token(1, 1), 24_000, redundant=redundant)
    if not fec:
        sender._encoder._control(opus._SET_INBAND_FEC, 0)
    blocks = said.reshape(-1, RATE_HZ // 50)
    return [
        sender.packet(block, n * BLOCK, pre_roll=False, last=n == len(blocks) - 1)
        for n, block in enumerate(blocks)
    ]


def heard(
    sent: Sequence[Packet],
    loss: float,
    jitter: float,
    *,
    bursty: bool,
    seed: int,
    lateness: Lateness,
    bare: bool = False,
) -> tuple[Samples, Jitter]:
    """What is played of a burst. ``bare`` plays silence for what is not there."""
    rng = random.Random(seed)
    gone = lost(loss, len(sent), rng, bursty=bursty)
    gone[0] = gone[-1] = False
    arrivals, at = [], 0.0
    for n, packet in enumerate(sent):
        at = max(at, n * BLOCK + rng.random() * jitter)
        if not gone[n]:
            arrivals.append((at, packet))
    arrivals.reverse()
    buffer = Jitter(lateness)
    decoding = Decoding("bench", RATE_HZ, Counters())
    decoder = opus.Decoder(RATE_HZ)
    now, played = arrivals[-1][0] + lateness.target, []
    while not buffer.finished or len(decoding.rest):
        while arrivals and arrivals[-1][0] <= now:
            when, packet = arrivals.pop()
            buffer.put(packet, FRAME_TICKS, when)
        if bare:
            block = _bare(buffer.pull(now), decoder)
        else:
            block = decoding.block(partial(buffer.pull, now))
        if block is not None:
            played.append(block)
        now += BLOCK
    return np.concatenate(played), buffer


def _bare(frame: Frame | None, decoder: opus.Decoder) -> Samples | None:
    if frame is None:
        return None
    if frame.kind is Kind.PLAY and frame.packet is not None:
        return decoder.decode(frame.packet.payload)
    return np.zeros(RATE_HZ // 50, np.int16)


def cell(
    loss: float,
    jitter: float,
    *,
    bursty: bool,
    redundant: bool = False,
    bare: bool = False,
    names: Sequence[str] = NAMES,
    seeds: Sequence[int] = SEEDS,
) -> dict[str, Any]:
    """Mean scores over recordings and seeds."""
    from pesq import pesq

    scores: dict[str, list[float]] = {}
    concealed = frames = 0
    for name in names:
        said = recording(name)
        sent = packets(said, fec=not bare, redundant=redundant)
        for seed in seeds if loss or jitter else seeds[:1]:
            lateness = Lateness()
            for turn in range(2):
                played, buffer = heard(
                    sent, loss, jitter,
                    bursty=bursty, seed=seed * 10 + turn, lateness=lateness, bare=bare,
                )  # fmt: skip
            concealed += buffer.counts["concealed"]
            frames += len(sent)
            score = float(pesq(RATE_HZ, said, played, "wb"))
            scores.setdefault("mos", []).append(score)
            scores.setdefault(f"mos_{name[:2]}", []).append(score)
    return {
        "loss_percent": round(loss * 100),
        "loss": "bursty" if bursty else "random",
        "jitter_ms": round(jitter * 1000),
        "redundancy": redundant,
        "concealed_percent": round(100 * concealed / frames, 1),
        **{key: round(mean(values), 2) for key, values in scores.items()},
    }


def measure() -> Iterator[dict[str, Any]]:
    """One result for each cell; ``below_lossless`` is against no loss and no jitter."""
    lossless: dict[bool, float] = {}
    for redundant in (False, True):
        for jitter in JITTERS:
            for loss in LOSSES:
                for bursty in (False, True) if loss else (False,):
                    found = cell(loss, jitter, bursty=bursty, redundant=redundant)
                    below = lossless.setdefault(redundant, found["mos"]) - found["mos"]
                    yield {"benchmark": "MOS (PESQ)", **found, "below_lossless": round(below, 2)}
    for bursty in (False, True):
        found = cell(0.1, 0.0, bursty=bursty, bare=True)
        yield {"benchmark": "MOS (PESQ), control without FEC and concealment", **found}
