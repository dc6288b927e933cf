"""What the desk knows of inputs and shelves, in the states of endpoints."""

import asyncio
from types import SimpleNamespace

import pytest

from gateway.alarm.signals.contact import InputState
from gateway.input_states import HANDFUL, InputStates
from gateway.ops.pacing import PAUSE

RAISES, SILENT = SimpleNamespace(input="panel"), SimpleNamespace(input=None)


class Desk:
    """A desk at which all inputs are normal but ``inputs``."""

    def __init__(self):
        self.inputs, self.storm = {}, False
        self.intake = SimpleNamespace(shelving=Shelving())

    def busy(self):
        return False

    def crowded(self):
        return self.storm

    def input_state(self, name):
        return self.inputs.get(name, InputState.NORMAL)


class Shelving:
    """Whom it covers until when."""

    def __init__(self):
        self.covered = {}

    @property
    def shelves(self):
        return [SimpleNamespace(endpoint=name) for name in self.covered]

    def until(self, name):
        return self.covered.get(name)


class Board:
    """What is shown of each endpoint."""

    def __init__(self):
        self.inputs, self.shelves = {}, {}

    def input(self, name, state):
        self.inputs[name] = state

    def shelved(self, name, until):
        self.shelves[name] = until


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def board():
    return Board()


async def test_an_input_is_shown_as_the_desk_knows_it_now(desk, board):
    shown = InputStates(board, desk, {"button": RAISES, "radio": SILENT})
    desk.inputs["button"] = InputState.ALARM
    for name in ("button", "radio", "of another gateway"):
        shown.show(name)
    await asyncio.sleep(2 * PAUSE)
    assert board.inputs == {"button": "alarm"}


async def test_all_inputs_and_shelves_are_shown_at_once(desk, board):
    endpoints = {f"button-{number}": RAISES for number in range(2 * HANDFUL)}
    shown = InputStates(board, desk, {**endpoints, "radio": SILENT})
    desk.intake.shelving.covered["button-1"] = 9.0
    shown.show_all()
    assert board.inputs == {**dict.fromkeys(endpoints, "normal"), "radio": None}
    assert board.shelves == {"button-1": 9.0}


async def test_an_endpoint_that_has_no_input_since_a_reload_is_shown_without(desk, board):
    shown = InputStates(board, desk, {"button": RAISES})
    shown.show_all()
    shown.configure({"button": SILENT})
    shown.show("button")
    assert board.inputs == {"button": "normal"}
    shown.show_all()
    assert board.inputs == {"button": None}


async def test_what_is_shelved_no_more_is_shown_so(desk, board):
    shown = InputStates(board, desk, {"button": RAISES})
    desk.intake.shelving.covered["button"] = 9.0
    shown.show_shelf("button")
    assert board.shelves == {"button": 9.0}
    desk.intake.shelving.covered.clear()
    shown.show_shelf("button")
    assert board.shelves == {"button": None}


async def test_in_a_storm_inputs_are_shown_one_at_a_time(desk, board):
    desk.storm = True
    shown = InputStates(board, desk, {f"button-{number}": RAISES for number in range(3)})
    for number in range(3):
        shown.show(f"button-{number}")
    assert list(board.inputs) == ["button-0"]
    desk.storm = False
    async with asyncio.timeout(2):
        while len(board.inputs) < 3:
            await asyncio.sleep(PAUSE)
