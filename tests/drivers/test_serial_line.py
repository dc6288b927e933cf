"""The serial line against an emulated 8250 with the traps of a real one."""

import os
import pty
import termios

import pytest

from drivers.ptt.options import SerialPttOptions
from drivers.ptt.serial_line import SerialLine
from drivers.squelch.options import SerialSquelchOptions
from gateway.errors import DriverIOError, DriverOpenError
from tests.drivers.emulated_8250 import PATH, Emulated8250


@pytest.fixture
def port(monkeypatch):
    port = Emulated8250()
    port.install(monkeypatch)
    return port


def keying(line="rts"):
    return SerialLine("radio", SerialPttOptions(port=PATH, line=line), None).open()


def sensing(line="cts", active="high"):
    options = SerialSquelchOptions(port=PATH, line=line, active=active)
    return SerialLine("radio", None, options).open()


def test_the_lines_are_dropped_before_anything_else_is_done_with_the_port(port):
    keying()
    assert port.history[:6] == ["+rts", "+dtr", "-rts", "-dtr", "lock", "set up"]
    assert not port.is_up("rts")
    assert not port.is_up("dtr")


def test_the_next_opening_does_not_key_because_the_port_is_left_at_b0(port):
    keying().close()
    port.history.clear()
    keying()
    assert "+rts" not in port.history
    assert "+dtr" not in port.history


@pytest.mark.parametrize(("line", "other"), [("rts", "dtr"), ("dtr", "rts")])
def test_only_the_line_that_keys_is_moved(port, line, other):
    opened = keying(line)
    opened.key(True)
    assert port.is_up(line)
    assert not port.is_up(other)
    opened.key(False)
    assert not port.is_up(line)


def test_death_without_a_word_unkeys_because_the_port_hangs_up_on_close(port):
    opened = keying()
    opened.key(True)
    for descriptor in list(port.openers):  # what the kernel does to a killed process
        port.close(descriptor)
    assert not port.is_up("rts")


def test_without_hang_up_on_close_a_death_would_leave_it_keyed(port):
    """The control: the emulated port keeps what a real one keeps."""
    opened = keying()
    opened.key(True)
    port.cflag &= ~termios.HUPCL
    for descriptor in list(port.openers):
        port.close(descriptor)
    assert port.is_up("rts")


def test_a_port_that_will_not_hang_up_is_not_used(port):
    port.ignores_hupcl = True
    with pytest.raises(DriverOpenError, match="hang up"):
        keying()
    assert not port.openers


def test_a_line_that_cannot_be_released_is_not_used(port):
    port.stuck = termios.TIOCM_RTS
    with pytest.raises(DriverOpenError, match="cannot be released"):
        keying()


def test_nobody_else_can_open_the_port_meanwhile(port):
    first = keying()
    with pytest.raises(DriverOpenError, match="busy"):
        keying()
    first.close()
    keying()


def test_a_port_that_another_program_has_locked_is_left_alone(port):
    port.locked = True
    with pytest.raises(DriverOpenError):
        keying()
    assert not port.openers


@pytest.mark.parametrize(("active", "level"), [("high", True), ("low", False)])
def test_what_the_radio_says_back_is_read_from_its_line(port, active, level):
    options = SerialPttOptions(port=PATH, readback="dsr", readback_active=active)
    opened = SerialLine("radio", options, None).open()
    assert opened.reads_back
    assert opened.reads_keyed() is not level
    port.raise_line("dsr")
    assert opened.reads_keyed() is level
    port.unplugged = True
    with pytest.raises(DriverIOError):
        opened.reads_keyed()


def test_a_port_without_such_a_line_says_nothing_of_the_radio(port):
    opened = keying()
    assert not opened.reads_back
    assert opened.reads_keyed() is None


def test_a_line_that_does_not_follow_is_an_error(port):
    opened = keying()
    opened.key(True)
    port.stuck = termios.TIOCM_RTS
    with pytest.raises(DriverIOError, match="follow"):
        opened.key(False)


def test_an_unplugged_port_is_an_error_at_the_next_touch_and_can_still_be_closed(port):
    opened = keying()
    port.unplugged = True
    with pytest.raises(DriverIOError, match="error"):
        opened.key(False)
    opened.close()
    opened.close()
    assert not port.openers


@pytest.mark.parametrize("line", ["cts", "dsr", "dcd", "ri"])
def test_the_squelch_follows_its_line(port, line):
    opened = sensing(line)
    assert opened.squelch_open() is False
    port.raise_line(line)
    assert opened.squelch_open() is True


def test_an_active_low_squelch_is_open_while_its_line_is_down(port):
    opened = sensing(active="low")
    assert opened.squelch_open() is True
    port.raise_line("cts")
    assert opened.squelch_open() is False


def test_a_port_that_only_senses_never_keys(port):
    opened = sensing()
    opened.key(True)
    assert not port.is_up("rts")
    assert not port.is_up("dtr")


def test_a_terminal_without_modem_lines_cannot_be_opened():
    master, slave = pty.openpty()
    try:
        options = SerialPttOptions(port=os.ttyname(slave))
        with pytest.raises(DriverOpenError, match="ioctl"):
            SerialLine("radio", options, None).open()
    finally:
        os.close(master)
        os.close(slave)


def test_an_absent_port_cannot_be_opened():
    with pytest.raises(DriverOpenError, match="No such file"):
        SerialLine("radio", SerialPttOptions(port="/dev/ttyNONE"), None).open()
