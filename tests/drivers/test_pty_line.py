"""The pty line: bytes, links, and readers that are not there."""

import os
import select
import termios
import threading
from pathlib import Path

import pytest

from drivers.ptt.options import PtyPttOptions
from drivers.ptt.pty_line import PtyLine
from drivers.squelch.options import PtySquelchOptions
from gateway.errors import DriverIOError, DriverOpenError


def sensed(port):
    """The squelch once what was written has arrived."""
    select.select([port], [], [], 0.5)
    return port.squelch_open()


@pytest.fixture
def link(tmp_path):
    return tmp_path / "radio"


@pytest.fixture
def port(link):
    port = PtyLine("radio", PtyPttOptions(path=link), PtySquelchOptions(path=link)).open()
    yield port
    port.close()


@pytest.fixture
def radio(port, link):
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    yield descriptor
    os.close(descriptor)


def said(descriptor):
    """All that was said so far; what is written arrives a moment later."""
    heard = b""
    while select.select([descriptor], [], [], 0.05)[0]:
        heard += os.read(descriptor, 100)
    return heard


def test_keyed_is_t_and_released_is_r_and_nothing_else_is_written(port, radio):
    assert said(radio) == b""
    port.key(False)
    port.key(True)
    port.key(True)
    port.key(False)
    port.key(False)
    assert said(radio) == b"TR"


def test_the_squelch_is_unknown_until_it_is_told(port, radio):
    assert port.squelch_open() is None
    os.write(radio, b"O")
    assert sensed(port) is True
    os.write(radio, b"Z")
    assert sensed(port) is False


def test_the_newest_word_counts_and_other_bytes_say_nothing(port, radio):
    os.write(radio, b"ZxO\r\n\x03")
    assert sensed(port) is True
    os.write(radio, b"OZ?")
    assert sensed(port) is False
    os.write(radio, b"oz\0\xff")
    assert sensed(port) is False


def test_the_terminal_is_raw_and_does_not_echo(port, radio):
    _, output, _, local, _, _, _ = termios.tcgetattr(radio)
    assert not local & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert not output & termios.OPOST
    os.write(radio, b"O")
    port.squelch_open()
    assert said(radio) == b""


def test_writing_does_not_wait_for_a_reader_and_a_late_one_hears_the_newest_word(port, link):
    for _ in range(20_000):
        port.key(True)
        port.key(False)
    port.key(True)
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard = said(descriptor)
    os.close(descriptor)
    assert heard.endswith(b"RT")


def test_a_reader_may_come_and_go(port, link):
    for _ in range(3):
        descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY)
        os.write(descriptor, b"O")
        assert sensed(port) is True
        port.key(True)
        assert os.read(descriptor, 1) == b"T"
        port.key(False)
        assert os.read(descriptor, 1) == b"R"
        os.close(descriptor)
    assert port.squelch_open() is True


def test_a_stale_link_is_replaced(link):
    link.symlink_to("/dev/pts/999999")
    port = PtyLine("radio", PtyPttOptions(path=link), None).open()
    assert os.ttyname(os.open(link, os.O_RDWR | os.O_NOCTTY))
    port.close()
    assert not link.is_symlink()


def test_a_file_in_the_way_is_left_alone(link):
    link.write_text("precious")
    with pytest.raises(DriverOpenError, match="no link"):
        PtyLine("radio", PtyPttOptions(path=link), None).open()
    assert link.read_text() == "precious"


def test_folders_on_the_way_are_made(tmp_path):
    link = tmp_path / "run" / "lines" / "radio"
    port = PtyLine("radio", PtyPttOptions(path=link), None).open()
    assert link.is_symlink()
    port.close()


def test_closing_releases_and_removes_the_link_and_may_be_done_twice(link):
    port = PtyLine("radio", PtyPttOptions(path=link), None).open()
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    port.key(True)
    assert said(descriptor) == b"T"
    port.close()
    port.close()
    assert not link.is_symlink()
    os.close(descriptor)


def test_a_reader_hears_the_release_of_a_line_that_is_closed_while_keyed(link):
    port = PtyLine("radio", PtyPttOptions(path=link), None).open()
    heard = []
    with os.fdopen(os.open(link, os.O_RDONLY | os.O_NOCTTY), "rb", 0) as radio:
        reader = threading.Thread(target=lambda: heard.extend((radio.read(1), radio.read(1))))
        reader.start()
        port.key(True)
        port.close()
        reader.join(2)
    assert heard == [b"T", b"R"]


def test_a_link_that_another_one_has_made_meanwhile_stays(link):
    first = PtyLine("radio", PtyPttOptions(path=link), None).open()
    second = PtyLine("radio", PtyPttOptions(path=link), None).open()
    newest = link.readlink()
    first.close()
    assert link.readlink() == newest
    second.close()
    assert not link.is_symlink()


def test_no_descriptor_is_left_behind_by_a_failed_opening(link):
    link.write_text("in the way")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        with pytest.raises(DriverOpenError):
            PtyLine("radio", PtyPttOptions(path=link), None).open()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_the_radio_says_back_is_heard_beside_the_squelch(link):
    options = PtyPttOptions(path=link, readback=True)
    port = PtyLine("radio", options, PtySquelchOptions(path=link)).open()
    radio = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    assert port.reads_back
    assert port.reads_keyed() is None
    os.write(radio, b"Ot")
    assert sensed(port) is True
    assert port.reads_keyed() is True
    os.write(radio, b"r")
    select.select([port], [], [], 0.5)
    assert port.reads_keyed() is False
    assert port.squelch_open() is True
    os.close(radio)
    port.close()


def test_without_that_option_what_the_radio_says_back_is_nothing(port, radio):
    os.write(radio, b"t")
    sensed(port)
    assert not port.reads_back
    assert port.reads_keyed() is None


def test_a_link_that_is_gone_is_an_unplugged_device_and_releases(port, link, radio):
    port.key(True)
    assert os.read(radio, 10) == b"T"
    link.unlink()
    with pytest.raises(DriverIOError, match="the link is gone"):
        port.key(True)
    port.close()
    assert os.read(radio, 10) == b"", "hung up"


def test_a_link_that_another_has_replaced_is_no_fault(port, link, radio):
    link.unlink()
    link.symlink_to("/dev/null")
    port.key(True)
    assert os.read(radio, 10) == b"T"
