"""The ``cm108`` line: PTT and COS on the spare pins of a USB sound chip, by its HID interface.

A pin that was made an output keeps its level when its owner dies: after a kill -9 of the keyer the
transmitter stays keyed until the next keyer opens the chip, a fraction of a second later, until
``baiying unkey`` does, or until the chip loses its power or is reset, which makes every pin an input.
So the interface needs a resistor to the released level, and best a time-out of its own.

What the chip is told is told again at each check of the keyer, and so holds after a reset.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from drivers._squelch_lines import Cm108SquelchOptions
from drivers.ptt import hidraw
from drivers.ptt.bounded import Bounded
from drivers.ptt.cm108_reports import INPUT_BYTES, Inputs, input_report, output_report
from drivers.ptt.options import Cm108PttOptions
from gateway.errors import DriverIOError, DriverOpenError, RemoteProtocolError

ANSWERS = 0.1
"""Seconds that a chip has for an answer; 1 to 3 ms are usual."""

_C_MEDIA, _SOLID_STATE, _ALL_IN_ONE_CABLE = 0x0D8C, 0x0C76, 0x1209
_FEW_PINS = {0x0012, 0x0139, 0x013C}
"""Products of C-Media (CM108B, CM108AH) that have GPIO1, 3 and 4 only."""

_CHUNK_BYTES = 64


class Cm108Line:
    """Opens a `Cm108Port`. Where both options are given they name one chip."""

    def __init__(
        self, name: str, ptt: Cm108PttOptions | None, squelch: Cm108SquelchOptions | None
    ) -> None:
        self._name = name
        self._ptt = ptt
        self._squelch = squelch

    def open(self) -> Cm108Port:
        return Cm108Port(self._name, self._ptt, self._squelch)


class Cm108Port:
    """An open chip, its PTT pin driven to the released level.

    Raises:
        DriverOpenError: absent, in use, forbidden, of another kind, or it does not answer.
    """

    def __init__(
        self, name: str, ptt: Cm108PttOptions | None, squelch: Cm108SquelchOptions | None
    ) -> None:
        options = ptt or squelch
        assert options is not None
        self._name = name
        self._device = options.device
        self._ptt = ptt
        self._squelch = squelch
        self._inputs: Inputs | None = None
        self._descriptor = -1
        self.reads_back = ptt is not None and ptt.readback != "none"
        thread = f"{name}: {options.device}"
        if Bounded.hangs(thread):
            raise DriverOpenError(name, f"{options.device}: it does not answer")
        self._chip: Bounded | None = Bounded(thread)
        try:
            self._chip.call(self._open, ANSWERS)
        except (OSError, RemoteProtocolError) as error:
            self.close()
            raise DriverOpenError(name, f"{options.device}: {_why(error)}") from error

    def key(self, keyed: bool) -> None:
        if self._ptt is None:
            return
        report = self._report(keyed)
        self._do(lambda: os.write(self._descriptor, report))

    def squelch_open(self) -> bool | None:
        squelch = self._squelch
        if squelch is None:
            return None
        try:
            while True:
                self._take(os.read(self._descriptor, _CHUNK_BYTES))
        except BlockingIOError:
            pass
        except (OSError, RemoteProtocolError) as error:
            raise self._failed(error) from error
        if self._inputs is None:
            return None
        return self._inputs.is_high(squelch.line) == (squelch.active == "high")

    def reads_keyed(self) -> bool | None:
        """What the chip reports of the line that ``readback`` names."""
        ptt = self._ptt
        if ptt is None or not self.reads_back:
            return None
        self._do(lambda: self._take(hidraw.ask_input(self._descriptor, INPUT_BYTES)))
        if self._inputs is None:
            return None
        return self._inputs.is_high(ptt.readback) == (ptt.readback_active == "high")

    def fileno(self) -> int:
        return -1 if self._squelch is None else self._descriptor

    def close(self) -> None:
        """Release and close; a chip that hangs gets both as soon as it is back."""
        chip, self._chip = self._chip, None
        if chip is not None:
            chip.end(self._release_and_close, ANSWERS)

    def _open(self) -> None:
        """In the chip's thread."""
        descriptor = hidraw.open_device(hidraw.find(self._device))
        try:
            self._check_kind(*hidraw.identity(descriptor))
            if self._ptt is not None:
                os.write(descriptor, self._report(False))
            if self._squelch is not None or self.reads_back:
                self._look(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def _look(self, descriptor: int) -> None:
        """The levels of now; without them a squelch is unknown until it changes."""
        try:
            self._take(hidraw.ask_input(descriptor, INPUT_BYTES))
        except OSError as error:
            if self.reads_back:
                raise OSError(error.errno, "its inputs cannot be read back") from error

    def _check_kind(self, vendor: int, product: int) -> None:
        if vendor not in (_C_MEDIA, _SOLID_STATE, _ALL_IN_ONE_CABLE):
            raise OSError(22, f"{vendor:04x}:{product:04x} is no such sound chip")
        pin = self._ptt.gpio if self._ptt is not None else 1
        if vendor == _C_MEDIA and product in _FEW_PINS and pin not in (1, 3, 4):
            raise OSError(22, f"this chip ({product:04x}) has no GPIO{pin}, only 1, 3 and 4")

    def _report(self, keyed: bool) -> bytes:
        assert self._ptt is not None
        return output_report(self._ptt.gpio, high=keyed == (self._ptt.active == "high"))

    def _take(self, data: bytes) -> None:
        if not data:
            raise OSError(5, "it is gone")
        self._inputs = input_report(data) or self._inputs

    def _do(self, what: Callable[[], object]) -> None:
        if self._chip is None:
            raise DriverIOError(self._name, f"{self._device}: closed")
        try:
            self._chip.call(what, ANSWERS)
        except (OSError, RemoteProtocolError) as error:
            raise self._failed(error) from error

    def _release_and_close(self) -> None:
        """In the chip's thread."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if self._ptt is not None:
            with contextlib.suppress(OSError):
                os.write(descriptor, self._report(False))
        with contextlib.suppress(OSError):
            os.close(descriptor)

    def _failed(self, error: Exception) -> DriverIOError:
        return DriverIOError(self._name, f"{self._device}: {_why(error)}")


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
