"""Clocks that drift: the controller alone, and an hour of speech between cards that are off."""

import pytest

from gateway.voice.drift import LEAST, MOST, WARM_UP, Drift
from tests.voice.clocks import RATE_HZ, Clocks, roughness

HOUR = 3600.0


class Device:
    """What waits in a device whose clock is off by ``skew``, a block each 20 ms."""

    def __init__(self, skew, level=0.012):
        self.drift = Drift()
        self.level = level
        self.skew = skew
        self.now = 0.0
        self.shares = []

    def play(self, seconds):
        for _ in range(round(seconds / 0.02)):
            self.now += 0.02
            more = self.drift.correction(self.level, self.now)
            self.shares.append(more)
            self.level += 0.02 * (more - self.skew)
        return self


@pytest.mark.parametrize("skew", [1e-4, -1e-4, 2e-4, -2e-4, 0.0])
def test_the_clock_is_learned_and_the_level_comes_back(skew):
    device = Device(skew).play(600)
    assert device.drift.skew == pytest.approx(skew, abs=3e-6)
    assert device.level == pytest.approx(0.012, abs=0.0015)


@pytest.mark.parametrize("skew", [2e-4, -2e-4])
def test_on_the_way_there_the_level_is_never_off_by_more_than_six_milliseconds(skew):
    device, worst = Device(skew), 0.0
    for _ in range(600):
        device.play(1)
        worst = max(worst, abs(device.level - 0.012))
    assert worst < 0.006


def test_a_burst_of_five_seconds_is_left_as_it_is():
    assert set(Device(1e-4).play(WARM_UP).shares) == {0.0}


def test_what_was_learned_is_used_in_the_next_burst_once_its_level_is_known():
    device = Device(1e-4).play(600)
    device.now += 3.0
    device.level = 0.014
    device.shares.clear()
    device.play(WARM_UP)
    assert set(device.shares[1:]) == {0.0}
    device.play(1)
    assert device.shares[-1] == pytest.approx(1e-4, abs=5e-5)


def test_a_level_that_is_nearly_dry_is_raised():
    assert Device(0.0, level=0.001).play(600).level == pytest.approx(LEAST, abs=0.001)


def test_a_correction_is_never_larger_than_500_ppm():
    assert MOST == 500e-6
    device = Device(2e-3).play(300)
    assert max(map(abs, device.shares)) == 500e-6
    assert abs(device.drift.skew) <= 500e-6  # what cannot be corrected is not learned


def test_a_jump_is_no_drift_and_the_new_level_is_held():
    device = Device(0.0).play(60)
    device.level += 0.03
    device.play(60)
    assert device.level == pytest.approx(0.042, abs=0.006)
    assert max(map(abs, device.shares[-1500:])) < 100e-6


def test_after_a_hole_the_level_is_measured_anew():
    device = Device(0.0).play(60)
    device.drift.begin()
    device.level += 0.01
    device.play(60)
    assert device.level == pytest.approx(0.022, abs=0.001)


def test_an_hour_of_cards_that_are_off_by_100_ppm_has_no_hole_no_click_and_no_growing_delay(
    monkeypatch,
):
    clocks = Clocks(monkeypatch, talker=-1e-4, card=1e-4)
    clocks.run(HOUR)
    assert clocks.card.counters["underruns"] == 0
    assert clocks.card.counters["playback_dropped"] == 0
    assert roughness(clocks.card.sound[RATE_HZ:]) < 0.01
    begin, end = clocks.delay(2, 8), clocks.delay(HOUR - 30, HOUR)
    assert end <= begin + 0.02
    assert max(delay for _, delay in clocks.delays) <= begin + 0.025


@pytest.mark.parametrize(("talker", "card"), [(1e-4, -1e-4), (1e-4, 1e-4), (-1e-4, -1e-4)])
def test_the_other_ways_round_hold_for_five_minutes(monkeypatch, talker, card):
    clocks = Clocks(monkeypatch, talker=talker, card=card)
    clocks.run(300)
    assert not clocks.card.counters
    assert roughness(clocks.card.sound[RATE_HZ:]) < 0.01
    assert clocks.delay(270, 300) <= clocks.delay(2, 8) + 0.02


def test_the_control_a_quick_card_that_is_not_followed_runs_dry_and_is_heard_to(monkeypatch):
    clocks = Clocks(monkeypatch, talker=0.0, card=1e-4, clocked=False)
    clocks.run(600)
    assert clocks.card.counters["underruns"] >= 2
    assert roughness(clocks.card.sound[RATE_HZ:]) > 0.1


def test_the_control_behind_a_slow_card_that_is_not_followed_delay_grows(monkeypatch):
    clocks = Clocks(monkeypatch, talker=0.0, card=-1e-4, clocked=False)
    clocks.run(600)
    assert clocks.delay(570, 600) > clocks.delay(2, 8) + 0.05
