"""The floor controller: examples at the exact boundaries. `test_floor_standard` has the standard's rules.

Constants are spelled out here, not imported: TS 24.380 and the contract say them.
"""

import pytest

from gateway.voice.floor.actions import (
    Answer,
    FloorOptions,
    Heir,
    Op,
    Request,
    Show,
    State,
    StoreTerm,
    Stray,
)
from gateway.voice.floor.causes import Deny, Revoke
from gateway.voice.floor.controller import Floor
from gateway.voice.rtp import Token

A, B, C, D = "alpha/radio", "beta/radio", "gamma/radio", "delta/radio"


class Table:
    """A controller with a disk that answers at once, and what everybody was told."""

    def __init__(self, term=0, *, lead=True, **options):
        self.floor = Floor(FloorOptions(**options), term)
        self.now = 100.0
        self.shown = None
        self.terms = []
        if lead:
            self.do(self.floor.lead(self.now))

    def do(self, actions):
        """Carry out actions; the answers among them, as (op, talker, cause)."""
        told = []
        for action in actions:
            match action:
                case StoreTerm(term):
                    self.terms.append(term)
                    told += self.do(self.floor.stored(term, self.now))
                case Show():
                    self.shown = action
                case Answer():
                    told.append(action)
        return told

    def at(self, seconds):
        """Let ``seconds`` of the test have passed; what fell due on the way, to the instant."""
        told, target = [], 100.0 + seconds
        for _ in range(1000):
            due = self.floor.deadline()
            if due is None or due > target:
                break
            self.now = max(self.now, due)
            told += self.do(self.floor.tick(self.now))
        else:
            pytest.fail("a deadline that is not met by its tick")
        self.now = target
        return told

    def ask(self, talker, priority=100, emergency=False, seq=1):
        return self.do(self.floor.request(Request(talker, priority, emergency, seq), self.now))

    def release(self, talker):
        return self.do(self.floor.release(talker, self.now))

    def media(self, talker, token=None):
        return self.floor.media(talker.split("/")[0], token or self.floor.token, self.now)

    def talk(self, talker, until, every=0.02):
        """Media until ``until`` seconds of the test."""
        told = []
        while (soon := round(self.now - 100.0 + every, 6)) <= until:
            told += self.at(soon)
            self.media(talker)
        return told


def only(told):
    assert len(told) == 1, told
    return told[0]


def places(told):
    """Who is told its place in the queue."""
    assert all(answer.op is Op.QUEUED for answer in told), told
    return [(answer.talker, answer.position) for answer in told]


# Granting and denying


def test_idle_floor_is_granted_at_once_with_the_whole_talk_limit():
    table = Table(tot=30.0)
    answer = only(table.ask(A, seq=7))
    assert (answer.op, answer.talker, answer.seq) == (Op.GRANTED, A, 7)
    assert answer.token == Token(1, 1)
    assert answer.tot == 30.0
    assert (table.shown.state, table.shown.talker) == (State.TAKEN, A)


def test_second_talker_is_denied_with_cause_1_while_the_first_talks():
    table = Table()
    table.ask(A)
    answer = only(table.ask(B, seq=3))
    assert (answer.op, answer.cause, answer.seq) == (Op.DENIED, 1, 3)
    assert answer.cause.text == "another client has permission"
    assert table.shown.queue == ()


def test_equal_priority_never_preempts_and_a_strictly_higher_one_does():
    table = Table()
    table.ask(A, priority=100)
    assert only(table.ask(B, priority=100)).op is Op.DENIED
    revoked, queued = table.ask(B, priority=101)
    assert (revoked.op, revoked.talker, revoked.cause) == (Op.REVOKED, A, 4)
    assert (queued.op, queued.talker, queued.position) == (Op.QUEUED, B, 1)
    assert (table.shown.state, table.shown.talker, table.shown.queue) == (State.REVOKING, A, (B,))
    granted = only(table.release(A))
    assert (granted.op, granted.talker, granted.token) == (Op.GRANTED, B, Token(1, 2))
    assert (table.shown.state, table.shown.talker) == (State.TAKEN, B)


def test_priority_is_capped_before_it_counts():
    table = Table(priority_cap=100)
    table.ask(A, priority=100)
    assert only(table.ask(B, priority=255, emergency=True)).op is Op.DENIED


def test_holder_that_asks_again_is_granted_again_with_the_time_left():
    table = Table(tot=30.0)
    table.ask(A, seq=1)
    table.at(1.0)
    table.media(A)
    table.talk(A, 11.0)
    answer = only(table.ask(A, seq=2))
    assert (answer.op, answer.seq, answer.token) == (Op.GRANTED, 2, Token(1, 1))
    assert answer.tot == pytest.approx(20.0)


def test_holder_that_asks_again_before_its_first_packet_has_the_whole_limit():
    table = Table(tot=30.0)
    table.ask(A)
    table.at(3.0)
    assert only(table.ask(A)).tot == 30.0


def test_holder_may_raise_its_priority():
    table = Table()
    table.ask(A, priority=100)
    table.ask(A, priority=200)
    assert table.shown.priority == 200
    assert only(table.ask(B, priority=150)).op is Op.DENIED


# The ends of a burst


def test_release_begins_the_hang_time_in_which_anybody_is_granted_at_once():
    table = Table(hang_time=2.0)
    table.ask(A, priority=200)
    assert table.release(A) == []
    assert (table.shown.state, table.shown.talker) == (State.HANG, None)
    table.at(1.999)
    assert only(table.ask(B, priority=1)).op is Op.GRANTED


def test_hang_time_ends_in_idle_to_the_instant():
    table = Table(hang_time=2.0)
    table.ask(A)
    table.release(A)
    table.at(1.999)
    assert table.shown.state is State.HANG
    table.at(2.0)
    assert table.shown.state is State.IDLE
    assert table.shown.token == Token(1, 1)


def test_without_hang_time_the_floor_is_idle_at_the_release():
    table = Table(hang_time=0.0)
    table.ask(A)
    table.release(A)
    assert table.shown.state is State.IDLE


def test_no_media_for_4_s_after_the_grant_ends_the_burst_without_a_revoke():
    table = Table()
    table.ask(A)
    assert table.at(3.999) == []
    assert table.shown.state is State.TAKEN
    assert table.at(4.0) == []
    assert table.shown.state is State.IDLE  # nobody has spoken: there is nothing to keep it for


def test_no_media_for_0_8_s_after_a_packet_ends_the_burst_without_a_revoke():
    table = Table()
    table.ask(A)
    table.at(3.999)
    assert table.media(A)
    table.at(3.999 + 0.799)
    assert table.shown.state is State.TAKEN
    assert table.at(3.999 + 0.8) == []
    assert table.shown.state is State.HANG


def test_each_packet_starts_the_guard_anew():
    table = Table()
    table.ask(A)
    for seconds in (0.5, 1.25, 2.0, 2.75):
        table.at(seconds)
        table.media(A)
        assert table.shown.state is State.TAKEN
    table.at(3.54)
    assert table.shown.state is State.TAKEN
    table.at(3.55)
    assert table.shown.state is State.HANG


def test_talk_limit_counts_from_the_first_packet_and_revokes_with_cause_2():
    table = Table(tot=5.0, retry_after=2.0)
    table.ask(A, seq=9)
    table.at(3.0)
    table.media(A)
    assert table.talk(A, 7.98) == []
    answer = only(table.at(8.0))
    assert (answer.op, answer.cause, answer.seq) == (Op.REVOKED, 2, 9)
    assert answer.token == Token(1, 1)
    assert answer.retry_after == 2.0
    assert table.shown.state is State.REVOKING


def test_emergency_has_a_talk_limit_too():
    table = Table(tot=1.0)
    table.ask(A, priority=255, emergency=True)
    table.media(A)
    assert only(table.talk(A, 1.0)).cause == 2


def test_revoked_talker_that_goes_on_loses_the_floor_after_3_s():
    table = Table(tot=1.0)
    table.ask(A)
    table.media(A)
    told = table.talk(A, 3.98)
    assert [answer.cause for answer in told] == [2, 2, 2]  # repeated each second (T8)
    assert table.shown.state is State.REVOKING
    table.talk(A, 4.0)
    assert table.shown.state is State.HANG


def test_revoked_talker_that_falls_silent_loses_the_floor_after_0_8_s():
    table = Table(tot=1.0)
    table.ask(A)
    table.media(A)
    table.talk(A, 1.0)
    table.at(1.799)
    assert table.shown.state is State.REVOKING
    table.at(1.8)
    assert table.shown.state is State.HANG


def test_timed_out_talker_is_denied_with_cause_4_until_retry_after_is_over():
    table = Table(tot=1.0, retry_after=2.0)
    table.ask(A)
    table.media(A)
    table.talk(A, 1.0)
    table.release(A)
    table.at(2.5)
    answer = only(table.ask(A))
    assert (answer.op, answer.cause) == (Op.DENIED, 4)
    assert answer.retry_after == pytest.approx(0.5)
    assert only(table.ask(B)).op is Op.GRANTED
    table.release(B)
    table.at(3.0)
    assert only(table.ask(A)).op is Op.GRANTED


def test_emergency_is_exempt_from_retry_after():
    table = Table(tot=1.0, retry_after=2.0)
    table.ask(A)
    table.media(A)
    table.talk(A, 1.0)
    assert only(table.ask(A, emergency=True)).op is Op.GRANTED


def test_preempted_talker_is_not_kept_waiting_afterwards():
    table = Table()
    table.ask(A)
    table.ask(B, priority=200)
    table.release(A)
    table.release(B)
    assert only(table.ask(A)).op is Op.GRANTED


def test_client_that_goes_offline_frees_the_floor_at_once():
    table = Table()
    table.ask(A)
    table.media(A)
    table.do(table.floor.offline("beta", table.now))
    assert table.shown.state is State.TAKEN
    table.do(table.floor.offline("alpha", table.now))
    assert table.shown.state is State.HANG


def test_late_tick_after_media_does_not_end_the_burst():
    table = Table()
    table.ask(A)
    table.media(A)
    table.now += 1.5  # the loop was blocked; the packets that came meanwhile are read first
    assert table.media(A)
    assert table.do(table.floor.tick(table.now)) == []
    assert table.shown.state is State.TAKEN


# Pre-emption and queue


def test_uncooperative_talker_is_replaced_by_the_preemptor_after_3_s():
    table = Table()
    table.ask(A)
    table.media(A)
    table.ask(B, priority=200)
    told = table.talk(A, 2.98)
    assert {(answer.op, answer.cause) for answer in told} == {(Op.REVOKED, 4)}
    granted = only(table.talk(A, 3.0))
    assert (granted.op, granted.talker) == (Op.GRANTED, B)
    assert not table.media(A, Token(1, 1))


def test_second_preemptor_waits_only_in_place_of_a_lower_one():
    table = Table()
    table.ask(A)
    table.ask(B, priority=150)
    assert only(table.ask(C, priority=150)).cause == 1
    denied, queued = table.ask(C, priority=151)
    assert (denied.talker, denied.op, denied.cause) == (B, Op.DENIED, 1)
    assert (queued.talker, queued.op) == (C, Op.QUEUED)
    assert only(table.release(A)).talker == C


def test_while_a_timed_out_talker_stops_others_are_denied():
    table = Table(tot=1.0)
    table.ask(A)
    table.media(A)
    table.talk(A, 1.0)
    assert only(table.ask(B)).cause == 1


def test_queue_is_by_priority_then_arrival_and_hands_over_without_idle():
    table = Table(queue_length=3)
    table.ask(A, priority=100)
    assert places(table.ask(B, priority=50)) == [(B, 1)]
    assert places(table.ask(C, priority=60)) == [(C, 1), (B, 2)]
    assert places(table.ask(D, priority=50)) == [(D, 3)]
    assert only(table.ask("epsilon/radio", priority=50)).cause == 7
    assert table.shown.queue == (C, B, D)
    granted, *moved = table.release(A)
    assert (granted.op, granted.talker) == (Op.GRANTED, C)
    assert places(moved) == [(B, 1), (D, 2)]
    assert (table.shown.state, table.shown.talker) == (State.TAKEN, C)


def test_release_or_cancel_of_a_waiting_talker_takes_it_out_of_the_queue():
    table = Table(queue_length=2)
    table.ask(A)
    table.ask(B)
    table.release(B)
    assert table.shown.queue == ()
    table.release(A)
    assert table.shown.state is State.HANG


def test_grant_out_of_the_queue_is_repeated_each_second_three_times_until_media_comes():
    table = Table(queue_length=1)
    table.ask(A)
    table.ask(B)
    table.release(A)
    assert [answer.talker for answer in table.at(3.5)] == [B, B, B]
    other = Table(queue_length=1)
    other.ask(A)
    other.ask(B)
    other.release(A)
    other.at(1.5)
    other.media(B)
    assert other.talk(B, 4.0) == []


def test_preemptor_whose_client_goes_offline_waits_no_more():
    table = Table()
    table.ask(A)
    table.ask(B, priority=200)
    table.do(table.floor.offline("beta", table.now))
    assert table.release(A) == []
    assert table.shown.state is State.HANG


# Media of others


def test_media_without_a_grant_is_answered_with_cause_3_once_a_second():
    table = Table()
    table.ask(A)
    floor = table.floor
    assert not floor.media("beta", Token(1, 1), table.now)
    answer = only(table.do(floor.stray_media("beta", B, Token(1, 1), table.now)))
    assert (answer.op, answer.talker, answer.cause) == (Op.REVOKED, B, 3)
    assert answer.token == Token(1, 1)
    assert floor.stray_media("beta", B, Token(1, 1), table.now + 0.999) == []
    assert floor.stray_media("gamma", C, Token(1, 1), table.now + 0.999) != []
    assert floor.stray_media("beta", B, Token(1, 1), table.now + 1.0) != []


def test_talker_is_not_told_off_for_what_was_under_way_when_it_was_granted_again():
    table = Table()
    table.ask(A)
    table.floor.seen(6, renew=True)
    table.do(table.floor.stored(7, table.now))
    for later, told in ((0.999, 0), (1.0, 2)):
        actions = table.floor.stray_media("alpha", A, Token(1, 1), table.now + later)
        assert len(actions) == told


def test_media_with_an_older_token_of_the_same_client_does_not_count():
    table = Table()
    table.ask(A)
    table.release(A)
    table.ask(A)
    assert not table.media(A, Token(1, 1))
    assert table.media(A, Token(1, 2))


@pytest.mark.parametrize("event", ["release", "request", "overtaken"])
def test_event_that_means_nothing_is_stray_and_changes_nothing(event):
    table = Table(lead=False)
    actions = {
        "release": lambda: table.floor.release(A, 100.0),
        "request": lambda: table.floor.request(Request(A), 100.0),
        "overtaken": lambda: table.floor.overtaken(Heir(A), 100.0),
    }[event]()
    assert actions == [Stray(event)]
    assert table.floor.deadline() is None


# Terms


def test_term_is_one_more_than_any_stored_or_seen_and_stored_before_the_grant():
    floor = Floor(FloorOptions(), term=4)
    floor.seen(41)
    assert floor.lead(0.0) == [StoreTerm(42)]
    assert floor.request(Request(A), 0.0) == []
    show, answer = floor.stored(42, 0.1)
    assert show.token == answer.token == Token(42, 1)


def test_stored_term_counts_when_nothing_newer_was_seen():
    assert Floor(FloorOptions(), term=4).lead(0.0) == [StoreTerm(5)]


def test_waiting_for_the_term_the_first_to_ask_is_granted():
    floor = Floor(FloorOptions())
    floor.lead(0.0)
    floor.request(Request(A), 0.0)
    floor.request(Request(B), 0.0)
    answers = [one for one in floor.stored(1, 0.1) if isinstance(one, Answer)]
    assert [(one.talker, one.op) for one in answers] == [(A, Op.GRANTED), (B, Op.DENIED)]


def test_request_released_while_waiting_for_the_term_is_forgotten():
    floor = Floor(FloorOptions())
    floor.lead(0.0)
    floor.request(Request(A), 0.0)
    assert floor.release(A, 0.0) == []
    assert [type(one) for one in floor.stored(1, 0.1)] == [Show]


def test_lazy_controller_takes_its_term_with_the_first_request():
    floor = Floor(FloorOptions())
    assert floor.lead(0.0, eager=False) == []
    assert floor.request(Request(A), 0.0) == [StoreTerm(1)]


def test_equal_term_of_another_controller_needs_a_new_one_before_the_next_grant():
    table = Table()
    table.floor.seen(1)
    assert only(table.ask(A)).token == Token(2, 1)
    assert table.terms == [1, 2]


def test_burst_is_granted_again_under_a_new_term_when_a_newer_one_is_seen():
    table = Table(tot=30.0)
    table.ask(A, seq=5)
    table.media(A)
    table.talk(A, 10.0)
    answer = only(table.do(table.floor.seen(6, renew=True)))
    assert (answer.op, answer.talker, answer.seq) == (Op.GRANTED, A, 5)
    assert answer.token == table.shown.token == Token(7, 1)
    assert answer.tot == pytest.approx(20.0)
    assert table.media(A, Token(7, 1))


def test_term_near_the_last_is_not_believed():
    table = Table()
    assert table.floor.seen(0xFFFF_FFFF) == [Stray("term")]
    assert only(table.ask(A)).token == Token(1, 1)


def test_newer_term_seen_while_one_is_stored_is_outdone():
    floor = Floor(FloorOptions())
    floor.lead(0.0)
    floor.seen(9)
    assert floor.stored(1, 0.0) == [StoreTerm(10)]


# Control changes hands


def test_new_controller_keeps_the_floor_1_s_for_the_talker_of_the_old_one():
    table = Table(lead=False)
    table.do(table.floor.lead(table.now, Heir(A, 100)))
    assert table.shown is None  # showing an empty floor would silence the heir
    assert only(table.ask(B, priority=100)).cause == 1
    assert only(table.ask(A)).op is Op.GRANTED
    assert table.shown.talker == A


def test_higher_priority_takes_the_floor_of_an_heir():
    table = Table(lead=False)
    table.do(table.floor.lead(table.now, Heir(A, 100)))
    assert only(table.ask(B, priority=101)).op is Op.GRANTED


def test_heir_that_does_not_ask_is_forgotten_after_1_s():
    table = Table(lead=False)
    table.do(table.floor.lead(table.now, Heir(A, 100)))
    table.at(0.999)
    assert only(table.ask(B)).op is Op.DENIED
    table.at(1.0)
    assert table.shown.state is State.IDLE
    assert only(table.ask(B)).op is Op.GRANTED


def test_heir_that_has_finished_or_gone_is_forgotten_at_once():
    for end in ("release", "offline"):
        table = Table(lead=False)
        table.do(table.floor.lead(table.now, Heir(A, 100)))
        if end == "release":
            table.release(A)
        else:
            table.do(table.floor.offline("alpha", table.now))
        assert table.shown.state is State.IDLE


def test_newer_grant_of_another_controller_ends_ours_with_cause_1():
    table = Table()
    table.ask(A)
    table.floor.seen(6)
    revoked = only(table.do(table.floor.overtaken(Heir(B, 100), table.now)))
    assert (revoked.op, revoked.talker, revoked.cause) == (Op.REVOKED, A, 1)
    assert revoked.cause.text == "only one client"
    assert only(table.ask(A)).op is Op.DENIED
    assert only(table.ask(B)).token == Token(7, 1)


def test_ceding_controller_answers_nobody():
    table = Table()
    table.ask(A)
    assert table.floor.cede() == []
    assert table.floor.request(Request(B), table.now) == [Stray("request")]
    assert not table.media(A, Token(1, 1))
    assert table.floor.deadline() is None


def test_every_cause_has_the_standard_number_and_a_text():
    assert {int(cause) for cause in Deny} == {1, 2, 3, 4, 5, 6, 7, 255}
    assert {int(cause) for cause in Revoke} == {1, 2, 3, 4, 6, 255}
    assert all(cause.text for cause in (*Deny, *Revoke))
