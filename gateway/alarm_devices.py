"""The devices of the alarm side: opened, changed and closed as the settings say. No decisions.

A device's fault is a fault of each endpoint that has it; of an endpoint's several outputs all that are
broken are named.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from gateway.alarm.outputs import Outputs
from gateway.alarm.pictures.cameras import Cameras
from gateway.alarm.signals.inputs import Heard, Inputs, Take
from gateway.errors import DriverUnavailable
from gateway.settings import facts
from gateway.settings.drivers import DriverChoice
from gateway.settings.model import Settings
from gateway.shared import Shared

_LOGGER = logging.getLogger(__name__)


class AlarmDevices:
    """The inputs, outputs and cameras of one gateway.

    ``take`` is handed what an input says, ``heard`` is told of each sign that one is alive.
    """

    def __init__(self, shared: Shared, settings: Settings, take: Take, heard: Heard) -> None:
        self._shared = shared
        self._settings = settings
        self._of_input = _endpoints_by_input(settings)
        self._outputs_of = _outputs_by_endpoint(settings)
        self._broken_inputs: dict[str, str] = {}
        self._broken_outputs: dict[str, str] = {}
        self.inputs = Inputs(take, self._input_fault, shared.counters, heard)
        self.outputs = Outputs(shared.gateway, shared.clock, self._output_fault)
        self.cameras = Cameras(self._camera_fault, shared.counters)

    def start_outputs(self, group: asyncio.TaskGroup) -> None:
        """Open every output.

        Raises:
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        for name, choice in self._settings.outputs.items():
            self._start_output(group, name, choice)

    def start_inputs(self, group: asyncio.TaskGroup) -> None:
        """Open every input.

        Raises:
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        for name, choice in self._settings.inputs.items():
            self._start_input(group, name, choice)

    def start_cameras(self, group: asyncio.TaskGroup) -> None:
        """Open every camera.

        Raises:
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        for name, choice in _cameras_of(self._settings).items():
            self._start_camera(group, name, choice)

    async def reload(self, group: asyncio.TaskGroup, settings: Settings) -> None:
        """Close what is no more or has changed, and open what is new: outputs, then inputs, then cameras.

        Raises:
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        old, self._settings = self._settings, settings
        self._of_input = _endpoints_by_input(settings)
        self._outputs_of, shown = _outputs_by_endpoint(settings), self._outputs_of
        for name in _unlike(old.outputs, settings.outputs):
            await self.outputs.stop(name)
            self._output_fault(name, None)
        for name, choice in _unlike(settings.outputs, old.outputs).items():
            self._start_output(group, name, choice)
        for name in shown.keys() | self._outputs_of.keys():
            self._show_outputs(name)
        for name in _unlike(old.inputs, settings.inputs):
            await self.inputs.stop(name)
            self._input_fault(name, None)
        for name, choice in _unlike(settings.inputs, old.inputs).items():
            self._start_input(group, name, choice)
        for name, endpoint in settings.endpoints.items():
            known = old.endpoints.get(name)
            if known is None or known.input != endpoint.input:
                self._show_input(name)
        before, after = _cameras_of(old), _cameras_of(settings)
        for name in _unlike(before, after):
            await self.cameras.stop(name)
            self._camera_fault(name, None)
        for name, choice in _unlike(after, before).items():
            self._start_camera(group, name, choice)

    async def settled(self) -> None:
        """Returns once every device is up or reported as faulted."""
        await self.inputs.settled()
        await self.outputs.settled()
        await self.cameras.settled()

    async def stop(self) -> None:
        """Close inputs and outputs; what the inputs have handed over is stored."""
        for name in self._settings.inputs:
            await self.inputs.stop(name)
        self.outputs.close()
        for name in self._settings.outputs:
            await self.outputs.stop(name)

    # Opening

    def _start_input(self, group: asyncio.TaskGroup, name: str, choice: DriverChoice) -> None:
        driver = self._made("input", name, choice, self._input_fault)
        if driver is not None:
            self.inputs.start(group, name, driver)

    def _start_output(self, group: asyncio.TaskGroup, name: str, choice: DriverChoice) -> None:
        driver = self._made("output", name, choice, self._output_fault)
        if driver is not None:
            self.outputs.start(group, name, driver)

    def _start_camera(self, group: asyncio.TaskGroup, name: str, choice: DriverChoice) -> None:
        driver = self._made("camera", name, choice, self._camera_fault)
        if driver is not None:
            self._camera_fault(name, None)
            self.cameras.start(group, name, driver)

    def _made(
        self, family: str, name: str, choice: DriverChoice, fault: Callable[[str, str | None], None]
    ) -> Any:
        """The device's driver; None where it cannot be had, which is told as its fault.

        Raises:
            DriverUnavailable: it is marked ``required``.
        """
        try:
            driver = self._shared.drivers.driver(family, choice.driver)
        except DriverUnavailable as error:
            if choice.required:
                raise
            _LOGGER.error("%s[%s]: left out: %s", family, name, error)
            fault(name, error.what)
            return None
        return driver(name, choice.options)

    # Faults

    def _input_fault(self, name: str, what: str | None) -> None:
        self._broken_inputs.pop(name, None)
        if what is not None:
            self._broken_inputs[name] = what
        for endpoint in self._of_input.get(name, ()):
            self._show_input(endpoint)

    def _show_input(self, endpoint: str) -> None:
        name = self._settings.endpoints[endpoint].input
        told = None if name is None else self._broken_inputs.get(name)
        self._shared.states.fault(endpoint, "input", told)

    def _output_fault(self, name: str, what: str | None) -> None:
        self._broken_outputs.pop(name, None)
        if what is not None:
            self._broken_outputs[name] = what
        for endpoint, outputs in self._outputs_of.items():
            if name in outputs:
                self._show_outputs(endpoint)

    def _show_outputs(self, endpoint: str) -> None:
        broken = sorted(self._outputs_of.get(endpoint, frozenset()) & self._broken_outputs.keys())
        told = "; ".join(f"{output}: {self._broken_outputs[output]}" for output in broken)
        self._shared.states.fault(endpoint, "output", told or None)

    def _camera_fault(self, name: str, what: str | None) -> None:
        self._shared.states.fault(name, "camera", what)


def _unlike(
    these: Mapping[str, DriverChoice], those: Mapping[str, DriverChoice]
) -> dict[str, DriverChoice]:
    """What of ``these`` is not in ``those``, or is another there."""
    return {name: choice for name, choice in these.items() if those.get(name) != choice}


def _cameras_of(settings: Settings) -> dict[str, DriverChoice]:
    """The cameras, by endpoint."""
    return {
        name: endpoint.camera
        for name, endpoint in settings.endpoints.items()
        if endpoint.camera is not None
    }


def _endpoints_by_input(settings: Settings) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, endpoint in settings.endpoints.items():
        if endpoint.input is not None:
            found.setdefault(endpoint.input, []).append(name)
    return found


def _outputs_by_endpoint(settings: Settings) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(output for lines in signs.lines.values() for output, _ in lines)
        for name, signs in facts.signs_of(settings).items()
    }
