"""Two incidents of one event, made one by hand."""

from dataclasses import replace

import pytest
from msgspec import structs

from gateway.alarm.incidents import merging, snapshot
from gateway.alarm.incidents.actions import Outcome
from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.order import Order
from gateway.alarm.incidents.record import Progress, State
from gateway.alarm.incidents.wire import state_of
from gateway.alarm.plans.plan import Guard, Targets, When
from gateway.ports import SignalKind
from tests.alarm.alarm_world import (
    ALLIANCE,
    HOSPITAL,
    NORTH_BUTTON,
    PLAN,
    POLICE,
    RULES,
    STREET,
    WHISTLE,
    action,
    counted_ids,
)
from tests.alarm.incidents.test_docket import Gateway


class Pair:
    """Presses at the south and at the north gate: two incidents of one plan."""

    def __init__(self):
        self.gateway = Gateway()
        self.docket = self.gateway.docket
        self.south = self.gateway.opened()
        ((self.north, _),) = self.gateway.north(SignalKind.ALARM)

    def act(self, incident, what, group=None, **more):
        changes, answer = self.docket.act(
            action(incident.id, what, group, **more), self.gateway.now
        )
        assert answer.outcome is Outcome.APPLIED, answer.reason
        return changes

    def merge(self):
        return self.act(self.north, "merge", into=self.south.id)

    def refused(self, incident, **more):
        _, answer = self.docket.act(action(incident.id, "merge", **more), self.gateway.now)
        assert answer.outcome is Outcome.REFUSED
        return answer.reason


def test_merged_incident_is_closed_into_the_one_that_goes_on():
    pair = Pair()
    changes = pair.merge()
    assert [incident.id for incident, _ in changes] == [pair.north.id, pair.south.id]
    north, south = pair.north.record, pair.south.record
    assert (north.state, north.disposition, north.verdict) == (State.CLOSED, "merged", "unknown")
    assert north.merged_into == south.case.id
    assert south.merged == (north.case.id,)
    assert "north-gate-button" in south.endpoints
    assert south.state is State.OPEN


def test_merged_alarms_restore_and_latch_belong_to_the_one_that_goes_on():
    pair = Pair()
    pair.merge()
    pair.gateway.panel(SignalKind.RESTORE)
    assert pair.south.record.active, "the north gate is still in alarm"
    _, answer = pair.docket.act(action(pair.south.id, "reset"), pair.gateway.now)
    assert answer.outcome is Outcome.REFUSED
    ((restored, _),) = pair.gateway.north(SignalKind.RESTORE)
    assert restored is pair.south
    assert not pair.south.record.active
    pair.act(pair.south, "reset")
    pair.act(pair.south, "close", disposition="handled")


def test_restore_of_one_gate_does_not_restore_the_same_line_of_the_other():
    pair = Pair()
    pair.merge()
    pair.gateway.north(SignalKind.RESTORE)
    assert [contact.of for contact in pair.south.record.active] == [None]


def test_later_press_of_the_merged_gate_joins_the_one_that_goes_on():
    pair = Pair()
    pair.merge()
    ((joined, _),) = pair.gateway.north(SignalKind.ALARM)
    assert joined is pair.south
    assert len({incident.id for incident in pair.docket}) == 2


def test_ack_given_to_the_merged_one_stands_and_pages_no_more():
    pair = Pair()
    pair.act(pair.north, "ack", POLICE)
    changes = pair.merge()
    assert pair.south.record.groups[POLICE].state is Progress.ACKED
    assert POLICE not in [page.group for _, effects in changes for page in effects.pages]
    pair.gateway.now = pair.gateway.now.later(3600)
    sent = [
        page.group for _, effects in pair.docket.tick(pair.gateway.now) for page in effects.pages
    ]
    assert POLICE not in sent
    assert HOSPITAL in sent


def test_group_that_only_the_merged_one_had_called_is_called_by_the_one_that_goes_on():
    pair = Pair()
    pair.act(pair.north, "escalate", level=3)
    changes = pair.merge()
    paged = [page.group for incident, effects in changes for page in effects.pages]
    assert paged == [ALLIANCE]
    assert pair.south.record.talkgroup == f"incident-{pair.south.id}"


def test_what_the_merged_ones_group_had_handled_does_not_resolve_the_other():
    pair = Pair()
    pair.act(pair.north, "handled", STREET)
    pair.merge()
    assert pair.south.record.state is not State.RESOLVED
    assert pair.south.record.groups[STREET].state is Progress.ON_SCENE


def test_merge_survives_a_restart():
    pair = Pair()
    pair.merge()
    restarted = Docket("zju1", RULES, counted_ids())
    for incident in list(pair.docket):
        body = snapshot.to_bytes(incident.record, "boot", None)
        restarted.restore(snapshot.from_bytes(body).record, pair.gateway.now, same_boot=True)
    pair.gateway.docket = restarted
    ((joined, _),) = pair.gateway.north(SignalKind.ALARM)
    assert joined.id == pair.south.id


def test_after_the_one_that_goes_on_is_closed_both_gates_open_new_ones():
    pair = Pair()
    pair.merge()
    pair.gateway.panel(SignalKind.RESTORE)
    pair.gateway.north(SignalKind.RESTORE)
    pair.act(pair.south, "reset")
    pair.act(pair.south, "close", disposition="handled")
    ((opened, _),) = pair.gateway.north(SignalKind.ALARM)
    assert opened.id not in (pair.south.id, pair.north.id)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "must name"),
        ({"into": "00000000-0000-7000-8000-0000000000ff"}, "not owned"),
    ],
)
def test_merge_into_nothing_is_refused(more, why):
    pair = Pair()
    assert why in pair.refused(pair.north, **more)


def test_merge_into_itself_into_a_closed_one_or_across_a_drill_is_refused():
    pair = Pair()
    assert "itself" in pair.refused(pair.north, into=pair.north.id)
    ((drill, _),) = pair.gateway.panel(drill=True)
    assert "drill" in pair.refused(pair.north, into=drill.id)
    pair.merge()
    assert "closed" in pair.refused(drill, into=pair.north.id)
    closed = f"the incident is closed; it goes on in {pair.south.id}"
    assert pair.refused(pair.north, into=pair.south.id) == closed


def test_merge_of_an_open_one_into_a_resolved_one_is_refused():
    pair = Pair()
    pair.act(pair.south, "cancel")
    assert "the other way" in pair.refused(pair.north, into=pair.south.id)
    changes = pair.act(pair.south, "merge", into=pair.north.id)
    assert changes[0][0].record.state is State.CLOSED


def test_same_merge_twice_changes_nothing():
    pair = Pair()
    made = action(pair.north.id, "merge", into=pair.south.id)
    pair.docket.act(made, pair.gateway.now)
    before = pair.south.record, pair.north.record
    changes, answer = pair.docket.act(replace(made), pair.gateway.now)
    assert answer.outcome is Outcome.REPEATED
    assert (pair.south.record, pair.north.record) == before
    assert len(changes) == 1


def rules_with(**sources):
    return replace(RULES, sources={**RULES.sources, **sources})


def test_merged_incident_lends_its_severity_and_its_remarks():
    gateway = Gateway()
    order = Order(site="zju1", category="flood", text="地下室进水", by="li")
    ((by_hand, _),) = gateway.docket.raise_by_hand(order, gateway.now)
    gateway.do(by_hand, "note", note="two pumps")
    panic = gateway.opened()
    gateway.do(panic, "merge", into=by_hand.id)
    assert (by_hand.record.case.severity, state_of(by_hand.record).severity) == (2, 1)
    other = gateway.north(SignalKind.ALARM)[0][0]
    gateway.do(by_hand, "merge", into=other.id)
    assert [note.text for note in other.record.notes] == ["地下室进水", "two pumps"]
    assert other.record.merged == (by_hand.id, panic.id)


def test_group_at_work_there_is_at_work_here_though_it_has_handled_this_one():
    pair = Pair()
    pair.act(pair.south, "on_scene", HOSPITAL)
    pair.act(pair.south, "handled", POLICE)
    pair.act(pair.north, "en_route", POLICE)
    pair.merge()
    assert pair.south.record.groups[POLICE].state is Progress.EN_ROUTE
    pair.act(pair.south, "handled", HOSPITAL)
    assert pair.south.record.state is not State.RESOLVED


def test_clocks_that_the_merged_one_reached_are_reached():
    rules = replace(RULES, plans=(replace(PLAN, targets=Targets()),))
    gateway = Gateway(rules)
    south = gateway.opened()
    gateway.now = gateway.now.later(10.0)
    ((north, _),) = gateway.north(SignalKind.ALARM)
    gateway.do(south, "ack", POLICE)
    gateway.now = gateway.now.later(20.0)
    gateway.do(north, "on_scene", STREET)
    gateway.do(south, "merge", into=north.id)
    raised = north.record.case.raised
    assert {stage: at - raised for stage, at in north.record.reached.items()} == {
        "ack": 0.0,
        "en_route": 20.0,
        "on_scene": 20.0,
    }
    assert north.record.clocks.keys() == {"handled"}


def test_whom_the_merged_one_called_is_called_at_each_later_level_and_when_it_is_opened_again():
    pair = Pair()
    pair.act(pair.north, "escalate", level=3)
    pair.merge()
    ((_, effects),) = pair.act(pair.south, "escalate")
    assert ALLIANCE in [page.group for page in effects.pages]
    pair.act(pair.south, "cancel")
    ((_, effects),) = pair.gateway.panel()
    assert sorted(page.group for page in effects.pages) == sorted([*WHISTLE, ALLIANCE])


def test_contact_of_a_merged_endpoint_that_is_no_longer_configured_can_be_reset():
    pair = Pair()
    pair.merge()
    pair.gateway.panel(SignalKind.RESTORE)
    sources = {name: one for name, one in RULES.sources.items() if name != "north-gate-button"}
    changes = pair.docket.reload(replace(RULES, sources=sources), pair.gateway.now)
    assert [incident for incident, _ in changes] == [pair.south]
    pair.act(pair.south, "reset")


def test_alarm_and_trouble_and_what_is_covert_and_what_is_not_are_kept_apart():
    covert = replace(NORTH_BUTTON, guard=Guard(covert=True))
    trouble = replace(PLAN, name="trouble", when=When(category=("trouble",)))
    rules = replace(rules_with(**{covert.endpoint: covert}), plans=(PLAN, trouble))
    gateway = Gateway(rules)
    south = gateway.opened()
    ((battery, _),) = gateway.panel(SignalKind.BATTERY, category="trouble")
    ((hidden, _),) = gateway.north(SignalKind.ALARM)
    assert "trouble" in merging.why_not(battery.record, south.record)
    assert "trouble" in merging.why_not(south.record, battery.record)
    assert "not covert" in merging.why_not(hidden.record, south.record)
    assert merging.why_not(south.record, hidden.record) is None
    held = south.record.case
    elsewhere = structs.replace(south.record, case=replace(held, home="zju2", id="x"))
    assert "of gateway zju2" in merging.why_not(south.record, elsewhere)
