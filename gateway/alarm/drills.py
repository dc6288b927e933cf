"""Drills that are held by themselves: when, and how it is proved afterwards that they were drills. Pure.

Rules:

Rule 1. A drill is held once on each day of its schedule: at its time, or at a time drawn by lot
        within its hours.
Rule 2. The lot, and what seals a drill, follow from the gateway's drill key, the drill and the day
        alone: a restart draws nothing anew, and without the key nobody can look them up.
Rule 3. A sealed drill's hash is in the journal before it: SHA-256 over a nonce and all that there is
        to say of it. The nonce is revealed after it. So nobody can say later that a slow response
        was only to a drill, nor that a drill was the real thing.
Rule 4. A drill whose time has passed while the gateway was down is held late, within its hours or
        `LATE` seconds after its time; else it is recorded as missed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.plans.calendars import Calendar, Days, DayTime
from gateway.moment import timestamp

SEAL_AHEAD = 86_400.0
"""Seconds before it that a drill is sealed."""

LATE = 900.0
"""Seconds for which a drill with a fixed time may be late."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Days and hours. ``start`` and ``end`` in minutes of the day; equal: a fixed time."""

    dates: tuple[Days, ...] = ()
    weekdays: frozenset[int] = frozenset()
    week: int | None = None
    calendars: tuple[Calendar, ...] = ()
    hours: DayTime
    by_lot: bool = False

    def holds(self, day: date) -> bool:
        """Whether the drill is held on ``day``."""
        return (
            (not self.dates or any(day in days for days in self.dates))
            and (not self.weekdays or day.weekday() in self.weekdays)
            and (self.week is None or (day.day - 1) // 7 + 1 == self.week)
            and (not self.calendars or any(one.holds(day) for one in self.calendars))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """What is drilled: an endpoint that is pressed, or a category raised at a site."""

    name: str
    endpoint: str | None
    site: str | None
    category: str | None
    plan: str | None
    text: str | None
    schedule: Schedule
    sealed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A drill on one day. ``when`` and ``until`` (the end of its hours) in POSIX seconds."""

    id: str
    drill: Drill
    when: float
    until: float
    nonce: str

    @property
    def told(self) -> dict[str, str | None]:
        """All that there is to say of it, but the nonce."""
        return {
            "id": self.id,
            "drill": self.drill.name,
            "endpoint": self.drill.endpoint,
            "site": self.drill.site,
            "category": self.drill.category,
            "plan": self.drill.plan,
            "when": timestamp(self.when),
        }


def occurrences(
    drills: Iterable[Drill], key: bytes, since: float, until: float, zone: tzinfo | None
) -> tuple[Occurrence, ...]:
    """Every drill whose hours touch ``since`` <= time < ``until`` (POSIX seconds), in order."""
    found = [
        one
        for drill in drills
        for day in _days(since, until, zone)
        if drill.schedule.holds(day)
        for one in (_occurrence(drill, key, day, zone),)
        if one.when < until and one.until >= since
    ]
    return tuple(sorted(found, key=lambda one: (one.when, one.id)))


def seal(told: Mapping[str, str | None], nonce: str) -> str:
    """The hash of rule 3, in hexadecimal digits."""
    text = json.dumps({"nonce": nonce, **told}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed_row(one: Occurrence) -> Row:
    """What the journal holds before the drill; it says neither when nor where."""
    body = {"hash": seal(one.told, one.nonce)}
    return Row(Kind.SEALED, one.id, json.dumps(body).encode())


def revealed_row(one: Occurrence, outcome: str, incident: str | None) -> Row:
    """What it holds after: ``outcome`` is ``held`` or ``missed``."""
    body = {**one.told, "nonce": one.nonce, "outcome": outcome, "incident": incident}
    return Row(Kind.REVEALED, one.id, json.dumps(body, ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the journal proves of one drill; ``why_not`` is None where all is in order."""

    id: str
    sealed: float | None
    revealed: float | None
    told: Mapping[str, str | None]
    outcome: str | None
    incident: str | None
    why_not: str | None


def proofs(rows: Iterable[Stored]) -> Iterator[Proof]:
    """Every drill that was sealed or revealed, in the order of its first row."""
    hashes: dict[str, tuple[float, str]] = {}
    reveals: dict[str, tuple[float, dict[str, str | None]]] = {}
    order: dict[str, None] = {}
    for row in rows:
        if row.kind not in (Kind.SEALED, Kind.REVEALED):
            continue
        order.setdefault(row.key)
        body = _members(row.body)
        if row.kind == Kind.SEALED:
            hashes.setdefault(row.key, (row.wall, str(body.get("hash"))))
        else:
            reveals.setdefault(row.key, (row.wall, body))
    for key in order:
        yield _proof(key, hashes.get(key), reveals.get(key))


def _proof(
    key: str,
    sealed: tuple[float, str] | None,
    revealed: tuple[float, dict[str, str | None]] | None,
) -> Proof:
    body = dict(revealed[1]) if revealed else {}
    nonce = body.pop("nonce", None)
    outcome, incident = body.pop("outcome", None), body.pop("incident", None)
    why_not = None
    if revealed is not None and sealed is not None:
        if seal(body, nonce or "") != sealed[1]:
            why_not = "what was revealed is not what was sealed"
        elif revealed[0] < sealed[0]:
            why_not = "it was revealed before it was sealed"
    return Proof(
        id=key,
        sealed=None if sealed is None else sealed[0],
        revealed=None if revealed is None else revealed[0],
        told=body,
        outcome=outcome,
        incident=incident,
        why_not=why_not,
    )


def _members(body: bytes) -> dict[str, str | None]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _occurrence(drill: Drill, key: bytes, day: date, zone: tzinfo | None) -> Occurrence:
    schedule = drill.schedule
    lot = hmac.digest(key, f"{drill.name}|{day.isoformat()}".encode(), "sha256")
    start = _at(day, schedule.hours.start, zone)
    if schedule.by_lot:
        past_midnight = _DAY if schedule.hours.past_midnight else timedelta()
        end = _at(day + past_midnight, schedule.hours.end, zone)
        # 53 bits: every float between 0 and 1 that there is.
        when = start + (end - start) * (int.from_bytes(lot[:7]) >> 3) / 2**53
    else:
        end, when = start + LATE, start
    return Occurrence(
        id=_uuid(lot[7:23]),
        drill=drill,
        when=float(round(when)),
        until=end,
        nonce=hmac.digest(key, lot, "sha256").hex(),
    )


def _days(since: float, until: float, zone: tzinfo | None) -> Iterator[date]:
    """Every local day that the period touches, and the one before: its night hours may reach in."""
    day = _local(since, zone).date() - _DAY
    last = _local(until, zone).date()
    while day <= last:
        yield day
        day += _DAY


def _local(wall: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(wall, zone) if zone else datetime.fromtimestamp(wall).astimezone()


def _at(day: date, minute: int, zone: tzinfo | None) -> float:
    days, minute = divmod(minute, 1440)
    at = datetime.combine(day + timedelta(days=days), datetime.min.time(), zone)
    return (at + timedelta(minutes=minute)).timestamp()


def _uuid(random: bytes) -> str:
    """A UUID of version 8 (RFC 9562, section 5.8), whose bits are ours to choose."""
    number = int.from_bytes(random)
    number = number & ~(0xF << 76) | 0x8 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
