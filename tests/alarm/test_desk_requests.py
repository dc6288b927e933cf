"""Walk tests, test lists and shelves as asked for at the command line (`gateway.requests`)."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from gateway.alarm.journal.journal import Journal
from gateway.alarm.journal.rows import Kind
from gateway.control.server import RequestError, WrongCall
from gateway.ports import SignalKind
from gateway.requests.shelving import ShelvingRequests
from gateway.requests.tests import Buttons, ButtonTestRequests
from tests.alarm.alarm_world import SOURCES
from tests.alarm.desk_world import Bench, WireEnd, until

BUTTON, OTHER = "south-gate-button", "north-gate-button"


def buttons(every_days=30.0):
    """What there is to be tested."""
    raising = [name for name, source in SOURCES.items() if source.input is not None]
    within = None if every_days is None else every_days * 86_400
    return Buttons({"zju1"}, SOURCES, dict.fromkeys(raising, within))


class Caller:
    """The other end of a request's connection."""

    def __init__(self):
        self.told = []
        self._left = asyncio.Event()

    def send_event(self, event):
        self.told.append(event)

    async def receive(self):
        await self._left.wait()

    def leave(self):
        self._left.set()


class Place:
    """A desk, and what may be asked of it."""

    def __init__(self, journal):
        self.bench = Bench(journal, WireEnd())
        self.shown = []
        self.tests = ButtonTestRequests(
            self.bench.desk, buttons, self.bench.clock, journal.standing
        )
        self.shelves = ShelvingRequests(
            self.bench.desk,
            self.bench.desk.source_of,
            journal.append,
            self.bench.clock,
            self.shown.append,
        )

    async def press(self, endpoint, signal=SignalKind.ALARM):
        raised = await self.bench.desk.press(endpoint, signal)
        self.tests.raised(raised)
        return raised

    async def ask(self, what, session=None, **request):
        handlers = {**self.tests.handlers(), **self.shelves.handlers()}
        return await handlers[what](request, session or Caller())

    def walk(self, *endpoints, **request):
        caller = Caller()
        asking = self.ask("test.walk", caller, endpoints=list(endpoints), **request)
        return caller, asyncio.ensure_future(asking)


@pytest.fixture
async def place(tmp_path):
    async with Journal(tmp_path / "journal.db") as journal:
        place = Place(journal)
        async with place.bench.running():
            yield place


async def test_walk_tells_each_button_and_ends_when_none_is_missing(place):
    caller, walk = place.walk(BUTTON, OTHER)
    await until(lambda: caller.told)
    assert caller.told[0]["endpoints"] == [OTHER, BUTTON]
    await place.press(OTHER)
    await place.press(OTHER, SignalKind.RESTORE)
    await place.press(BUTTON)
    done = await walk
    assert [one["endpoint"] for one in caller.told[1:]] == [OTHER, BUTTON]
    assert (done["ended"], done["missing"], list(done["seen"])) == ("complete", [], [OTHER, BUTTON])
    assert place.bench.desk.incidents() == ()
    last = {one["endpoint"]: one for one in await place.ask("test.list")}
    assert last[BUTTON]["walk"]
    assert not last[BUTTON]["overdue"]
    assert last["ward-panel"]["overdue"]
    assert "police-radio" not in last
    overdue = [one["endpoint"] for one in await place.ask("test.list", overdue=True)]
    assert overdue == ["ward-panel"]


@pytest.mark.parametrize("how", ["leaves", "cancelled", "time"])
async def test_after_a_walk_a_press_is_real_however_it_ended(place, how):
    caller, walk = place.walk(BUTTON, seconds=1.0 if how == "time" else 60.0)
    await until(lambda: caller.told)
    if how == "leaves":
        caller.leave()
        assert (await walk)["ended"] == "stopped"
    elif how == "cancelled":
        walk.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await walk
    else:
        assert (await walk) == {"ended": "time", "seen": {}, "missing": [BUTTON]}
    raised = await place.press(BUTTON)
    assert raised.event.signal == "alarm"
    assert len(raised.incidents) == 1


async def test_second_press_in_a_walk_is_real_and_pages(place):
    caller, walk = place.walk(BUTTON, OTHER)
    await until(lambda: caller.told)
    await place.press(BUTTON)
    await place.press(BUTTON, SignalKind.RESTORE)
    assert len((await place.press(BUTTON)).incidents) == 1
    walk.cancel()


async def test_button_that_is_in_alarm_is_left_out_of_a_walk(place):
    await place.press(BUTTON)
    caller, walk = place.walk(BUTTON, OTHER)
    await until(lambda: caller.told)
    assert list(caller.told[0]["left_out"]) == [BUTTON]
    walk.cancel()


@pytest.mark.parametrize(
    "request_",
    [
        {"endpoints": ["nowhere"]},
        {"endpoints": ["police-radio"]},
        {"site": "nowhere"},
        {"seconds": 0},
        {"seconds": 1e9},
        {"seconds": "ten"},
    ],
)
async def test_walk_to_what_there_is_not_is_a_wrong_call(place, request_):
    with pytest.raises(WrongCall):
        await place.ask("test.walk", **request_)
    assert place.bench.desk.intake.walk is None


async def test_one_walk_at_a_time(place):
    caller, walk = place.walk(BUTTON)
    await until(lambda: caller.told)
    with pytest.raises(RequestError, match="one at a time"):
        await place.ask("test.walk")
    walk.cancel()


async def test_shelf_is_stored_shown_and_listed(place):
    done = await place.ask("shelve.add", endpoint=BUTTON, seconds=3600, by="li", reason="wet")
    assert done["stored"]
    assert place.shown == [BUTTON]
    rows = await place.bench.journal.standing(Kind.SHELVED)
    assert [row.key for row in rows] == [BUTTON]
    (shelf,) = await place.ask("shelve.list")
    assert (shelf["endpoint"], shelf["by"], shelf["reason"]) == (BUTTON, "li", "wet")
    raised = await place.press(BUTTON, SignalKind.BATTERY)
    assert raised.event.shelved


async def test_shelf_ends_by_itself_and_tells_what_stands(place):
    await place.ask("shelve.add", endpoint=BUTTON, seconds=0.2, by="li")
    await place.press(BUTTON, SignalKind.BATTERY)
    wire = place.bench.wire
    await until(lambda: len(wire.events) == 3)
    assert [(one.signal, one.shelved) for one in wire.events] == [
        ("battery", True),
        ("restore", False),
        ("battery", False),
    ]
    assert await place.ask("shelve.list") == []


async def test_shelf_is_taken_back_by_hand(place):
    await place.ask("shelve.add", endpoint=BUTTON, seconds=3600, by="li")
    await place.press(BUTTON, SignalKind.TAMPER)
    done = await place.ask("shelve.remove", endpoint=BUTTON, by="wang")
    assert done["standing"] == ["was hidden by a shelf: "]
    await until(lambda: len(place.bench.wire.events) == 3)
    assert await place.bench.journal.standing(Kind.SHELVED) == ()
    with pytest.raises(WrongCall, match="not shelved"):
        await place.ask("shelve.remove", endpoint=BUTTON, by="wang")


@pytest.mark.parametrize("request_", [{"endpoint": "nowhere"}, {"seconds": 0}, {"seconds": 1e9}])
async def test_shelf_that_cannot_be_is_a_wrong_call(place, request_):
    with pytest.raises(WrongCall):
        await place.ask("shelve.add", **{"endpoint": BUTTON, "seconds": 60, "by": "li"} | request_)
    assert await place.ask("shelve.list") == []


async def test_shelf_of_an_earlier_run_ends_by_itself(tmp_path):
    async with Journal(tmp_path / "journal.db") as journal:
        before = Place(journal)
        async with before.bench.running():
            await before.ask("shelve.add", endpoint=BUTTON, seconds=0.3, by="li")
            await before.press(BUTTON, SignalKind.BATTERY)
        after = Place(journal)
        async with after.bench.running():
            assert len(await after.ask("shelve.list")) == 1
            wire = after.bench.wire
            await until(lambda: [one.signal for one in wire.events][-2:] == ["restore", "battery"])
        assert await journal.standing(Kind.SHELVED) == ()
