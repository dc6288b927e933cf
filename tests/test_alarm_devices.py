"""The devices of the alarm side: which are opened when, and whose faults theirs are."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import drivers.registry as registry
from gateway.alarm_devices import AlarmDevices
from gateway.errors import DriverIOError, DriverUnavailable
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.settings.drivers import DriverChoice
from gateway.settings.loader import load

CONFIG = Path(__file__).parents[1] / "config" / "contract.yaml"
LAMPS = DriverChoice("there", "lamps")
SIREN = DriverChoice("there", "siren")


class Device:
    """A device that is there, or breaks as soon as it is opened."""

    def __init__(self, world, family, name, broken):
        self._world, self._called, self._broken = world, f"{family} {name}", broken

    async def run(self, ready):
        self._world.said.append(f"open {self._called}")
        if self._broken:
            raise DriverIOError(self._called, "is broken")
        getattr(ready, "ready", ready)()
        try:
            await asyncio.Event().wait()
        finally:
            self._world.said.append(f"close {self._called}")

    def set(self, line, on):
        pass


class World:
    """What devices are part of; ``faults`` are those of endpoints' parts now."""

    def __init__(self):
        self.said = []
        self.faults = {}

    def fault(self, endpoint, part, what):
        self.faults.pop((endpoint, part), None)
        if what is not None:
            self.faults[endpoint, part] = what

    def driver(self, family, name):
        if name == "absent":
            raise DriverUnavailable(name, "is not installed")
        return lambda device, _options: Device(self, family, device, name == "broken")

    def devices(self, settings):
        shared = SimpleNamespace(
            gateway="zju1",
            clock=SystemClock(),
            counters=Counters(),
            drivers=self,
            states=self,
        )
        return AlarmDevices(shared, settings, lambda *_: None, lambda _: None)

    def news(self):
        said, self.said = self.said, []
        return said


def start(devices, group):
    devices.start_outputs(group)
    devices.start_inputs(group)
    devices.start_cameras(group)


def changed(settings, *, inputs=None, outputs=None, cameras=None, shows=None, listens=None):
    """The settings with other devices; by endpoint ``cameras``, ``shows`` (outputs of "stored"), ``listens`` (its input)."""
    endpoints = dict(settings.endpoints)
    for name, one in (listens or {}).items():
        endpoints[name] = replace(endpoints[name], input=one)
    for name, camera in (cameras or {}).items():
        endpoints[name] = replace(endpoints[name], camera=camera)
    for name, lines in (shows or {}).items():
        shown = endpoints[name].indications.model_copy(update={"stored": lines})
        endpoints[name] = replace(endpoints[name], indications=shown)
    return settings.model_copy(
        update={
            "inputs": settings.inputs if inputs is None else inputs,
            "outputs": settings.outputs if outputs is None else outputs,
            "endpoints": endpoints,
        }
    )


@pytest.fixture(scope="module")
def settings():
    """Two inputs, one output on which both buttons show, one camera; all of them there."""
    return changed(
        load(CONFIG, registry).settings,
        inputs={name: DriverChoice("there", name) for name in ("receiver-1", "gate-gpio")},
        outputs={"lamps": LAMPS},
        cameras={"south-gate-intercom": DriverChoice("there", "camera")},
        shows={"south-gate-button": ("lamps/green",), "north-gate-button": ("lamps/blue",)},
    )


@pytest.fixture
async def group():
    async with asyncio.TaskGroup() as group:
        yield group
        ending = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not ending and task.get_name().startswith(("input[", "output[", "camera[")):
                task.cancel()


async def test_outputs_are_opened_before_inputs_and_cameras(settings, group):
    world = World()
    devices = world.devices(settings)
    start(devices, group)
    await devices.settled()
    assert world.news() == [
        "open output lamps",
        "open input receiver-1",
        "open input gate-gpio",
        "open camera south-gate-intercom",
    ]
    assert not world.faults


async def test_a_reload_opens_anew_only_what_differs(settings, group):
    world = World()
    devices = world.devices(settings)
    start(devices, group)
    await devices.settled()
    world.news()
    await devices.reload(group, changed(settings))
    await devices.settled()
    assert world.news() == []
    inputs = {**settings.inputs, "gate-gpio": DriverChoice("there", "another line")}
    cameras = {"south-gate-intercom": None, "police-radio": DriverChoice("there", "camera")}
    await devices.reload(group, changed(settings, inputs=inputs, cameras=cameras))
    await devices.settled()
    assert world.news() == [
        "close input gate-gpio",
        "open input gate-gpio",
        "close camera south-gate-intercom",
        "open camera police-radio",
    ]


async def test_a_stop_closes_inputs_before_outputs(settings, group):
    world = World()
    devices = world.devices(settings)
    start(devices, group)
    await devices.settled()
    world.news()
    await devices.stop()
    assert world.news() == [
        "close input receiver-1",
        "close input gate-gpio",
        "close output lamps",
    ]


async def test_an_input_that_is_broken_is_a_fault_of_each_of_its_endpoints(settings, group):
    world = World()
    inputs = {**settings.inputs, "receiver-1": DriverChoice("broken", None)}
    devices = world.devices(changed(settings, inputs=inputs))
    start(devices, group)
    await devices.settled()
    assert world.faults == {("south-gate-button", "input"): "is broken"}


@pytest.mark.parametrize("after", [None, "gate-gpio"])
async def test_an_endpoint_that_leaves_a_broken_input_is_well_and_one_that_joins_it_is_not(
    settings, group, after
):
    world = World()
    inputs = {**settings.inputs, "receiver-1": DriverChoice("broken", None)}
    broken = changed(settings, inputs=inputs)
    devices = world.devices(broken)
    start(devices, group)
    await devices.settled()
    listens = {"south-gate-button": after, "north-gate-button": "receiver-1"}
    await devices.reload(group, changed(broken, listens=listens))
    assert world.faults == {("north-gate-button", "input"): "is broken"}


async def test_an_endpoint_that_has_lost_its_broken_camera_is_well(settings, group):
    world = World()
    cameras = {"south-gate-intercom": DriverChoice("broken", None)}
    devices = world.devices(changed(settings, cameras=cameras))
    start(devices, group)
    await devices.settled()
    assert world.faults
    await devices.reload(group, changed(settings, cameras={"south-gate-intercom": None}))
    assert not world.faults


async def test_of_several_outputs_each_that_is_broken_is_named(settings, group):
    world = World()
    broken = DriverChoice("broken", None)
    shows = {"south-gate-button": ("siren/horn", "lamps/green")}
    both = changed(settings, outputs={"lamps": broken, "siren": broken}, shows=shows)
    devices = world.devices(both)
    start(devices, group)
    await devices.settled()
    assert world.faults == {
        ("south-gate-button", "output"): "lamps: is broken; siren: is broken",
        ("north-gate-button", "output"): "lamps: is broken",
    }
    await devices.reload(group, changed(both, outputs={"lamps": LAMPS, "siren": SIREN}))
    await devices.settled()
    assert not world.faults


async def test_an_endpoint_that_shows_on_a_broken_output_no_more_is_well(settings, group):
    world = World()
    broken = changed(settings, outputs={"lamps": DriverChoice("broken", None)})
    devices = world.devices(broken)
    start(devices, group)
    await devices.settled()
    await devices.reload(group, changed(broken, shows={"north-gate-button": ()}))
    assert world.faults == {("south-gate-button", "output"): "lamps: is broken"}


@pytest.mark.parametrize(
    ("family", "name", "faults"),
    [
        ("inputs", "receiver-1", {("south-gate-button", "input"): "is not installed"}),
        (
            "outputs",
            "lamps",
            {
                ("south-gate-button", "output"): "lamps: is not installed",
                ("north-gate-button", "output"): "lamps: is not installed",
            },
        ),
        (
            "cameras",
            "south-gate-intercom",
            {("south-gate-intercom", "camera"): "is not installed"},
        ),
    ],
)
async def test_a_device_without_driver_is_left_out_unless_it_is_required(
    settings, group, family, name, faults
):
    def without(*, required):
        absent = {name: DriverChoice("absent", None, required=required)}
        kept = {} if family == "cameras" else getattr(settings, family)
        return changed(settings, **{family: {**kept, **absent}})

    world = World()
    devices = world.devices(without(required=False))
    start(devices, group)
    await devices.settled()
    assert world.faults == faults
    with pytest.raises(DriverUnavailable):
        await devices.reload(group, without(required=True))
