"""When speech is played quicker or slower: frames of 20 ms, times in seconds."""

import itertools

import pytest

from gateway.voice.downlink.pace import Pace, Speed

FRAME = 0.02


def after(seconds, excess, *, ahead=0.0, more=True):
    """The speed of the last frame once it has been so for ``seconds``."""
    pace = Pace()
    speed, at = Speed.EVEN, 0.0
    while at <= seconds + 1e-9:
        speed = pace.next(excess, at + ahead, ahead, FRAME, more=more)
        if speed is not Speed.EVEN and at < seconds - 1e-9:
            raise AssertionError(f"{speed} at {at} already")
        at += FRAME
    return speed


@pytest.mark.parametrize(("excess", "speed"), [(0.019, Speed.EVEN), (0.02, Speed.QUICKER)])
def test_a_whole_frame_too_late_for_two_seconds_goes_quicker(excess, speed):
    assert after(2.0, excess) is speed


@pytest.mark.parametrize(("excess", "speed"), [(-0.0019, Speed.EVEN), (-0.0021, Speed.SLOWER)])
def test_too_early_for_two_seconds_goes_slower(excess, speed):
    assert after(2.0, excess) is speed


@pytest.mark.parametrize(("ahead", "speed"), [(0.0139, Speed.EVEN), (0.014, Speed.QUICKER)])
def test_what_is_ahead_by_a_whole_step_is_used_up(ahead, speed):
    assert after(2.0, 0.0, ahead=ahead) is speed


@pytest.mark.parametrize(("excess", "speed"), [(0.299, Speed.EVEN), (0.3, Speed.QUICKER)])
def test_much_too_late_goes_quicker_at_once(excess, speed):
    assert after(0.0, excess) is speed


def test_with_nothing_behind_it_a_frame_is_not_played_quicker():
    assert after(5.0, 0.5, more=False) is Speed.EVEN


def test_in_time_once_the_patience_begins_anew():
    pace = Pace()
    speeds = []
    for n in range(150):
        excess = 0.0 if n == 90 else 0.03
        speeds.append(pace.next(excess, n * FRAME, 0.0, FRAME, more=True))
    assert set(speeds) == {Speed.EVEN}


@pytest.mark.parametrize(("excess", "every"), [(0.2, 0.05), (0.3, 0.03)])
def test_a_step_is_followed_by_even_playing_in_proportion(excess, every):
    pace, at, steps = Pace(), 0.0, []
    for _ in range(200):
        if pace.next(excess, at, 0.0, FRAME, more=True) is Speed.QUICKER:
            steps.append(at)
            at += FRAME - 0.01  # a period of 10 ms was found and taken
        else:
            at += FRAME
    gaps = [b - a for a, b in itertools.pairwise(steps)]
    assert min(gaps) >= every
    assert max(gaps) <= every + 2 * FRAME


def test_a_step_that_found_no_period_is_tried_again_at_once():
    pace = Pace()
    speeds = [pace.next(0.3, n * FRAME, 0.0, FRAME, more=True) for n in range(5)]
    assert speeds == [Speed.QUICKER] * 5
