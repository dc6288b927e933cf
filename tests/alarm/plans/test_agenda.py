"""Questions about hours, answered for every moment of a year."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from gateway.alarm.plans.agenda import DAYS, Agenda
from gateway.alarm.plans.calendars import Calendar, Days, Hours, parse_day_time

TUESDAY = date(2026, 11, 24)
NIGHT = (parse_day_time("20:00-06:00"),)


def told(hours, answer=False, days=DAYS):
    return Agenda([hours], TUESDAY, days).ask(hours.hold).when(answer)


def test_night_of_one_date_reaches_into_the_morning_after_it_and_not_into_that_of_other_days():
    festival = Calendar(name="festival", first=date(2027, 2, 6), last=date(2027, 2, 7))
    hours = Hours(times=NIGHT, calendars=(festival,))
    answers = Agenda([hours], TUESDAY).ask(hours.hold)
    for day in range(DAYS):
        for clock in (time(0), time(5, 59), time(6), time(19, 59), time(20), time(23, 59)):
            at = datetime.combine(TUESDAY + timedelta(days=day), clock)
            assert answers.at(at) is hours.hold(at), at
    assert answers.when(answer=True) == (
        "2027-02-06 20:00-24:00; 2027-02-07 00:00-06:00 and 20:00-24:00; 2027-02-08 00:00-06:00"
    )


def test_it_is_asked_once_for_each_stretch_of_each_kind_of_day():
    asked = []
    hours = Hours(times=NIGHT, weekdays=frozenset({4}))
    Agenda([hours], TUESDAY).ask(asked.append)
    assert len(asked) == 7 * 3
    asked.clear()
    Agenda([Hours()], TUESDAY).ask(asked.append)
    assert len(asked) == 1


def test_times_are_told_in_as_few_words_as_they_need():
    assert told(Hours(), answer=True) == "at any time"
    assert told(Hours(times=NIGHT)) == "every day 06:00-20:00"
    assert told(Hours(weekdays=frozenset(range(5)))) == "sat, sun 00:00-24:00"
    weeknights = Hours(times=NIGHT, weekdays=frozenset(range(5)))
    assert told(weeknights) == (
        "mon 00:00-20:00; tue, wed, thu, fri 06:00-20:00; sat 06:00-24:00; sun 00:00-24:00"
    )
    summer = Calendar(name="summer", first=date(2027, 6, 1), last=date(2027, 8, 31))
    assert told(Hours(calendars=(summer,)), answer=True) == "2027-06-01..2027-08-31 00:00-24:00"
    scattered = Calendar(
        name="scattered",
        exceptions=tuple(Days(one, one) for one in (date(2027, month, 1) for month in range(1, 7))),
    )
    assert told(Hours(calendars=(scattered,))) == (
        "2027-01-01 00:00-24:00; 2027-02-01 00:00-24:00; 2027-03-01 00:00-24:00; 3 more days"
    )


def test_a_plan_that_ends_with_its_term_leaves_out_what_is_after_it():
    term = Calendar(name="term", last=date(2027, 1, 20))
    assert told(Hours(calendars=(term,))) == "2027-01-21..2027-11-24 00:00-24:00"
