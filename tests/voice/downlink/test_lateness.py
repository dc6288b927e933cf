"""What is remembered of one client's lateness, and the delay that follows. Times are seconds."""

import pytest

from gateway.voice.downlink.lateness import Lateness, Zero


def known(count=100):
    """A client whose packets have always come in time."""
    lateness = Lateness()
    for _ in range(count):
        lateness.add(0.001)
    return lateness


def test_two_seconds_in_time_bring_the_target_from_30_down_to_20_ms():
    lateness = known(99)
    assert lateness.target == 0.03
    lateness.add(0.001)
    assert lateness.target == 0.02


def test_one_hold_up_changes_nothing_and_the_second_of_its_size_does():
    lateness = known()
    lateness.add(0.068)
    assert lateness.target == 0.02
    lateness.add(0.081)
    assert lateness.target == pytest.approx(0.07)


def test_the_worst_of_a_few_is_not_covered():
    lateness = known()
    for seconds in (0.06, 0.35, 0.08):
        lateness.add(seconds)
    assert lateness.target == pytest.approx(0.085)


def test_of_eight_hold_ups_one_more_is_let_go():
    lateness = known()
    for seconds in (0.3, 0.2, *[0.06] * 5):
        lateness.add(seconds)
    assert lateness.target == pytest.approx(0.205)
    lateness.add(0.06)
    assert lateness.target == pytest.approx(0.065)


@pytest.mark.parametrize(("packets", "target"), [(498, 0.075), (499, 0.02)])
def test_a_hold_up_is_remembered_for_500_packets(packets, target):
    lateness = known()
    for _ in range(2):
        lateness.add(0.07)
    for _ in range(packets):
        lateness.add(0.001)
    assert lateness.target == pytest.approx(target)


@pytest.mark.parametrize(("seconds", "target"), [(0.01, 0.02), (0.041, 0.045), (3.0, 0.4)])
def test_the_target_is_a_multiple_of_5_ms_from_20_to_400(seconds, target):
    lateness = known()
    for _ in range(10):
        lateness.add(seconds)
    assert lateness.target == pytest.approx(target)


def test_an_unknown_client_that_comes_late_is_covered_from_the_second_hold_up_on():
    lateness = Lateness()
    lateness.add(0.1)
    assert lateness.target == 0.03
    lateness.add(0.1)
    assert lateness.target == pytest.approx(0.105)


def test_all_that_was_let_go_of_leaves_the_memory_as_it_was():
    lateness = known()
    for n in range(5_000):
        lateness.add(0.02 + n % 7 / 100)
    for _ in range(500):
        lateness.add(0.0)
    assert lateness.target == 0.02
    assert not lateness._hold_ups
    assert not lateness._sorted


# Zero


def test_the_soonest_packet_sets_the_zero():
    zero = Zero()
    assert zero.late(5.0, 5.0) == 0.0
    assert zero.late(5.2, 5.3) == pytest.approx(0.2)
    assert zero.late(4.9, 5.4) == 0.0
    assert zero.late(5.0, 5.5) == pytest.approx(0.1)


@pytest.mark.parametrize(("now", "late"), [(29.9, 0.5), (30.0, 0.0)])
def test_a_soonest_packet_is_forgotten_after_ten_to_twenty_seconds(now, late):
    zero = Zero()
    zero.late(9.5, 10.0)
    zero.late(10.0, 20.0)
    assert zero.late(10.0, now) == pytest.approx(late)


# Whether a hold-up that is seen will last


def test_a_hold_up_longer_than_any_remembered_may_last():
    lateness = known()
    for seconds in (0.05, 0.06, 0.07):
        lateness.add(seconds)
    assert lateness.is_lasting(0.08)


def test_a_lateness_that_comes_all_the_time_and_is_covered_is_none():
    lateness = known()
    for n in range(200):
        lateness.add(0.02 + n % 7 / 100)
    assert lateness.target == pytest.approx(0.085)
    assert not lateness.is_lasting(0.06)


def test_one_that_a_third_of_those_so_late_have_outgrown_may_last():
    lateness = known()
    for seconds in (0.2, 0.07, 0.06):
        lateness.add(seconds)
    assert lateness.target == pytest.approx(0.075)
    assert lateness.is_lasting(0.05)
