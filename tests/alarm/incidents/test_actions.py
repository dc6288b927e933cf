from __future__ import annotations

import pytest

from gateway.alarm.incidents import actions
from gateway.alarm.incidents.actions import Outcome
from gateway.alarm.incidents.incident import NOTHING
from gateway.alarm.incidents.record import Progress, State
from gateway.alarm.incidents.wire import state_of
from tests.alarm.alarm_world import ALLIANCE, HOSPITAL, POLICE, STREET, action
from tests.alarm.incidents.test_incident import Case


def test_same_id_twice_changes_nothing():
    case = Case()
    made = action(case.incident.id, "ack", POLICE)
    actions.act(case.incident, made, case.now)
    before = case.record
    answer = actions.act(case.incident, made, case.now)
    assert (answer.outcome, answer.reason, answer.effects) == (Outcome.REPEATED, None, NOTHING)
    assert case.record == before


def test_every_action_is_a_publication_with_the_next_seq():
    case = Case()
    for number, what in enumerate(("ack", "en_route", "on_scene", "ack", "handled"), start=2):
        assert case.do(what, POLICE).changed
        assert case.record.seq == number
        assert len(case.record.applied) == number - 1


def test_last_32_actions_are_published():
    case = Case()
    made = [action(case.incident.id, "note", note="x") for _ in range(40)]
    for one in made:
        actions.act(case.incident, one, case.now)
    assert state_of(case.record).applied == tuple(one.id for one in made[-32:])


def test_repeat_that_is_no_longer_published_is_published_again_and_does_nothing():
    case = Case()
    first = action(case.incident.id, "ack", POLICE)
    actions.act(case.incident, first, case.now)
    case.do("unack", POLICE)
    for _ in range(31):
        case.do("note", note="x")
    seq = case.record.seq
    answer = actions.act(case.incident, first, case.now)
    assert (answer.outcome, answer.effects.changed) == (Outcome.REPEATED, True)
    assert case.record.seq == seq + 1
    assert state_of(case.record).applied[-1] == first.id
    assert case.progress(POLICE) is Progress.PAGED


def test_refusal_is_published_until_the_next_change():
    case = Case()
    made = action(case.incident.id, "close")
    answer = actions.act(case.incident, made, case.now)
    assert answer.effects.changed
    state = state_of(case.record)
    assert state.refused is not None
    assert (state.refused.id, state.seq) == (made.id, 2)
    assert made.id not in state.applied
    assert case.at(1.0).changed is False  # pages again: no change
    assert state_of(case.record).refused == state.refused
    case.do("ack", POLICE)
    assert state_of(case.record).refused is None
    assert state_of(case.record).seq == 3


def test_refused_action_stays_refused_also_when_it_could_be_done_by_now():
    case = Case()
    made = action(case.incident.id, "reset")
    reason = actions.act(case.incident, made, case.now).reason
    again = actions.act(case.incident, made, case.now)
    assert (again.outcome, again.reason, again.effects) == (Outcome.REPEATED, reason, NOTHING)
    case.restore()
    again = actions.act(case.incident, made, case.now)
    assert (again.outcome, again.reason) == (Outcome.REPEATED, reason)
    assert again.effects.changed
    assert case.record.latched
    refused = state_of(case.record).refused
    assert refused is not None
    assert refused.id == made.id


# Receipts


def test_receipt_says_that_a_machine_has_the_page():
    case = Case()
    case.now = case.now.later(0.2)
    case.receive(POLICE)
    group = case.record.groups[POLICE]
    assert (group.state, group.received, group.acked) == (Progress.RECEIVED, case.now.wall, None)
    assert case.state is State.OPEN
    assert POLICE not in [page.group for page in case.at(1.0).pages]


def test_receipt_after_the_ack_takes_nothing_back():
    case = Case()
    case.do("ack", POLICE)
    case.receive(POLICE)
    assert case.progress(POLICE) is Progress.ACKED
    assert case.record.groups[POLICE].received is not None


def test_receipt_of_an_older_page_is_not_one_of_the_newest():
    case = Case()
    old = next(page for page in case.record.pages if page.group == STREET)
    case.at(30.0)
    case.do("receipt", STREET, page=old.id)
    assert case.progress(STREET) is Progress.PAGED
    case.receive(STREET)
    assert case.progress(STREET) is Progress.RECEIVED


def test_receipt_must_name_a_page_of_its_group():
    case = Case()
    page = next(page for page in case.record.pages if page.group == POLICE)
    assert "name its page" in case.refused("receipt", POLICE)
    assert "not for group" in case.refused("receipt", HOSPITAL, page=page.id)
    unknown = action(case.incident.id, "note").id
    assert "not one of this incident" in case.refused("receipt", POLICE, page=unknown)
    case.do("receipt", None, page=page.id)


# Groups


@pytest.mark.parametrize("what", ["ack", "unack", "decline", "en_route", "on_scene", "handled"])
def test_group_must_be_named_and_called(what):
    case = Case()
    assert "must name its group" in case.refused(what)
    assert "not called" in case.refused(what, ALLIANCE)


def test_group_goes_only_forward():
    case = Case()
    case.do("on_scene", POLICE)
    arrived = case.record.groups[POLICE]
    case.now = case.now.later(5.0)
    for late in ("ack", "en_route", "on_scene"):
        case.do(late, POLICE)
        assert case.record.groups[POLICE] == arrived
    assert arrived.arrived is not None
    case.do("ack", HOSPITAL)
    case.do("handled", POLICE)
    case.do("on_scene", POLICE)
    assert case.progress(POLICE) is Progress.HANDLED


def test_first_ack_keeps_its_time_and_every_step_its_person():
    case = Case()
    case.do("ack", POLICE)
    case.now = case.now.later(60.0)
    case.do("en_route", POLICE)
    group = case.record.groups[POLICE]
    assert group.acked == case.now.wall - 60.0
    assert group.by == f"{POLICE}/officer"


def test_unack_needs_an_ack_that_stands():
    case = Case()
    assert "no ack" in case.refused("unack", POLICE)
    case.do("ack", HOSPITAL)
    case.do("handled", POLICE)
    assert "has handled" in case.refused("unack", POLICE)
    assert "has handled" in case.refused("decline", POLICE)


@pytest.mark.parametrize("what", ["ack", "unack", "decline", "en_route", "on_scene"])
def test_resolved_incident_takes_no_more_answers(what):
    case = Case()
    case.do("cancel")
    assert case.refused(what, POLICE) == "the incident is resolved"
    assert "stood down" in case.refused("handled", POLICE)
    assert case.refused("cancel") == "the incident is resolved"
    assert case.refused("escalate") == "the incident is resolved"


def test_resolved_incident_still_takes_receipts_notes_and_who_else_has_handled_it():
    case = Case()
    case.do("handled", POLICE)
    case.receive(STREET)
    assert case.progress(STREET) is Progress.RECEIVED
    case.do("handled", STREET)
    case.do("note", note="二楼")
    assert case.state is State.RESOLVED
    assert "empty" in case.refused("note", note=" ")


def test_reset_of_what_is_not_latched_is_applied_and_changes_nothing():
    case = Case()
    case.restore()
    case.do("reset")
    case.do("reset")
    assert case.record.latched is False
