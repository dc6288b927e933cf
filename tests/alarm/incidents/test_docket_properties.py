"""What must hold of all incidents of a gateway whatever happens: merges, restarts, adoption, reloads.

`Answers` keeps by itself, from the actions alone, whose ack stands; no page may go to one of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.alarm.incidents import snapshot
from gateway.alarm.incidents.actions import Outcome
from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import Change, Docket
from gateway.alarm.incidents.incident import Incident
from gateway.alarm.incidents.order import Order
from gateway.alarm.incidents.record import Case, IncidentRecord, Progress, State
from gateway.alarm.incidents.wire import state_of
from gateway.alarm.plans.choice import Choice
from gateway.alarm.plans.plan import GroupFacts, Level, Plan, Quorum, When, Where
from gateway.alarm.signals.contact import sighting_of
from gateway.link.messages import encode
from gateway.moment import Moment
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import (
    ALLIANCE,
    GROUPS,
    LEVELS,
    NORTH_BUTTON,
    PLAN,
    RULES,
    SOUTH_BUTTON,
    START,
    STREET,
    action,
    counted_ids,
)

EXPIRES = 50.0
CARS = tuple(f"car-{number}" for number in range(1, 6))
CAR_FACTS = {
    name: GroupFacts(name=name, title=name, party="patrol", talkgroup=name) for name in CARS
}
EAST_BUTTON = replace(SOUTH_BUTTON, endpoint="east-button", place=None, zone="002", category="fire")
SOURCES = (SOUTH_BUTTON, NORTH_BUTTON, EAST_BUTTON)
FIRE = Plan(
    name="fire",
    title="fire",
    when=When(category=("fire",)),
    levels=(
        Level(name="one", page=(STREET, "police-tianshui"), answered_by=Quorum(everyone=True)),
        Level(name="two", page_where=Where(party=("alliance",)), answered_by=Quorum(count=2)),
    ),
    ack_expires=EXPIRES,
)
PANIC = replace(PLAN, levels=LEVELS, ack_expires=EXPIRES)
PROPERTY_RULES = Rules(
    sources={**RULES.sources, EAST_BUTTON.endpoint: EAST_BUTTON},
    sites=RULES.sites,
    groups={**GROUPS, **CAR_FACTS},
    plans=(PANIC, FIRE),
)
SOURCE = st.sampled_from(SOURCES)
ANSWER = st.sampled_from(["ack", "unack", "decline", "en_route", "on_scene", "handled"])
OTHER = st.sampled_from(["escalate", "cancel", "reset", "note", "hand_over", "close"])
SECONDS = st.sampled_from([0.0, 0.5, 1.0, 5.0, 29.5, 30.0, 50.0, 60.0, 120.0, 180.0, 3_600.0])


class Cars:
    """Calls the first cars that are free, two at each start of a level."""

    def __init__(self) -> None:
        self.free = list(CARS)

    def choose(self, _case: Case, _index: int, called: frozenset[str], _now: Moment) -> Choice:
        wanted = [car for car in self.free if car not in called][:2]
        missing = () if len(wanted) == 2 else (f"two: {len(wanted)} of 2",)
        return Choice(dict.fromkeys(wanted, "patrol"), missing)

    def instead(
        self, _case: Case, _index: int, declined: str, called: frozenset[str], _now: Moment
    ) -> Choice:
        wanted = [car for car in self.free if car not in called and declined in CARS][:1]
        return Choice(dict.fromkeys(wanted, "patrol"))


@dataclass
class Answers:
    """Of one incident: how far each group that answered is, and until when (POSIX seconds)."""

    standing: dict[str, tuple[str, float | None]] = field(default_factory=dict)

    def hear(self, what: str, group: str, now: float) -> None:
        held = self.standing.get(group)
        if what in ("unack", "decline"):
            self.standing.pop(group, None)
        elif what == "ack":
            self.standing.setdefault(group, ("working", now + EXPIRES))
        elif what == "handled":
            self.standing[group] = ("handled", None)
        elif held is None or held[0] != "handled":
            self.standing[group] = ("working", None)

    def merge(self, other: Answers) -> None:
        for group, (far, until) in other.standing.items():
            here = self.standing.get(group)
            if here is None or (here[0] == "handled" and far == "working"):
                self.standing[group] = ("working", until)

    def expire(self, now: float) -> None:
        self.standing = {
            group: (far, until)
            for group, (far, until) in self.standing.items()
            if until is None or until > now
        }

    def settle(self) -> None:
        """Resolved: nothing expires any more."""
        self.standing = {group: (far, None) for group, (far, _) in self.standing.items()}


class DocketLife(RuleBasedStateMachine):
    """Plays all incidents of one gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.cars = Cars()
        self.ids = counted_ids()
        self.owner = "zju1"
        self.docket = Docket("zju1", PROPERTY_RULES, self.ids, self.cars)
        self.answers: dict[str, Answers] = {}
        self.called: dict[str, set[str]] = {}
        self.levels: dict[str, int] = {}
        self.closed: dict[str, IncidentRecord] = {}

    # What happens

    @rule(source=SOURCE, drill=st.booleans())
    def button_is_pressed(self, source, drill):
        self.signal(source, SignalKind.ALARM, drill=drill)

    @rule(source=SOURCE)
    def button_is_restored(self, source):
        self.signal(source, SignalKind.RESTORE)

    @precondition(lambda self: len(self.answers) < 5)
    @rule(endpoint=st.sampled_from([None, "north-gate-button", "police-radio"]))
    def operator_raises(self, endpoint):
        order = Order(site="zju1", endpoint=endpoint, category="panic", by="li", text="x")
        before = self.states()
        self.see(self.docket.raise_by_hand(order, self.now), before)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds):
        self.now = self.now.later(seconds)
        self.tick()

    @precondition(lambda self: self.docket.deadline() is not None)
    @rule()
    def deadline_comes(self):
        due = self.docket.deadline()
        assert due is not None
        self.now = self.now.later(max(due - self.now.elapsed, 0.0))
        self.tick()

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), answers=st.lists(ANSWER, min_size=1, max_size=3))
    def groups_answer(self, data, answers):
        incident = self.drawn(data)
        for what in answers:
            group = data.draw(st.sampled_from([*incident.record.groups, ALLIANCE]))
            self.act(incident, what, group)

    @precondition(lambda self: self.answers)
    @rule(data=st.data(), what=OTHER, level=st.sampled_from([None, 2, 3]))
    def operator_acts(self, data, what, level):
        more = {"escalate": {} if level is None else {"level": level}, "note": {"note": "x"}}
        more |= {"hand_over": {"to": "night"}, "close": {"disposition": "handled"}}
        self.act(self.drawn(data), what, None, **more.get(what, {}))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def machine_signs(self, data):
        pages = self.drawn(data).record.pages
        if pages:
            page = data.draw(st.sampled_from(pages))
            self.act(self.record_of(page), "receipt", page.group, page=page.id)

    @precondition(lambda self: len(self.answers) > 1)
    @rule(data=st.data())
    def operator_merges(self, data):
        self.act(self.drawn(data), "merge", None, into=self.drawn(data).id)

    @rule(data=st.data(), owner=st.sampled_from(["zju1", "zju2"]), same_boot=st.booleans())
    def gateway_restarts_or_another_adopts(self, data, owner, same_boot):
        records = data.draw(st.permutations([one.record for one in self.docket]))
        elapsed = self.now.elapsed if same_boot else 7.0
        self.now = Moment(elapsed, self.now.wall)
        self.owner = owner
        self.docket = Docket(owner, PROPERTY_RULES, self.ids, self.cars)
        for record in records:
            loaded = snapshot.from_bytes(snapshot.to_bytes(record, "boot", None)).record
            assert loaded == record
            again = self.docket.restore(loaded, self.now, same_boot=same_boot, above=7)
            if record.state is not State.CLOSED:
                assert again.record.owner == owner
                assert again.record.owner_term > max(record.owner_term, 7)

    @rule(present=st.booleans())
    def configuration_is_reloaded(self, present):
        sources = PROPERTY_RULES.sources
        if not present:
            sources = {name: one for name, one in sources.items() if name != "east-button"}
        before = self.states()
        self.see(self.docket.reload(replace(PROPERTY_RULES, sources=sources), self.now), before)

    @rule(free=st.lists(st.sampled_from(CARS), unique=True))
    def cars_come_and_go(self, free):
        self.cars.free = free

    # What must hold

    @invariant()
    def widening_only_adds(self):
        for incident in self.docket:
            record = incident.record
            assert self.called.setdefault(incident.id, set()) <= record.groups.keys()
            self.called[incident.id] = set(record.groups)
            if record.state in (State.OPEN, State.ANSWERED) and record.case.steps:
                step = record.case.steps[record.level - 1]
                assert set(step.groups) <= record.groups.keys()
                assert record.chosen.keys() | record.brought.keys() <= record.groups.keys()

    @invariant()
    def every_open_incident_waits_for_somebody_or_its_timer(self):
        for incident in self.docket:
            record = incident.record
            if record.case.steps and record.state is State.OPEN:
                assert record.level_due is not None
            if record.state in (State.RESOLVED, State.CLOSED):
                assert record.level_due is None
                assert not record.clocks
                assert all(page.due is None for page in record.pages)

    @invariant()
    def signals_of_an_endpoint_have_one_incident(self):
        for drill in (False, True):
            owners: dict[str, str] = {}
            for incident in self.docket:
                record = incident.record
                if record.state is State.CLOSED or record.case.drill is not drill:
                    continue
                home = "" if record.case.home == self.owner else f"{record.case.home}/"
                for subject in {record.case.subject, *record.subjects}:
                    assert owners.setdefault(home + subject, incident.id) == incident.id
            for subject, owner in owners.items():
                current = [one.id for one in self.docket.current(subject)]
                assert owner in current
                assert len(current) == len(set(current)) <= 2

    @invariant()
    def nobody_is_lost_in_a_merge(self):
        for incident in self.docket:
            into = incident.record.merged_into and self.docket.get(incident.record.merged_into)
            if not into:
                continue
            called = {
                name
                for name, group in incident.record.groups.items()
                if group.state is not Progress.STOOD_DOWN
            }
            assert called <= into.record.groups.keys()
            assert incident.id in into.record.merged
            assert into.record.severity <= incident.record.severity

    @invariant()
    def what_is_closed_stays_as_it_was_and_all_can_be_said(self):
        ignored = {"seq": 0, "saved": START, "refused": None, "refusals": (), "applied": ()}
        for incident in self.docket:
            encode(state_of(incident.record))
            if incident.record.state is State.CLOSED:
                now = msgspec.structs.replace(incident.record, **ignored)
                assert self.closed.setdefault(incident.id, now) == now

    # How it is played

    def drawn(self, data: st.DataObject) -> Incident:
        """Any incident, those that run likelier."""
        running = [one for one in self.docket if one.record.state in (State.OPEN, State.ANSWERED)]
        return data.draw(st.sampled_from([*running, *running, *self.docket]))

    def record_of(self, page: object) -> Incident:
        return next(one for one in self.docket if page in one.record.pages)

    def states(self) -> dict[str, State]:
        return {one.id: one.record.state for one in self.docket}

    def signal(self, source, kind, *, drill=False):
        signal = AlarmSignal(signal=kind, zone=source.zone, line=source.line)
        before = self.states()
        sighting = sighting_of(source, signal)
        if self.owner == "zju1":
            self.see(self.docket.signal(sighting, self.now, drill=drill), before)
        else:
            self.see(self.docket.foreign("zju1", sighting, self.now, drill=drill), before)

    def act(self, incident, what, group, **more):
        before = self.states()
        done = self.docket.act(action(incident.id, what, group, **more), self.now)
        assert done is not None
        changes, answer = done
        if answer.outcome is Outcome.APPLIED:
            answers = self.answers[incident.id]
            if what in ("ack", "en_route", "on_scene", "handled", "unack", "decline"):
                answers.hear(what, group, self.now.wall)
            elif what == "cancel":
                answers.standing.clear()
            elif what == "merge":
                self.answers[more["into"]].merge(answers)
        self.see(changes, before)

    def tick(self):
        for answers in self.answers.values():
            answers.expire(self.now.wall)
        before = self.states()
        self.see(self.docket.tick(self.now), before)
        assert self.docket.tick(self.now) == []

    def see(self, changes: Iterable[Change], before: dict[str, State]) -> None:
        for incident, effects in changes:
            answers = self.answers.setdefault(incident.id, Answers())
            state = incident.record.state
            if before.get(incident.id) is State.RESOLVED and state is State.OPEN:
                answers.standing.clear()
                self.levels[incident.id] = 1
            if state in (State.RESOLVED, State.CLOSED):
                answers.settle()
            assert incident.record.level >= self.levels.get(incident.id, 1)
            self.levels[incident.id] = incident.record.level
            for page in effects.pages:
                assert page.group not in answers.standing, f"{page.group} acked and is paged"
                assert state in (State.OPEN, State.ANSWERED)


DocketLife.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, print_blob=True
)
TestDocketLife = DocketLife.TestCase
