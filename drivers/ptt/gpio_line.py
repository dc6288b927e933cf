"""The ``gpio`` line: one line of a GPIO chip keys, another is the squelch.

Most chips keep an output as it is when its owner dies (the kernel's gpio-sim falls back to its pull),
so after a kill -9 of the keyer the transmitter stays keyed until the next keyer opens the line, a
fraction of a second later. A resistor to the released level holds it at boot.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import gpiod
from gpiod.line import Bias, Direction, Edge, Value

from drivers._gpio import CONSUMER, DRIVES, chip_path
from drivers._squelch_lines import GpioSquelchOptions
from drivers.ptt.options import GpioPttOptions
from gateway.errors import DriverIOError, DriverOpenError

_BIASES = {
    "as-is": Bias.AS_IS,
    "disabled": Bias.DISABLED,
    "pull-up": Bias.PULL_UP,
    "pull-down": Bias.PULL_DOWN,
}


class GpioLine:
    """Opens a `GpioPort`."""

    def __init__(
        self, name: str, ptt: GpioPttOptions | None, squelch: GpioSquelchOptions | None
    ) -> None:
        self._name = name
        self._ptt = ptt
        self._squelch = squelch

    def open(self) -> GpioPort:
        return GpioPort(self._name, self._ptt, self._squelch)


class GpioPort:
    """An output that keys, an input that senses, or both.

    Raises:
        DriverOpenError: chip or line are absent, in use or forbidden.
    """

    def __init__(
        self, name: str, ptt: GpioPttOptions | None, squelch: GpioSquelchOptions | None
    ) -> None:
        self._name = name
        self._output: gpiod.LineRequest | None = None
        self._echo: gpiod.LineRequest | None = None
        self._input: gpiod.LineRequest | None = None
        self._output_offset = ptt.offset if ptt else 0
        self._echo_offset = (ptt and ptt.readback_offset) or 0
        self._driven = ptt is not None and ptt.drive == "push-pull"
        self._input_offset = squelch.offset if squelch else 0
        try:
            if ptt is not None:
                self._output = _request(ptt.chip, ptt.offset, _output(ptt))
                if ptt.readback_offset is not None:
                    self._echo = _request(ptt.chip, ptt.readback_offset, _echo(ptt))
            if squelch is not None:
                self._input = _request(squelch.chip, squelch.offset, _input(squelch))
        except (OSError, ValueError) as error:
            self.close()
            raise DriverOpenError(name, str(error)) from error

    def key(self, keyed: bool) -> None:
        if self._output is None:
            return
        value = Value.ACTIVE if keyed else Value.INACTIVE
        try:
            self._output.set_value(self._output_offset, value)
            # What an open line reads when released is up to what else pulls at it.
            followed = not self._driven or self._output.get_value(self._output_offset) == value
        except (OSError, ValueError) as error:
            raise DriverIOError(self._name, str(error)) from error
        if not followed:
            raise DriverIOError(self._name, "the line does not follow")

    def squelch_open(self) -> bool | None:
        if self._input is None:
            return None
        try:
            if self._input.wait_edge_events(timedelta()):
                self._input.read_edge_events()  # they only wake us; what counts is the level
            return self._input.get_value(self._input_offset) == Value.ACTIVE
        except (OSError, ValueError) as error:
            raise DriverIOError(self._name, str(error)) from error

    @property
    def reads_back(self) -> bool:
        return self._echo is not None

    def reads_keyed(self) -> bool | None:
        """What the line of ``readback_offset`` says."""
        if self._echo is None:
            return None
        try:
            return self._echo.get_value(self._echo_offset) == Value.ACTIVE
        except (OSError, ValueError) as error:
            raise DriverIOError(self._name, str(error)) from error

    def fileno(self) -> int:
        return -1 if self._input is None else self._input.fd

    def close(self) -> None:
        with contextlib.suppress(DriverIOError):
            self.key(False)
        for request in (self._output, self._echo, self._input):
            if request is not None:
                with contextlib.suppress(OSError, ValueError):
                    request.release()
        self._output = self._echo = self._input = None


def _request(chip: str, offset: int, settings: gpiod.LineSettings) -> gpiod.LineRequest:
    path = chip_path(chip)
    try:
        return gpiod.request_lines(path, consumer=CONSUMER, config={offset: settings})
    except OSError as error:
        raise OSError(f"{path} line {offset}: {error.strerror or error}") from error


def _output(options: GpioPttOptions) -> gpiod.LineSettings:
    return gpiod.LineSettings(
        direction=Direction.OUTPUT,
        drive=DRIVES[options.drive],
        active_low=options.active == "low",
        output_value=Value.INACTIVE,
    )


def _echo(options: GpioPttOptions) -> gpiod.LineSettings:
    return gpiod.LineSettings(
        direction=Direction.INPUT, active_low=options.readback_active == "low"
    )


def _input(options: GpioSquelchOptions) -> gpiod.LineSettings:
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=_BIASES[options.bias],
        active_low=options.active == "low",
        debounce_period=timedelta(milliseconds=options.debounce_ms),
    )
