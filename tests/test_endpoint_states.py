"""What others see of an endpoint."""

import asyncio

import pytest

from gateway.endpoint_states import HANDFUL, EndpointStates
from gateway.link.messages import EndpointState, decode
from gateway.link.topics import Topics
from gateway.ops.clock import SystemClock
from gateway.ops.pacing import PAUSE


class Board:
    def __init__(self):
        self.sent, self.told = [], []
        self.states = EndpointStates(
            "g", Topics(), self, SystemClock(), lambda *a: self.told.append(a)
        )

    def set_retained(self, topic, payload, *, bulk=False):
        self.sent.append((topic, payload))

    async def newest(self):
        await asyncio.sleep(2 * PAUSE)  # what does not speak goes out a few at a time
        return decode(EndpointState, self.sent[-1][1])


@pytest.fixture
async def board():
    board = Board()
    board.states.add("gate", "intercom", "s1")
    await asyncio.sleep(0)
    return board


async def test_changes_of_one_turn_are_published_as_one(board):
    board.states.tuned("gate", "tg", ("other",))
    board.states.lines("gate", ptt=True, squelch_open=False)
    state = await board.newest()
    assert (state.talkgroup, state.hears, state.ptt) == ("tg", ("other",), True)
    assert len(board.sent) == 2
    assert board.sent[-1][0] == "baiying/gateway/g/endpoint/gate"


async def test_what_changes_nothing_is_not_published(board):
    board.states.lines("gate", ptt=False, squelch_open=False)
    await asyncio.sleep(0)
    assert len(board.sent) == 1


async def test_thousands_of_buttons_go_out_a_few_at_a_time_and_what_speaks_goes_first(board):
    board.sent.clear()
    for number in range(100):
        board.states.add(f"button-{number}", "button", "s1")
    board.states.tuned("gate", "tg", ())
    await asyncio.sleep(0)
    assert len(board.sent) <= HANDFUL + 1
    async with asyncio.timeout(2):
        while len(board.sent) < 101:
            await asyncio.sleep(PAUSE)
    topics = [topic.rsplit("/", 1)[1] for topic, _ in board.sent]
    assert topics.index("gate") <= HANDFUL
    assert [one for one in topics if one != "gate"] == [f"button-{n}" for n in range(100)]


async def test_a_dead_camera_degrades_and_dead_audio_is_a_fault(board):
    board.states.fault("gate", "camera", "no route")
    assert (await board.newest()).health == "degraded"
    board.states.fault("gate", "audio", "unplugged")
    state = await board.newest()
    assert state.health == "fault"
    assert state.faults == ("audio: unplugged", "camera: no route")
    board.states.fault("gate", "audio", None)
    board.states.fault("gate", "camera", None)
    assert (await board.newest()).health == "ok"


async def test_an_input_whose_device_is_gone_is_a_fault_and_one_that_is_not_there_stays_null(board):
    board.states.fault("gate", "input", "closed")
    assert (await board.newest()).input is None
    board.states.input("gate", "normal")
    assert (await board.newest()).input == "fault"


async def test_a_removed_endpoint_is_cleared(board):
    board.states.remove("gate")
    assert board.sent[-1] == ("baiying/gateway/g/endpoint/gate", b"")
    assert board.told[-1] == ("gate", None)
    board.states.lines("gate", ptt=True, squelch_open=True)  # a late word about it is no error
