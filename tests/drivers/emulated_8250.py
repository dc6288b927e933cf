"""A serial port with modem lines as the kernel's 8250 driver has them, for one process.

What `drivers.ptt.serial_line` asks of ``os``, ``fcntl`` and ``termios`` for this port is answered
here, with the traps that a real port was measured to have: opening raises RTS and DTR unless the
port was left at B0, and the last close drops them only if HUPCL is set. On a real port in a
virtual machine the same driver is tested by tests/vm.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from types import SimpleNamespace

LINES = {
    "rts": termios.TIOCM_RTS,
    "dtr": termios.TIOCM_DTR,
    "cts": termios.TIOCM_CTS,
    "dsr": termios.TIOCM_DSR,
    "dcd": termios.TIOCM_CAR,
    "ri": termios.TIOCM_RNG,
}
PATH = "/dev/ttyEMULATED0"


class Emulated8250:
    """The port, and what a radio on it sees."""

    def __init__(self) -> None:
        self.up = 0
        self.cflag = termios.B9600 | termios.CS8 | termios.HUPCL
        self.speed = termios.B9600
        self.openers: set[int] = set()
        self.exclusive = False
        self.locked = False
        self.unplugged = False
        self.stuck = 0  # lines that cannot be released
        self.ignores_hupcl = False
        self.history: list[str] = []

    # What the radio sees and does.

    def is_up(self, line: str) -> bool:
        return bool(self.up & LINES[line])

    def raise_line(self, line: str) -> None:
        self.up |= LINES[line]

    def drop_line(self, line: str) -> None:
        self.up &= ~LINES[line]

    # What a process can do to it.

    def open(self, path: str, flags: int) -> int:
        if path != PATH or self.unplugged:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self.exclusive:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        assert flags & os.O_NOCTTY
        assert flags & os.O_NONBLOCK, "without carrier the open would wait for ever"
        descriptor = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.openers.add(descriptor)
        if self.speed != termios.B0:
            self._set(termios.TIOCM_RTS | termios.TIOCM_DTR)
        return descriptor

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
        self.openers.discard(descriptor)
        if not self.openers and self.cflag & termios.HUPCL:
            self._clear(termios.TIOCM_RTS | termios.TIOCM_DTR)

    def ioctl(self, descriptor: int, request: int, argument: bytes = b"") -> bytes:
        self._alive(descriptor)
        if request == termios.TIOCMGET:
            return struct.pack("i", self.up)
        if request == termios.TIOCMBIS:
            self._set(*struct.unpack("i", argument))
        elif request == termios.TIOCMBIC:
            self._clear(*struct.unpack("i", argument))
        elif request in (termios.TIOCEXCL, termios.TIOCNXCL):
            self.exclusive = request == termios.TIOCEXCL
        else:
            raise AssertionError(f"unexpected ioctl {request:#x}")
        return b""

    def flock(self, descriptor: int, _how: int) -> None:
        self._alive(descriptor)
        self.history.append("lock")
        if self.locked:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def tcgetattr(self, descriptor: int) -> list:
        self._alive(descriptor)
        return [0, 0, self.cflag, 0, self.speed, self.speed, [b"\0"] * 32]

    def tcsetattr(self, descriptor: int, _when: int, attributes: list) -> None:
        self._alive(descriptor)
        self.history.append("set up")
        self.cflag, self.speed = attributes[2], attributes[4]
        if self.ignores_hupcl:
            self.cflag &= ~termios.HUPCL

    def _alive(self, descriptor: int) -> None:
        assert descriptor in self.openers
        if self.unplugged:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _set(self, lines: int) -> None:
        self.up |= lines
        self.history += [f"+{name}" for name in ("rts", "dtr") if lines & LINES[name]]

    def _clear(self, lines: int) -> None:
        self.up &= ~lines | self.stuck
        self.history += [f"-{name}" for name in ("rts", "dtr") if lines & LINES[name]]

    def install(self, monkeypatch) -> None:
        """Make the driver meet this port instead of the kernel."""
        module = "drivers.ptt.serial_line"
        monkeypatch.setattr(
            f"{module}.os",
            SimpleNamespace(**{**vars(os), "open": self.open, "close": self.close}),
        )
        monkeypatch.setattr(
            f"{module}.fcntl",
            SimpleNamespace(**{**vars(fcntl), "ioctl": self.ioctl, "flock": self.flock}),
        )
        monkeypatch.setattr(
            f"{module}.termios",
            SimpleNamespace(
                **{**vars(termios), "tcgetattr": self.tcgetattr, "tcsetattr": self.tcsetattr}
            ),
        )
