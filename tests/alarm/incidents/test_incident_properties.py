"""What must hold of an incident whatever happens, in any order, at any time."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.alarm.incidents import actions, snapshot
from gateway.alarm.incidents.actions import Outcome
from gateway.alarm.incidents.incident import Effects
from gateway.alarm.incidents.record import STANDING, WORKING, IncidentRecord, Progress, State
from gateway.alarm.incidents.wire import pages_of, state_of
from gateway.alarm.signals.contact import Contact
from gateway.link.messages import Action, IncidentState, decode, encode
from tests.alarm.alarm_world import ALLIANCE, GROUPS, PLAN, WHISTLE, action, counted_ids
from tests.alarm.incidents.test_incident import Case

GROUP = st.sampled_from([*WHISTLE, ALLIANCE, None])
WHAT = st.sampled_from(
    ["ack", "unack", "decline", "en_route", "on_scene", "handled", "escalate", "cancel", "reset",
     "note", "close"]
)  # fmt: skip
CONTACTS = st.sampled_from([Contact("001", "panic"), Contact("001", None), Contact("2", "fire")])


class IncidentLife(RuleBasedStateMachine):
    """Plays one incident; each rule checks what its own event may do."""

    def __init__(self) -> None:
        super().__init__()
        self.case = Case(replace(PLAN, ack_expires=50.0))
        self.done: list[Action] = []
        self.ids: set[str] = {page.id for page in self.case.effects.pages}
        self.dropped: set[str] = set()

    @property
    def record(self) -> IncidentRecord:
        return self.case.record

    def check(self, before: IncidentRecord, effects: Effects) -> None:
        """What holds of every event."""
        after = self.record
        assert after.seq == before.seq + effects.changed
        if not effects.changed:
            assert msgspec.structs.replace(after, pages=()) == msgspec.structs.replace(
                before, pages=()
            )
        for page in effects.pages:
            assert after.groups[page.group].state not in STANDING
            assert after.state in (State.OPEN, State.ANSWERED)
            assert (page.id in self.ids) == (page.sends > 1)
            self.ids.add(page.id)
            encode(*pages_of(after, (page,), self.case.now.wall))
        if before.state is State.CLOSED:
            ignored = {"seq": 0, "saved": self.case.now, "refused": None, "refusals": ()}
            assert msgspec.structs.replace(before, **ignored) == msgspec.structs.replace(
                after, **ignored
            )
            assert not effects.pages
        if after.level < before.level:
            assert (before.state, after.state, after.level) == (State.RESOLVED, State.OPEN, 1)
        if before.talkgroup is not None:
            assert after.talkgroup == before.talkgroup
        assert set(before.groups) <= set(after.groups)
        assert before.breaches == after.breaches[: len(before.breaches)]

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0, 29.0, 30.0, 60.0, 120.0, 3_600.0]))
    def time_passes(self, seconds):
        before = self.record
        self.case.now = self.case.now.later(seconds)
        self.check(before, self.case.incident.tick(self.case.now))
        due = self.case.incident.deadline()
        assert due is None or due > self.case.now.elapsed
        assert self.case.incident.tick(self.case.now) == Effects()

    @precondition(lambda self: self.case.incident.deadline() is not None)
    @rule()
    def the_deadline_comes(self):
        due = self.case.incident.deadline()
        assert due is not None
        before = self.record
        self.case.now = self.case.now.later(max(due - self.case.now.elapsed, 0.0))
        effects = self.case.incident.tick(self.case.now)
        assert effects != Effects()
        self.check(before, effects)

    @rule(what=WHAT, group=GROUP, disposition=st.sampled_from(["handled", ""]))
    def somebody_acts(self, what, group, disposition):
        before = self.record
        made = action(self.case.incident.id, what, group, note="x", disposition=disposition)
        answer = actions.act(self.case.incident, made, self.case.now)
        self.done.append(made)
        self.check(before, answer.effects)
        assert answer.effects.changed
        assert (made.id in self.record.applied) == (answer.outcome is Outcome.APPLIED)
        if answer.outcome is Outcome.REFUSED:
            assert self.record.refused is not None
            assert self.record.refused.id == made.id
        others = [name for name in before.groups if name != group]
        if what in ("ack", "unack", "decline", "en_route", "on_scene") and self.record.state in (
            State.OPEN,
            State.ANSWERED,
        ):
            assert all(before.groups[name] == self.record.groups[name] for name in others)
            mine = [page for page in self.record.pages if page.group != group]
            assert mine == [page for page in before.pages if page.group != group]

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def a_sender_repeats(self, data):
        made = data.draw(st.sampled_from(self.done))
        before = self.record
        answer = actions.act(self.case.incident, made, self.case.now)
        assert answer.outcome is Outcome.REPEATED
        ignored = {
            "seq": 0, "saved": self.case.now, "refused": None, "refusals": (), "applied": (),
        }  # fmt: skip
        assert msgspec.structs.replace(before, **ignored) == msgspec.structs.replace(
            self.record, **ignored
        )
        state = state_of(self.record)
        if answer.reason is None:
            assert made.id in state.applied
        else:
            assert state.refused is not None
            assert state.refused.id == made.id

    @rule(data=st.data())
    def a_machine_signs(self, data):
        page = data.draw(st.sampled_from(self.record.pages))
        before = self.record
        made = action(self.case.incident.id, "receipt", page.group, page=page.id)
        answer = actions.act(self.case.incident, made, self.case.now)
        self.done.append(made)
        self.check(before, answer.effects)
        if before.state is not State.CLOSED:
            assert all(one.due is None for one in self.record.pages if one.id == page.id)

    @rule(contact=CONTACTS, latch=st.booleans())
    def it_is_pressed(self, contact, latch):
        before = self.record
        effects = self.case.incident.alarm(contact, latch=latch, now=self.case.now)
        self.check(before, effects)
        if before.state is State.RESOLVED:
            assert [page.group for page in effects.pages] == list(WHISTLE)

    @rule(contact=CONTACTS)
    def it_is_restored(self, contact):
        before = self.record
        effects = self.case.incident.restore(contact, self.case.now)
        self.check(before, effects)
        assert self.record.latched == before.latched

    @rule(same_boot=st.booleans(), away=st.floats(min_value=0, max_value=500, allow_nan=False))
    def the_gateway_restarts(self, same_boot, away):
        before = self.record
        loaded = snapshot.from_bytes(snapshot.to_bytes(before, "boot", None)).record
        assert loaded == before
        self.case.now = self.case.now.later(away)
        if not same_boot:
            self.case.now = replace(self.case.now, elapsed=away)
        ids = counted_ids(10_000 * before.owner_term)
        self.case.incident = type(self.case.incident).restored(
            loaded, self.case.now, ids, same_boot=same_boot
        )
        assert (self.record.owner_term, self.record.seq) > (before.owner_term, before.seq) or (
            before.state is State.CLOSED
        )

    @invariant()
    def state_follows_the_groups(self):
        record = self.record
        states = {group.state for group in record.groups.values()}
        parties = {group.party for group in record.groups.values() if group.state in STANDING}
        quorum = record.case.steps[record.level - 1].quorum
        assert quorum.parties == ("police", "hospital")
        met = parties.issuperset(quorum.parties)
        if record.state in (State.OPEN, State.ANSWERED):
            assert (record.state is State.ANSWERED) == met
            assert (record.level_due is None) == met
            assert Progress.HANDLED not in states or states & WORKING
        else:
            assert record.level_due is None
            assert self.case.incident.deadline() is None
        assert (record.closed is not None) == (record.state is State.CLOSED)
        if record.state is State.CLOSED:
            assert record.disposition
            assert not record.latched

    @invariant()
    def every_called_group_is_being_told_or_has_answered(self):
        if self.record.state not in (State.OPEN, State.ANSWERED):
            return
        for name, group in self.record.groups.items():
            assert name in GROUPS
            newest = [page for page in self.record.pages if page.group == name][-1:]
            if group.state is Progress.PAGED:
                assert newest
                assert newest[0].due is not None
            if group.state in STANDING | {Progress.DECLINED}:
                assert all(page.due is None for page in self.record.pages if page.group == name)

    @invariant()
    def what_is_published_keeps_the_contract(self):
        state = state_of(self.record)
        assert decode(IncidentState, encode(state)) == state


IncidentLife.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, print_blob=True
)
TestIncidentLife = IncidentLife.TestCase
