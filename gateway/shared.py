"""What both sides of a gateway stand on: who it is, its connection, its clock, its drivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.endpoint_states import EndpointStates
from gateway.link.session import ControlLink
from gateway.link.topics import Topics
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.ops.measures import Measures
from gateway.settings.drivers import DriverCatalogue


class Drivers(DriverCatalogue, Protocol):
    """Driver classes by family and name; the module `drivers.registry`."""

    def driver(self, family: str, name: str, /) -> type: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One run of one gateway; ``boot`` is a UUID of this run, ``kernel_boot`` one of the machine's."""

    gateway: str
    boot: str
    kernel_boot: str
    topics: Topics
    control: ControlLink
    clock: SystemClock
    new_id: Callable[[], str]
    counters: Counters
    measures: Measures
    states: EndpointStates
    drivers: Drivers
    data_dir: Path
