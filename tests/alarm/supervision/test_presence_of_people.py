"""Where the responders' clients are (`gateway.alarm.supervision.presence`)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.supervision import presence as module
from gateway.alarm.supervision.presence import FORGOTTEN, Attendance, Presences
from gateway.link.messages import Presence
from gateway.moment import Moment, timestamp
from tests.alarm.alarm_world import START

HERE = (30.2573, 120.1776)
AWAY = 2.25 * 10
EDGE = 1e-6


def said(
    now: Moment,
    client: str = "car-7",
    *groups: str,
    fixed: float | None = 0.0,
    on_duty: bool = True,
    interval: float = 10.0,
    skew: float = 0.0,
) -> Presence:
    """What a client says at ``now``, its position ``fixed`` seconds old, its clock ``skew`` ahead."""
    return Presence(
        client=client,
        groups=groups or ("police",),
        on_duty=on_duty,
        position=None if fixed is None else HERE,
        fixed=None if fixed is None else timestamp(now.wall + skew - fixed),
        interval_s=interval,
        time=timestamp(now.wall + skew),
    )


def test_a_client_makes_its_groups_be_there_once() -> None:
    people = Presences()
    first = people.heard(said(START, "car-7", "police", "street"), START)
    assert first.news
    assert first.changes == (Attendance("police", True), Attendance("street", True))
    assert people.heard(said(START, "car-8"), START).changes == ()
    assert people.is_there("police")


def test_a_group_is_gone_when_its_last_client_goes() -> None:
    people = Presences()
    people.heard(said(START, "car-7"), START)
    people.heard(said(START, "car-8"), START)
    assert people.gone("car-7") == ()
    assert people.gone("car-8") == (Attendance("police", False),)
    assert people.gone("car-8") == ()
    assert len(people) == 0


def test_a_client_that_is_not_heard_goes_away_at_two_and_a_quarter_intervals() -> None:
    people = Presences()
    people.heard(said(START), START)
    assert people.deadline() == START.elapsed + AWAY
    assert people.tick(START.later(AWAY - EDGE)) == ()
    assert people.tick(START.later(AWAY)) == (Attendance("police", False),)
    (fix,) = people.fixes("police", START.later(60))
    assert abs(fix.age - 60) < EDGE  # where it was is still known, and how long ago
    later = START.later(100)
    assert people.heard(said(later), later).changes == (Attendance("police", True),)


def test_a_copy_of_what_is_known_is_no_sign_of_life() -> None:
    people = Presences()
    people.heard(said(START), START)
    assert not people.heard(said(START), START.later(20)).news
    assert people.tick(START.later(AWAY)) == (Attendance("police", False),)


def test_off_duty_is_known_and_is_not_there() -> None:
    people = Presences()
    people.heard(said(START), START)
    later = START.later(5)
    off = people.heard(said(later, on_duty=False), later)
    assert off.changes == (Attendance("police", False),)
    (fix,) = people.fixes("police", later)
    assert not fix.on_duty


def test_a_client_may_go_to_another_group() -> None:
    people = Presences()
    people.heard(said(START, "car-7", "police"), START)
    later = START.later(5)
    moved = people.heard(said(later, "car-7", "street"), later)
    assert set(moved.changes) == {Attendance("police", False), Attendance("street", True)}
    assert list(people.fixes("police", later)) == []


def test_a_fix_is_as_old_as_its_clients_own_clock_says_plus_the_time_since() -> None:
    people = Presences()
    people.heard(said(START, skew=3600, interval=10), START)
    later = START.later(10)
    people.heard(said(later, skew=3600, fixed=4), later)
    (fix,) = people.fixes("police", later.later(6))
    assert abs(fix.age - 10) < 0.01
    assert fix.position == HERE


def test_the_first_presence_may_be_a_copy_that_has_lain_on_the_broker() -> None:
    people = Presences()
    people.heard(said(START, fixed=2), START.later(20))
    (fix,) = people.fixes("police", START.later(20))
    assert abs(fix.age - 22) < 0.01
    others = Presences()  # a clock that is an hour behind is no position an hour old
    others.heard(said(START, fixed=2, skew=-3600), START)
    (fix,) = others.fixes("police", START)
    assert abs(fix.age - 32) < 0.01


def test_without_a_position_there_is_no_fix() -> None:
    people = Presences()
    people.heard(said(START, fixed=None), START)
    assert list(people.fixes("police", START)) == []
    assert people.is_there("police")


def test_without_the_broker_nobody_goes_away_and_positions_age() -> None:
    people = Presences()
    people.heard(said(START), START)
    people.deaf()
    assert people.deadline() is None
    assert people.tick(START.later(500)) == ()
    people.hearing(START.later(500))
    (fix,) = people.fixes("police", START.later(501))
    assert abs(fix.age - 501) < EDGE
    assert people.tick(START.later(500 + AWAY - EDGE)) == ()
    assert people.tick(START.later(500 + AWAY)) == (Attendance("police", False),)


def test_a_shorter_interval_holds_at_once() -> None:
    people = Presences()
    people.heard(said(START, interval=1000), START)
    later = START.later(1)
    people.heard(said(later, interval=1), later)
    assert people.tick(later.later(2.25)) == (Attendance("police", False),)


def test_who_is_away_for_a_day_is_forgotten() -> None:
    people = Presences()
    people.heard(said(START), START)
    people.tick(START.later(AWAY))
    people.tick(START.later(FORGOTTEN - EDGE))
    assert len(people) == 1
    people.tick(START.later(FORGOTTEN))
    assert len(people) == 0
    assert people.deadline() is None


def test_a_flood_of_names_is_bounded() -> None:
    people, limit = Presences(), module.MAX_CLIENTS
    try:
        module.MAX_CLIENTS = 2
        for number in range(5):
            people.heard(said(START, f"car-{number}"), START)
    finally:
        module.MAX_CLIENTS = limit
    assert len(people) == 2


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["car-1", "car-2", "car-3"]),
        st.sampled_from(["say", "off", "go", "wait"]),
        st.sampled_from([("police",), ("street",), ("police", "street")]),
        st.floats(0.01, 30.0),
    ),
    max_size=40,
)


@given(EVENTS)
def test_the_changes_told_are_what_is_there(
    events: list[tuple[str, str, tuple[str, ...], float]],
) -> None:
    people, now = Presences(), START
    there: dict[str, bool] = {}
    spoke: dict[str, tuple[float, tuple[str, ...]]] = {}
    for client, what, groups, pause in events:
        now = now.later(pause)
        changes = list(people.tick(now))
        if what == "go":
            changes += people.gone(client)
            spoke.pop(client, None)
        elif what != "wait":
            on_duty = what == "say"
            changes += people.heard(said(now, client, *groups, on_duty=on_duty), now).changes
            spoke[client] = now.elapsed, groups if on_duty else ()
        for change in changes:
            assert there.get(change.group, False) != change.there
            there[change.group] = change.there
        for group in ("police", "street"):
            wanted = any(
                group in answers and now.elapsed - at < AWAY for at, answers in spoke.values()
            )
            assert people.is_there(group) == there.get(group, False) == wanted
