"""Every moment of a year at which hours can begin or end. Pure.

Whether something holds at all times is not sampled: between two ends of times of day nothing
changes, and two days are alike if they and the days before them have the same weekday and lie in the
same calendars. So a question is asked once for each stretch of each kind of day, and the answers
hold for the whole year.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from gateway.alarm.plans.calendars import WEEKDAYS, Calendar, Hours

DAYS = 366
"""How far it looks ahead: every date of a year once."""

USUAL = 0.75
"""Share of a weekday's days on which something has to be so to be told of the weekday."""

MAX_DATES = 3
"""Dates, or runs of dates, that are told one by one."""

MINUTES = 24 * 60

T = TypeVar("T", bound=Hashable)
Spans = tuple[tuple[int, int], ...]
"""Parts of one day, in minutes from midnight; an end is not included."""


@dataclass(frozen=True, slots=True)
class Answers:
    """For each kind of day, the answer in each stretch."""

    stretches: Spans
    by_day: Mapping[date, tuple[Hashable, ...]]

    def at(self, moment: datetime) -> Hashable:
        """The answer at a local time within the year."""
        minute = moment.hour * 60 + moment.minute
        for (start, end), answer in zip(self.stretches, self.by_day[moment.date()], strict=True):
            if start <= minute < end:
                return answer
        raise AssertionError("the stretches are the whole day")

    def different(self) -> tuple[Hashable, ...]:
        """Every answer that there is, in order of first appearance."""
        seen = dict.fromkeys(self.by_day.values())
        return tuple(dict.fromkeys(answer for day in seen for answer in day))

    def when(self, answer: Hashable) -> str:
        """At which times it is ``answer``, in words."""
        spans = {day: self._spans(answers, answer) for day, answers in self.by_day.items()}
        every = set(spans.values())
        if len(every) == 1:
            (one,) = every
            return "at any time" if one == ((0, MINUTES),) else f"every day {_clock(one)}"
        runs = _runs({day: one for day, one in spans.items() if one})
        if len(runs) <= MAX_DATES:
            return "; ".join(_dated(runs))
        usual = _usual(spans)
        unusual = {day: one for day, one in spans.items() if one and one != usual[day.weekday()]}
        return "; ".join([*_weekly(usual), *_dated(_runs(unusual))])

    def _spans(self, answers: tuple[Hashable, ...], wanted: Hashable) -> Spans:
        spans: list[tuple[int, int]] = []
        for (start, end), answer in zip(self.stretches, answers, strict=True):
            if answer != wanted:
                continue
            if spans and spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        return tuple(spans)


class Agenda:
    """The kinds of day that some hours make of the year from ``first`` on."""

    def __init__(self, hours: Iterable[Hours], first: date, days: int = DAYS) -> None:
        every = tuple(hours)
        calendars = {one.name: one for hour in every for one in hour.calendars}
        by_weekday = any(hour.weekdays for hour in every)
        ends = {0, MINUTES}
        for hour in every:
            for time in hour.times:
                ends |= {time.start, time.end}
        marks = sorted(ends)
        self.stretches: Spans = tuple(pairwise(marks))
        kinds = [
            _kind(first + timedelta(days=number), calendars.values(), by_weekday=by_weekday)
            for number in range(-1, days)
        ]
        # What began on the day before may reach into a day.
        self._kinds = {
            first + timedelta(days=number): kinds[number : number + 2] for number in range(days)
        }

    def ask(self, question: Callable[[datetime], T]) -> Answers:
        """The answers for all times; ``question`` may depend on the hours and on nothing else."""
        known: dict[Hashable, tuple[T, ...]] = {}
        by_day: dict[date, tuple[Hashable, ...]] = {}
        for day, kind in self._kinds.items():
            key = tuple(kind)
            if key not in known:
                midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # local time
                known[key] = tuple(
                    question(midnight + timedelta(minutes=start)) for start, _ in self.stretches
                )
            by_day[day] = known[key]
        return Answers(self.stretches, by_day)


def _kind(day: date, calendars: Iterable[Calendar], *, by_weekday: bool) -> Hashable:
    return day.weekday() if by_weekday else None, tuple(one.holds(day) for one in calendars)


def _usual(spans: Mapping[date, Spans]) -> list[Spans]:
    """What is so on most of a weekday's days; nothing where no spans are."""
    usual: list[Spans] = []
    for weekday in range(len(WEEKDAYS)):
        of_days = Counter(one for day, one in spans.items() if day.weekday() == weekday)
        found, count = of_days.most_common(1)[0] if of_days else ((), 0)
        usual.append(found if count >= USUAL * of_days.total() else ())
    return usual


def _weekly(usual: list[Spans]) -> list[str]:
    told = []
    for spans in dict.fromkeys(one for one in usual if one):
        days = [WEEKDAYS[number] for number, one in enumerate(usual) if one == spans]
        told.append(
            f"{'every day' if len(days) == len(WEEKDAYS) else ', '.join(days)} {_clock(spans)}"
        )
    return told


def _runs(spans: Mapping[date, Spans]) -> list[tuple[list[date], Spans]]:
    """Days in a row that are alike."""
    runs: list[tuple[list[date], Spans]] = []
    for day, one in spans.items():
        if runs and runs[-1][1] == one and (day - runs[-1][0][-1]).days == 1:
            runs[-1][0].append(day)
        else:
            runs.append(([day], one))
    return runs


def _dated(runs: list[tuple[list[date], Spans]]) -> list[str]:
    told = []
    for run, spans in runs[:MAX_DATES]:
        days = f"{run[0]}..{run[-1]}" if len(run) > 1 else str(run[0])
        told.append(f"{days} {_clock(spans)}")
    more = sum(len(run) for run, _ in runs[MAX_DATES:])
    return [*told, f"{more} more days"] if more else told


def _clock(spans: Spans) -> str:
    return " and ".join(
        "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in span) for span in spans
    )
