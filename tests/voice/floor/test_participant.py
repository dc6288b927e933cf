"""A member's side of the floor. Constants are spelled out, not imported."""

import pytest

from gateway.voice.floor.actions import Answer, Op, State, Stray
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.participant import Participant
from gateway.voice.floor.participant_actions import (
    Granted,
    Outcome,
    Queued,
    Refused,
    Revoked,
    Send,
    Stage,
    Warn,
)
from gateway.voice.rtp import Token

ME = "zju1/radio"
FIRST = Token(5, 1)


def answer(op, seq=1, token=FIRST, **fields):
    return Answer(op=op, talker=ME, seq=seq, token=token, **fields)


def asking(priority=100, seq=0, **options):
    one = Participant(seq, **options)
    assert one.ask(priority, False, 0.0) == [Send("request", seq + 1, priority, False)]
    return one


def talking(token=FIRST, tot=30.0, **options):
    one = asking(**options)
    assert one.answer(answer(Op.GRANTED, token=token, tot=tot), 0.1) == [
        Outcome("immediate", 0.1),
        Granted(token, tot),
    ]
    return one


def queued(position=1, **options):
    one = asking(**options)
    assert one.answer(answer(Op.QUEUED, position=position), 0.1) == [Queued(position)]
    return one


def turn(at=4.0, **options):
    """Granted out of the queue at ``at``."""
    one = queued(**options)
    assert one.answer(answer(Op.GRANTED, tot=30.0), at) == [
        Outcome("queued", at),
        Send("ack", 1, 100, False),
        Granted(FIRST, 30.0),
    ]
    return one


def test_granted_member_talks_and_gives_the_floor_back():
    one = talking()
    assert (one.stage, one.token) == (Stage.TALKING, Token(5, 1))
    assert one.release(3.0) == [Send("release", 2, 100, False)]
    assert (one.stage, one.token) == (Stage.RELEASING, None)
    assert one.release(3.0) == []


def test_denied_member_is_refused_with_the_reason():
    one = asking()
    denied = answer(Op.DENIED, cause=Deny.RETRY_AFTER_NOT_EXPIRED, retry_after=1.5)
    assert one.answer(denied, 0.1) == [Outcome("denied", 0.1), Refused(Deny(4), 1.5)]
    assert one.stage is Stage.SILENT
    assert one.deadline() is None


def test_request_is_repeated_each_second_three_times_then_given_up():
    one = asking()
    sent = []
    for at in (0.999, 1.0, 1.5, 2.0, 3.0, 3.999):
        sent += [(at, action) for action in one.tick(at)]
    again = Send("request", 1, 100, False)
    assert sent == [(1.0, again), (2.0, again), (3.0, again)]
    assert one.tick(4.0) == [
        Outcome("failed", 4.0),
        Send("release", 2, 100, False),
        Refused(Deny(255), 1.0),
    ]
    assert one.deadline() is None


def test_asking_twice_sends_one_request_unless_the_priority_changed():
    one = asking(priority=100)
    assert one.ask(100, False, 0.1) == []
    assert one.ask(255, True, 0.2) == [Send("request", 2, 255, True)]
    assert one.answer(answer(Op.GRANTED, seq=1, tot=30.0), 0.3) == [Stray("late granted")]


# The queue


def test_queued_member_is_told_its_place_when_it_changes():
    one = queued(position=2)
    assert one.stage is Stage.QUEUED
    assert one.answer(answer(Op.QUEUED, position=2), 0.2) == []
    assert one.answer(answer(Op.QUEUED, position=1), 0.3) == [Queued(1)]


def test_queued_member_can_take_its_request_back():
    assert queued().release(0.5) == [
        Outcome("abandoned", 0.5),
        Send("cancel", 2, 100, False),
    ]


def test_queued_member_that_hears_nothing_asks_for_its_place_after_5_s_and_thrice_again():
    one = queued()
    sent = []
    for at in (5.099, 5.1, 6.1, 7.1, 8.1, 9.099):
        sent += [(at, action) for action in one.tick(at)]
    question = Send("queue_position", 1, 100, False)
    assert sent == [(5.1, question), (6.1, question), (7.1, question), (8.1, question)]
    assert one.tick(9.1) == [
        Outcome("failed", 9.1),
        Send("cancel", 2, 100, False),
        Refused(Deny(255), 1.0),
    ]


def test_answer_to_the_question_for_its_place_lets_it_wait_on():
    one = queued()
    one.tick(5.1)
    assert one.answer(answer(Op.QUEUED, position=1), 5.2) == []
    assert one.deadline() == pytest.approx(10.2)


def test_queued_member_whose_request_nobody_knows_is_refused():
    one = queued()
    denied = answer(Op.DENIED, cause=Deny(255), retry_after=0.0)
    assert one.answer(denied, 5.2) == [Outcome("denied", 5.2), Refused(Deny(255), 0.0)]


def test_turn_is_acknowledged_again_when_the_grant_is_repeated():
    one = turn()
    assert one.stage is Stage.TURN
    assert one.token == FIRST
    assert one.answer(answer(Op.GRANTED, tot=30.0), 5.0) == [
        Stray("repeated grant"),
        Send("ack", 1, 100, False),
    ]


def test_turn_that_is_not_taken_within_2_s_is_given_back():
    one = turn(at=4.0)
    assert one.tick(5.999) == []
    assert one.tick(6.0) == [Revoked(Revoke(255)), Send("release", 2, 100, False)]
    assert one.token is None


def test_turn_that_is_taken_is_a_talk_with_its_limit_from_the_first_packet():
    one = turn(at=4.0)
    one.sent(5.999)
    assert one.stage is Stage.TALKING
    assert one.tick(6.0) == []
    assert one.tick(36.498) == [Warn(pytest.approx(0.0, abs=0.01))]
    assert one.tick(36.499) == [Revoked(Revoke(2)), Send("release", 2, 100, False)]


def test_talker_that_a_new_controller_puts_into_its_queue_stops():
    one = talking()
    one.controller_changed(2.0)
    put = answer(Op.QUEUED, seq=2, token=Token(6, 1), position=1)
    assert one.answer(put, 2.1) == [Revoked(Revoke(1)), Send("release", 3, 100, False)]


def test_queued_member_asks_a_new_controller_for_a_place():
    one = queued()
    assert one.controller_changed(2.0) == [Send("request", 2, 100, False)]
    assert one.answer(answer(Op.GRANTED, seq=2, token=Token(6, 1), tot=30.0), 2.1) == [
        Outcome("queued", 2.1),
        Send("ack", 2, 100, False),
        Granted(Token(6, 1), 30.0),
    ]


# What comes at the wrong time


def test_grant_that_nobody_wants_is_given_back():
    one = asking()
    one.release(0.05)
    stray, send = one.answer(answer(Op.GRANTED, tot=30.0), 0.1)
    assert isinstance(stray, Stray)
    assert send == Send("release", 3, 100, False)


def test_grant_that_is_repeated_after_it_was_given_back_is_not_given_back_twice():
    one = turn()
    one.release(4.5)
    assert one.answer(answer(Op.GRANTED, tot=30.0), 4.6) == [Stray("late granted")]


def test_answer_to_an_older_request_does_not_count():
    one = asking()
    one.release(0.05)
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


# Giving back


def test_release_is_repeated_each_second_three_times():
    one = talking()
    again = Send("release", 2, 100, False)
    assert one.release(10.0) == [again]
    sent = []
    for at in (10.999, 11.0, 12.0, 13.0, 14.0, 15.0):
        sent += [(at, action) for action in one.tick(at)]
    assert sent == [(11.0, again), (12.0, again), (13.0, again)]
    assert one.stage is Stage.SILENT
    assert one.deadline() is None


@pytest.mark.parametrize(
    ("state", "mine", "token", "over"),
    [
        (State.TAKEN, True, Token(5, 1), False),
        (State.REVOKING, True, Token(5, 1), False),
        (State.IDLE, False, Token(4, 9), False),
        (State.HANG, False, Token(5, 1), True),
        (State.TAKEN, False, Token(5, 2), True),
    ],
)
def test_release_is_not_repeated_once_the_controller_shows_that_the_grant_is_over(
    state, mine, token, over
):
    one = talking()
    one.release(10.0)
    assert one.shown(state, mine, token) == []
    assert (one.stage is Stage.SILENT) == over
    assert (one.deadline() is None) == over


def test_new_controller_is_told_of_what_was_given_back():
    one = talking()
    one.release(10.0)
    assert one.controller_changed(10.2) == [Send("release", 2, 100, False)]


def test_member_that_asks_again_at_once_repeats_its_release_no_more():
    one = talking()
    one.release(10.0)
    assert one.ask(100, False, 10.1) == [Send("request", 3, 100, False)]
    assert one.tick(11.05) == []
    assert one.tick(11.1) == [Send("request", 3, 100, False)]


# The ends of a talk


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
    one = talking(tot=10.0, pre_alert=0.0)
    assert one.deadline() is None
    one.sent(2.0)
    one.sent(5.0)
    assert one.tick(12.499) == []
    assert one.tick(12.5) == [Revoked(Revoke(2)), Send("release", 2, 100, False)]


@pytest.mark.parametrize(("tot", "pre_alert", "at"), [(10.0, 5.0, 7.0), (30.0, 1.0, 31.0)])
def test_talker_is_warned_once_before_its_limit_which_counts_from_the_first_packet(
    tot, pre_alert, at
):
    one = talking(tot=tot, pre_alert=pre_alert)
    one.sent(2.0)
    assert one.tick(at - 0.001) == []
    assert one.tick(at) == [Warn(pytest.approx(pre_alert))]
    assert one.tick(at + 0.1) == []


@pytest.mark.parametrize("pre_alert", [0.0, 3.0, 5.0])
def test_talker_whose_whole_limit_is_no_longer_than_the_warning_is_not_warned(pre_alert):
    one = talking(tot=3.0, pre_alert=pre_alert)
    one.sent(0.0)
    assert one.deadline() == 3.5


def test_limit_of_a_renewed_grant_counts_from_when_it_came():
    one = talking(tot=10.0, pre_alert=0.0)
    one.sent(0.0)
    one.controller_changed(8.0)
    assert one.answer(answer(Op.GRANTED, seq=2, token=Token(6, 1), tot=10.0), 8.1) == [
        Granted(Token(6, 1), 10.0)
    ]
    assert one.deadline() == pytest.approx(18.6)


def test_talker_that_asks_for_the_time_left_is_warned_at_the_same_time_as_before():
    one = talking(tot=30.0)
    one.sent(0.0)
    one.ask(200, False, 20.0)
    one.answer(answer(Op.GRANTED, seq=2, tot=10.0), 20.0)
    assert one.tick(24.999) == []
    assert one.tick(25.0) == [Warn(pytest.approx(5.0))]
    one.ask(201, False, 26.0)
    one.answer(answer(Op.GRANTED, seq=3, tot=4.0), 26.0)
    assert one.tick(27.0) == []


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
    assert one.answer(answer(Op.GRANTED), 0.1)[1:] == [Granted(Token(5, 1), 30.0)]


# What became of a request


@pytest.mark.parametrize(
    ("cause", "kind"),
    [(1, "denied"), (2, "failed"), (4, "denied"), (5, "denied"), (6, "failed"), (7, "denied")],
)
def test_request_that_a_fault_of_the_controller_refused_has_failed(cause, kind):
    one = asking()
    outcome, _ = one.answer(answer(Op.DENIED, cause=Deny(cause)), 0.25)
    assert outcome == Outcome(kind, 0.25)


def test_request_that_is_taken_back_before_its_answer_is_abandoned():
    one = asking()
    assert one.release(0.3) == [Outcome("abandoned", 0.3), Send("release", 2, 100, False)]


def test_second_request_of_a_talker_has_no_outcome_of_its_own():
    one = talking()
    one.ask(200, True, 1.0)
    assert one.answer(answer(Op.GRANTED, seq=2, tot=29.0), 1.1) == [Granted(FIRST, 29.0)]
