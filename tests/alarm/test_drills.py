"""When drills are held, and what seals prove."""

import json
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.drills import (
    LATE,
    Drill,
    Schedule,
    occurrences,
    proofs,
    revealed_row,
    sealed_row,
)
from gateway.alarm.journal.rows import Row, Stored
from gateway.alarm.plans.calendars import Calendar, Days, DayTime, parse_day_time

ZONE = ZoneInfo("Asia/Shanghai")
KEY = bytes(range(32))
LOT = Schedule(hours=parse_day_time("09:00-17:00"), by_lot=True)
FIXED = Schedule(hours=DayTime(600, 600))
DRILL = Drill(
    name="gate",
    endpoint="south-gate-button",
    site=None,
    category=None,
    plan=None,
    text=None,
    schedule=LOT,
    sealed=True,
)


def wall(text):
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()


def local(seconds):
    return datetime.fromtimestamp(seconds, ZONE)


def held(schedule, since="2026-11-01T00:00", until="2026-12-01T00:00", key=KEY):
    drill = replace(DRILL, schedule=schedule)
    found = occurrences([drill], key, wall(since), wall(until), ZONE)
    return [one for one in found if wall(since) <= one.when]


def test_fixed_drill_is_held_at_its_time_each_day():
    found = held(FIXED)
    assert len(found) == 30
    assert {local(one.when).strftime("%H:%M:%S") for one in found} == {"10:00:00"}
    assert found[0].until == found[0].when + LATE


def test_drawn_drill_is_held_once_a_day_within_its_hours_and_not_always_at_the_same_time():
    found = held(LOT)
    assert [local(one.when).day for one in found] == list(range(1, 31))
    times = [local(one.when) for one in found]
    assert all(9 <= at.hour < 17 for at in times)
    assert len({at.strftime("%H:%M") for at in times}) > 20


def test_lot_is_drawn_anew_with_another_key_and_never_with_the_same():
    assert held(LOT) == held(LOT)
    other = held(LOT, key=bytes(32))
    assert [one.when for one in held(LOT)] != [one.when for one in other]
    assert not {one.id for one in held(LOT)} & {one.id for one in other}


def test_night_hours_are_drawn_past_midnight():
    found = held(Schedule(hours=parse_day_time("22:00-04:00"), by_lot=True))
    assert all(at.hour >= 22 or at.hour < 4 for at in map(local, (one.when for one in found)))
    assert any(local(one.when).hour < 4 for one in found)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"weekdays": frozenset({0}), "week": 1}, [2]),
        ({"weekdays": frozenset({4}), "week": 4}, [27]),
        ({"dates": (Days(date(2026, 11, 24), date(2026, 11, 25)),)}, [24, 25]),
        (
            {"calendars": (Calendar(name="c", weekdays=frozenset({6}), last=date(2026, 11, 15)),)},
            [1, 8, 15],
        ),
    ],
)
def test_days_of_the_schedule(days, expected):
    found = held(replace(FIXED, **days))
    assert [local(one.when).day for one in found] == expected


def rows(*made):
    return [Stored(seq, float(seq), row.kind, row.key, row.body) for seq, row in enumerate(made, 1)]


def test_seal_says_neither_when_nor_where():
    one = held(LOT)[0]
    body = sealed_row(one).body.decode()
    assert set(json.loads(body)) == {"hash"}
    for word in ("gate", "2026", one.nonce):
        assert word not in body


def test_revealed_drill_is_what_was_sealed():
    one = held(LOT)[0]
    (proof,) = proofs(rows(sealed_row(one), revealed_row(one, "held", "incident-1")))
    assert proof.why_not is None
    assert (proof.outcome, proof.incident) == ("held", "incident-1")
    assert proof.told["endpoint"] == "south-gate-button"


@pytest.mark.parametrize("key", ["when", "endpoint", "drill", "nonce", "id", "plan"])
def test_whatever_is_changed_afterwards_is_seen(key):
    one = held(LOT)[0]
    revealed = revealed_row(one, "held", None)
    body = json.loads(revealed.body)
    body[key] = "another"
    changed = Row(revealed.kind, revealed.key, json.dumps(body).encode())
    (proof,) = proofs(rows(sealed_row(one), changed))
    assert proof.why_not == "what was revealed is not what was sealed"


def test_seal_that_came_after_the_reveal_proves_nothing():
    one = held(LOT)[0]
    (proof,) = proofs(rows(revealed_row(one, "held", None), sealed_row(one)))
    assert proof.why_not == "it was revealed before it was sealed"


def test_drill_that_was_not_revealed_yet_tells_nothing():
    one = held(LOT)[0]
    (proof,) = proofs(rows(sealed_row(one)))
    assert (proof.revealed, dict(proof.told), proof.why_not) == (None, {}, None)


@given(
    st.floats(0, 86_400 * 400), st.floats(0, 86_400 * 3), st.integers(0, 1439), st.integers(0, 1439)
)
def test_no_occurrence_is_lost_between_two_looks(start, length, first, last):
    begin = wall("2026-01-01T00:00") + start
    drill = replace(DRILL, schedule=Schedule(hours=DayTime(first, last), by_lot=True))

    def ids(since, until):
        return {
            one.id
            for one in occurrences([drill], KEY, since, until, ZONE)
            if since <= one.when < until
        }

    middle = begin + length / 2
    whole = ids(begin, begin + length)
    assert ids(begin, middle) | ids(middle, begin + length) == whole
