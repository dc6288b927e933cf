"""Blocks into packets: what a redundant burst carries once more."""

import numpy as np

from gateway.voice.rtp import Token
from gateway.voice.uplink.sender import Sender


def burst(sender, count, *, redundant):
    sender.begin(Token(1, 1), 24_000, redundant=redundant)
    rng = np.random.default_rng(1)
    blocks = rng.normal(0, 2_000, (count, 320)).astype(np.int16)
    return [
        sender.packet(block, n * 0.02, pre_roll=False, last=n == count - 1)
        for n, block in enumerate(blocks)
    ]


def test_each_packet_of_a_redundant_burst_carries_the_one_five_before_it():
    sent = burst(Sender(16_000, lambda _bits: 1), 10, redundant=True)
    assert [packet.earlier for packet in sent[:5]] == [b""] * 5
    assert [packet.earlier for packet in sent[5:]] == [packet.payload for packet in sent[:5]]


def test_a_new_burst_carries_nothing_of_the_one_before():
    sender = Sender(16_000, lambda _bits: 1)
    burst(sender, 8, redundant=True)
    assert all(not packet.earlier for packet in burst(sender, 5, redundant=True))


def test_no_other_burst_carries_anything_twice():
    assert not any(
        packet.earlier for packet in burst(Sender(16_000, lambda _b: 1), 9, redundant=False)
    )
