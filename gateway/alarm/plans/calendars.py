"""Hours, weekdays and dates: when a plan or a shift holds. Pure; local time is an argument.

Rules:

Rule 1. A time of day ``08:00-18:00`` includes its beginning and not its end. One whose end is not
        after its beginning runs past midnight, and all of it belongs to the day on which it began:
        the night shift of Friday ends on Saturday morning. ``00:00-00:00`` is the whole day.
Rule 2. A calendar holds on its weekdays between its first and last date, not on its exceptions, and
        on its additional days whatever else it says.
Rule 3. Of several times, weekdays or calendars any one is enough; of a time, a weekday and a calendar
        each is needed.
Rule 4. They go by the local clock: where it is put forward or back, an hour is missing or comes twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""In the order of `date.weekday`."""

_DAY = timedelta(days=1)
_DAY_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class DayTime:
    """A part of the day, in minutes from midnight (rule 1)."""

    start: int
    end: int

    @property
    def past_midnight(self) -> bool:
        return self.end <= self.start

    def began_on(self, at: datetime) -> date | None:
        """The day on which the part that holds at ``at`` began; None where none holds."""
        minute = at.hour * 60 + at.minute
        if not self.past_midnight:
            return at.date() if self.start <= minute < self.end else None
        if minute >= self.start:
            return at.date()
        return at.date() - _DAY if minute < self.end else None

    def __str__(self) -> str:
        return "-".join(
            f"{minute // 60:02d}:{minute % 60:02d}" for minute in (self.start, self.end)
        )


def parse_day_time(text: str) -> DayTime:
    """``HH:MM-HH:MM``; ``24:00`` may end one.

    Raises:
        ValueError: it is none.
    """
    found = _DAY_TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of day; write 08:00-18:00")
    hours = [int(part) for part in found.groups()]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if end > 24 * 60:
        raise ValueError(f"{text!r} ends after midnight; write what is past it as 00:00 and later")
    return DayTime(start, end)


@dataclass(frozen=True, slots=True)
class Days:
    """Dates from ``first`` to ``last``, both included."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


def parse_days(text: str) -> Days:
    """``2026-10-01``, or ``2026-10-01..2026-10-07``.

    Raises:
        ValueError: it is neither.
    """
    first, separator, last = text.partition("..")
    days = Days(date.fromisoformat(first), date.fromisoformat(last if separator else first))
    if days.last < days.first:
        raise ValueError(f"{text!r} ends before it begins")
    return days


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Days on which something holds (rule 2). No ``weekdays``: all of them."""

    name: str
    weekdays: frozenset[int] = frozenset()
    first: date | None = None
    last: date | None = None
    exceptions: tuple[Days, ...] = ()
    additional: tuple[Days, ...] = ()

    def holds(self, day: date) -> bool:
        if any(day in days for days in self.additional):
            return True
        return (
            (not self.weekdays or day.weekday() in self.weekdays)
            and (self.first is None or day >= self.first)
            and (self.last is None or day <= self.last)
            and not any(day in days for days in self.exceptions)
        )

    def changes(self) -> frozenset[date]:
        """The dates on which it may begin or end to hold, beyond its weekdays."""
        found = {self.first, None if self.last is None else self.last + _DAY}
        for days in (*self.exceptions, *self.additional):
            found |= {days.first, days.last + _DAY}
        return frozenset(day for day in found if day is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When something holds (rule 3); an empty tuple asks for nothing."""

    times: tuple[DayTime, ...] = ()
    weekdays: frozenset[int] = frozenset()
    calendars: tuple[Calendar, ...] = ()

    def hold(self, at: datetime) -> bool:
        """Whether they hold at the local time ``at``."""
        if not self.times:
            return self._is_day(at.date())
        began = (time.began_on(at) for time in self.times)
        return any(day is not None and self._is_day(day) for day in began)

    def _is_day(self, day: date) -> bool:
        return (not self.weekdays or day.weekday() in self.weekdays) and (
            not self.calendars or any(one.holds(day) for one in self.calendars)
        )


ALWAYS = Hours()


def local(wall: float, zone: tzinfo | None) -> datetime:
    """POSIX seconds as local time; ``zone`` None is the machine's own."""
    return datetime.fromtimestamp(wall, zone) if zone else datetime.fromtimestamp(wall).astimezone()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One group's hours in a rota."""

    group: str
    hours: Hours = ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rota:
    """Who is on duty when; ``otherwise`` is called while nobody is."""

    name: str
    shifts: tuple[Shift, ...]
    otherwise: str | None = None

    def groups(self) -> tuple[str, ...]:
        """Everybody that it may call, ``otherwise`` last."""
        named = [shift.group for shift in self.shifts]
        return tuple(dict.fromkeys([*named, self.otherwise] if self.otherwise else named))

    def on_duty(self, at: datetime) -> tuple[str, ...]:
        """The groups whose shift it is, in the order of the shifts; not ``otherwise``."""
        return tuple(dict.fromkeys(one.group for one in self.shifts if one.hours.hold(at)))
