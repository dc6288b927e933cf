"""The ``gpio`` output: lamps and relays on the lines of a GPIO chip, through libgpiod 2.

Most chips keep an output as it is when its owner dies: what was on stays on after a kill -9, until
the next start switches everything off and then on what is still to be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import gpiod
from gpiod.line import Direction, Value

from drivers._gpio import CONSUMER, DRIVES, chip_path
from drivers.output.options import GpioOutputLine, GpioOutputOptions
from gateway.errors import DriverIOError, DriverOpenError

LOOK_EVERY = 0.5
"""Seconds between two readings of all levels: a chip that vanished is noticed by them within 1 s."""


class GpioOutput:
    """Lines of one chip (`gateway.ports.AlarmOutput`)."""

    def __init__(self, name: str, options: GpioOutputOptions) -> None:
        self._name = name
        self._options = options
        self._request: gpiod.LineRequest | None = None
        self._on: set[str] = set()
        self._failed = asyncio.Event()
        self._why: Exception | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        self._on.clear()
        self._failed.clear()
        self._request = self._open()
        try:
            ready()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._failed.wait()
                if not self._failed.is_set():
                    self._look()
                if self._why is not None:
                    raise DriverIOError(self._name, str(self._why)) from self._why
        finally:
            self._close()

    def set(self, line: str, on: bool) -> None:
        if self._request is None or line not in self._options.lines:
            return
        (self._on.add if on else self._on.discard)(line)
        try:
            self._request.set_value(self._options.lines[line].offset, _value(on))
        except (OSError, ValueError) as error:
            self._fail(error)

    def _open(self) -> gpiod.LineRequest:
        path = chip_path(self._options.chip)
        try:
            return gpiod.request_lines(
                path,
                consumer=CONSUMER,
                config={line.offset: _settings(line) for line in self._options.lines.values()},
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise DriverOpenError(self._name, f"cannot drive lines of {path}: {why}") from error

    def _look(self) -> None:
        """Whether every driven line is as it was set; an open one reads what else pulls at it."""
        assert self._request is not None
        for name, line in self._options.lines.items():
            try:
                level = self._request.get_value(line.offset)
            except (OSError, ValueError) as error:
                self._fail(error)
                return
            if line.drive == "push-pull" and level != _value(name in self._on):
                self._fail(OSError(f"line {name} does not follow"))
                return

    def _fail(self, error: Exception) -> None:
        self._why = error
        self._failed.set()

    def _close(self) -> None:
        request, self._request, self._why = self._request, None, None
        assert request is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._options.lines.values():
                request.set_value(line.offset, Value.INACTIVE)
        with contextlib.suppress(OSError, ValueError):
            request.release()


def _value(on: bool) -> Value:
    return Value.ACTIVE if on else Value.INACTIVE


def _settings(line: GpioOutputLine) -> gpiod.LineSettings:
    return gpiod.LineSettings(
        direction=Direction.OUTPUT,
        drive=DRIVES[line.drive],
        active_low=line.active == "low",
        output_value=Value.INACTIVE,
    )
