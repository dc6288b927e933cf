"""Clocks that drift: the controller alone, and an hour of speech between cards that are off."""

import random

import pytest

from gateway.voice.downlink.drift import LEAST, SHARE, WARM_UP, Drift
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
def test_the_level_is_never_off_by_more_than_three_milliseconds(skew):
    device = Device(skew)
    for _ in range(1_200):
        device.play(1)
        assert abs(device.level - 0.012) < 0.003


def test_a_card_that_is_off_by_100_ppm_is_corrected_for_a_third_of_the_time():
    shares = Device(1e-4).play(1_200).shares
    assert set(shares) == {0.0, SHARE}
    assert shares.count(SHARE) / len(shares) == pytest.approx(1 / 3, abs=0.03)


def test_a_card_that_is_right_is_never_corrected():
    assert set(Device(0.0).play(600).shares) == {0.0}


def test_a_noisy_measure_of_a_card_that_is_right_corrects_nothing():
    device, noise = Device(0.0), random.Random(1)
    for _ in range(30_000):
        device.now += 0.02
        measured = device.level + noise.uniform(-0.005, 0.005)
        device.shares.append(device.drift.correction(measured, device.now))
    assert set(device.shares) == {0.0}


def test_a_burst_of_five_seconds_is_left_as_it_is():
    assert set(Device(3e-4).play(WARM_UP).shares) == {0.0}


def test_after_a_pause_the_level_is_measured_anew():
    device = Device(0.0).play(60)
    device.now += 3.0
    device.level = 0.018
    device.play(60)
    assert device.level == pytest.approx(0.018, abs=0.0005)


def test_a_level_that_is_nearly_dry_is_raised():
    assert Device(0.0, level=0.001).play(600).level == pytest.approx(LEAST, abs=0.001)


def test_a_correction_is_300_ppm():
    assert SHARE == 300e-6
    assert max(map(abs, Device(2e-3).play(300).shares)) == 300e-6


def test_a_jump_is_no_drift_and_the_new_level_is_held():
    device = Device(0.0).play(60)
    device.level += 0.03
    device.play(60)
    assert device.level == pytest.approx(0.042, abs=0.002)


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


def test_after_minutes_of_jitter_the_delay_comes_back_to_within_20_ms(monkeypatch):
    def way(random_, now):
        usual = 0.002 + random_.expovariate(1 / 0.0005)
        if 60 <= now < 120 and random_.random() < 0.05:
            return usual + random_.uniform(0.03, 0.12)
        if 240 <= now < 250 and random_.random() < 0.01:
            return usual + 0.3
        return usual

    clocks = Clocks(monkeypatch, talker=1e-4, card=-1e-4, way=way)
    clocks.run(600)
    begin = clocks.delay(5, 30)
    assert clocks.delay(100, 120) > begin + 0.05  # it has adapted
    assert clocks.delay(135, 240) <= begin + 0.02  # and back, within 15 s
    assert clocks.delay(570, 600) <= begin + 0.02
