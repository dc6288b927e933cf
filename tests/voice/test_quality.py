"""Real speech through coder, loss, jitter buffer and decoder: what is left of it, and what a control leaves.

`bench.quality` scores the same way by PESQ. Here speech counts as spoiled where the spectrum of 40 ms
is more than 6 dB from that of the same burst without loss.
"""

import numpy as np
import pytest

from bench.quality import heard, packets
from bench.recordings import RATE_HZ, recording
from gateway.voice.downlink.lateness import Lateness

PIECE = RATE_HZ // 25


def spectra(samples):
    whole = samples[: len(samples) // PIECE * PIECE].reshape(-1, PIECE)
    power = np.abs(np.fft.rfft(whole * np.hanning(PIECE), axis=1)) ** 2
    bands = power[:, : 8 * 19].reshape(len(whole), 19, -1).sum(axis=2)  # 200 Hz each
    return 10 * np.log10(bands + 1e4)


def spoiled(played, said):
    """Percent of the pieces in which something is said that differ by more than 6 dB."""
    one, other = spectra(played), spectra(said)
    count = min(len(one), len(other))
    one, other = one[:count], other[:count]
    loud = other.max(axis=1) > 70
    apart = np.sqrt(((one - other) ** 2).mean(axis=1)) > 6
    return 100 * float((apart & loud).sum() / loud.sum())


def played(sent, loss, *, bursty=False, bare=False, seed=4):
    """The second of two bursts: the first teaches the link."""
    lateness = Lateness()
    for turn in range(2):
        samples, _ = heard(
            sent, loss, 0.0, bursty=bursty, seed=seed + turn, lateness=lateness, bare=bare
        )
    return samples


@pytest.mark.parametrize(
    ("bursty", "redundant", "most"), [(False, False, 3), (False, True, 1), (True, True, 2)]
)
def test_at_ten_percent_loss_little_is_spoiled_and_the_control_spoils_much(bursty, redundant, most):
    said = recording("en-2")
    sent = packets(said, redundant=redundant)
    whole = played(sent, 0.0)
    ours = spoiled(played(sent, 0.1, bursty=bursty), whole)
    bare = packets(said, fec=False)
    control = spoiled(played(bare, 0.1, bursty=bursty, bare=True), played(bare, 0.0))
    assert ours <= most
    assert control >= 3 * max(ours, 2)
