"""A port is opened, checked, closed when it fails and opened again."""

import pytest

from gateway.keyer.port import CHECK, POLL, Port
from tests.keyer.radio import ScriptedDevice


@pytest.fixture
def device():
    return ScriptedDevice()


def port_of(device, *, senses=True):
    return Port("radio", device.open, senses=senses)


def run(port, device, until, *, keyed=False):
    """Step the port whenever it is due; virtual time."""
    while port.due() <= until:
        device.now = max(device.now, port.due())
        port.step(device.now, keyed=keyed)
    device.now = until


def test_a_port_is_opened_at_once_and_polled_every_5_ms(device):
    port = port_of(device)
    port.step(0.0, keyed=False)
    assert port.is_open
    assert port.fault == ""
    assert port.due() == POLL == 0.005
    device.port.squelch = True
    port.step(0.005, keyed=False)
    assert port.squelch_open is True


def test_a_port_that_senses_nothing_is_looked_at_every_quarter_second(device):
    port = port_of(device, senses=False)
    port.step(0.0, keyed=False)
    assert port.due() == CHECK == 0.25


def test_a_check_tells_the_line_its_state_again(device):
    port = port_of(device, senses=False)
    run(port, device, 1.0, keyed=True)
    assert device.port.written == [True] * 4


def test_an_absent_device_is_a_fault_in_words_and_is_tried_again_ever_more_slowly(device):
    device.plugged_in = False
    port = port_of(device)
    run(port, device, 10.0)
    assert port.fault == "no such device"
    assert device.attempts == pytest.approx([0, 0.2, 0.6, 1.4, 3.0, 5.0, 7.0, 9.0])


def test_a_device_that_vanishes_while_idle_is_a_fault_within_a_second_and_comes_back(device):
    port = port_of(device, senses=False)
    run(port, device, 5.0)
    device.port.broken, device.plugged_in = "gone", False
    run(port, device, 6.0)
    assert not port.is_open
    assert port.fault == "no such device"
    assert device.port.closed
    device.plugged_in = True
    run(port, device, 9.0)
    assert port.is_open
    assert port.fault == ""


def test_a_failing_port_forgets_its_squelch(device):
    port = port_of(device)
    port.step(0.0, keyed=False)
    device.port.squelch = True
    run(port, device, 0.1)
    device.port.broken = "gone"
    run(port, device, 0.11)
    assert port.squelch_open is None


def test_a_failing_write_says_so_and_closes(device):
    port = port_of(device)
    port.step(0.0, keyed=False)
    device.port.broken = "the line does not follow"
    assert not port.key(True, 0.01)
    assert port.fault == "the line does not follow"
    assert device.port.closed


def test_a_driver_that_raises_whatever_it_likes_is_only_a_fault():
    def bad():
        raise ZeroDivisionError

    port = Port("radio", bad, senses=True)
    port.step(0.0, keyed=False)
    assert "ZeroDivisionError" in port.fault
    assert not port.key(True, 0.0)


def test_a_device_that_fails_right_after_each_opening_is_not_opened_ever_faster(device):
    port = port_of(device, senses=False)
    for _ in range(6):
        run(port, device, port.due())
        device.port.broken = "flaps"
        run(port, device, port.due())
    pauses = [b - a for a, b in zip(device.attempts, device.attempts[1:], strict=False)]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 2.0
