"""The panel driver on a real pseudo-terminal: what is answered, when, and what is not."""

import asyncio
import contextlib
import fcntl
import os
import pty
import termios
import time
import tty
from pathlib import Path

import pytest

from drivers.panel import driver as panel_driver
from drivers.panel.driver import PanelInput
from drivers.panel.options import PanelOptions
from gateway.errors import DriverIOError, DriverOpenError
from gateway.ports import AlarmSignal, SignalKind

PRESS = b"5011 181234E12001001\x14"
OTHER_PRESS = b"5011 181234E12001002\x14"
BEAT = b"1011           @    \x14"
ACK, NAK = b"\x06", b"\x15"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Receiver:
    """The alarm receiver at the far end of the line."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)

    async def send(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.001)

    async def answers(self, number: int, within: float = 1.0) -> bytes:
        """The next ``number`` bytes that come back, or fewer if time runs out."""
        got = b""
        deadline = time.monotonic() + within
        while len(got) < number and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError, OSError):
                got += os.read(self._master, number - len(got))
            await asyncio.sleep(0.001)
        return got

    async def silence(self, seconds: float = 0.05) -> bool:
        return await self.answers(1, seconds) == b""

    def unplug(self) -> None:
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


class Sink:
    """The gateway's side; ``storing`` is what stands between a line and the disk."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.stored: list[AlarmSignal] = []
        self.counts: dict[str, int] = {}
        self.heartbeats = 0
        self.storing = asyncio.Event()
        self.storing.set()
        self.works = True
        self.asked = 0

    async def accept(self, signal: AlarmSignal) -> bool:
        self.asked += 1
        await self.storing.wait()
        if self.works:
            self.stored.append(signal)
        return self.works

    def ready(self) -> None:
        self.opened.set()

    def heartbeat(self) -> None:
        self.heartbeats += 1

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number


class Line:
    """A receiver, the driver and its sink, connected."""

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.sink = Sink()
        self.task: asyncio.Task[None] | None = None

    async def open(self, **options) -> None:
        driver = PanelInput("receiver-1", PanelOptions(port=self.receiver.port, **options))
        self.task = asyncio.create_task(driver.run(self.sink))
        await asyncio.wait_for(self.sink.opened.wait(), 2)

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError, DriverIOError):
                await self.task
        self.receiver.unplug()


@pytest.fixture
async def line():
    line = Line()
    try:
        yield line
    finally:
        await line.close()


async def test_ack_comes_only_after_the_line_is_stored(line):
    await line.open()
    line.sink.storing.clear()
    await line.receiver.send(PRESS)
    assert await line.receiver.silence(0.1)
    assert line.sink.asked == 1
    line.sink.storing.set()
    assert await line.receiver.answers(1) == ACK
    assert [signal.code for signal in line.sink.stored] == ["E120"]


async def test_line_that_could_not_be_stored_gets_no_answer_and_its_repeat_gets_one(line):
    await line.open()
    line.sink.works = False
    await line.receiver.send(PRESS)
    assert await line.receiver.silence(0.1)
    assert line.sink.counts["not_stored"] == 1
    line.sink.works = True
    await line.receiver.send(PRESS)
    assert await line.receiver.answers(1) == ACK


@pytest.mark.parametrize("byte_by_byte", [False, True])
async def test_line_gets_one_ack_however_it_arrives(line, byte_by_byte):
    await line.open()
    for piece in [bytes([byte]) for byte in PRESS] if byte_by_byte else [PRESS]:
        await line.receiver.send(piece)
        await asyncio.sleep(0)
    assert await line.receiver.answers(2, 0.1) == ACK
    assert len(line.sink.stored) == 1


async def test_two_lines_in_one_write_get_two_acks(line):
    await line.open()
    await line.receiver.send(PRESS + OTHER_PRESS)
    assert await line.receiver.answers(3, 0.1) == ACK + ACK
    assert [signal.zone for signal in line.sink.stored] == ["001", "002"]


async def test_line_without_its_first_byte_gets_nak_and_its_repeat_ack(line):
    await line.open()
    await line.receiver.send(PRESS[1:])
    assert await line.receiver.answers(1) == NAK
    await line.receiver.send(PRESS)
    assert await line.receiver.answers(1) == ACK
    assert len(line.sink.stored) == 1


async def test_line_without_its_last_byte_gets_nothing_and_its_repeat_ack(line):
    await line.open()
    await line.receiver.send(PRESS[:-1])
    assert await line.receiver.silence(0.1)
    await line.receiver.send(PRESS)
    assert await line.receiver.answers(2, 0.1) == ACK
    assert len(line.sink.stored) == 1


async def test_third_identical_arrival_of_an_unknown_line_is_stored_and_acknowledged(line):
    await line.open()
    unknown = b"some line that nobody knows\x14"
    answers = b""
    for _ in range(3):
        await line.receiver.send(unknown)
        answers += await line.receiver.answers(1)
    assert answers == NAK + NAK + ACK
    assert [(signal.signal, signal.category) for signal in line.sink.stored] == [
        (SignalKind.FAULT, "trouble")
    ]


async def test_heartbeat_is_acknowledged_and_is_no_signal(line):
    await line.open()
    await line.receiver.send(BEAT)
    assert await line.receiver.answers(1) == ACK
    assert (line.sink.heartbeats, line.sink.stored) == (1, [])


async def test_mebibyte_of_noise_costs_nothing_but_a_count(line):
    await line.open()
    noise = bytes(value for value in range(256) if value != 0x14) * 4112
    await line.receiver.send(noise)
    await line.receiver.send(PRESS)
    assert await line.receiver.answers(2, 0.2) == ACK
    assert line.sink.counts["noise_bytes"] == len(noise)
    assert len(line.sink.stored) == 1


async def test_answers_keep_the_order_of_the_lines_while_storing_is_slow(line):
    await line.open()
    line.sink.storing.clear()
    await line.receiver.send(PRESS + PRESS[1:] + BEAT)
    assert await line.receiver.silence(0.1)  # neither the NAK nor the heartbeat's ACK overtakes
    line.sink.storing.set()
    assert await line.receiver.answers(3) == ACK + NAK + ACK


async def test_no_answer_leaves_later_than_its_time(line, monkeypatch):
    monkeypatch.setattr(panel_driver, "ANSWER_WITHIN", 0.1)
    await line.open()
    line.sink.storing.clear()
    await line.receiver.send(PRESS + PRESS[1:])
    await asyncio.sleep(0.15)
    await line.receiver.send(OTHER_PRESS)
    await asyncio.sleep(0.02)
    line.sink.storing.set()
    assert await line.receiver.answers(2, 0.1) == ACK  # the second press's own
    assert line.sink.counts["answers_too_late"] == 2
    assert [signal.zone for signal in line.sink.stored] == ["001", "002"]


def test_answers_are_in_time_for_a_receiver_that_waits_four_seconds():
    assert panel_driver.ANSWER_WITHIN == 3.5


async def test_lines_beyond_the_bound_wait_in_the_port_and_none_is_lost(line, monkeypatch):
    monkeypatch.setattr(panel_driver, "MAX_WAITING", 4)
    await line.open()
    line.sink.storing.clear()
    sending = asyncio.create_task(line.receiver.send(PRESS * 500))
    await asyncio.sleep(0.05)
    assert line.sink.asked == 1
    line.sink.storing.set()
    assert await line.receiver.answers(500, 3.0) == ACK * 500
    await sending
    assert len(line.sink.stored) == 500


async def test_port_that_vanishes_is_a_fault_within_a_second(line):
    await line.open()
    line.receiver.unplug()
    with pytest.raises(DriverIOError) as caught:
        await asyncio.wait_for(line.task, 1.0)
    assert caught.value.driver == "receiver-1"


async def test_lines_read_before_the_port_vanished_are_still_stored(line):
    await line.open()
    line.sink.storing.clear()
    await line.receiver.send(PRESS + OTHER_PRESS)
    await asyncio.sleep(0.05)
    line.receiver.unplug()
    await asyncio.sleep(0.05)
    line.sink.storing.set()
    with pytest.raises(DriverIOError):
        await asyncio.wait_for(line.task, 1.0)
    assert [signal.zone for signal in line.sink.stored] == ["001", "002"]


async def test_port_that_vanishes_while_storing_hangs_is_a_fault_within_a_second(line):
    await line.open()
    line.sink.storing.clear()
    await line.receiver.send(PRESS)
    await asyncio.sleep(0.05)
    line.receiver.unplug()
    with pytest.raises(DriverIOError):
        await asyncio.wait_for(line.task, 1.0)


async def test_absent_port_is_an_open_error():
    driver = PanelInput("receiver-1", PanelOptions(port="/dev/no-such-port"))
    with pytest.raises(DriverOpenError, match=r"receiver-1.*no-such-port"):
        await driver.run(Sink())


async def test_port_that_another_program_holds_is_an_open_error(line):
    other = os.open(line.receiver.port, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(DriverOpenError):
            await PanelInput("receiver-1", PanelOptions(port=line.receiver.port)).run(Sink())
    finally:
        os.close(other)


async def test_port_closes_when_the_driver_is_cancelled_and_opens_again(line):
    before = open_files()
    await line.open()
    line.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await line.task
    assert open_files() == before
    line.sink.opened.clear()
    await line.open()
    await line.receiver.send(PRESS)
    assert await line.receiver.answers(1) == ACK


async def test_serial_format_of_the_receiver_is_set(line):
    await line.open(baud_rate=19200, data_bits=7, parity="even")
    port = os.open(line.receiver.port, os.O_RDWR | os.O_NOCTTY)
    try:
        iflag, _, cflag, _, ispeed, ospeed, _ = termios.tcgetattr(port)
    finally:
        os.close(port)
    assert (ispeed, ospeed) == (termios.B19200, termios.B19200)
    assert iflag & termios.INPCK  # a pty keeps no CS7 and PARENB of its own to look at
    assert not cflag & termios.CSTOPB
    await line.receiver.send(PRESS)
    assert await line.receiver.answers(1) == ACK


async def test_failure_of_the_gateway_itself_is_not_hidden(line):
    async def breaks(signal):
        raise RuntimeError("a defect")

    line.sink.accept = breaks
    await line.open()
    await line.receiver.send(PRESS)
    with pytest.raises(RuntimeError, match="a defect"):
        await asyncio.wait_for(line.task, 1.0)
    line.task = None
