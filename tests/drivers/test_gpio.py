"""The gpio driver over a stand-in for libgpiod; the real one is tested in the virtual machine."""

import asyncio
import contextlib
import errno
import os
from dataclasses import dataclass
from enum import Enum

import gpiod
import pytest
from gpiod.line import Bias, Edge, Value

from drivers.gpio import input as gpio_input
from drivers.gpio.input import GpioInput
from drivers.gpio.options import GpioInputLine, GpioInputOptions
from drivers.virtual.alarm import VirtualInput
from drivers.virtual.options import VirtualInputOptions
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import AlarmSignal, SignalKind

OPTIONS = GpioInputOptions(
    chip="gpiochip0",
    lines={
        "north-gate": GpioInputLine(offset=17, active="low", debounce_ms=30),
        "south-gate": GpioInputLine(offset=18, active="high", bias="pull-down"),
    },
)
NAMES = {17: "north-gate", 18: "south-gate"}


class Type(Enum):
    RISING_EDGE = 1
    FALLING_EDGE = 2


@dataclass
class Event:
    event_type: Type
    line_offset: int
    line_seqno: int
    Type = Type


class Chip:
    """The wires: presses and releases buttons, vanishes, drops edges."""

    def __init__(self, *, debounces: bool = True) -> None:
        self.debounces = debounces
        self.active = {17: False, 18: False}
        self._numbers = {17: 0, 18: 0}
        self._events: list[Event] = []
        self._read, self._write = os.pipe()
        self.gone = False
        self.released = False
        self.config = {}

    def request(self, path, *, config, consumer, event_buffer_size):
        assert (path, event_buffer_size) == ("/dev/gpiochip0", 1024)
        if not self.debounces and any(line.debounce_period for line in config.values()):
            raise OSError(errno.EOPNOTSUPP, "no debounce")
        self.config = config
        return self

    def set(self, offset: int, active: bool, *, edges_lost: int = 0) -> None:
        self.active[offset] = active
        self._numbers[offset] += 1 + edges_lost
        kind = Type.RISING_EDGE if active else Type.FALLING_EDGE
        self._events.append(Event(kind, offset, self._numbers[offset]))
        os.write(self._write, b"!")

    # What libgpiod offers

    @property
    def fd(self) -> int:
        return self._read

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.released = True
        os.close(self._read)
        os.close(self._write)

    def get_values(self, offsets):
        if self.gone:
            raise OSError(errno.ENODEV, "no such device")
        return [Value.ACTIVE if self.active[offset] else Value.INACTIVE for offset in offsets]

    def wait_edge_events(self, timeout):
        return bool(self._events)

    def read_edge_events(self):
        os.read(self._read, 4096)
        events, self._events = self._events, []
        return events


class Sink:
    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.seen: list[tuple[str, SignalKind]] = []
        self.counts: dict[str, int] = {}
        self.storing = asyncio.Event()
        self.storing.set()
        self.stores = True

    async def accept(self, signal: AlarmSignal) -> bool:
        await self.storing.wait()
        self.seen.append((signal.line, signal.signal))
        return self.stores

    def ready(self) -> None:
        self.opened.set()

    def heartbeat(self) -> None:
        self.count("heartbeats")

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    async def saw(self, *expected: tuple[str, SignalKind], within: float = 1.0) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(self.seen) < len(expected):
                    await asyncio.sleep(0.001)
        assert self.seen == list(expected)


AT_REST = (("north-gate", SignalKind.RESTORE), ("south-gate", SignalKind.RESTORE))
PRESSED = ("north-gate", SignalKind.ALARM)
RELEASED = ("north-gate", SignalKind.RESTORE)


@contextlib.asynccontextmanager
async def watching(monkeypatch, chip: Chip):
    monkeypatch.setattr(gpiod, "request_lines", chip.request)
    sink = Sink()
    task = asyncio.create_task(GpioInput("gate-gpio", OPTIONS).run(sink))
    try:
        await asyncio.wait_for(sink.opened.wait(), 1)
        yield sink, task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DriverIOError):
            await task
        assert chip.released


async def test_lines_that_can_be_read_show_that_they_are_alive(monkeypatch):
    monkeypatch.setattr(gpio_input, "LOOK_EVERY", 0.02)
    async with watching(monkeypatch, Chip()) as (sink, _):
        async with asyncio.timeout(2):
            while sink.counts.get("heartbeats", 0) < 3:
                await asyncio.sleep(0.005)


async def test_lines_are_requested_as_configured(monkeypatch):
    chip = Chip()
    async with watching(monkeypatch, chip):
        north, south = chip.config[17], chip.config[18]
        assert (north.active_low, south.active_low) == (True, False)
        assert north.debounce_period.total_seconds() == 0.03
        assert (north.bias, south.bias) == (Bias.AS_IS, Bias.PULL_DOWN)
        assert {north.edge_detection, south.edge_detection} == {Edge.BOTH}


async def test_press_and_release_are_told_after_the_levels_at_the_start(monkeypatch):
    chip = Chip()
    async with watching(monkeypatch, chip) as (sink, _):
        chip.set(17, True)
        chip.set(17, False)
        await sink.saw(*AT_REST, PRESSED, RELEASED)


async def test_button_held_at_the_start_is_a_press(monkeypatch):
    chip = Chip()
    chip.active[17] = True
    async with watching(monkeypatch, chip) as (sink, _):
        await sink.saw(PRESSED, AT_REST[1])


async def test_lost_edges_are_counted_and_the_press_is_told(monkeypatch):
    chip = Chip()
    async with watching(monkeypatch, chip) as (sink, _):
        chip.set(17, False, edges_lost=1)
        await sink.saw(*AT_REST, PRESSED, RELEASED)
        assert sink.counts == {"missed_edges": 1}


async def test_change_without_any_edge_is_noticed_by_looking(monkeypatch):
    chip = Chip()
    async with watching(monkeypatch, chip) as (sink, _):
        chip.active[17] = True
        await sink.saw(*AT_REST, PRESSED)


async def test_driver_debounces_where_the_kernel_does_not(monkeypatch):
    chip = Chip(debounces=False)
    async with watching(monkeypatch, chip) as (sink, _):
        for active in (True, False, True, False, True):
            chip.set(17, active)
        await asyncio.sleep(0.015)
        await sink.saw(*AT_REST, within=0)
        await sink.saw(*AT_REST, PRESSED)


async def test_chip_that_vanishes_is_a_fault_within_a_second(monkeypatch):
    chip = Chip()
    async with watching(monkeypatch, chip) as (_, task):
        chip.gone = True
        with pytest.raises(DriverIOError, match="gate-gpio"):
            await asyncio.wait_for(task, 1)


async def test_press_seen_before_the_chip_vanished_is_still_told(monkeypatch):
    chip = Chip()
    async with watching(monkeypatch, chip) as (sink, task):
        sink.storing.clear()
        chip.set(17, True)
        await asyncio.sleep(0.02)
        chip.gone = True
        await asyncio.sleep(0.6)
        assert not task.done()
        sink.storing.set()
        with pytest.raises(DriverIOError):
            await asyncio.wait_for(task, 1)
        assert sink.seen[-1] == PRESSED


async def test_press_that_could_not_be_stored_is_counted_and_the_next_one_told(monkeypatch):
    chip = Chip()
    async with watching(monkeypatch, chip) as (sink, _):
        await sink.saw(*AT_REST)
        sink.stores = False
        chip.set(17, True)
        chip.set(17, False)
        await sink.saw(*AT_REST, PRESSED, RELEASED)
        assert sink.counts == {"not_stored": 2}


async def test_absent_chip_is_an_open_error():
    options = GpioInputOptions(chip="no-such-chip", lines=OPTIONS.lines)
    with pytest.raises(DriverOpenError, match="no-such-chip"):
        await GpioInput("gate-gpio", options).run(Sink())


def test_options_say_what_they_occupy_and_which_lines_they_have():
    assert list(OPTIONS.occupies()) == ["/dev/gpiochip0 line 17", "/dev/gpiochip0 line 18"]
    assert list(OPTIONS.line_names()) == ["north-gate", "south-gate"]


async def test_virtual_input_is_pressed_by_a_program():
    virtual = VirtualInput("desk", VirtualInputOptions())
    with pytest.raises(DriverIOError):
        await virtual.press()
    sink = Sink()
    task = asyncio.create_task(virtual.run(sink))
    await sink.opened.wait()
    assert await virtual.press("gate")
    sink.stores = False
    assert not await virtual.release("gate")
    assert sink.seen == [("gate", SignalKind.ALARM), ("gate", SignalKind.RESTORE)]
    assert sink.counts == {"heartbeats": 1}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(DriverIOError):
        await virtual.press()
