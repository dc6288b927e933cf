"""What one turn of the loop decides is one unit: said once, but no refusal and no applied action is lost."""

from __future__ import annotations

from typing import Any

from gateway.alarm.incidents.actions import PUBLISHED_ACTIONS
from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.order import Order
from gateway.alarm.journal.rows import Kind, Row
from gateway.alarm.raised import Raised
from gateway.alarm.unit import Unit
from tests.alarm.alarm_world import HOSPITAL, POLICE, RULES, START, STREET, action, counted_ids


class Turn:
    """One turn of a loop, in which things happen to the incidents of ``docket``."""

    def __init__(self) -> None:
        self.docket = Docket("zju1", RULES, counted_ids())
        self.unit = Unit(START, "kernel-boot-1", 0.5)
        self.told: list[Raised] = []

    def raise_(self) -> str:
        """Somebody raises an incident by hand."""
        changes = self.docket.raise_by_hand(Order(site="zju1", category="panic"), START)
        self._decided(changes)
        return changes[0][0].id

    def act(self, incident: str, what: str, group: str | None = None, **more: str) -> str:
        """Somebody acts; the action's id."""
        made = action(incident, what, group, **more)
        done = self.docket.act(made, START)
        assert done is not None
        self._decided(done[0], Row(Kind.ACTION, incident, made.id.encode()))
        return made.id

    def close(self) -> list[Row]:
        return self.unit.close(self.docket.is_wanted)

    def _decided(self, changes: Any, *rows: Row) -> None:
        self.unit.add(rows, changes, None, self.told.append)


def test_incident_that_changed_several_times_is_said_once_as_it_is_at_the_end():
    turn = Turn()
    incident = turn.raise_()
    acts = [turn.act(incident, "ack", POLICE), turn.act(incident, "on_scene", POLICE)]
    rows = turn.close()
    (saying,) = turn.unit.sayings
    assert saying.changed
    assert (saying.state.message.seq, saying.state.message.applied) == (3, tuple(acts))
    assert [row.kind for row in rows].count(Kind.ACTION) == 2
    assert [row.kind for row in rows].count(Kind.INCIDENT) == 1


def test_each_refusal_is_said():
    turn = Turn()
    incident = turn.raise_()
    refused = [turn.act(incident, "close") for _ in range(2)]
    turn.act(incident, "ack", POLICE)
    turn.close()
    said = [saying.state.message.refused for saying in turn.unit.sayings]
    assert [one and one.id for one in said] == [*refused, None]


def test_no_action_leaves_the_window_of_applied_ones_unsaid():
    turn = Turn()
    incident = turn.raise_()
    acts = [turn.act(incident, "note", note=str(n)) for n in range(2 * PUBLISHED_ACTIONS)]
    turn.close()
    said = [one for saying in turn.unit.sayings for one in saying.state.message.applied]
    assert set(said) == set(acts)
    assert len(turn.unit.sayings) == 3


def test_page_that_was_acked_within_the_turn_is_neither_sent_nor_recorded_as_sent():
    turn = Turn()
    turn.act(turn.raise_(), "ack", POLICE)
    rows = turn.close()
    (saying,) = turn.unit.sayings
    assert {page.message.group for page in saying.pages} == {HOSPITAL, STREET}
    assert {row.key for row in rows if row.kind == "page"} == {
        page.message.id for page in saying.pages
    }


def test_whoever_waits_for_a_unit_that_is_given_up_hears_that_nothing_is_stored():
    turn = Turn()
    turn.raise_()
    turn.unit.add([], [], None, None)
    turn.unit.give_up()
    assert turn.told == [Raised(None, False, ())]


def test_unit_without_incidents_is_its_rows():
    turn = Turn()
    row = Row(Kind.YIELDED, "x", b"")
    turn.unit.add([row], [], None, None)
    assert turn.close() == [row]
    assert turn.unit.sayings == []
