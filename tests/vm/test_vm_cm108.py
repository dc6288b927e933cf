"""The cm108 driver on the kernel's own hidraw: a USB gadget, and a uhid device."""

import time

import pytest

from drivers.ptt.cm108_line import Cm108Line
from drivers.ptt.options import Cm108PttOptions
from drivers.squelch.options import Cm108SquelchOptions
from gateway.errors import DriverIOError, DriverOpenError
from tests.vm.chips import GadgetChip, UhidChip, wait_for

pytestmark = pytest.mark.vm

COS = 0x02


@pytest.fixture
def gadget():
    chip = GadgetChip()
    try:
        yield chip
    finally:
        chip.remove()


@pytest.fixture
def uhid():
    chip = UhidChip()
    try:
        yield chip
    finally:
        chip.remove()


@pytest.fixture(params=["gadget", "uhid"])
def chip(request):
    return request.getfixturevalue(request.param)


def opened(device, *, squelch=True, **options):
    return Cm108Line(
        "radio",
        Cm108PttOptions(device=device, **options),
        Cm108SquelchOptions(device=device) if squelch else None,
    ).open()


def test_pin_keys_and_releases_and_cos_follows(chip):
    port = opened(chip.path)
    try:
        wait_for(lambda: chip.drives(3) is False)
        assert port.squelch_open() is False
        port.key(True)
        wait_for(lambda: chip.drives(3))
        chip.press(COS, True)
        assert port.squelch_open() is True
        port.key(False)
        wait_for(lambda: chip.drives(3) is False)
        chip.press(COS, False)
        assert port.squelch_open() is False
        port.key(True)
        wait_for(lambda: chip.drives(3))
    finally:
        port.close()
    wait_for(lambda: chip.drives(3) is False)


def test_chip_is_found_by_its_usb_port_and_its_serial_number(gadget):
    for device in (f"usb:{gadget.port}", "serial:0042"):
        port = opened(device)
        port.key(True)
        wait_for(lambda: gadget.drives(3))
        port.close()
        wait_for(lambda: gadget.drives(3) is False)


def test_chip_that_is_pulled_out_is_an_error_at_the_next_touch(gadget):
    port = opened(gadget.path)
    port.key(True)
    gadget.pull_out()
    wait_for(lambda: not _works(port))
    port.close()
    with pytest.raises(DriverOpenError, match=r"(?i)no such"):
        opened(gadget.path)


def _works(port):
    try:
        port.key(True)
        port.squelch_open()
    except DriverIOError:
        return False
    return True


def test_what_the_radio_says_back_is_read_from_the_chip(uhid):
    port = opened(uhid.path, readback="gpio1")
    try:
        assert port.reads_keyed() is False
        port.key(True)
        wait_for(lambda: port.reads_keyed() is True)
        uhid.follows = False
        port.key(False)
        wait_for(lambda: uhid.drives(3) is False)
        assert port.reads_keyed() is True
    finally:
        port.close()


def test_chip_that_does_not_answer_does_not_hold_its_caller(uhid):
    port = opened(uhid.path, readback="gpio1")
    uhid.answers = False  # the kernel waits for 5 s
    began = time.monotonic()
    with pytest.raises(DriverIOError, match="does not answer"):
        port.reads_keyed()
    port.close()
    with pytest.raises(DriverOpenError, match="does not answer"):
        opened(uhid.path)
    assert time.monotonic() - began < 1.5
    uhid.answers = True

    def again():
        try:
            return opened(uhid.path)
        except DriverOpenError:
            return None

    wait_for(again).close()
