"""The gpio drivers on a chip of the kernel's gpio-sim."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from drivers.gpio.input import EVENT_BUFFER, GpioInput
from drivers.gpio.options import GpioInputLine, GpioInputOptions
from drivers.ptt.gpio_line import GpioLine
from drivers.ptt.options import GpioPttOptions
from drivers.squelch.options import GpioSquelchOptions
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import AlarmSignal, SignalKind

pytestmark = pytest.mark.vm

CONFIG = Path("/sys/kernel/config/gpio-sim/baiying")
OFFSET = 3


class Board:
    """What the wires see: pulls inputs up and down, reads outputs, can be unplugged."""

    def __init__(self) -> None:
        CONFIG.mkdir()
        (CONFIG / "bank0").mkdir()
        (CONFIG / "bank0/num_lines").write_text("8")
        (CONFIG / "live").write_text("1")
        self.chip = (CONFIG / "bank0/chip_name").read_text().strip()
        device = (CONFIG / "dev_name").read_text().strip()
        self._lines = Path(f"/sys/devices/platform/{device}/{self.chip}")
        self._pull = (self._lines / f"sim_gpio{OFFSET}/pull").open("w")
        self.pull(up=True)

    def pull(self, *, up: bool) -> None:
        """Takes a moment, in which the loop stands still and the kernel's interrupt thread does not."""
        self._pull.write("pull-up" if up else "pull-down")
        self._pull.flush()
        time.sleep(0.002)

    def press(self) -> None:
        """The contact to ground closes."""
        self.pull(up=False)

    def release(self) -> None:
        self.pull(up=True)

    def level(self, offset: int) -> int:
        return int((self._lines / f"sim_gpio{offset}/value").read_text())

    def set_level(self, offset: int, level: int) -> None:
        (self._lines / f"sim_gpio{offset}/pull").write_text("pull-up" if level else "pull-down")

    def unplug(self) -> None:
        self._pull.close()
        (CONFIG / "live").write_text("0")

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.unplug()
        (CONFIG / "bank0").rmdir()
        CONFIG.rmdir()


@pytest.fixture
def board():
    board = Board()
    try:
        yield board
    finally:
        board.remove()


class Sink:
    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.seen: list[SignalKind] = []
        self.counts: dict[str, int] = {}

    async def accept(self, signal: AlarmSignal) -> bool:
        assert signal.line == "gate"
        self.seen.append(signal.signal)
        return True

    def ready(self) -> None:
        self.opened.set()

    def heartbeat(self) -> None: ...

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    async def saw(self, number: int, within: float = 10.0) -> list[SignalKind]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while len(self.seen) < number:
                    await asyncio.sleep(0.005)
        return self.seen


@contextlib.asynccontextmanager
async def watching(board: Board, debounce_ms: float = 0):
    sink = Sink()
    driver = GpioInput("gate-gpio", options(board, debounce_ms))
    task = asyncio.create_task(driver.run(sink))
    waiting = asyncio.create_task(sink.opened.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if task.done():
            await task
        yield sink, task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DriverIOError, DriverOpenError):
            await task


def options(board: Board, debounce_ms: float = 0) -> GpioInputOptions:
    line = GpioInputLine(offset=OFFSET, active="low", debounce_ms=debounce_ms)
    return GpioInputOptions(chip=board.chip, lines={"gate": line})


ALARM, RESTORE = SignalKind.ALARM, SignalKind.RESTORE


async def test_press_and_release_are_told_in_order(board):
    async with watching(board, 30) as (sink, _):
        assert await sink.saw(1) == [RESTORE]
        board.press()
        assert await sink.saw(2) == [RESTORE, ALARM]
        board.release()
        assert await sink.saw(3) == [RESTORE, ALARM, RESTORE]


async def test_button_held_at_the_start_is_a_press(board):
    board.press()
    async with watching(board) as (sink, _):
        assert await sink.saw(1) == [ALARM]


async def test_bounce_is_one_press(board):
    async with watching(board, 300) as (sink, _):
        await sink.saw(1)
        for _ in range(10):
            board.press()
            board.release()
        board.press()
        assert await sink.saw(2) == [RESTORE, ALARM]
        assert await sink.saw(3, within=0.5) == [RESTORE, ALARM]


async def test_hundred_presses_while_the_gateway_does_not_look_are_all_told(board):
    async with watching(board) as (sink, _):
        await sink.saw(1)
        for _ in range(100):  # without a pause for the loop
            board.press()
            board.release()
        told = await sink.saw(201, within=2)
        # An emulated processor may be so late that two edges meet in one interrupt and none is
        # seen; of those that the kernel saw, none is missing.
        assert sink.counts == {}
        assert told == [RESTORE] + [ALARM, RESTORE] * (len(told) // 2)
        assert len(told) > 150


async def test_edges_that_the_kernel_had_to_drop_are_counted(board):
    presses = EVENT_BUFFER  # twice as many edges as fit
    async with watching(board) as (sink, _):
        await sink.saw(1)
        for _ in range(presses):
            board.press()
            board.release()
        await sink.saw(1 + EVENT_BUFFER)
        # Two edges may have met in one interrupt, which no buffer helps against.
        assert 0 <= 2 * presses - EVENT_BUFFER - sink.counts["missed_edges"] <= 100
        assert sink.seen[-1] is RESTORE


async def test_chip_that_is_unplugged_is_a_fault_within_a_second(board):
    async with watching(board) as (_, task):
        board.unplug()
        began = time.monotonic()
        with pytest.raises(DriverIOError):
            await asyncio.wait_for(task, 5)
        assert time.monotonic() - began < 1.0


async def test_line_that_somebody_else_has_is_an_open_error(board):
    async with watching(board):
        with pytest.raises(DriverOpenError, match="busy"):
            await GpioInput("other", options(board)).run(Sink())


def test_ptt_line_keys_and_releases_and_squelch_follows(board):
    ptt = GpioPttOptions(chip=board.chip, offset=5, active="high")
    squelch = GpioSquelchOptions(chip=board.chip, offset=6, active="high")
    board.set_level(6, 0)
    port = GpioLine("radio", ptt, squelch).open()
    try:
        assert (board.level(5), port.squelch_open()) == (0, False)
        port.key(True)
        board.set_level(6, 1)
        time.sleep(0.05)
        assert (board.level(5), port.squelch_open()) == (1, True)
        port.key(False)
        assert board.level(5) == 0
        port.key(True)
    finally:
        port.close()
    assert board.level(5) == 0


def test_ptt_line_that_keys_low_is_high_when_released(board):
    board.set_level(5, 1)
    port = GpioLine("radio", GpioPttOptions(chip=board.chip, offset=5, active="low"), None).open()
    try:
        assert board.level(5) == 1
        port.key(True)
        assert board.level(5) == 0
    finally:
        port.close()
    assert board.level(5) == 1
