"""What is raised by hand, and what an input shows of what was raised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alarm.incidents.order import Order
from gateway.alarm.signals.contact import InputState
from gateway.ports import SignalKind
from tests.alarm.alarm_world import RULES, action
from tests.alarm.desk_world import (
    Bench,
    GatedJournal,
    WireEnd,
    until,
)


@pytest.fixture
async def journal(tmp_path: Path):
    async with GatedJournal(tmp_path / "journal.db") as opened:
        yield opened


@pytest.fixture
async def bench(journal: GatedJournal):
    async with Bench(journal, WireEnd()).running() as running:
        yield running


async def test_press_by_hand_and_in_a_drill(bench: Bench):
    assert await bench.desk.press("nobody") is None
    marked = {name: replace(group, drills=True) for name, group in RULES.groups.items()}
    bench.desk.reload(replace(RULES, groups=marked))
    raised = await bench.desk.press("north-gate-button", drill=True)
    assert raised is not None
    assert raised.event is not None
    assert (raised.stored, raised.event.drill) == (True, True)
    assert raised.incidents[0].drill
    await until(lambda: len(bench.wire.pages) == 3)
    assert all(page.drill and page.title.startswith("演练") for page in bench.wire.pages)
    assert await bench.press()
    assert [state.drill for state in bench.desk.incidents()] == [True, False]


async def test_incident_raised_by_hand_pages_like_a_press_and_says_by_whom(bench: Bench):
    order = Order(site="zju1", category="panic", text="两名伤者", by="li")
    assert bench.desk.problem_with(order) is None
    raised = await bench.desk.raise_incident(order)
    assert raised.stored
    assert raised.event is not None
    assert (raised.event.site, raised.event.endpoint, raised.event.by) == ("zju1", None, "li")
    await until(lambda: len(bench.wire.pages) == 3)
    assert {page.text for page in bench.wire.pages} == {"两名伤者"}
    again = await bench.desk.raise_incident(order)
    assert again.incidents[0].id != raised.incidents[0].id


async def test_incident_raised_by_hand_at_an_endpoint_joins_that_of_its_press(bench: Bench):
    pressed = await bench.desk.press("north-gate-button")
    assert pressed is not None
    order = Order(site="zju1", endpoint="north-gate-button", text="两名伤者", by="li")
    raised = await bench.desk.raise_incident(order)
    (state,) = raised.incidents
    assert state.id == pressed.incidents[0].id
    assert [(note.by, note.text) for note in state.notes] == [("li", "两名伤者")]
    assert raised.event is not None
    assert raised.event.category == "panic"


async def test_order_that_cannot_be_carried_out_is_told_in_words(bench: Bench):
    for order, why in (
        (Order(site="nowhere"), "knows no site"),
        (Order(site="zju1", endpoint="nothing"), "no endpoint"),
        (Order(site="zju1", plan="none"), "no plan"),
    ):
        assert why in (bench.desk.problem_with(order) or "")


async def test_input_shows_alarm_until_the_latch_is_reset(bench: Bench):
    def shown() -> InputState:
        return bench.desk.input_state("south-gate-button")

    assert shown() is InputState.NORMAL
    await bench.press()
    assert shown() is InputState.ALARM
    await bench.press(SignalKind.RESTORE, code="R120")
    assert (shown(), bench.state.input, bench.state.latched) == (
        InputState.ALARM, "restored", True,
    )  # fmt: skip
    await bench.desk.act(action(bench.incident, "reset"))
    assert shown() is InputState.NORMAL
    await bench.press(SignalKind.TAMPER, category="trouble")
    assert shown() is InputState.TAMPER
