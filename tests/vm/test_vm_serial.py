"""The serial drivers on an emulated 8250: ttyS1 and ttyS2 are connected, ttyS3 leads nowhere."""

import asyncio
import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from drivers.panel.driver import PanelInput
from drivers.panel.options import PanelOptions
from drivers.ptt.options import SerialPttOptions
from drivers.ptt.serial_line import SerialLine
from drivers.squelch.options import SerialSquelchOptions
from gateway.errors import DriverOpenError
from gateway.ports import AlarmSignal

pytestmark = pytest.mark.vm

PORT = "/dev/ttyS3"
TIOCM_LOOP = 0x8000
PRESS = b"5011 181234E12001001\x14"


def lines(number: int = 3) -> set[str]:
    """The modem lines of a port, by the kernel's own account, without opening it."""
    ports = Path("/proc/tty/driver/serial").read_text()
    match = re.search(rf"^{number}: .*?rx:\d+ ?(?:\S+:\d+ )*(\S*)$", ports, re.MULTILINE)
    return set(match.group(1).split("|")) - {""} if match else set()


def outputs() -> set[str]:
    return lines() & {"RTS", "DTR"}


def opened(ptt: str | None = "rts", squelch: str | None = None):
    return SerialLine(
        "radio",
        None if ptt is None else SerialPttOptions(port=PORT, line=ptt),
        None if squelch is None else SerialSquelchOptions(port=PORT, line=squelch),
    ).open()


def test_a_plain_open_keys_so_that_these_tests_can_see_it():
    descriptor = os.open(PORT, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        attributes = termios.tcgetattr(descriptor)
        attributes[4] = attributes[5] = termios.B9600
        attributes[2] |= termios.HUPCL
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    finally:
        os.close(descriptor)
    descriptor = os.open(PORT, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        assert outputs() == {"RTS", "DTR"}
    finally:
        os.close(descriptor)
    assert outputs() == set()


@pytest.mark.parametrize("line", ["rts", "dtr"])
def test_line_keys_alone_and_releases(line):
    port = opened(line)
    try:
        assert outputs() == set()
        port.key(True)
        assert outputs() == {line.upper()}
        port.key(False)
        assert outputs() == set()
        port.key(True)
    finally:
        port.close()
    assert outputs() == set()


def test_port_that_the_driver_has_used_is_not_keyed_by_the_next_open():
    opened().close()
    descriptor = os.open(PORT, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        assert outputs() == set()
    finally:
        os.close(descriptor)


KEYED = """
import sys, time
from drivers.ptt.options import SerialPttOptions
from drivers.ptt.serial_line import SerialLine
port = SerialLine("radio", SerialPttOptions(port=sys.argv[1]), None).open()
port.key(True)
print("keyed", flush=True)
time.sleep(60)
"""


def test_kernel_releases_the_line_when_its_owner_is_killed():
    delays = []
    for _ in range(5):
        owner = subprocess.Popen([sys.executable, "-c", KEYED, PORT], stdout=subprocess.PIPE)
        try:
            assert owner.stdout.readline() == b"keyed\n"
            assert outputs() == {"RTS"}
            began = time.monotonic()
            owner.kill()
            while outputs() and time.monotonic() - began < 5:
                time.sleep(0.001)
            delays.append(time.monotonic() - began)
        finally:
            owner.kill()
            owner.wait()
            owner.stdout.close()
    print("released after", [f"{delay * 1000:.0f} ms" for delay in delays])
    assert max(delays) < 0.5  # an emulated processor is some twenty times slower


@pytest.mark.parametrize("line", ["cts", "dsr"])
def test_squelch_follows_its_line(line):
    ptt = {"cts": "rts", "dsr": "dtr"}[line]  # as the chip's loop connects them
    port = opened(ptt, line)
    try:
        other = os.open(PORT, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.ioctl(other, termios.TIOCMBIS, struct.pack("i", TIOCM_LOOP))
        os.close(other)
        assert port.squelch_open() is False
        port.key(True)
        assert port.squelch_open() is True
        port.key(False)
        assert port.squelch_open() is False
    finally:
        port.close()


class Sink:
    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.stored: list[AlarmSignal] = []

    async def accept(self, signal: AlarmSignal) -> bool:
        self.stored.append(signal)
        return True

    def ready(self) -> None:
        self.opened.set()

    def heartbeat(self) -> None: ...

    def count(self, what: str, number: int = 1) -> None: ...


async def test_port_of_a_radio_is_not_opened_as_a_panel():
    port = opened()
    try:
        with pytest.raises(DriverOpenError):
            await PanelInput("panel", PanelOptions(port=PORT)).run(Sink())
        assert outputs() == set()
    finally:
        port.close()


@pytest.mark.parametrize(
    "serial_format",
    [
        {"baud_rate": 9600},
        {"baud_rate": 19200, "data_bits": 7, "parity": "even"},
        {"baud_rate": 1200, "data_bits": 7, "parity": "even"},
    ],
    ids=["MLR2000", "MLR2E", "DV"],
)
async def test_panel_is_acknowledged_over_a_real_uart(serial_format):
    import serial

    parity = {"even": serial.PARITY_EVEN}.get(serial_format.get("parity"), serial.PARITY_NONE)
    sink = Sink()
    driver = PanelInput("panel", PanelOptions(port="/dev/ttyS2", **serial_format))
    task = asyncio.create_task(driver.run(sink))
    await asyncio.wait_for(sink.opened.wait(), 10)
    with serial.Serial(
        "/dev/ttyS1",
        serial_format["baud_rate"],
        bytesize=serial_format.get("data_bits", 8),
        parity=parity,
        timeout=0,
    ) as receiver:
        answers = b""
        for line in (PRESS, PRESS[1:], PRESS):
            receiver.write(line)
            deadline = time.monotonic() + 5
            before = len(answers)
            while len(answers) == before and time.monotonic() < deadline:
                answers += receiver.read(10)
                await asyncio.sleep(0.005)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert answers == b"\x06\x15\x06"
    assert [signal.code for signal in sink.stored] == ["E120", "E120"]
