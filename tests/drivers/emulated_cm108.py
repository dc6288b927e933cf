"""A USB sound chip's hidraw device as `drivers.ptt.cm108_line` sees it, for one process.

What the driver asks of ``os`` and ``fcntl`` for this device is answered here. On a real kernel, with
a USB gadget and with a uhid device, the same driver is tested by tests/vm.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import threading
from types import SimpleNamespace

PATH = "/dev/hidraw7"


class EmulatedCm108:
    """The chip, and what a radio on its pins sees and does. Button inputs are pulled up."""

    def __init__(self) -> None:
        self.vendor, self.product = 0x0D8C, 0x000C
        self.outputs = 0
        self.values = 0
        self.buttons = 0
        self.pulled = 0xFF  # what is outside makes of pins that are inputs
        self.gone = False
        self.answers_inputs = True
        self.hang = threading.Event()
        self.hang.set()
        self.openers: set[int] = set()
        self._chip: dict[int, socket.socket] = {}
        self.written: list[bytes] = []

    @property
    def pins(self) -> int:
        return (self.values & self.outputs) | (self.pulled & ~self.outputs & 0xFF)

    def drives(self, pin: int) -> bool | None:
        """The level that a pin is driven to; None where it is an input."""
        bit = 1 << (pin - 1)
        return bool(self.values & bit) if self.outputs & bit else None

    def press(self, bit: int, pressed: bool) -> None:
        self.buttons = self.buttons | bit if pressed else self.buttons & ~bit
        self.report()

    def pull(self, pin: int, high: bool) -> None:
        bit = 1 << (pin - 1)
        self.pulled = self.pulled | bit if high else self.pulled & ~bit
        self.report()

    def report(self, data: bytes | None = None) -> None:
        for end in self._chip.values():
            end.send(bytes([self.buttons, self.pins, 0, 0]) if data is None else data)

    def reset(self) -> None:
        self.outputs = self.values = 0

    def pull_out(self) -> None:
        self.gone = True
        for end in self._chip.values():
            end.close()
        self._chip.clear()

    # What the driver calls.

    def open(self, path: str, flags: int) -> int:
        if path != PATH or self.gone:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        assert flags & os.O_NONBLOCK
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        descriptor = theirs.detach()
        self.openers.add(descriptor)
        self._chip[descriptor] = ours
        return descriptor

    def close(self, descriptor: int) -> None:
        os.close(descriptor)
        self.openers.discard(descriptor)
        if end := self._chip.pop(descriptor, None):
            end.close()

    def write(self, descriptor: int, data: bytes) -> int:
        self.hang.wait(10)
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        if len(data) != 5 or data[:2] != b"\0\0":
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.written.append(data)
        self.values, self.outputs = data[2], data[3]
        return len(data)

    def ioctl(self, descriptor: int, request: int, argument: object, *_: object) -> object:
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        number, size = request & 0xFF, (request >> 16) & 0x3FFF
        if number == 0x03:
            return struct.pack(
                "Ihh", 3, self.vendor, struct.unpack("h", struct.pack("H", self.product))[0]
            )
        assert (number, size) == (0x0A, 5)
        if not self.answers_inputs:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        assert isinstance(argument, bytearray)
        argument[:] = bytes([0, self.buttons, self.pins, 0, 0])
        return 5

    def flock(self, descriptor: int, _how: int) -> None:
        if len(self.openers) > 1:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def install(self, monkeypatch) -> None:
        """Make the driver meet this chip instead of the kernel's."""
        own_os = SimpleNamespace(
            **{**vars(os), "open": self.open, "close": self.close, "write": self.write}
        )
        own_fcntl = SimpleNamespace(**{**vars(fcntl), "ioctl": self.ioctl, "flock": self.flock})
        monkeypatch.setattr("drivers.ptt.cm108_line.os", own_os)
        monkeypatch.setattr("drivers.ptt.hidraw.os", own_os)
        monkeypatch.setattr("drivers.ptt.hidraw.fcntl", own_fcntl)
