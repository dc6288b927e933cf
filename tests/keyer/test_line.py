"""The line machine: each rule at its exact boundary, then under random events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.keyer.line import (
    HOLD,
    MAX_TALKGROUPS,
    Keepalive,
    Key,
    Line,
    Refuse,
    Refused,
    Release,
    Released,
)


def keepalive(sent, *, term=1, grant=1, tot=30.0, talkgroup="police", confirmed=True):
    return Keepalive(talkgroup, term, grant, tot, sent, confirmed)


def line():
    line = Line()
    line.opened()
    return line


def keyed_line(at=0.0, **fields):
    machine = line()
    assert machine.keepalive(keepalive(at, **fields), at) == [Key()]
    return machine


def test_the_contract_is_a_hold_of_100_ms():
    assert HOLD == 0.1


def test_a_line_is_released_exactly_100_ms_after_its_last_keepalive():
    machine = keyed_line()
    assert machine.deadline() == 0.1
    assert machine.tick(0.099) == []
    assert machine.tick(0.1) == [Release(Released.SILENT)]
    assert machine.deadline() is None
    assert machine.tick(0.2) == []


def test_keepalives_every_20_ms_hold_the_line_without_further_actions():
    machine = keyed_line()
    for number in range(1, 50):
        assert machine.keepalive(keepalive(number * 0.02), number * 0.02) == []
    assert machine.deadline() == pytest.approx(49 * 0.02 + 0.1)


def test_a_keepalive_that_waited_in_a_queue_holds_only_from_when_it_was_sent():
    machine = line()
    assert machine.keepalive(keepalive(0.0), 0.09) == [Key()]
    assert machine.tick(0.1) == [Release(Released.SILENT)]


@pytest.mark.parametrize(("age", "actions"), [(0.0999, [Key()]), (0.1, [Refuse(Refused.LATE)])])
def test_a_keepalive_of_100_ms_is_too_late(age, actions):
    assert line().keepalive(keepalive(0.0), age) == actions


def test_a_keepalive_from_the_future_holds_no_longer_than_one_of_now():
    machine = line()
    machine.keepalive(keepalive(99.0), 0.0)
    assert machine.tick(0.1) == [Release(Released.SILENT)]


def test_an_expired_hold_is_kept_before_the_next_keepalive_is_looked_at():
    machine = keyed_line()
    assert machine.keepalive(keepalive(0.1), 0.1) == [Release(Released.SILENT), Key()]


def test_a_lower_token_is_stale_and_prolongs_nothing():
    machine = keyed_line(term=2, grant=5)
    assert machine.keepalive(keepalive(0.05, term=2, grant=4), 0.05) == [Refuse(Refused.STALE)]
    assert machine.keepalive(keepalive(0.05, term=1, grant=9), 0.05) == [Refuse(Refused.STALE)]
    assert machine.tick(0.1) == [Release(Released.SILENT)]


def test_a_stale_token_stays_stale_after_the_newer_burst():
    machine = keyed_line(grant=2)
    machine.unkey(0.01)
    assert machine.keepalive(keepalive(5.0, grant=1), 5.0) == [Refuse(Refused.STALE)]
    assert machine.keepalive(keepalive(5.0, grant=2), 5.0) == [Key()]


def test_tokens_of_two_talkgroups_are_not_compared():
    machine = keyed_line(term=7, talkgroup="police")
    assert machine.keepalive(keepalive(0.02, term=1, talkgroup="incident"), 0.02) == []
    assert machine.keyed


def test_a_token_that_was_refused_for_want_of_a_device_still_makes_lower_ones_stale():
    machine = Line()
    assert machine.keepalive(keepalive(0.0, grant=9), 0.0) == [Refuse(Refused.NO_DEVICE)]
    machine.opened()
    assert machine.keepalive(keepalive(0.0, grant=8), 0.0) == [Refuse(Refused.STALE)]


def test_the_time_out_counts_from_key_up_and_spends_the_token():
    machine = keyed_line(tot=1.0)
    for number in range(1, 50):
        machine.keepalive(keepalive(number * 0.02, tot=1.0), number * 0.02)
    assert machine.deadline() == 1.0
    assert machine.tick(0.999) == []
    assert machine.tick(1.0) == [Release(Released.TIME_OUT)]
    assert machine.keepalive(keepalive(1.02, tot=1.0), 1.02) == [Refuse(Refused.SPENT)]
    assert machine.keepalive(keepalive(99.0, tot=1.0), 99.0) == [Refuse(Refused.SPENT)]


def test_a_newer_token_keys_after_a_time_out():
    machine = keyed_line(tot=0.05)
    machine.tick(0.05)
    assert machine.keepalive(keepalive(0.06, grant=2, tot=1.0), 0.06) == [Key()]


def test_the_time_out_goes_on_through_gaps_and_is_not_begun_anew():
    machine = keyed_line(tot=1.0)
    machine.tick(0.1)
    machine.keepalive(keepalive(0.95, tot=1.0), 0.95)
    assert machine.deadline() == 1.0
    assert machine.tick(1.0) == [Release(Released.TIME_OUT)]


def test_a_later_keepalive_cannot_lengthen_the_time_out():
    machine = keyed_line(tot=0.05)
    machine.keepalive(keepalive(0.02, tot=3600.0), 0.02)
    assert machine.tick(0.05) == [Release(Released.TIME_OUT)]


def test_unkey_releases_at_once_and_the_same_token_may_key_again():
    machine = keyed_line()
    assert machine.unkey(0.01) == [Release(Released.ASKED)]
    assert machine.unkey(0.01) == []
    assert machine.keepalive(keepalive(0.02), 0.02) == [Key()]


def test_a_failed_device_releases_and_refuses_until_it_is_back():
    machine = keyed_line()
    assert machine.failed() == [Release(Released.FAILED)]
    assert machine.keepalive(keepalive(0.02), 0.02) == [Refuse(Refused.NO_DEVICE)]
    machine.opened()
    assert machine.keepalive(keepalive(0.04), 0.04) == [Key()]


def test_an_abandoned_line_is_released_for_good():
    machine = keyed_line()
    assert machine.abandon() == [Release(Released.ABANDONED)]
    assert machine.keepalive(keepalive(0.02, grant=9), 0.02) == [Refuse(Refused.ABANDONED)]
    assert not machine.keyed


def test_a_line_remembers_a_bounded_number_of_talkgroups_and_forgets_the_oldest():
    machine = line()
    for number in range(MAX_TALKGROUPS + 1):
        machine.keepalive(keepalive(0.0, grant=5, talkgroup=f"tg-{number}"), 0.0)
    assert machine.keepalive(keepalive(0.0, grant=1, talkgroup="tg-0"), 0.0) == []
    stale = machine.keepalive(keepalive(0.0, grant=1, talkgroup=f"tg-{MAX_TALKGROUPS}"), 0.0)
    assert stale == [Refuse(Refused.STALE)]


events = st.one_of(
    st.builds(
        lambda age, term, grant, tot, talkgroup: (
            "keepalive",
            age,
            {"term": term, "grant": grant, "tot": tot, "talkgroup": talkgroup},
        ),
        st.sampled_from([-1.0, 0.0, 0.02, 0.099, 0.1, 5.0]),
        st.integers(1, 3),
        st.integers(1, 3),
        st.sampled_from([0.03, 0.1, 1.0]),
        st.sampled_from(["a", "b"]),
    ),
    st.sampled_from([("unkey",), ("tick",), ("failed",), ("opened",), ("abandon",)]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.001, 0.02, 0.05, 0.1, 0.5]), events), max_size=50)
)
def test_whatever_happens_a_keyed_line_has_a_fresh_keepalive_a_device_and_time_left(steps):
    """The machine against the plainest possible account of the same events."""
    machine, now = Line(), 0.0
    has_device = abandoned = keyed = False
    freshest = {}  # talkgroup: highest token
    first_keyed = {}  # (talkgroup, token): (when, its time-out)
    for pause, event in steps:
        now += pause
        actions = machine.tick(now)
        kind = event[0]
        if kind == "keepalive":
            _, age, fields = event
            actions = actions + machine.keepalive(keepalive(now - age, **fields), now)
            token = (fields["term"], fields["grant"])
            fresh = now < (now - age) + 0.1
            if fresh and not abandoned:
                freshest[fields["talkgroup"]] = max(
                    token, freshest.get(fields["talkgroup"], (0, 0))
                )
            if any(isinstance(action, Key) for action in actions) or machine.keyed:
                key = (fields["talkgroup"], token)
                accepted = not any(isinstance(action, Refuse) for action in actions)
                if accepted:
                    assert token == freshest[fields["talkgroup"]]
                    assert fresh
                    when, tot = first_keyed.setdefault(key, (now, fields["tot"]))
                    assert now - when < tot or now == when
        elif kind == "unkey":
            actions = actions + machine.unkey(now)
            assert not machine.keyed
        elif kind == "failed":
            has_device = False
            actions = actions + machine.failed()
        elif kind == "opened":
            has_device = True
            machine.opened()
        elif kind == "abandon":
            abandoned = True
            actions = actions + machine.abandon()
        for action in actions:
            if isinstance(action, Key):
                assert not keyed
                keyed = True
            elif isinstance(action, Release):
                assert keyed
                keyed = False
        assert machine.keyed == keyed
        if keyed:
            assert has_device
            assert not abandoned
            assert now < machine.deadline() <= now + 0.1
        else:
            assert machine.deadline() is None


def test_an_unconfirmed_token_keys_but_makes_no_other_stale():
    machine = keyed_line(grant=3)
    assert machine.keepalive(keepalive(0.02, grant=999, confirmed=False), 0.02) == []
    assert machine.keepalive(keepalive(0.04, grant=4), 0.04) == []
    assert machine.unkey(0.05) == [Release(Released.ASKED)]
    assert machine.keepalive(keepalive(0.06, grant=2), 0.06) == [Refuse(Refused.STALE)]
    assert machine.keepalive(keepalive(0.06, grant=2, confirmed=False), 0.06) == [
        Refuse(Refused.STALE)
    ]
    assert machine.keepalive(keepalive(0.06, grant=4), 0.06) == [Key()]


def test_a_token_that_is_confirmed_later_keeps_the_time_out_it_began_with():
    machine = keyed_line(grant=3, tot=1.0, confirmed=False)
    for number in range(1, 50):
        machine.keepalive(keepalive(number * 0.02, grant=3, tot=1.0), number * 0.02)
    assert machine.tick(1.0) == [Release(Released.TIME_OUT)]
    for confirmed in (True, False):
        assert machine.keepalive(keepalive(1.02, grant=3, tot=1.0, confirmed=confirmed), 1.02) == [
            Refuse(Refused.SPENT)
        ]
