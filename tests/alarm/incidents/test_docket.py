from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import KEEP_CLOSED, Change, Docket
from gateway.alarm.incidents.incident import Effects, Incident
from gateway.alarm.incidents.order import Order
from gateway.alarm.incidents.record import MAX_NAME, MAX_TEXT, State
from gateway.alarm.plans.plan import SUPERVISION, Guard, Level, Plan, SourceFacts, When
from gateway.alarm.signals.contact import Contact, Sighting, understand
from gateway.moment import Moment
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import (
    NORTH_BUTTON,
    PLAN,
    POLICE,
    RULES,
    SOURCES,
    START,
    WHISTLE,
    action,
    counted_ids,
)

TROUBLE_PLAN = Plan(
    name="trouble",
    title="trouble",
    when=When(category=("trouble",)),
    levels=(Level(name="服务", page=(POLICE,)),),
)


class Gateway:
    """The alarm side of one gateway without disk and broker."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.docket = Docket("zju1", rules, counted_ids())
        self.now = START

    def panel(
        self,
        kind: SignalKind = SignalKind.ALARM,
        zone: str = "001",
        category: str = "panic",
        account: str = "1234",
        *,
        drill: bool = False,
    ) -> list[Change]:
        signal = AlarmSignal(signal=kind, account=account, zone=zone, category=category)
        sighting = understand(self.docket.directory, "receiver-1", signal)
        return self.docket.signal(sighting, self.now, drill=drill)

    def north(self, kind: SignalKind) -> list[Change]:
        signal = AlarmSignal(signal=kind, line="north-gate")
        return self.docket.signal(understand(self.docket.directory, "gate-gpio", signal), self.now)

    def opened(self, *args: object, **more: object) -> Incident:
        ((incident, effects),) = self.panel(*args, **more)  # type: ignore[arg-type]
        assert effects.changed
        assert incident.record.seq == 1
        return incident

    def do(self, incident: Incident, what: str, group: str | None = None, **more: str) -> None:
        done = self.docket.act(action(incident.id, what, group, **more), self.now)
        assert done is not None
        assert done[1].reason is None

    def close(self, incident: Incident) -> None:
        self.do(incident, "reset")
        self.do(incident, "close", disposition="handled")


def test_press_opens_an_incident_of_the_plan_with_all_of_its_place():
    incident = Gateway().opened()
    case = incident.record.case
    assert (case.plan, case.severity, case.category) == ("hospital-panic", 1, "panic")
    assert case.endpoints == ("south-gate-button", "south-gate-intercom")
    assert (case.site, case.site_title, case.position) == (
        "zju1", "浙大一院", (30.2573, 120.1776),
    )  # fmt: skip
    assert [page.group for page in incident.record.pages] == list(WHISTLE)


def test_second_press_joins_the_open_incident():
    gateway = Gateway()
    first = gateway.opened()
    assert gateway.panel() == [(first, Effects())]
    assert len(list(gateway.docket)) == 1


def test_other_endpoint_of_the_site_opens_its_own():
    gateway = Gateway()
    first = gateway.opened()
    ((second, _),) = gateway.north(SignalKind.ALARM)
    assert second is not first
    assert second.record.case.endpoints == ("north-gate-button",)


def test_press_after_the_close_opens_a_new_one():
    gateway = Gateway()
    first = gateway.opened()
    gateway.panel(SignalKind.RESTORE)
    gateway.close(first)
    assert gateway.opened() is not first


def test_press_that_joins_a_resolved_one_opens_it_again():
    gateway = Gateway()
    first = gateway.opened()
    gateway.do(first, "cancel")
    ((joined, effects),) = gateway.panel()
    assert joined is first
    assert [page.group for page in effects.pages] == list(WHISTLE)


@pytest.mark.parametrize(
    ("kind", "category"),
    [
        (SignalKind.TEST, "test"),
        (SignalKind.TEST, "access"),
        (SignalKind.BATTERY, "trouble"),
        (SignalKind.TAMPER, "trouble"),
        (SignalKind.FAULT, "trouble"),
        (SignalKind.LOST, "trouble"),
    ],
)
@pytest.mark.parametrize("before", ["nothing", "open", "resolved"])
def test_tests_and_troubles_page_nobody_and_join_nothing(kind, category, before):
    any_alarm = replace(PLAN, name="any", when=When())
    gateway = Gateway(replace(RULES, plans=(PLAN, any_alarm)))
    record = None
    if before != "nothing":
        incident = gateway.opened()
        if before == "resolved":
            gateway.do(incident, "cancel")
        record = incident.record
    assert gateway.panel(kind, category=category) == []
    assert [one.record for one in gateway.docket] == ([record] if record else [])


def test_plan_that_names_troubles_opens_one_incident_which_no_alarm_joins():
    gateway = Gateway(replace(RULES, plans=(PLAN, TROUBLE_PLAN)))
    trouble = gateway.opened(SignalKind.BATTERY, category="trouble")
    assert trouble.record.case.severity == 2
    assert not trouble.record.latched
    assert gateway.panel(SignalKind.BATTERY, category="trouble") == []
    panic = gateway.opened()
    assert panic.record.case.category == "panic"
    gateway.panel(SignalKind.RESTORE, category="trouble")
    assert trouble.record.active == ()
    assert panic.record.active != ()


def test_unknown_account_is_a_trouble_and_one_incident_at_most():
    gateway = Gateway(replace(RULES, plans=(PLAN, TROUBLE_PLAN)))
    unknown = gateway.opened(account="9999")
    case = unknown.record.case
    assert (case.category, case.endpoint, case.site, case.endpoints) == ("trouble", None, None, ())
    assert gateway.panel(account="9999") == []
    assert gateway.panel(SignalKind.RESTORE, account="9999") == []
    assert gateway.opened(account="8888") is not unknown


def test_alarm_without_a_plan_still_leaves_a_trace():
    gateway = Gateway()
    incident = gateway.opened(zone="009", category="fire")
    assert (incident.record.case.plan, incident.record.groups) == (None, {})
    assert not incident.record.latched


def test_restore_is_recorded_in_the_incident_of_its_endpoint():
    gateway = Gateway()
    incident = gateway.opened()
    ((restored, effects),) = gateway.panel(SignalKind.RESTORE)
    assert restored is incident
    assert effects.changed
    assert (incident.record.active, incident.record.latched) == ((), True)


def test_restore_of_another_zone_restores_nothing():
    gateway = Gateway(replace(RULES, sources={"ward-panel": SOURCES["ward-panel"]}))
    incident = gateway.opened(zone="001")
    gateway.panel(zone="002")
    gateway.panel(SignalKind.RESTORE, zone="002")
    assert len(incident.record.active) == 1
    gateway.panel(SignalKind.RESTORE, zone="001", category="trouble")
    assert len(incident.record.active) == 1
    gateway.panel(SignalKind.RESTORE, zone="001")
    assert incident.record.active == ()


def test_restore_or_cancel_without_an_incident_opens_none():
    gateway = Gateway()
    assert gateway.panel(SignalKind.RESTORE) == []
    assert gateway.panel(SignalKind.CANCEL) == []


def test_cancel_of_a_panel_joins_and_stops_nothing():
    gateway = Gateway()
    incident = gateway.opened()
    assert gateway.panel(SignalKind.CANCEL) == [(incident, Effects())]
    assert incident.record.state is State.OPEN


def test_drill_and_alarm_never_share_an_incident():
    gateway = Gateway()
    drill = gateway.opened(drill=True)
    real = gateway.opened()
    assert (drill.record.case.drill, real.record.case.drill) == (True, False)
    assert gateway.panel(drill=True) == [(drill, Effects())]
    assert gateway.panel() == [(real, Effects())]


def test_action_on_another_owners_incident_is_not_ours():
    gateway = Gateway()
    assert gateway.docket.act(action(action("", "ack").id, "ack", POLICE), gateway.now) is None


def test_dispositions_of_the_configuration_are_asked_for():
    gateway = Gateway(replace(RULES, dispositions={"false-alarm": "false"}))
    incident = gateway.opened()
    gateway.panel(SignalKind.RESTORE)
    gateway.do(incident, "reset")
    done = gateway.docket.act(action(incident.id, "close", disposition="handled"), gateway.now)
    assert done is not None
    assert "false-alarm" in (done[1].reason or "")


# Time


def test_deadline_is_that_of_the_most_urgent_incident():
    gateway = Gateway()
    first = gateway.opened()
    gateway.now = START.later(0.4)
    ((second, _),) = gateway.north(SignalKind.ALARM)
    assert gateway.docket.deadline() == START.elapsed + 1.0
    gateway.now = START.later(1.0)
    assert [one for one, _ in gateway.docket.tick(gateway.now)] == [first]
    assert gateway.docket.deadline() == START.elapsed + 1.4
    gateway.now = START.later(3.0)
    assert {one for one, _ in gateway.docket.tick(gateway.now)} == {first, second}


def test_closed_incident_wants_no_time_is_kept_a_day_and_forgotten():
    gateway = Gateway()
    incident = gateway.opened()
    gateway.panel(SignalKind.RESTORE)
    gateway.close(incident)
    assert gateway.docket.deadline() is None
    assert gateway.docket.tick(START.later(KEEP_CLOSED - 0.001)) == []
    done = gateway.docket.act(action(incident.id, "ack", POLICE), gateway.now)
    assert done is not None
    assert done[1].reason == "the incident is closed"
    gateway.docket.tick(START.later(KEEP_CLOSED))
    assert gateway.docket.get(incident.id) is None
    assert gateway.docket.take_forgotten() == [incident.id]
    assert gateway.docket.take_forgotten() == []


# Reload and restart


def test_running_incident_keeps_its_plan_and_timers_across_a_reload():
    gateway = Gateway()
    incident = gateway.opened()
    before = incident.record
    shorter = replace(PLAN, levels=(Level(name="x", page=(POLICE,), ack_within=1.0),))
    assert gateway.docket.reload(replace(RULES, plans=(shorter,)), gateway.now) == []
    assert incident.record == before
    ((later, _),) = gateway.north(SignalKind.ALARM)
    assert list(later.record.groups) == [POLICE]
    assert gateway.panel() == [(incident, Effects())]


def test_endpoint_that_a_reload_removes_holds_no_latch_for_ever():
    gateway = Gateway()
    incident = gateway.opened()
    sources = {"north-gate-button": NORTH_BUTTON}
    ((changed, _),) = gateway.docket.reload(replace(RULES, sources=sources), gateway.now)
    assert changed is incident
    gateway.close(incident)


def test_restored_incident_is_joined_and_acted_on_as_before():
    before = Gateway()
    old = before.opened()
    gateway = Gateway()
    gateway.docket.restore(old.record, START.later(5.0), same_boot=True)
    gateway.now = START.later(5.0)
    ((joined, effects),) = gateway.panel()
    assert (joined.id, effects) == (old.id, Effects())
    assert gateway.docket.deadline() == START.elapsed + 1.0
    gateway.do(joined, "ack", POLICE)


def test_restored_closed_incident_refuses_and_is_forgotten_when_its_day_is_over():
    before = Gateway()
    old = before.opened()
    before.panel(SignalKind.RESTORE)
    before.close(old)
    gateway = Gateway()
    hour_later = Moment(elapsed=10.0, wall=START.wall + 3_600.0)
    gateway.docket.restore(old.record, hour_later, same_boot=False)
    assert gateway.opened() is not None
    gateway.docket.tick(Moment(10.0 + KEEP_CLOSED - 3_600.1, 0.0))
    assert gateway.docket.get(old.id) is not None
    gateway.docket.tick(Moment(10.0 + KEEP_CLOSED - 3_600.0, 0.0))
    assert gateway.docket.get(old.id) is None


def test_storm_of_ten_thousand_presses_is_decided_in_seconds():
    sources = {
        f"b{number}": SourceFacts(
            endpoint=f"b{number}", title="", site="zju1", input="receiver-1",
            account=f"{number:05}", zone="001", category="panic",
        )
        for number in range(10_000)
    }  # fmt: skip
    gateway = Gateway(replace(RULES, sources=sources))
    began = time.monotonic()
    for number in range(10_000):
        gateway.panel(account=f"{number:05}")
        gateway.docket.deadline()
    assert len(gateway.docket.tick(START.later(1.0))) == 10_000
    assert time.monotonic() - began < 15.0


def silence(gateway: Gateway, kind: SignalKind, category: str = SUPERVISION) -> list[Change]:
    """The gateway says that another one has fallen silent, or is heard again."""
    sighting = Sighting(
        source=None, subject="gateway:zju2", signal=kind, category=category,
        contact=Contact("", None), code=None, account=None, zone=None,
        text="gateway zju2 is silent for 25 s",
    )  # fmt: skip
    return gateway.docket.signal(sighting, gateway.now)


def test_silence_opens_an_incident_also_without_a_plan_and_its_restore_resolves_it():
    gateway = Gateway()
    ((incident, _),) = silence(gateway, SignalKind.LOST)
    case = incident.record.case
    assert (case.plan, case.category, case.quiet) == (None, SUPERVISION, True)
    assert case.text == "gateway zju2 is silent for 25 s"
    assert not incident.record.latched
    assert not incident.record.clocks
    assert silence(gateway, SignalKind.LOST) == [(incident, Effects())]
    ((restored, _),) = silence(gateway, SignalKind.RESTORE)
    assert restored is incident
    assert incident.record.state is State.RESOLVED
    ((again, _),) = silence(gateway, SignalKind.LOST)
    assert again is incident
    assert incident.record.state is State.OPEN
    silence(gateway, SignalKind.RESTORE)
    gateway.do(incident, "close", disposition="handled")
    ((new, _),) = silence(gateway, SignalKind.LOST)
    assert new is not incident


def test_plan_that_names_silence_pages_for_it_and_stops_when_it_is_heard_again():
    plan = replace(TROUBLE_PLAN, when=When(category=(SUPERVISION,)))
    gateway = Gateway(replace(RULES, plans=(PLAN, plan)))
    ((incident, effects),) = silence(gateway, SignalKind.LOST)
    assert [page.group for page in effects.pages] == [POLICE]
    silence(gateway, SignalKind.RESTORE)
    assert gateway.docket.deadline() is None
    assert incident.record.state is State.RESOLVED


def test_order_at_an_endpoint_takes_its_category_and_its_covertness_unless_it_says_more():
    covert = replace(NORTH_BUTTON, guard=Guard(covert=True))
    gateway = Gateway(replace(RULES, sources={**SOURCES, covert.endpoint: covert}))
    order = Order(site="zju1", endpoint=covert.endpoint, by="x" * 200, text="y" * 2000)
    ((incident, effects),) = gateway.docket.raise_by_hand(order, gateway.now)
    case = incident.record.case
    assert (case.category, case.covert, case.plan) == ("panic", True, "hospital-panic")
    assert (len(case.by or ""), len(case.text or "")) == (MAX_NAME, MAX_TEXT)
    assert {page.group for page in effects.pages} == set(WHISTLE)
    assert not incident.record.latched
    fire = Order(site="zju1", endpoint="police-radio", category="fire")
    ((other, _),) = gateway.docket.raise_by_hand(fire, gateway.now)
    assert (other.record.case.category, other.record.case.plan) == ("fire", None)


def test_order_names_its_plan_and_each_order_for_a_site_alone_is_an_incident_of_its_own():
    gateway = Gateway()
    order = Order(site="zju1", category="dispute", plan="hospital-panic")
    ((first, _),) = gateway.docket.raise_by_hand(order, gateway.now)
    ((second, _),) = gateway.docket.raise_by_hand(order, gateway.now)
    assert first is not second
    for one in (first, second):
        assert (one.record.case.plan, one.record.case.endpoint) == ("hospital-panic", None)
        assert [page.group for page in one.record.pages] == list(WHISTLE)


def test_adopted_incident_is_ours_under_a_higher_term_and_keeps_its_pages():
    home = Gateway()
    old = home.opened()
    home.do(old, "ack", POLICE)
    adopter = Docket("zju2", RULES, counted_ids(1000))
    later = Moment(elapsed=5.0, wall=START.wall + 2.0)
    again = adopter.restore(old.record, later, same_boot=False, above=9)
    assert (again.record.owner, again.record.owner_term) == ("zju2", 10)
    assert again.record.case.home == "zju1"
    assert again.record.groups == old.record.groups
    assert [page.id for page in again.record.pages] == [page.id for page in old.record.pages]
    assert again.record.level_due == pytest.approx(5.0 + 28.0)
    ((_, effects),) = adopter.tick(later)
    assert POLICE not in [page.group for page in effects.pages]


def test_press_of_a_walk_and_a_shelved_trouble_open_nothing_whatever_plans_name() -> None:
    plan = replace(
        TROUBLE_PLAN, when=When(category=("test", "trouble", "panic"), code=("E120", "E301"))
    )
    for more in (
        {"signal": SignalKind.TEST, "category": "test", "code": "E120"},
        {"signal": SignalKind.FAULT, "category": "trouble", "code": "E301"},
    ):
        docket = Docket("zju1", replace(RULES, plans=(plan,)), counted_ids())
        signal = AlarmSignal(signal=SignalKind.ALARM, account="1234", zone="001")
        seen = replace(understand(docket.directory, "receiver-1", signal), **more)
        assert docket.signal(replace(seen, walk=True), START) == []
        assert docket.signal(replace(seen, shelved=True), START) == []
        assert len(docket.signal(seen, START)) == 1
