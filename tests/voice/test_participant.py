"""A member's side of the floor. Constants are spelled out, not imported."""

import pytest

from gateway.voice.causes import Deny, Revoke
from gateway.voice.floor_actions import Answer, Op, State, Stray
from gateway.voice.participant import (
    Granted,
    Participant,
    Refused,
    Revoked,
    Send,
    Stage,
)
from gateway.voice.rtp import Token

ME = "zju1/radio"
FIRST = Token(5, 1)


def answer(op, seq=1, token=FIRST, **fields):
    return Answer(op=op, talker=ME, seq=seq, token=token, **fields)


def asking(priority=100, seq=0):
    one = Participant(seq)
    assert one.ask(priority, False, 0.0) == [Send("request", seq + 1, priority, False)]
    return one


def talking(token=FIRST, tot=30.0):
    one = asking()
    assert one.answer(answer(Op.GRANTED, token=token, tot=tot), 0.1) == [Granted(token, tot)]
    return one


def test_granted_member_talks_and_gives_the_floor_back():
    one = talking()
    assert (one.stage, one.token) == (Stage.TALKING, Token(5, 1))
    assert one.release() == [Send("release", 2, 100, False)]
    assert (one.stage, one.token) == (Stage.SILENT, None)
    assert one.release() == []


def test_denied_member_is_refused_with_the_reason():
    one = asking()
    denied = answer(Op.DENIED, cause=Deny.RETRY_AFTER_NOT_EXPIRED, retry_after=1.5)
    assert one.answer(denied, 0.1) == [Refused(Deny(4), 1.5)]
    assert one.stage is Stage.SILENT
    assert one.deadline() is None


def test_request_is_repeated_each_second_three_times_then_given_up():
    one = asking()
    sent = []
    for at in (0.999, 1.0, 1.5, 2.0, 3.0, 3.999):
        sent += [(at, action) for action in one.tick(at)]
    again = Send("request", 1, 100, False)
    assert sent == [(1.0, again), (2.0, again), (3.0, again)]
    assert one.tick(4.0) == [Send("release", 2, 100, False), Refused(Deny(255), 1.0)]
    assert one.deadline() is None


def test_asking_twice_sends_one_request_unless_the_priority_changed():
    one = asking(priority=100)
    assert one.ask(100, False, 0.1) == []
    assert one.ask(255, True, 0.2) == [Send("request", 2, 255, True)]
    assert one.answer(answer(Op.GRANTED, seq=1, tot=30.0), 0.3) == [Stray("late granted")]


def test_queued_member_waits_without_repeating_and_can_cancel():
    one = asking()
    assert one.answer(answer(Op.QUEUED, position=1), 0.1) == []
    assert one.stage is Stage.QUEUED
    assert one.deadline() is None
    assert one.release() == [Send("cancel", 2, 100, False)]


def test_queued_member_is_granted_or_denied_later():
    one = asking()
    one.answer(answer(Op.QUEUED, position=1), 0.1)
    assert one.answer(answer(Op.GRANTED, tot=30.0), 5.0) == [Granted(Token(5, 1), 30.0)]
    one = asking()
    one.answer(answer(Op.QUEUED, position=1), 0.1)
    assert one.answer(answer(Op.DENIED, cause=Deny(1)), 5.0) == [Refused(Deny(1))]


def test_grant_that_nobody_wants_is_given_back():
    one = asking()
    one.release()
    stray, send = one.answer(answer(Op.GRANTED, tot=30.0), 0.1)
    assert isinstance(stray, Stray)
    assert send == Send("release", 3, 100, False)


def test_answer_to_an_older_request_does_not_count():
    one = asking()
    one.release()
    one.ask(100, False, 0.1)  # seq 3
    assert one.answer(answer(Op.GRANTED, seq=1, tot=30.0), 0.2) == [Stray("late granted")]
    assert one.answer(answer(Op.DENIED, seq=1, cause=Deny(1)), 0.2) == [Stray("late denied")]
    assert one.stage is Stage.ASKING


def test_repeated_grant_changes_nothing():
    one = talking()
    assert one.answer(answer(Op.GRANTED, tot=30.0), 1.0) == [Stray("repeated grant")]
    assert one.stage is Stage.TALKING


def test_older_grant_changes_nothing():
    one = talking(Token(5, 2))
    assert one.answer(answer(Op.GRANTED, token=Token(5, 1), tot=30.0), 1.0) == [Stray("old grant")]
    assert one.token == Token(5, 2)


def test_revoked_talker_stops_and_gives_back():
    one = talking()
    revoked = answer(Op.REVOKED, cause=Revoke(4))
    assert one.answer(revoked, 1.0) == [Revoked(Revoke.PREEMPTED), Send("release", 2, 100, False)]
    assert one.token is None
    assert one.answer(revoked, 1.1) == [Stray("late revoked")]


def test_revoke_of_an_older_grant_does_not_stop_the_talker():
    one = talking(Token(5, 2))
    assert one.answer(answer(Op.REVOKED, token=Token(5, 1), cause=Revoke(3)), 1.0) == [
        Stray("late revoked")
    ]
    assert one.stage is Stage.TALKING


def test_talker_stops_half_a_second_after_its_limit_though_nobody_revokes_it():
    one = talking(tot=10.0)
    assert one.deadline() is None
    one.sent(2.0)
    one.sent(5.0)
    assert one.tick(12.499) == []
    assert one.tick(12.5) == [Revoked(Revoke(2)), Send("release", 2, 100, False)]


def test_limit_of_a_renewed_grant_counts_from_when_it_came():
    one = talking(tot=10.0)
    one.sent(0.0)
    one.controller_changed(8.0)
    assert one.answer(answer(Op.GRANTED, seq=2, token=Token(6, 1), tot=10.0), 8.1) == [
        Granted(Token(6, 1), 10.0)
    ]
    assert one.deadline() == pytest.approx(18.6)


def test_talker_asks_a_new_controller_and_talks_on_meanwhile():
    one = talking()
    assert one.controller_changed(2.0) == [Send("request", 2, 100, False)]
    assert (one.stage, one.token) == (Stage.TALKING, Token(5, 1))
    assert one.answer(answer(Op.GRANTED, seq=2, token=Token(6, 1), tot=29.0), 2.1) == [
        Granted(Token(6, 1), 29.0)
    ]


def test_talker_that_a_new_controller_denies_is_revoked():
    one = talking()
    one.controller_changed(2.0)
    denied = answer(Op.DENIED, seq=2, token=Token(6, 1), cause=Deny(1))
    assert one.answer(denied, 2.1) == [Revoked(Revoke.ONLY_ONE_CLIENT)]
    assert one.token is None


def test_talker_whom_a_new_controller_does_not_answer_stops_after_the_third_repetition():
    one = talking()
    one.controller_changed(2.0)
    for at in (3.0, 4.0, 5.0):
        assert [type(action) for action in one.tick(at)] == [Send]
    assert one.tick(5.999) == []
    assert one.tick(6.0) == [Revoked(Revoke.OTHER), Send("release", 3, 100, False)]


def test_silent_member_does_not_ask_a_new_controller():
    assert Participant().controller_changed(0.0) == []


@pytest.mark.parametrize(
    ("state", "mine", "token", "stops"),
    [
        (State.TAKEN, True, Token(5, 1), False),
        (State.REVOKING, True, Token(5, 1), False),
        (State.IDLE, False, Token(4, 9), False),  # older than the grant: still on its way
        (State.TAKEN, True, Token(6, 1), False),  # granted again: the answer is on its way
        (State.HANG, False, Token(5, 1), True),
        (State.IDLE, False, Token(5, 1), True),
        (State.TAKEN, False, Token(5, 2), True),
    ],
)
def test_talker_stops_when_the_controller_shows_that_its_grant_is_over(state, mine, token, stops):
    one = talking()
    assert one.shown(state, mine, token) == ([Revoked(Revoke.NO_PERMISSION)] if stops else [])
    assert (one.stage is Stage.SILENT) == stops


def test_unanswered_talker_is_not_stopped_by_what_the_new_controller_shows():
    one = talking()
    one.controller_changed(1.0)
    assert one.shown(State.IDLE, False, Token(6, 0)) == []


def test_grant_without_a_limit_has_the_standard_one():
    one = asking()
    assert one.answer(answer(Op.GRANTED), 0.1) == [Granted(Token(5, 1), 30.0)]
