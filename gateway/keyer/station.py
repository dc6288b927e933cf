"""One endpoint in the keyer: its line machine, and the one or two ports that it uses."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.keyer.line import Action, Keepalive, Key, Line, Refuse, Refused, Release, Released
from gateway.keyer.options import unpack
from gateway.keyer.port import Port
from gateway.keyer.protocol import Device, Open, State
from gateway.keyer.readback import WORDS, Disagrees, ReadBack
from gateway.ports import LineDriver, LinePort

_LOGGER = logging.getLogger(__name__)


class Drivers(Protocol):
    """Where line drivers come from: the module ``drivers.registry``."""

    def driver(self, family: str, name: str, /) -> type: ...

    def options(self, family: str, name: str, /) -> type: ...


class Station:
    """Runs one endpoint's line on its devices. Each method acts at once and never raises."""

    def __init__(
        self, order: Open, drivers: Drivers, note: Callable[[Released | Refused | Disagrees], None]
    ) -> None:
        self._number = order.line
        self._name = order.endpoint
        self._note = note
        self._line = Line()
        self._read_back = ReadBack()
        self._squelch_open: bool | None = None
        self._at = 0.0
        self._keyer, self._sensor = _ports(order, drivers)
        self._ports = [
            port
            for number, port in enumerate((self._keyer, self._sensor))
            if port is not None and (number == 0 or port is not self._keyer)
        ]

    @property
    def released_for_sure(self) -> bool:
        """Whether the last look found the line released (or there is none)."""
        return not self._line.keyed and (self._keyer is None or self._keyer.is_open)

    def state(self) -> State:
        faults = [port.fault for port in self._ports if port.fault]
        if self._read_back.disagrees is not None:
            faults.append(WORDS[self._read_back.disagrees])
        fault = "; ".join(faults)
        return State(self._number, self._line.keyed, self._squelch_open, self._at, fault)

    def descriptors(self) -> Iterable[int]:
        """What to wait on for a squelch change."""
        return [port.fileno() for port in self._ports if port.fileno() >= 0]

    def keepalive(self, keepalive: Keepalive, now: float) -> None:
        self._do(self._line.keepalive(keepalive, now), now)

    def unkey(self, now: float) -> None:
        self._do(self._line.unkey(now), now)

    def abandon(self, now: float) -> None:
        """The daemon is gone: release, for good."""
        self._do(self._line.abandon(), now)

    def sense(self, now: float) -> None:
        """A descriptor has something to read."""
        if self._sensor is not None:
            self._sensor.sense(now)
            self._see(now)

    def step(self, now: float) -> None:
        """Do what is due."""
        self._do(self._line.tick(now), now)
        for port in self._ports:
            if now >= port.due():
                port.step(now, keyed=port is self._keyer and self._line.keyed)
        self._see(now)

    def due(self) -> float:
        """When `step` will have something to do."""
        deadline = self._line.deadline()
        times = [port.due() for port in self._ports]
        return min(times if deadline is None else [deadline, *times], default=float("inf"))

    def close(self) -> None:
        for port in self._ports:
            port.close()

    def _see(self, now: float) -> None:
        """Take over what the ports have become."""
        if self._keyer is not None:
            if self._keyer.is_open:
                self._line.opened()
            else:
                self._do(self._line.failed(), now)
            found = self._read_back.look(self._line.keyed, self._keyer.reads_keyed, now)
            if found is not None:
                _LOGGER.warning("%s: %s", self._name, WORDS[found])
                self._note(found)
        if self._sensor is not None and self._sensor.squelch_open != self._squelch_open:
            self._squelch_open = self._sensor.squelch_open
            self._at = now

    def _do(self, actions: list[Action], now: float) -> None:
        for action in actions:
            match action:
                case Key():
                    self._drive(True, now)
                case Release(why):
                    self._drive(False, now)
                    self._note(why)
                case Refuse(why):
                    self._note(why)

    def _drive(self, keyed: bool, now: float) -> None:
        if self._keyer is not None and self._keyer.is_open and not self._keyer.key(keyed, now):
            self._do(self._line.failed(), now)


def _ports(order: Open, drivers: Drivers) -> tuple[Port | None, Port | None]:
    """The port that keys and the port that senses; the same one where both are one device."""
    ptt, squelch = order.ptt, order.squelch
    if ptt is not None and squelch is not None and _one_device(ptt, squelch, drivers):
        port = Port(order.endpoint, _opener(order.endpoint, ptt, squelch, drivers), senses=True)
        return port, port
    name = order.endpoint
    keyer = sensor = None
    if ptt is not None:
        keyer = Port(f"{name}.ptt", _opener(name, ptt, None, drivers), senses=False)
    if squelch is not None:
        sensor = Port(f"{name}.squelch", _opener(name, None, squelch, drivers), senses=True)
    return keyer, sensor


def _one_device(ptt: Device, squelch: Device, drivers: Drivers) -> bool:
    if ptt.driver != squelch.driver:
        return False
    try:
        return bool(
            _occupied("ptt", ptt, drivers).intersection(_occupied("squelch", squelch, drivers))
        )
    except Exception:  # noqa: BLE001 - opening them one by one says what is wrong
        return False


def _occupied(family: str, device: Device, drivers: Drivers) -> set[str]:
    options = unpack(drivers.options(family, device.driver), device.options)
    occupies = getattr(options, "occupies", tuple)
    return {os.path.realpath(what) if what.startswith("/dev/") else what for what in occupies()}


def _opener(
    name: str, ptt: Device | None, squelch: Device | None, drivers: Drivers
) -> Callable[[], LinePort]:
    """Opens the devices; loads driver and options when it does, so that their failure is a fault."""

    def open_port() -> LinePort:
        family, device = ("ptt", ptt) if ptt is not None else ("squelch", squelch)
        assert device is not None
        keys, senses = (
            one and unpack(drivers.options(kind, one.driver), one.options)
            for kind, one in (("ptt", ptt), ("squelch", squelch))
        )
        driver: LineDriver = drivers.driver(family, device.driver)(name, keys, senses)
        return driver.open()

    return open_port
