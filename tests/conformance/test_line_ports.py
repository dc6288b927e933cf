"""What `gateway.ports.LinePort` promises, held against every line driver.

Each driver comes with the outside world's side of its line: how a radio opens its squelch, and how
it sees that it is keyed.
"""

import contextlib
import os
import select
import time
from pathlib import Path

import pytest

from drivers.ptt.cm108_line import Cm108Line
from drivers.ptt.gpio_line import GpioLine
from drivers.ptt.options import Cm108PttOptions, GpioPttOptions, PtyPttOptions, SerialPttOptions
from drivers.ptt.pty_line import PtyLine
from drivers.ptt.serial_line import SerialLine
from drivers.squelch.options import (
    Cm108SquelchOptions,
    GpioSquelchOptions,
    PtySquelchOptions,
    SerialSquelchOptions,
)
from gateway.errors import DriverIOError, DriverOpenError
from tests.drivers.emulated_8250 import PATH, Emulated8250
from tests.drivers.emulated_cm108 import PATH as CHIP
from tests.drivers.emulated_cm108 import EmulatedCm108
from tests.drivers.emulated_gpio import EmulatedChip


class SerialRig:
    """An emulated 8250 with a radio on RTS and CTS."""

    polled = True
    first_squelch = False

    def __init__(self, folder, monkeypatch):
        self.port = Emulated8250()
        self.port.install(monkeypatch)

    def driver(self, *, keys=True, senses=True):
        return SerialLine(
            "radio",
            SerialPttOptions(port=PATH) if keys else None,
            SerialSquelchOptions(port=PATH) if senses else None,
        )

    def connect(self):
        pass

    def is_keyed(self):
        return self.port.is_up("rts")

    def set_squelch(self, is_open):
        (self.port.raise_line if is_open else self.port.drop_line)("cts")

    def pull_out(self):
        self.port.unplugged = True

    def is_free(self):
        return not self.port.openers and not self.port.exclusive


class GpioRig:
    """An emulated chip with a radio on lines 4 and 5; its squelch pulls to ground."""

    polled = False
    first_squelch = False

    def __init__(self, folder, monkeypatch):
        self.chip = EmulatedChip()
        self.chip.levels[5] = 1
        self.chip.install(monkeypatch)

    def driver(self, *, keys=True, senses=True):
        return GpioLine(
            "radio",
            GpioPttOptions(chip="gpiochip0", offset=4) if keys else None,
            GpioSquelchOptions(chip="gpiochip0", offset=5) if senses else None,
        )

    def connect(self):
        pass

    def is_keyed(self):
        return self.chip.levels[4] == 1

    def set_squelch(self, is_open):
        self.chip.set_level(5, 0 if is_open else 1)

    def pull_out(self):
        self.chip.gone = True

    def is_free(self):
        return not self.chip.settings


class Cm108Rig:
    """An emulated sound chip with a radio on GPIO3 and the volume-down button."""

    polled = False
    first_squelch = False

    def __init__(self, folder, monkeypatch):
        self.chip = EmulatedCm108()
        self.chip.install(monkeypatch)

    def driver(self, *, keys=True, senses=True):
        return Cm108Line(
            "radio",
            Cm108PttOptions(device=CHIP) if keys else None,
            Cm108SquelchOptions(device=CHIP) if senses else None,
        )

    def connect(self):
        pass

    def is_keyed(self):
        return self.chip.drives(3) is True

    def set_squelch(self, is_open):
        self.chip.press(0x02, is_open)

    def pull_out(self):
        self.chip.pull_out()

    def is_free(self):
        return not self.chip.openers


class PtyRig:
    """A real pseudo-terminal with a radio's program on its link."""

    polled = False
    first_squelch = None

    def __init__(self, folder, monkeypatch):
        self.link = folder / "radio"
        self.radio = -1
        self.word = b"R"

    def driver(self, *, keys=True, senses=True):
        return PtyLine(
            "radio",
            PtyPttOptions(path=self.link) if keys else None,
            PtySquelchOptions(path=self.link) if senses else None,
        )

    def connect(self):
        self.radio = os.open(self.link, os.O_RDWR | os.O_NOCTTY)

    def is_keyed(self):
        while select.select([self.radio], [], [], 0.05)[0]:
            try:
                said = os.read(self.radio, 1)
            except OSError:  # hung up
                said = b""
            if not said:
                self.word = b"R"
                break
            self.word = said
        return self.word == b"T"

    def set_squelch(self, is_open):
        os.write(self.radio, b"O" if is_open else b"Z")
        time.sleep(0.01)

    pull_out = None  # a pseudo-terminal cannot be

    def is_free(self):
        return not self.link.is_symlink()


@pytest.fixture(params=[SerialRig, GpioRig, Cm108Rig, PtyRig], ids=lambda rig: rig.__name__)
def rig(request, tmp_path, monkeypatch):
    return request.param(tmp_path, monkeypatch)


@pytest.fixture
def port(rig):
    port = rig.driver().open()
    rig.connect()
    yield port
    port.close()


def test_an_opened_port_is_released(rig, port):
    assert not rig.is_keyed()
    assert port.squelch_open() is rig.first_squelch


def test_the_line_follows_and_saying_it_again_changes_nothing(rig, port):
    for keyed in (True, True, False, False, True, False):
        port.key(keyed)
        assert rig.is_keyed() == keyed


def test_the_squelch_follows(rig, port):
    for is_open in (True, False, True):
        rig.set_squelch(is_open)
        assert port.squelch_open() is is_open
        assert port.squelch_open() is is_open


def test_keying_and_sensing_do_not_disturb_each_other(rig, port):
    port.key(True)
    rig.set_squelch(True)
    assert port.squelch_open() is True
    assert rig.is_keyed()
    port.key(False)
    assert port.squelch_open() is True


def test_closing_releases_gives_the_device_back_and_may_be_done_twice(rig, port):
    port.key(True)
    assert rig.is_keyed()
    port.close()
    assert not rig.is_keyed()
    assert rig.is_free()
    port.close()
    rig.driver().open().close()


def test_a_port_that_only_keys_has_no_squelch(rig):
    port = rig.driver(senses=False).open()
    rig.connect()
    assert port.squelch_open() is None
    assert port.fileno() == -1
    port.key(True)
    assert rig.is_keyed()
    port.close()


def test_a_port_that_only_senses_can_be_told_that_it_is_released(rig):
    port = rig.driver(keys=False).open()
    rig.connect()
    port.key(False)
    rig.set_squelch(True)
    assert port.squelch_open() is True
    assert not rig.is_keyed()
    port.close()


def test_a_port_that_can_be_waited_for_has_a_descriptor(rig, port):
    assert (port.fileno() < 0) == rig.polled


def test_no_method_blocks(rig, port):
    began = time.monotonic()
    for number in range(500):
        port.key(number % 2 == 0)
        port.squelch_open()
    assert time.monotonic() - began < 0.5


def test_a_device_that_is_pulled_out_is_an_io_error_and_closing_is_quiet(rig, port):
    if rig.pull_out is None:
        pytest.skip("cannot be pulled out")
    port.key(True)
    rig.pull_out()
    with pytest.raises(DriverIOError):
        port.key(False)
    with pytest.raises(DriverIOError):
        port.squelch_open()
    port.close()
    with pytest.raises(DriverOpenError):
        rig.driver().open()


def test_failing_to_open_leaves_no_descriptor_behind(rig):
    if rig.pull_out is None:
        pytest.skip("cannot be pulled out")
    rig.pull_out()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with contextlib.suppress(DriverOpenError):
            rig.driver().open()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
