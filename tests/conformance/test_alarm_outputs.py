"""What `gateway.ports.AlarmOutput` promises, held against every output driver.

Each driver comes with the outside world's side: what somebody at the place sees.
"""

import asyncio
import contextlib
import os
import select

import pytest

from drivers.output import gpio
from drivers.output.gpio import GpioOutput
from drivers.output.options import (
    GpioOutputLine,
    GpioOutputOptions,
    PtyOutputOptions,
    VirtualOutputOptions,
)
from drivers.output.pty import PtyOutput
from drivers.output.virtual import VirtualOutput
from gateway.errors import DriverIOError, DriverOpenError
from tests.drivers.emulated_gpio import EmulatedChip


class GpioRig:
    """An emulated chip: a lamp that lights with a high level, a siren that sounds with a low one."""

    def __init__(self, folder, monkeypatch):
        monkeypatch.setattr(gpio, "LOOK_EVERY", 0.02)
        self.chip = EmulatedChip()
        self.chip.install(monkeypatch, "drivers.output.gpio")
        lines = {"lamp": GpioOutputLine(offset=4), "siren": GpioOutputLine(offset=5, active="low")}
        self.driver = GpioOutput("gate", GpioOutputOptions(chip="gpiochip0", lines=lines))

    def connect(self):
        pass

    def seen(self):
        on = {"lamp": self.chip.levels[4] == 1, "siren": self.chip.levels[5] == 0}
        return {line for line, lit in on.items() if lit}

    def block(self):
        self.chip.gone = True

    def unblock(self):
        self.chip.gone = False

    break_ = block

    def is_free(self):
        return not self.chip.settings


class PtyRig:
    """A real pseudo-terminal with somebody's program on its link."""

    def __init__(self, folder, monkeypatch):
        self.link = folder / "gate"
        self.reader = -1
        self.lit = set()
        options = PtyOutputOptions(path=self.link, lines=("lamp", "siren"))
        self.driver = PtyOutput("gate", options)

    def connect(self):
        self.reader = os.open(self.link, os.O_RDWR | os.O_NOCTTY)

    def seen(self):
        said = b""
        while select.select([self.reader], [], [], 0.05)[0]:
            try:
                heard = os.read(self.reader, 1000)
            except OSError:
                heard = b""
            if not heard:  # hung up: nothing is lit any more
                self.lit.clear()
                return set()
            said += heard
        for word in said.decode().splitlines():
            line, state = word.split(" ")
            (self.lit.add if state == "on" else self.lit.discard)(line)
        return set(self.lit)

    def block(self):
        self.link.write_text("a file of somebody's")

    def unblock(self):
        self.link.unlink()

    break_ = None  # a pseudo-terminal cannot be pulled out

    def is_free(self):
        return not self.link.is_symlink()


class VirtualRig:
    def __init__(self, folder, monkeypatch):
        self.driver = VirtualOutput("gate", VirtualOutputOptions(lines=("lamp", "siren")))

    def connect(self):
        pass

    def seen(self):
        return set(self.driver.lit)

    block = break_ = None

    def is_free(self):
        return True


@pytest.fixture(params=[GpioRig, PtyRig, VirtualRig], ids=lambda rig: rig.__name__)
def rig(request, tmp_path, monkeypatch):
    return request.param(tmp_path, monkeypatch)


@contextlib.asynccontextmanager
async def running(rig):
    ready = asyncio.Event()
    task = asyncio.create_task(rig.driver.run(ready.set))
    async with asyncio.timeout(2):
        await ready.wait()
    rig.connect()
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DriverIOError):
            await task


async def test_every_line_is_off_when_it_is_opened(rig):
    async with running(rig):
        assert rig.seen() == set()


async def test_each_line_is_switched_by_itself(rig):
    async with running(rig):
        rig.driver.set("lamp", True)
        rig.driver.set("lamp", True)
        assert rig.seen() == {"lamp"}
        rig.driver.set("siren", True)
        rig.driver.set("lamp", False)
        assert rig.seen() == {"siren"}


async def test_every_line_is_off_when_it_is_closed_and_the_device_is_free(rig):
    async with running(rig):
        rig.driver.set("lamp", True)
        rig.driver.set("siren", True)
        assert rig.seen() == {"lamp", "siren"}
    assert rig.seen() == set()
    assert rig.is_free()


async def test_what_is_set_while_it_is_not_open_or_on_no_line_of_its_own_is_nothing(rig):
    rig.driver.set("lamp", True)
    async with running(rig):
        rig.driver.set("horn", True)
        assert rig.seen() == set()
    rig.driver.set("lamp", True)
    async with running(rig):
        assert rig.seen() == set()


async def test_device_that_cannot_be_opened_is_an_error_and_may_be_tried_again(rig):
    if rig.block is None:
        pytest.skip("can always be opened")
    rig.block()
    with pytest.raises(DriverOpenError):
        await rig.driver.run(lambda: pytest.fail("it is not ready"))
    rig.unblock()
    async with running(rig):
        rig.driver.set("lamp", True)
        assert rig.seen() == {"lamp"}


@pytest.mark.parametrize("switched", [True, False])
async def test_device_that_vanishes_is_an_error_whether_or_not_it_is_used(rig, switched):
    if rig.break_ is None:
        pytest.skip("cannot be pulled out")
    async with running(rig) as task:
        rig.break_()
        if switched:
            rig.driver.set("lamp", True)
        with pytest.raises(DriverIOError):
            await asyncio.wait_for(task, 1)


async def test_line_that_does_not_follow_is_an_error(tmp_path, monkeypatch):
    rig = GpioRig(tmp_path, monkeypatch)
    async with running(rig) as task:
        rig.chip.stuck.add(4)
        rig.driver.set("lamp", True)
        with pytest.raises(DriverIOError, match="lamp does not follow"):
            await asyncio.wait_for(task, 1)


async def test_reader_that_comes_late_hears_how_every_line_is(tmp_path, monkeypatch):
    rig = PtyRig(tmp_path, monkeypatch)
    async with running(rig):
        for number in range(2_000):
            rig.driver.set("lamp", number % 2 == 0)
        rig.driver.set("siren", True)
        assert rig.seen() == {"siren"}
