"""Lengths of Opus packets, and what stands for lost ones."""

import pytest

from gateway.voice.opus import Decoder
from gateway.voice.opus_toc import fillers, is_filler, ticks_of

SILK_WIDE_20 = 9 << 3
SILK_WIDE_60 = 11 << 3
HYBRID_20 = 15 << 3
CELT_FULL_2_5 = 28 << 3
STEREO = 4


@pytest.mark.parametrize(
    ("before", "ticks", "lengths"),
    [
        (SILK_WIDE_20, 960, [960]),
        (SILK_WIDE_20, 3 * 960, [960] * 3),
        (SILK_WIDE_20, 480, [480]),
        (SILK_WIDE_20, 600, [480, 120]),
        (SILK_WIDE_60, 2880, [960] * 3),
        (HYBRID_20, 1440, [960, 480]),
        (CELT_FULL_2_5, 1080, [960, 120]),
        (SILK_WIDE_20, 119, []),
        (SILK_WIDE_20, 0, []),
    ],
)
def test_fillers_last_as_long_as_what_is_lost(before, ticks, lengths):
    made = fillers(bytes((before, 1, 2)), ticks)
    assert [ticks_of(filler) for filler in made] == lengths
    assert all(is_filler(filler) for filler in made)


def test_fillers_keep_mode_and_channels():
    made = fillers(bytes((HYBRID_20 | STEREO | 3, 1)), 960)
    assert made == [bytes((HYBRID_20 | STEREO,))]


@pytest.mark.parametrize("number", range(32))
def test_every_filler_is_what_a_decoder_takes(number):
    decoder = Decoder(48_000)
    for filler in fillers(bytes((number << 3, 0)), 960 + 480 + 240 + 120):
        assert len(decoder.decode(filler)) == ticks_of(filler)
