"""PTT and COS on a USB sound chip."""

import time

import pytest

from drivers.ptt.bounded import Bounded
from drivers.ptt.cm108_line import Cm108Line
from drivers.ptt.options import Cm108PttOptions
from drivers.squelch.options import Cm108SquelchOptions
from gateway.errors import DriverIOError, DriverOpenError
from tests.drivers.emulated_cm108 import PATH, EmulatedCm108

COS = 0x02


@pytest.fixture
def chip(monkeypatch):
    chip = EmulatedCm108()
    chip.install(monkeypatch)
    return chip


@pytest.fixture
def opened(chip):
    ports = []

    def open_port(*, squelch=None, **options):
        ptt = Cm108PttOptions(device=PATH, **options)
        ports.append(Cm108Line("radio", ptt, squelch).open())
        return ports[-1]

    yield open_port
    chip.hang.set()
    for port in ports:
        port.close()


def test_the_pin_is_driven_to_the_released_level_when_opened(chip, opened):
    opened()
    assert chip.drives(3) is False
    assert chip.written == [bytes([0, 0, 0, 4, 0])]


def test_a_pin_that_keys_low_is_high_when_released(chip, opened):
    port = opened(active="low", gpio=4)
    assert chip.drives(4) is True
    port.key(True)
    assert chip.drives(4) is False
    port.close()
    assert chip.drives(4) is True


def test_a_chip_that_was_reset_is_told_again(chip, opened):
    port = opened()
    port.key(True)
    chip.reset()
    port.key(True)
    assert chip.drives(3) is True


def test_the_squelch_that_is_open_at_the_start_is_seen(chip, opened):
    chip.buttons = COS
    port = opened(squelch=Cm108SquelchOptions(device=PATH))
    assert port.squelch_open() is True


def test_without_an_answer_at_the_start_the_squelch_is_unknown_until_it_changes(chip, opened):
    chip.answers_inputs = False
    port = opened(squelch=Cm108SquelchOptions(device=PATH))
    assert port.squelch_open() is None
    chip.press(COS, True)
    assert port.squelch_open() is True


def test_the_newest_of_several_reports_counts(chip, opened):
    port = opened(squelch=Cm108SquelchOptions(device=PATH))
    for pressed in (True, False, True, False):
        chip.press(COS, pressed)
    assert port.squelch_open() is False


def test_cos_on_a_pin_that_is_high_when_open(chip, opened):
    chip.pulled = 0
    port = opened(squelch=Cm108SquelchOptions(device=PATH, line="gpio1", active="high"))
    assert port.squelch_open() is False
    chip.pull(1, True)
    assert port.squelch_open() is True


def test_another_kind_of_report_changes_nothing_and_a_short_one_is_an_error(chip, opened):
    chip.buttons = COS
    port = opened(squelch=Cm108SquelchOptions(device=PATH))
    chip.report(bytes([0x80, 0, 0, 0]))
    assert port.squelch_open() is True
    chip.report(b"\0\0")
    with pytest.raises(DriverIOError, match="2 bytes"):
        port.squelch_open()


@pytest.mark.parametrize("line", ["gpio1", "volume-up"])
def test_what_the_radio_says_back_is_read(chip, opened, line):
    chip.pulled = 0xFF
    port = opened(readback=line)
    assert port.reads_back
    assert port.reads_keyed() is False
    if line == "gpio1":
        chip.pull(1, False)
    else:
        chip.press(0x01, True)
    assert port.reads_keyed() is True


def test_the_pin_that_keys_reads_itself(opened):
    port = opened(readback="gpio3", readback_active="high")
    assert port.reads_keyed() is False
    port.key(True)
    assert port.reads_keyed() is True


def test_a_chip_that_cannot_be_read_back_is_refused_where_that_is_wanted(chip, opened):
    chip.answers_inputs = False
    with pytest.raises(DriverOpenError, match="cannot be read back"):
        opened(readback="gpio1")
    assert not chip.openers


@pytest.mark.parametrize(
    ("vendor", "product", "gpio", "said"),
    [
        (0x046D, 0xC31C, 3, "046d:c31c is no such sound chip"),  # a keyboard
        (0x0D8C, 0x013C, 2, "no GPIO2"),
        (0x0D8C, 0x0012, 5, "no GPIO5"),
    ],
)
def test_a_device_of_another_kind_is_not_written_to(chip, opened, vendor, product, gpio, said):
    chip.vendor, chip.product = vendor, product
    with pytest.raises(DriverOpenError, match=said):
        opened(gpio=gpio)
    assert chip.written == []
    assert not chip.openers


@pytest.mark.parametrize(
    ("vendor", "product"), [(0x0D8C, 0x013A), (0x0C76, 0x1605), (0x1209, 0x7388)]
)
def test_compatible_chips_are_taken(chip, opened, vendor, product):
    chip.vendor, chip.product = vendor, product
    opened().key(True)
    assert chip.drives(3) is True


def test_a_chip_that_somebody_has_is_refused(opened):
    opened()
    with pytest.raises(DriverOpenError):
        opened()


def test_a_chip_that_hangs_is_an_error_soon_and_released_as_soon_as_it_is_back(chip, opened):
    port = opened()
    port.key(True)
    chip.hang.clear()
    began = time.monotonic()
    with pytest.raises(DriverIOError, match="does not answer"):
        port.key(False)
    port.close()
    with pytest.raises(DriverOpenError, match="does not answer"):
        opened()
    assert time.monotonic() - began < 0.4
    chip.hang.set()
    until = time.monotonic() + 2
    while Bounded.hangs(f"radio: {PATH}") and time.monotonic() < until:
        time.sleep(0.005)
    assert chip.drives(3) is False
    assert not chip.openers
    opened().key(True)
    assert chip.drives(3) is True


@pytest.mark.parametrize("device", ["hidraw0", "card:", "port:1-1", "usb"])
def test_a_device_that_cannot_be_named_so_is_refused(device):
    with pytest.raises(ValueError, match="neither a path"):
        Cm108PttOptions(device=device)
    with pytest.raises(ValueError, match="neither a path"):
        Cm108SquelchOptions(device=device)
