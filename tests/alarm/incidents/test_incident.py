"""The incident machine at its exact boundaries; `Case` plays one incident of the contract's plan."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from gateway.alarm.incidents import actions
from gateway.alarm.incidents.actions import Answer, Outcome
from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.incident import MAX_BREACHES, Effects
from gateway.alarm.incidents.record import IncidentRecord, PageRecord, Progress, State
from gateway.alarm.plans.plan import Level, Plan
from gateway.alarm.signals.contact import Contact, sighting_of
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import (
    ALLIANCE,
    HOSPITAL,
    LEVELS,
    PLAN,
    POLICE,
    RULES,
    SOUTH_BUTTON,
    START,
    STREET,
    WHISTLE,
    action,
    counted_ids,
)

CONTACT = Contact("001", "panic")


class Case:
    """One incident, opened at 0 s, with a clock in seconds after that."""

    def __init__(self, plan: Plan | None = PLAN, rules: Rules = RULES) -> None:
        rules = replace(rules, plans=() if plan is None else (plan,))
        self.now = START
        self.dispositions: dict[str, str] | None = None
        docket = Docket("zju1", rules, counted_ids())
        signal = AlarmSignal(signal=SignalKind.ALARM, zone="001", category="panic")
        ((self.incident, self.effects),) = docket.signal(
            sighting_of(SOUTH_BUTTON, signal), self.now
        )

    @property
    def record(self) -> IncidentRecord:
        return self.incident.record

    @property
    def state(self) -> State:
        return self.record.state

    def at(self, seconds: float) -> Effects:
        """The clock shows ``seconds`` after the opening, and ticks."""
        self.now = START.later(seconds)
        self.effects = self.incident.tick(self.now)
        return self.effects

    def run_until(self, seconds: float) -> list[tuple[float, PageRecord]]:
        """Every page that is sent on the way, ticking exactly when asked to."""
        sent = []
        while (due := self.incident.deadline()) is not None and due <= START.elapsed + seconds:
            passed = due - START.elapsed
            sent += [(passed, page) for page in self.at(passed).pages]
        self.now = START.later(seconds)
        return sent

    def act(self, what: str, group: str | None = None, **more: str) -> Answer:
        made = action(self.incident.id, what, group, **more)
        answer = actions.act(self.incident, made, self.now, self.dispositions)
        self.effects = answer.effects
        return answer

    def do(self, what: str, group: str | None = None, **more: str) -> Effects:
        answer = self.act(what, group, **more)
        assert answer.outcome is Outcome.APPLIED, answer.reason
        return answer.effects

    def refused(self, what: str, group: str | None = None, **more: str) -> str:
        before = self.record
        answer = self.act(what, group, **more)
        assert answer.outcome is Outcome.REFUSED
        assert answer.reason
        same = {"seq": 0, "saved": START, "refused": None, "refusals": ()}
        assert msgspec.structs.replace(before, **same) == msgspec.structs.replace(
            self.record, **same
        )
        return answer.reason

    def receive(self, group: str) -> None:
        newest = [page for page in self.record.pages if page.group == group][-1]
        self.do("receipt", group, page=newest.id)

    def receive_all(self) -> None:
        for page in self.record.pages:
            self.do("receipt", page.group, page=page.id)

    def progress(self, group: str) -> Progress:
        return self.record.groups[group].state

    def restore(self) -> Effects:
        return self.incident.restore(CONTACT, self.now)

    def press(self) -> Effects:
        return self.incident.alarm(CONTACT, latch=True, now=self.now)


def groups_of(effects: Effects) -> list[str]:
    return [page.group for page in effects.pages]


# Opening


def test_opening_pages_all_groups_of_the_first_level_at_once():
    case = Case()
    assert case.effects.changed
    assert groups_of(case.effects) == list(WHISTLE)
    assert len({page.id for page in case.effects.pages}) == 3
    assert {page.level for page in case.effects.pages} == {1}
    assert (case.state, case.record.level, case.record.seq) == (State.OPEN, 1, 1)
    assert case.record.latched
    assert case.record.talkgroup is None
    assert {case.progress(group) for group in WHISTLE} == {Progress.PAGED}


def test_incident_without_a_plan_calls_nobody_and_waits_for_people():
    case = Case(plan=None)
    assert case.effects.changed
    assert case.effects.pages == ()
    # Nobody is called; that nobody came is told all the same.
    assert case.incident.deadline() == START.elapsed + 180.0
    assert case.refused("escalate") == "there is no plan"
    assert "not called" in case.refused("ack", POLICE)
    case.do("cancel")
    assert case.state is State.RESOLVED


# Levels


def test_timer_runs_out_exactly_then_and_not_before():
    case = Case()
    case.receive_all()
    assert case.incident.deadline() == START.elapsed + 30.0
    assert case.at(29.999).pages == ()
    assert case.record.level == 1
    assert groups_of(case.at(30.0)) == list(WHISTLE)
    assert case.record.level == 2


def test_next_level_pages_who_has_not_acked_once_more_with_a_new_id_and_level():
    case = Case()
    old = {page.group: page.id for page in case.effects.pages}
    case.receive_all()
    case.do("ack", POLICE)
    pages = case.at(30.0).pages
    assert [page.group for page in pages] == [HOSPITAL, STREET]
    assert {page.level for page in pages} == {2}
    assert all(page.id != old[page.group] for page in pages)
    assert case.record.groups[POLICE].level == 1
    assert case.record.groups[STREET].level == 2
    assert case.progress(STREET) is Progress.PAGED


def test_newest_page_is_the_last_that_a_group_hears():
    case = Case()
    case.run_until(28.0)
    case.do("receipt", STREET, page=case.record.pages[2].id)
    assert [(page.group, page.level) for page in case.at(40.0).pages] == [
        (POLICE, 1), (HOSPITAL, 1), (POLICE, 2), (HOSPITAL, 2), (STREET, 2),
    ]  # fmt: skip


def test_widening_only_adds_and_starts_the_timer_anew_from_the_tick():
    case = Case()
    case.receive_all()
    case.at(30.0)
    assert case.record.level_due == START.elapsed + 90.0
    case.receive_all()
    case.at(95.0)  # late
    assert case.record.level == 3
    assert set(case.record.groups) == {*WHISTLE, ALLIANCE}
    assert case.record.level_due == START.elapsed + 95.0 + 120.0


def test_outage_across_several_levels_fires_the_timer_once():
    case = Case()
    case.at(10_000.0)
    assert case.record.level == 2
    assert case.at(10_000.0).changed is False


def test_last_level_running_out_is_a_breach_and_repeats_its_pages():
    case = Case()
    case.run_until(209.9)
    assert (case.record.level, case.record.breaches) == (3, ())
    known = {page.id for page in case.record.pages}
    effects = case.at(210.0)
    assert [(breach.kind, breach.level) for breach in case.record.breaches] == [("unanswered", 3)]
    new = [page for page in effects.pages if page.id not in known]
    assert [page.group for page in new] == [*WHISTLE, ALLIANCE]
    assert {page.level for page in new} == {3}
    assert case.record.level_due == START.elapsed + 330.0


def test_breaches_are_bounded_and_the_first_is_kept():
    case = Case(replace(PLAN, levels=(Level(name="one", page=(POLICE,), ack_within=1.0),)))
    for second in range(1, 200):
        case.at(float(second))
    times = [breach.time - START.wall for breach in case.record.breaches]
    assert len(times) == MAX_BREACHES
    assert (times[0], times[-1]) == (1.0, 199.0)


def test_patch_opens_the_incident_talkgroup_when_its_level_starts_and_keeps_it():
    case = Case()
    assert case.record.talkgroup is None
    case.at(30.0)
    assert case.record.talkgroup == f"incident-{case.incident.id}"
    case.at(90.0)
    case.do("cancel")
    assert case.record.talkgroup == f"incident-{case.incident.id}"


def test_escalate_starts_the_next_level_now():
    case = Case()
    case.at(0.5)
    assert groups_of(case.do("escalate")) == list(WHISTLE)
    assert case.record.level == 2
    assert case.record.level_due == START.elapsed + 60.5
    case.do("escalate")
    assert case.refused("escalate") == "level 3 is the last"


def test_escalate_of_an_answered_incident_calls_more_and_leaves_it_answered():
    case = Case()
    case.do("ack", POLICE)
    case.do("ack", HOSPITAL)
    assert groups_of(case.do("escalate")) == [STREET]
    assert (case.state, case.record.level_due) == (State.ANSWERED, None)


# Quorum


def test_answered_needs_each_party_of_the_quorum():
    case = Case()
    case.do("ack", POLICE)
    case.do("ack", STREET)
    assert case.state is State.OPEN
    case.do("ack", HOSPITAL)
    assert (case.state, case.record.level_due) == (State.ANSWERED, None)


def test_without_a_quorum_a_single_ack_answers():
    levels = (replace(LEVELS[0], answered_by=None),)
    case = Case(replace(PLAN, levels=levels))
    case.do("ack", STREET)
    assert case.state is State.ANSWERED


def test_later_level_inherits_the_quorum():
    case = Case()
    case.at(30.0)
    case.do("ack", STREET)
    case.do("ack", POLICE)
    assert case.state is State.OPEN
    case.do("ack", HOSPITAL)
    assert case.state is State.ANSWERED


def test_ack_at_the_timers_instant_before_its_tick_stops_it():
    case = Case()
    case.do("ack", POLICE)
    case.now = START.later(30.0)
    case.do("ack", HOSPITAL)
    assert groups_of(case.at(30.0)) == [STREET]  # its first page again, not a new level
    assert case.record.level == 1


@pytest.mark.parametrize("step", ["en_route", "on_scene"])
def test_going_there_implies_the_ack(step):
    case = Case()
    case.do(step, POLICE)
    case.do(step, HOSPITAL)
    assert case.state is State.ANSWERED
    assert case.record.groups[POLICE].acked == START.wall


# Pages


def test_pages_are_sent_again_until_somebody_signs():
    case = Case(replace(PLAN, levels=(replace(LEVELS[0], ack_within=1_000.0),)))
    case.receive(HOSPITAL)
    case.do("ack", STREET)
    sent = case.run_until(20.0)
    assert [(at, page.group) for at, page in sent] == [
        (1.0, POLICE), (3.0, POLICE), (8.0, POLICE), (13.0, POLICE), (18.0, POLICE),
    ]  # fmt: skip
    assert len({page.id for _, page in sent}) == 1


@pytest.mark.parametrize("what", ["ack", "decline", "en_route", "on_scene"])
def test_one_groups_answer_never_silences_anothers_page(what):
    case = Case()
    case.do(what, POLICE)
    assert groups_of(case.at(1.0)) == [HOSPITAL, STREET]


@pytest.mark.parametrize("end", ["cancel", "handled"])
def test_end_of_the_incident_ends_all_pages(end):
    case = Case()
    case.do(end, POLICE)
    assert case.incident.deadline() is None
    assert case.at(1_000.0) == Effects()


def test_sending_again_is_no_change_of_state():
    case = Case()
    assert case.at(1.0).changed is False
    assert case.record.seq == 1


# Unack, expiry, decline


def test_unack_pages_the_group_again_and_starts_the_timer_anew():
    case = Case()
    case.do("ack", POLICE)
    case.do("ack", HOSPITAL)
    case.now = START.later(100.0)
    pages = case.do("unack", POLICE).pages
    assert [(page.group, page.level, page.sends) for page in pages] == [(POLICE, 1, 1)]
    assert (case.state, case.progress(POLICE)) == (State.OPEN, Progress.PAGED)
    assert case.record.groups[POLICE].acked is None
    assert case.record.level_due == START.elapsed + 130.0


def test_ack_that_expires_is_a_breach_and_pages_the_group_again():
    case = Case(replace(PLAN, ack_expires=40.0))
    case.receive_all()
    case.do("ack", POLICE)
    case.do("ack", HOSPITAL)
    case.do("en_route", HOSPITAL)
    assert case.incident.deadline() == START.elapsed + 40.0
    assert case.at(39.999).pages == ()
    assert groups_of(case.at(40.0)) == [POLICE]
    assert [breach.kind for breach in case.record.breaches] == ["ack-expired"]
    assert (case.state, case.record.level_due) == (State.OPEN, START.elapsed + 70.0)
    assert case.progress(HOSPITAL) is Progress.EN_ROUTE


def test_decline_ends_the_groups_pages_until_the_next_level():
    case = Case()
    case.do("decline", STREET)
    assert case.progress(STREET) is Progress.DECLINED
    assert STREET not in groups_of(case.at(1.0))
    assert STREET in groups_of(case.at(30.0))


def test_decline_takes_an_ack_back():
    case = Case()
    case.do("ack", POLICE)
    case.do("ack", HOSPITAL)
    case.do("decline", POLICE)
    assert case.state is State.OPEN
    case.do("ack", POLICE)
    assert case.state is State.ANSWERED


# Resolving


def test_handled_resolves_once_nobody_is_working():
    case = Case()
    for group in WHISTLE:
        case.do("ack", group)
    case.do("en_route", HOSPITAL)
    case.do("on_scene", STREET)
    case.do("handled", POLICE)
    assert case.state is State.ANSWERED
    case.do("handled", HOSPITAL)
    assert case.state is State.ANSWERED
    case.do("handled", STREET)
    assert case.state is State.RESOLVED


def test_handled_resolves_while_others_never_answered():
    case = Case()
    case.do("handled", POLICE)
    assert case.state is State.RESOLVED
    assert case.progress(STREET) is Progress.PAGED
    assert case.record.groups[POLICE].acked == START.wall


def test_last_working_group_that_declines_lets_it_resolve():
    case = Case()
    case.do("ack", HOSPITAL)
    case.do("handled", POLICE)
    case.do("decline", HOSPITAL)
    assert case.state is State.RESOLVED


def test_unack_of_the_last_working_group_resolves_and_pages_nobody():
    case = Case()
    case.do("ack", HOSPITAL)
    case.do("handled", POLICE)
    assert case.do("unack", HOSPITAL).pages == ()
    assert case.state is State.RESOLVED


def test_cancel_stands_the_groups_down():
    case = Case()
    case.receive(POLICE)
    case.do("ack", HOSPITAL)
    case.do("cancel")
    assert case.state is State.RESOLVED
    assert {case.progress(group) for group in WHISTLE} == {Progress.STOOD_DOWN}
    assert case.record.level_due is None


# Latch, reset, close


def test_latch_is_cleared_only_by_reset_after_a_restore():
    case = Case()
    assert "restore" in case.refused("reset")
    assert case.restore().changed
    assert (case.record.active, case.record.latched) == ((), True)
    case.do("reset")
    assert case.record.latched is False


def test_alarm_after_the_restore_latches_again():
    case = Case()
    case.restore()
    case.do("reset")
    assert case.press().changed
    assert case.record.latched
    assert case.record.active == (CONTACT,)


def test_second_press_joins_and_changes_nothing():
    case = Case()
    assert case.press() == Effects()
    assert case.record.seq == 1


def test_close_says_which_of_the_two_is_missing():
    case = Case()
    both = case.refused("close")
    assert "disposition" in both
    assert "latched" in both
    latched = case.refused("close", disposition="handled")
    assert "latched" in latched
    assert "disposition" not in latched
    case.restore()
    assert "latched" in case.refused("close", disposition="handled")
    case.do("reset")
    for empty in ({}, {"disposition": ""}, {"disposition": "  "}):
        missing = case.refused("close", **empty)
        assert "disposition" in missing
        assert "latched" not in missing
    case.do("close", disposition="handled")
    assert (case.state, case.record.disposition) == (State.CLOSED, "handled")
    assert case.record.closed == START.wall


def test_disposition_must_be_of_the_list_where_there_is_one():
    case = Case()
    case.restore()
    case.do("reset")
    case.dispositions = {"handled": "true", "false-alarm": "false"}
    assert "handled, false-alarm" in case.refused("close", disposition="done")
    case.do("close", disposition="false-alarm")


def test_closed_incident_refuses_everything_and_never_changes():
    case = Case()
    case.restore()
    case.do("reset")
    case.do("close", disposition="handled")
    page = case.record.pages[0]
    for what in ("ack", "unack", "decline", "en_route", "on_scene", "handled"):
        assert case.refused(what, POLICE) == "the incident is closed"
    for what in ("cancel", "reset", "escalate", "note", "close"):
        assert case.refused(what, disposition="x", note="x") == "the incident is closed"
    assert case.refused("receipt", page.group, page=page.id) == "the incident is closed"
    assert case.press() == Effects()
    assert case.restore() == Effects()
    assert case.incident.deadline() is None


# Reopening


def resolved() -> Case:
    case = Case()
    case.run_until(95.0)
    for group in WHISTLE:
        case.do("ack", group)
    for group in WHISTLE:
        case.do("handled", group)
    assert case.state is State.RESOLVED
    return case


def test_alarm_that_joins_a_resolved_incident_opens_it_again_at_level_1():
    case = resolved()
    case.now = START.later(200.0)
    effects = case.press()
    assert groups_of(effects) == list(WHISTLE)
    assert {page.level for page in effects.pages} == {1}
    assert all(page.sends == 1 for page in effects.pages)
    assert (case.state, case.record.level) == (State.OPEN, 1)
    assert case.record.level_due == START.elapsed + 230.0
    assert case.progress(ALLIANCE) is Progress.STOOD_DOWN
    assert case.record.talkgroup is not None


def test_earlier_acks_do_not_count_after_reopening():
    case = resolved()
    case.press()
    case.do("ack", POLICE)
    assert case.state is State.OPEN
    case.do("handled", POLICE)
    assert case.state is State.RESOLVED


def test_group_stood_down_by_reopening_is_called_again_at_its_level():
    case = resolved()
    case.press()
    case.do("escalate")
    assert ALLIANCE not in groups_of(case.effects)
    case.do("escalate")
    assert ALLIANCE in groups_of(case.effects)


# Restart


def test_within_one_boot_timers_go_on_where_they_were():
    case = Case()
    later = START.later(10.0)
    again = type(case.incident).restored(case.record, later, counted_ids(), same_boot=True)
    assert again.record.level_due == START.elapsed + 30.0
    assert (again.record.owner_term, again.record.seq) == (2, 2)
    assert [page.id for page in again.tick(later).pages] == [page.id for page in case.record.pages]
    assert again.tick(later).pages == ()


@pytest.mark.parametrize(
    ("away", "left"),
    [
        (10.0, 20.0),
        (29.0, 1.0),
        (500.0, -470.0),  # it ran out meanwhile
        (-3_600.0, 30.0),  # the wall clock went back: never longer than the whole time
    ],
)
def test_after_a_reboot_timers_go_on_by_the_wall_clock(away, left):
    case = Case()
    later = replace(START.later(away), elapsed=5.0)
    again = type(case.incident).restored(case.record, later, counted_ids(), same_boot=False)
    assert again.record.level_due == pytest.approx(5.0 + left)


def test_timer_that_ran_out_while_away_fires_once():
    case = Case()
    later = replace(START.later(500.0), elapsed=5.0)
    again = type(case.incident).restored(case.record, later, counted_ids(), same_boot=False)
    assert again.tick(later).changed
    assert (again.record.level, again.record.level_due) == (2, 65.0)
    assert again.tick(later) == Effects()


def test_closed_incident_is_restored_as_it_was():
    case = Case()
    case.restore()
    case.do("reset")
    case.do("close", disposition="handled")
    again = type(case.incident).restored(case.record, START, counted_ids(), same_boot=True)
    assert again.record == case.record


def test_endpoint_that_is_no_longer_configured_can_be_reset():
    case = Case()
    assert case.incident.input_gone(lambda _: True, case.now).changed
    case.do("reset")
    case.do("close", disposition="handled")
