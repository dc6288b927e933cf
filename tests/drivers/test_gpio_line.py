"""The GPIO line against a stand-in for libgpiod; on a kernel chip it is tested by tests/vm."""

import pytest
from gpiod.line import Bias, Direction, Drive, Edge, Value

from drivers.ptt.gpio_line import GpioLine
from drivers.ptt.options import GpioPttOptions
from drivers.squelch.options import GpioSquelchOptions
from gateway.errors import DriverIOError, DriverOpenError
from tests.drivers.emulated_gpio import EmulatedChip


@pytest.fixture
def chip(monkeypatch):
    chip = EmulatedChip()
    chip.install(monkeypatch)
    return chip


def keying(**options):
    return GpioLine("radio", GpioPttOptions(chip="gpiochip0", offset=4, **options), None).open()


def sensing(**options):
    given = GpioSquelchOptions(chip="gpiochip0", offset=5, **options)
    return GpioLine("radio", None, given).open()


def test_the_line_is_requested_released_and_keyed_by_its_active_level(chip):
    port = keying()
    settings = chip.settings[4]
    assert settings.direction == Direction.OUTPUT
    assert settings.output_value == Value.INACTIVE
    assert chip.levels[4] == 0
    port.key(True)
    assert chip.levels[4] == 1
    port.key(False)
    assert chip.levels[4] == 0


def test_an_active_low_line_keys_by_going_low(chip):
    port = keying(active="low", drive="open-drain")
    assert chip.settings[4].drive == Drive.OPEN_DRAIN
    assert chip.levels[4] == 1
    port.key(True)
    assert chip.levels[4] == 0
    port.close()
    assert chip.levels[4] == 1


def test_the_squelch_is_woken_by_edges_and_read_as_a_level(chip):
    port = sensing(bias="pull-up", debounce_ms=5)
    settings = chip.settings[5]
    assert settings.edge_detection == Edge.BOTH
    assert settings.bias == Bias.PULL_UP
    assert settings.debounce_period.total_seconds() == 0.005
    assert port.fileno() >= 0
    chip.set_level(5, 1)
    assert port.squelch_open() is False
    chip.set_level(5, 0)
    assert port.squelch_open() is True
    assert not chip.events[5]


def test_a_line_that_does_not_follow_is_an_error(chip):
    port = keying()
    chip.stuck.add(4)
    with pytest.raises(DriverIOError, match="follow"):
        port.key(True)


def test_an_open_drain_line_is_not_asked_what_it_is(chip):
    port = keying(active="low", drive="open-drain")
    chip.stuck.add(4)
    port.key(True)


def test_a_chip_that_vanishes_is_an_error_and_the_port_can_still_be_closed(chip):
    keyer, sensor = keying(), sensing()
    chip.gone = True
    with pytest.raises(DriverIOError, match="No such device"):
        keyer.key(False)
    with pytest.raises(DriverIOError, match="No such device"):
        sensor.squelch_open()
    for port in (keyer, sensor):
        port.close()
        port.close()


def test_a_line_in_use_is_refused_by_name_and_what_was_taken_is_given_back(chip):
    other = sensing()
    both = GpioLine(
        "radio",
        GpioPttOptions(chip="gpiochip0", offset=4),
        GpioSquelchOptions(chip="/dev/gpiochip0", offset=5),
    )
    with pytest.raises(DriverOpenError, match=r"line 5: .*busy"):
        both.open()
    other.close()
    both.open().close()


def test_a_real_chip_that_is_not_there_is_refused():
    with pytest.raises(DriverOpenError, match="/dev/gpiochip99 line 4: No such file"):
        GpioLine("radio", GpioPttOptions(chip="gpiochip99", offset=4), None).open()


def test_what_the_radio_says_back_is_read_from_its_line(chip):
    chip.levels[6] = 1
    port = keying(readback_offset=6)
    assert chip.settings[6].direction == Direction.INPUT
    assert port.reads_back
    assert port.reads_keyed() is False
    chip.set_level(6, 0)
    assert port.reads_keyed() is True
    port.close()
    assert not chip.settings


def test_without_such_a_line_nothing_is_read_back(chip):
    port = keying()
    assert not port.reads_back
    assert port.reads_keyed() is None
