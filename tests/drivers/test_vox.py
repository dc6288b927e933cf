"""VOX at its exact boundaries; levels and times are spelled out here, not taken from the code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.squelch.options import VoxOptions
from drivers.squelch.vox import Vox
from gateway.ports import AudioSquelch


def block(dbfs, offset=0):
    """20 ms at 16 kHz of a square wave of that loudness."""
    high = 32768 * 10 ** (dbfs / 20)
    return (np.tile([high, -high], 160) + offset).astype(np.int16)


SILENCE = np.zeros(320, np.int16)


def vox(**options):
    squelch: AudioSquelch = Vox("gate", VoxOptions(**options))
    return squelch


def feed(squelch, blocks, start=0.0):
    """Feeds blocks 20 ms apart."""
    return [squelch.feed(samples, start + 0.02 * n) for n, samples in enumerate(blocks)]


def test_two_loud_blocks_in_a_row_open_by_default():
    assert feed(vox(), [block(-39)] * 3) == [False, True, True]


def test_a_click_of_one_block_does_not_open():
    assert not any(feed(vox(), [block(-3), SILENCE] * 20))


def test_without_attack_the_first_loud_block_opens():
    assert feed(vox(attack_s=0.0), [SILENCE, block(-39)]) == [False, True]


@pytest.mark.parametrize(("level", "opens"), [(-39.9, True), (-40.1, False)])
def test_the_threshold_is_loudness_against_a_full_scale_square_wave(level, opens):
    assert feed(vox(threshold_dbfs=-40.0), [block(level)] * 5)[-1] is opens


@pytest.mark.parametrize(("level", "stays"), [(-45.9, True), (-46.1, False)])
def test_once_open_the_threshold_less_the_hysteresis_keeps_it_open(level, stays):
    squelch = vox(threshold_dbfs=-40.0, hysteresis_db=6.0, hang_s=0.5)
    feed(squelch, [block(-20)] * 2)
    assert feed(squelch, [block(level)] * 100, start=0.04)[-1] is stays


def test_it_closes_when_it_was_quiet_for_the_hang_time_and_not_before():
    squelch = vox(hang_s=0.5)
    feed(squelch, [block(-20)] * 2)  # the last loud block was fed at 0.02
    assert squelch.feed(SILENCE, 0.5199)
    assert not squelch.feed(SILENCE, 0.5201)


def test_a_word_within_the_hang_time_prolongs_it():
    squelch = vox(hang_s=0.5)
    feed(squelch, [block(-20)] * 2)
    feed(squelch, [SILENCE] * 20, start=0.04)
    assert squelch.feed(block(-20), 0.44)
    assert squelch.feed(SILENCE, 0.93)
    assert not squelch.feed(SILENCE, 0.95)


def test_an_offset_of_the_sound_card_is_no_speech():
    assert not any(feed(vox(), [block(-60, offset=3000)] * 10))


def test_what_was_not_fed_counts_as_quiet():
    squelch = vox(hang_s=0.5)
    feed(squelch, [block(-20)] * 2)
    assert not squelch.feed(block(-20), 2.0)  # opened anew, so it needs its attack again
    assert squelch.feed(block(-20), 2.02)


@given(st.lists(st.tuples(st.floats(-90, 0), st.integers(1, 60)), max_size=200))
def test_it_is_never_open_longer_than_the_hang_time_after_the_last_loud_block(steps):
    squelch = vox(threshold_dbfs=-40.0, hysteresis_db=6.0, hang_s=0.3)
    now, loud = 0.0, float("-inf")
    for level, gap in steps:
        now += gap / 50
        samples = block(level)
        if np.mean(samples.astype(float) ** 2) >= (32768 * 10 ** (-46.01 / 20)) ** 2:
            loud = now
        if squelch.feed(samples, now):
            assert now - loud < 0.3
