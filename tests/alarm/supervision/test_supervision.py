"""The watch over whoever is expected to be heard (`gateway.alarm.supervision.supervision`)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.supervision.supervision import ALLOWED, LATE, Finding, Name, Part, Supervision
from tests.alarm.alarm_world import START

PANEL = Name(Part.INPUT, "receiver-1")
OTHER = Name(Part.GATEWAY, "zju2")
CAR = Name(Part.RESPONDER, "car-7")
EDGE = 1e-6


def watching(**intervals: float) -> Supervision:
    names = {"panel": PANEL, "gateway": OTHER, "car": CAR}
    watch = Supervision()
    watch.watch({names[key]: interval for key, interval in intervals.items()}, START)
    watch.hearing(START)
    return watch


def silent_at(watch: Supervision, after: float) -> list[Finding]:
    """What is told up to and at this time, by a timer that is never late."""
    until, found = START.later(after), []
    while (due := watch.deadline()) is not None and due <= until.elapsed:
        found += watch.tick(START.later(due - START.elapsed))
    return found + watch.tick(until)


@pytest.mark.parametrize("interval", [1.0, 10.0, 86_400.0])
def test_silence_is_told_at_two_and_a_quarter_intervals_and_not_before(interval: float) -> None:
    watch = watching(panel=interval)
    assert watch.deadline() == START.elapsed + ALLOWED * interval
    assert silent_at(watch, ALLOWED * interval - EDGE) == []
    (found,) = silent_at(watch, ALLOWED * interval)
    assert (found.name, found.silent) == (PANEL, True)
    assert ALLOWED <= 2.5


def test_silence_is_told_once_and_its_end_once() -> None:
    watch = watching(panel=10)
    watch.heard(PANEL, START)
    assert len(silent_at(watch, 22.5)) == 1
    assert watch.deadline() is None
    assert silent_at(watch, 1000) == []
    again = watch.heard(PANEL, START.later(1000))
    assert again == Finding(PANEL, False, "input receiver-1 is heard again, after 1000 s")
    assert watch.heard(PANEL, START.later(1001)) is None
    assert len(silent_at(watch, 1001 + 22.5)) == 1


def test_each_sign_of_life_begins_the_time_anew() -> None:
    watch = watching(panel=10)
    watch.heard(PANEL, START.later(20))
    assert silent_at(watch, 22.5) == []
    assert silent_at(watch, 42.5 - EDGE) == []
    (found,) = silent_at(watch, 42.5)
    assert found.text == "input receiver-1 is silent: not heard for 22.5 s; expected every 10 s"


def test_who_was_never_heard_is_silent_counted_from_the_start() -> None:
    (found,) = silent_at(watching(gateway=2), 4.5)
    assert found.text == "gateway zju2 is silent: never heard, in 4.5 s; expected every 2 s"
    assert found.name.subject == "gateway:zju2"
    assert found.name.link == "gateway/zju2"


def test_a_device_that_vouches_is_heard_all_the_time() -> None:
    watch = watching(panel=1)
    watch.vouch(PANEL, START, well=True)
    assert silent_at(watch, 100) == []
    watch.vouch(PANEL, START.later(100), well=False)
    assert silent_at(watch, 102.25 - EDGE) == []
    assert len(silent_at(watch, 102.25)) == 1
    again = watch.vouch(PANEL, START.later(200), well=True)
    assert again is not None
    assert not again.silent


def test_a_device_that_flaps_within_its_interval_is_not_silent() -> None:
    watch = watching(panel=10)
    for second in range(0, 100, 10):
        watch.vouch(PANEL, START.later(second), well=True)
        watch.vouch(PANEL, START.later(second + 5), well=False)
        assert silent_at(watch, second + 9) == []


def test_without_the_broker_nothing_is_concluded_about_what_is_heard_over_it() -> None:
    watch = watching(panel=10, gateway=1, car=1)
    watch.deaf()
    assert [one.name for one in silent_at(watch, 22.5)] == [PANEL]
    watch.hearing(START.later(100))
    assert silent_at(watch, 102.25 - EDGE) == []
    assert {one.name for one in silent_at(watch, 102.25)} == {OTHER, CAR}


def test_before_the_first_connect_no_gateway_is_judged() -> None:
    watch = Supervision()
    watch.watch({OTHER: 1.0}, START)
    assert watch.deadline() is None


def test_a_timer_that_was_held_up_blames_nobody() -> None:
    watch = watching(panel=1, gateway=10)
    slept = START.later(2.25 + 30)
    assert watch.tick(slept) == []
    assert watch.heard(PANEL, slept.later(0.01)) is None  # what waited to be read
    assert watch.tick(slept.later(LATE)) == []
    assert watch.tick(slept.later(2.25)) == []
    assert len(watch.tick(slept.later(2.26))) == 1


def test_a_timer_that_is_hardly_late_forgives_nothing() -> None:
    assert len(watching(panel=1).tick(START.later(2.25 + LATE))) == 1
    assert watching(panel=1).tick(START.later(2.25 + LATE + EDGE)) == []


def test_who_says_nothing_after_our_sleep_either_is_silent() -> None:
    watch = watching(panel=1)
    assert watch.tick(START.later(30)) == []
    assert watch.tick(START.later(30 + LATE - EDGE)) == []
    assert len(watch.tick(START.later(30 + LATE))) == 1


def test_who_was_silent_before_a_restart_is_told_only_when_it_is_heard() -> None:
    watch = Supervision()
    assert watch.watch({PANEL: 1.0}, START, silent=[PANEL]) == []
    assert silent_at(watch, 100) == []
    again = watch.heard(PANEL, START.later(200))
    assert again is not None
    assert not again.silent
    assert len(silent_at(watch, 202.25)) == 1


def test_who_is_no_longer_watched_is_silent_no_more() -> None:
    watch = watching(panel=1, gateway=1)
    silent_at(watch, 2.25)
    (found,) = watch.watch({OTHER: 1.0}, START.later(3))
    assert found == Finding(PANEL, False, "input receiver-1 is no longer supervised")
    assert watch.silent == {OTHER}
    (left,) = Supervision().watch({}, START, silent=[PANEL])
    assert left.name == PANEL


def test_another_interval_holds_from_the_newest_sign_on() -> None:
    watch = watching(panel=100)
    watch.watch({PANEL: 10.0}, START.later(5))
    assert silent_at(watch, 22.5 - EDGE) == []
    assert len(silent_at(watch, 22.5)) == 1


BEATS = st.lists(st.floats(0.0, 8.0), max_size=30)


@given(BEATS, st.floats(1.0, 3.0))
def test_silence_is_told_exactly_where_a_gap_is_too_long(
    gaps: list[float], interval: float
) -> None:
    watch = watching(panel=interval)
    now, told = START, []
    for gap in gaps:
        until = now.later(gap)
        while (due := watch.deadline()) is not None and due <= until.elapsed:
            told += watch.tick(now.later(due - now.elapsed))
        now = until
        if (finding := watch.heard(PANEL, now)) is not None:
            told.append(finding)
    # The sum of floats is not the float of the sum.
    wanted = sum(1 for gap in gaps if gap > ALLOWED * interval)
    near = sum(1 for gap in gaps if abs(gap - ALLOWED * interval) < EDGE)
    assert abs(sum(1 for one in told if one.silent) - wanted) <= near
    assert [one.silent for one in told] == [index % 2 == 0 for index in range(len(told))]


@given(st.lists(st.tuples(st.booleans(), st.floats(0.1, 5.0)), max_size=40))
def test_the_heap_holds_one_entry_for_each_that_is_watched(
    events: list[tuple[bool, float]],
) -> None:
    watch, now = watching(panel=2.0, gateway=3.0), START
    for well, pause in events:
        now = now.later(pause)
        watch.vouch(PANEL, now, well=well)
        watch.heard(OTHER, now)
        watch.tick(now)
    assert len(watch._due) <= 4
