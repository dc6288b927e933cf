"""The figures of EEMUA 191."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.figures import FLOOD_BEGINS, FLOOD_ENDS, STEP, WINDOW, Figures
from gateway.moment import Moment

START = Moment(1_000.0, 1_795_500_000.0)


def burst(figures: Figures, count: int, at: float, subject: str = "b") -> None:
    for _ in range(count):
        figures.signal(subject, START.later(at), alarm=True)


def test_troubles_that_open_nothing_are_signals_and_no_alarms():
    figures = Figures()
    figures.signal("a", START, alarm=False)
    figures.signal("a", START, alarm=True)
    rates = figures.rates(START)
    assert (rates.signals, rates.signals_10min, rates.alarms_10min, rates.peak_10min) == (
        2, 2, 1, 1,
    )  # fmt: skip


def test_flood_begins_with_the_tenth_alarm_within_ten_minutes():
    figures = Figures()
    burst(figures, FLOOD_BEGINS - 1, 0)
    assert not figures.rates(START).flood
    burst(figures, 1, WINDOW - STEP)
    rates = figures.rates(START.later(WINDOW - STEP))
    assert (rates.flood, rates.floods, rates.flood_time) == (True, 1, 0.0)


def test_tenth_alarm_after_the_window_makes_no_flood():
    figures = Figures()
    burst(figures, FLOOD_BEGINS - 1, 0)
    burst(figures, 1, WINDOW + STEP)
    assert not figures.rates(START.later(WINDOW + STEP)).flood


def test_flood_ends_when_fewer_than_five_are_left_in_the_window():
    figures = Figures()
    burst(figures, FLOOD_BEGINS, 0)
    burst(figures, FLOOD_ENDS, 100)
    first_left = START.later(WINDOW + STEP)
    assert figures.rates(first_left).flood  # five are left
    burst(figures, 0, 0)
    gone = START.later(WINDOW + STEP + 100)
    rates = figures.rates(gone)
    assert (rates.flood, rates.floods, rates.alarms_10min) == (False, 1, 0)
    assert rates.flood_time == WINDOW + STEP + 100
    assert figures.rates(gone.later(500)).flood_time == rates.flood_time


def test_four_that_are_left_end_it():
    figures = Figures()
    burst(figures, FLOOD_BEGINS, 0)
    burst(figures, FLOOD_ENDS - 1, 100)
    assert not figures.rates(START.later(WINDOW + STEP)).flood


def test_peak_and_total_are_since_the_start():
    figures = Figures()
    burst(figures, 7, 0)
    burst(figures, 2, 2_000)
    rates = figures.rates(START.later(2_000))
    assert (rates.signals, rates.alarms_10min, rates.peak_10min) == (9, 2, 7)


def test_busiest_are_ten_and_the_busiest_first():
    figures = Figures()
    for number in range(15):
        burst(figures, number + 1, number, f"b{number:02}")
    busiest = figures.rates(START.later(20)).busiest
    assert list(busiest.items())[:2] == [("b14", 15), ("b13", 14)]
    assert len(busiest) == 10
    assert figures.rates(START.later(WINDOW + 100)).busiest == {}


@given(
    st.lists(
        st.tuples(st.floats(0, 400), st.sampled_from("abcdefghijklmnop"), st.booleans()),
        max_size=80,
    )
)
def test_rates_are_those_of_a_count_over_all_signals(steps):
    figures = Figures()
    now = START
    seen: list[tuple[float, str, bool]] = []
    for pause, subject, alarm in steps:
        now = now.later(pause)
        figures.signal(subject, now, alarm=alarm)
        seen.append((now.elapsed, subject, alarm))
        rates = figures.rates(now)
        # A step's beginning is a multiple of STEP; it leaves as a whole.
        inside = [one for one in seen if now.elapsed - one[0] // STEP * STEP < WINDOW + STEP]
        assert rates.signals == len(seen)
        assert rates.signals_10min == len(inside)
        assert rates.alarms_10min == sum(one[2] for one in inside)
        count = Counter(one[1] for one in inside)
        assert rates.busiest == dict(sorted(count.items(), key=lambda one: (-one[1], one[0]))[:10])
