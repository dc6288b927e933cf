"""Hours, weekdays and dates, at their exact boundaries."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.plans.calendars import (
    Calendar,
    Days,
    DayTime,
    Hours,
    Rota,
    Shift,
    local,
    parse_day_time,
    parse_days,
)

FRIDAY = date(2026, 11, 27)
WEEK = Calendar(name="week", weekdays=frozenset(range(5)))


def at(day, clock):
    return datetime.combine(day, datetime.strptime(clock, "%H:%M:%S").time())  # noqa: DTZ007


@pytest.mark.parametrize(
    ("clock", "holds"),
    [
        ("07:59:59", False),
        ("08:00:00", True),
        ("17:59:59", True),
        ("18:00:00", False),
    ],
)
def test_time_of_day_includes_its_beginning_and_not_its_end(clock, holds):
    assert Hours(times=(parse_day_time("08:00-18:00"),)).hold(at(FRIDAY, clock)) is holds


@pytest.mark.parametrize(
    ("day", "clock", "holds"),
    [
        (FRIDAY, "19:59:59", False),
        (FRIDAY, "20:00:00", True),
        (FRIDAY, "23:59:59", True),
        (FRIDAY + timedelta(days=1), "07:59:59", True),
        (FRIDAY + timedelta(days=1), "08:00:00", False),
        (FRIDAY + timedelta(days=1), "20:00:00", False),
        (FRIDAY + timedelta(days=2), "03:00:00", False),
        (FRIDAY + timedelta(days=3), "03:00:00", False),
        (FRIDAY + timedelta(days=3), "20:00:00", True),
    ],
)
def test_night_shift_of_a_weekday_ends_on_the_morning_after(day, clock, holds):
    night = Hours(times=(parse_day_time("20:00-08:00"),), calendars=(WEEK,))
    assert night.hold(at(day, clock)) is holds


def test_weekdays_are_those_on_which_the_time_begins_and_a_calendar_is_needed_too():
    night = parse_day_time("20:00-08:00")
    friday = Hours(times=(night,), weekdays=frozenset({4}))
    assert friday.hold(at(FRIDAY + timedelta(days=1), "07:59:59"))
    assert not friday.hold(at(FRIDAY, "07:59:59"))
    summer = Calendar(name="summer", last=date(2026, 9, 1))
    assert not Hours(weekdays=frozenset({4}), calendars=(summer,)).hold(at(FRIDAY, "12:00:00"))
    assert Hours(weekdays=frozenset({4}), calendars=(summer, WEEK)).hold(at(FRIDAY, "12:00:00"))


def test_whole_day_holds_always_and_until_midnight_may_be_written():
    assert all(
        Hours(times=(parse_day_time("00:00-00:00"),)).hold(at(FRIDAY, clock))
        for clock in ("00:00:00", "12:00:00", "23:59:59")
    )
    assert parse_day_time("18:00-24:00") == DayTime(18 * 60, 24 * 60)


@pytest.mark.parametrize(
    "text", ["8:00-18:00", "08:00", "08:00-25:00", "08:60-09:00", "24:00-08:00", "08:00-24:01", ""]
)
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(ValueError, match=r"time of day|midnight"):
        parse_day_time(text)


@given(st.integers(0, 1439), st.integers(0, 1439))
def test_time_of_day_is_read_as_it_is_written(start, end):
    time = DayTime(start, end)
    assert parse_day_time(str(time)) == time


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 2 * 1440 - 1))
def test_time_of_day_holds_exactly_the_minutes_that_counting_gives(start, end, minute):
    length = (end - start) % 1440 or 1440
    now = at(FRIDAY, "00:00:00") + timedelta(minutes=minute)
    holds = (now.hour * 60 + now.minute - start) % 1440 < length
    assert Hours(times=(DayTime(start, end),)).hold(now) is holds


def test_calendar_holds_on_its_days_not_on_its_exceptions_and_on_its_additional_days():
    school = Calendar(
        name="school",
        weekdays=frozenset(range(5)),
        first=date(2026, 9, 1),
        last=date(2027, 1, 20),
        exceptions=(parse_days("2026-10-01..2026-10-07"),),
        additional=(parse_days("2026-10-10"),),
    )
    held = {
        date(2026, 8, 31): False,
        date(2026, 9, 1): True,
        date(2026, 9, 5): False,
        date(2026, 9, 30): True,
        date(2026, 10, 1): False,
        date(2026, 10, 7): False,
        date(2026, 10, 8): True,
        date(2026, 10, 10): True,
        date(2027, 1, 20): True,
        date(2027, 1, 21): False,
    }
    assert {day: school.holds(day) for day in held} == held
    # It can change only on these days and at weekends.
    changes = school.changes()
    for number in range(400):
        day = date(2026, 7, 1) + timedelta(days=number)
        before = day - timedelta(days=1)
        if school.holds(day) != school.holds(before):
            assert day in changes or (day.weekday() >= 5) != (before.weekday() >= 5)


def test_dates_are_read_and_what_is_none_is_refused():
    assert parse_days("2026-10-01") == Days(date(2026, 10, 1), date(2026, 10, 1))
    for text in ("2026-13-01", "2026-10-07..2026-10-01", "tomorrow", ""):
        with pytest.raises(ValueError):
            parse_days(text)


def test_local_time_is_that_of_the_zone():
    wall = datetime(2026, 11, 24, 1, 30, tzinfo=ZoneInfo("UTC")).timestamp()
    assert local(wall, ZoneInfo("Asia/Shanghai")).hour == 9


def test_rota_has_on_duty_whose_shift_it_is_in_order_and_once():
    day, night = parse_day_time("08:00-20:00"), parse_day_time("20:00-08:00")
    rota = Rota(
        name="duty",
        shifts=(
            Shift(group="b", hours=Hours(times=(night,))),
            Shift(group="a", hours=Hours(times=(day,))),
            Shift(group="b", hours=Hours(times=(day,), calendars=(WEEK,))),
            Shift(group="c"),
        ),
    )
    assert rota.on_duty(at(FRIDAY, "12:00:00")) == ("a", "b", "c")
    assert rota.on_duty(at(FRIDAY, "21:00:00")) == ("b", "c")
    assert rota.on_duty(at(FRIDAY + timedelta(days=1), "12:00:00")) == ("a", "c")
