"""The ``serial-line`` line: RTS or DTR keys, CTS, DSR, DCD or RI is the squelch.

The kernel raises RTS and DTR when a serial port is opened, and so keys the radio for a moment,
unless the port was left at baud rate B0; and it drops them when the last descriptor closes if
HUPCL is set. So this port is opened without waiting, released before anything else is done with it,
set to B0 and HUPCL, and kept from other openers: a second one would keep the lines up after this
one's death. B0 changes nothing for lines set by hand; no byte is ever sent.

Squelch lines are polled: TIOCMIWAIT would need a thread, and a thread inside an ioctl keeps the
port open while it is closed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios

from drivers._squelch_lines import SerialSquelchOptions
from drivers.ptt.options import SerialPttOptions
from gateway.errors import DriverIOError, DriverOpenError

_OUTPUTS = {"rts": termios.TIOCM_RTS, "dtr": termios.TIOCM_DTR}
_INPUTS = {
    "cts": termios.TIOCM_CTS,
    "dsr": termios.TIOCM_DSR,
    "dcd": termios.TIOCM_CAR,
    "ri": termios.TIOCM_RNG,
}
_BOTH = termios.TIOCM_RTS | termios.TIOCM_DTR
_BITS = struct.Struct("i")


class SerialLine:
    """Opens a `SerialPort`. Where both options are given they name one port."""

    def __init__(
        self, name: str, ptt: SerialPttOptions | None, squelch: SerialSquelchOptions | None
    ) -> None:
        self._name = name
        self._ptt = ptt
        self._squelch = squelch

    def open(self) -> SerialPort:
        return SerialPort(self._name, self._ptt, self._squelch)


class SerialPort:
    """A serial port of which only the modem lines are used.

    Raises:
        DriverOpenError: it is absent, in use, forbidden, has no modem lines, or stays keyed.
    """

    def __init__(
        self, name: str, ptt: SerialPttOptions | None, squelch: SerialSquelchOptions | None
    ) -> None:
        options = ptt or squelch
        assert options is not None
        self._name = name
        self._path = options.port
        self._output = _OUTPUTS[ptt.line] if ptt else 0
        self._input = _INPUTS[squelch.line] if squelch else 0
        self._echo = _INPUTS.get(ptt.readback, 0) if ptt else 0
        self._echo_level = ptt is not None and ptt.readback_active == "high"
        self._open_level = squelch is not None and squelch.active == "high"
        try:
            self._descriptor = os.open(
                self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError as error:
            raise DriverOpenError(name, f"{self._path}: {error.strerror}") from error
        try:
            self._set_up()
        except (OSError, termios.error) as error:
            self.close()
            raise DriverOpenError(name, f"{self._path}: {_why(error)}") from error

    def key(self, keyed: bool) -> None:
        if not self._output:
            return
        try:
            self._write(termios.TIOCMBIS if keyed else termios.TIOCMBIC, self._output)
            followed = bool(self._read() & self._output) == keyed
        except OSError as error:
            raise self._failed(error) from error
        if not followed:
            raise DriverIOError(self._name, f"{self._path}: the line does not follow")

    def squelch_open(self) -> bool | None:
        if not self._input:
            return None
        try:
            return bool(self._read() & self._input) == self._open_level
        except OSError as error:
            raise self._failed(error) from error

    @property
    def reads_back(self) -> bool:
        return self._echo != 0

    def reads_keyed(self) -> bool | None:
        """What the line that ``readback`` names says."""
        if not self.reads_back:
            return None
        try:
            return bool(self._read() & self._echo) == self._echo_level
        except OSError as error:
            raise self._failed(error) from error

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            self._write(termios.TIOCMBIC, _BOTH)
        # TIOCEXCL outlives its owner where somebody else (as root) has the port open as well.
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._descriptor, termios.TIOCNXCL)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
        self._descriptor = -1

    def _set_up(self) -> None:
        self._write(termios.TIOCMBIC, _BOTH)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # keeps pyserial out
        fcntl.ioctl(self._descriptor, termios.TIOCEXCL)  # and everybody else
        attributes = termios.tcgetattr(self._descriptor)
        attributes[0] = attributes[1] = attributes[3] = 0  # no input, output or line processing
        attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
        attributes[4] = attributes[5] = termios.B0
        termios.tcsetattr(self._descriptor, termios.TCSANOW, attributes)
        if not termios.tcgetattr(self._descriptor)[2] & termios.HUPCL:
            raise OSError("it does not hang up on close, and so would stay keyed")
        self._write(termios.TIOCMBIC, _BOTH)
        if self._read() & _BOTH:
            raise OSError("RTS or DTR cannot be released")

    def _write(self, request: int, lines: int) -> None:
        fcntl.ioctl(self._descriptor, request, _BITS.pack(lines))

    def _read(self) -> int:
        answer = fcntl.ioctl(self._descriptor, termios.TIOCMGET, bytes(_BITS.size))
        (bits,) = _BITS.unpack(answer)
        return int(bits)

    def _failed(self, error: OSError) -> DriverIOError:
        return DriverIOError(self._name, f"{self._path}: {_why(error)}")


def _why(error: OSError | termios.error) -> str:
    # termios.error is no OSError, and has its text second.
    return str(getattr(error, "strerror", None) or error.args[-1])
