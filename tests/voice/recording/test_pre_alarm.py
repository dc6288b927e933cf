"""The ring of what was heard before an alarm."""

import numpy as np
import pytest

from gateway.voice.recording.pre_alarm import PreAlarm

WALL = 1000.0


def block(number):
    return np.full(320, number, np.int16)


def filled(blocks, seconds=1.0):
    ring = PreAlarm(seconds)
    ring.open(16_000)
    for number in range(blocks):
        ring.block(block(number), WALL + number * 0.02)
    return ring


@pytest.mark.parametrize("blocks", [1, 49, 50, 51, 173])
def test_it_has_the_last_seconds_in_their_order(blocks):
    found = filled(blocks).take(WALL + blocks * 0.02)
    kept = min(blocks, 50)
    assert found.rate_hz == 16_000
    assert list(found.samples[::320]) == list(range(blocks - kept, blocks))
    assert found.started == pytest.approx(WALL + (blocks - kept) * 0.02)


def test_what_was_heard_after_the_alarm_is_not_in_it():
    found = filled(50).take(WALL + 30 * 0.02)
    assert list(found.samples[::320]) == list(range(31))


def test_a_hole_makes_it_forget_what_was_before():
    ring = filled(50)
    ring.block(block(99), WALL + 10)
    found = ring.take(WALL + 10.1)
    assert list(found.samples[::320]) == [99]
    assert found.started == WALL + 10


def test_a_loop_that_was_held_up_costs_nothing():
    """Half a second of blocks come at once, each with the time at which it was read."""
    ring = filled(25)
    for number in range(25, 50):
        ring.block(block(number), WALL + 50 * 0.02 + number * 0.0001)
    found = ring.take(WALL + 50 * 0.02 + 0.02)
    assert list(found.samples[::320]) == list(range(50))
    assert found.started == pytest.approx(WALL, abs=0.05)


def test_a_clock_that_goes_back_makes_it_forget():
    ring = filled(50)
    ring.block(block(99), WALL - 10)
    assert len(ring.take(WALL - 9.5).samples) == 320


def test_what_is_older_than_it_keeps_is_not_given():
    assert filled(50).take(WALL + 50 * 0.02 + 1.0) is None
    assert PreAlarm(1.0).take(WALL) is None


def test_another_rate_or_a_device_opened_again_begins_anew():
    ring = filled(50)
    ring.open(8_000)
    assert ring.take(WALL + 1) is None
    ring.block(block(1), WALL)  # of the old rate: not taken
    assert ring.take(WALL + 1) is None
    ring.block(np.ones(160, np.int16), WALL)
    assert len(ring.take(WALL + 0.1).samples) == 160


def test_what_is_taken_is_a_copy():
    ring = filled(50)
    found = ring.take(WALL + 1)
    ring.block(block(77), WALL + 1)
    assert 77 not in found.samples


def test_thirty_seconds_take_what_is_said():
    ring = filled(1, seconds=30.0)
    assert ring.size_bytes == 960_000
