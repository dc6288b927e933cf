"""Outputs kept open and switched, with doubles for the device and the real event loop."""

import asyncio

import pytest

from gateway.alarm import outputs
from gateway.alarm.indications import Indication, Signs
from gateway.alarm.outputs import Outputs
from gateway.alarm.raised import Raised
from gateway.errors import DriverIOError
from gateway.ops.clock import SystemClock
from tests.alarm.test_indications import called, incident

SIGNS = {
    "gate": Signs(
        {
            Indication.STORED: (("lamps", "green"),),
            Indication.TAKEN: (("lamps", "yellow"),),
            Indication.UNHEARD: (("siren", "horn"),),
            Indication.FAULT: (("lamps", "red"),),
        },
        unheard_after=0.2,
    )
}


class Lamps:
    """A device that somebody can see, pull out and put back."""

    def __init__(self):
        self.on = set()
        self.switched = 0
        self.opened = 0
        self.broken = asyncio.Event()
        self.absent = False

    async def run(self, ready):
        if self.absent:
            raise DriverIOError("lamps", "is not there")
        self.opened += 1
        ready()
        await self.broken.wait()
        self.broken.clear()
        self.on.clear()
        raise DriverIOError("lamps", "went away")

    def set(self, line, on):
        self.switched += 1
        (self.on.add if on else self.on.discard)(line)

    def pull_out(self):
        self.absent = True
        self.broken.set()


class World:
    def __init__(self, group):
        self.faults = []
        self.outputs = Outputs(
            "g", SystemClock(), lambda name, what: self.faults.append((name, what))
        )
        self.lamps, self.siren = Lamps(), Lamps()
        self.outputs.configure(SIGNS, ())
        self.outputs.start(group, "lamps", self.lamps)
        self.outputs.start(group, "siren", self.siren)

    def press(self, number=0, *, stored=True, **changes):
        state = incident(number, **changes)
        self.outputs.incident(state)
        self.outputs.raised(Raised(None, stored, (state,)))


@pytest.fixture
async def world(monkeypatch):
    monkeypatch.setattr(outputs, "FIRST_PAUSE", 0.01)
    async with asyncio.TaskGroup() as group:
        world = World(group)
        await world.outputs.settled()
        yield world
        world.outputs.close()
        for name in ("lamps", "siren"):
            await world.outputs.stop(name)


async def until(met):
    async with asyncio.timeout(2):
        while not met():
            await asyncio.sleep(0.002)


async def test_press_lights_its_lamp_in_the_next_turn_and_each_line_is_switched_once(world):
    world.press()
    world.outputs.incident(incident(groups={"police": called("acked", received=True)}))
    await asyncio.sleep(0)
    assert world.lamps.on == {"green", "yellow"}
    assert world.lamps.switched == 2
    assert world.outputs.now()["lamps"].lit == ("green", "yellow")


async def test_siren_sounds_when_nobody_has_received_it(world):
    world.press()
    await until(lambda: world.siren.on == {"horn"})
    world.outputs.incident(incident(state="closed"))
    await asyncio.sleep(0)
    assert world.siren.on == set()


async def test_lamps_that_come_back_show_what_is_to_be_shown_then(world):
    world.press()
    await asyncio.sleep(0)
    world.lamps.pull_out()
    await until(lambda: ("lamps", "is not there") in world.faults)
    assert world.outputs.now()["lamps"].fault == "is not there"
    world.outputs.incident(incident(state="closed"))
    world.press(1, groups={"police": called("acked", received=True)})
    world.lamps.absent = False
    await until(lambda: world.lamps.opened == 2)
    await asyncio.sleep(0)
    assert world.lamps.on == {"green", "yellow"}
    assert world.faults[-1] == ("lamps", None)


async def test_broken_lamps_do_not_keep_the_siren(world):
    world.lamps.pull_out()
    await until(lambda: world.faults[-1][1] is not None)
    world.press()
    await until(lambda: world.siren.on == {"horn"})


async def test_incident_of_another_gateway_shows_nothing_and_ours_shows_whoever_owns_it(world):
    world.press(owner="other", home="other")
    await asyncio.sleep(0)
    assert world.lamps.on == set()
    world.press(1, owner="other", home="g")
    await asyncio.sleep(0)
    assert world.lamps.on == {"green"}


async def test_incidents_of_an_earlier_run_are_shown_as_stored(world):
    world.outputs.take_up([incident()])
    await asyncio.sleep(0)
    assert world.lamps.on == {"green"}


async def test_driver_with_a_defect_is_a_fault_of_its_device_alone(world):
    async def run(ready):
        raise ZeroDivisionError

    world.lamps.run = run
    world.lamps.broken.set()
    await until(lambda: ("lamps", "ZeroDivisionError()") in world.faults)


async def test_journal_that_fails_lights_fault(world):
    world.outputs.storage("the disk is full")
    await asyncio.sleep(0)
    assert world.lamps.on == {"red"}
    world.outputs.storage(None)
    await asyncio.sleep(0)
    assert world.lamps.on == set()
