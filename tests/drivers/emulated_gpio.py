"""A GPIO chip as the kernel and libgpiod 2 show it to `drivers.ptt.gpio_line`, for one process."""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from types import SimpleNamespace

import gpiod
from gpiod.line import Direction, Value


class EmulatedChip:
    """``/dev/gpiochip0``. ``levels`` are electrical: what a voltmeter shows."""

    def __init__(self) -> None:
        self.levels: dict[int, int] = defaultdict(int)
        self.settings: dict[int, gpiod.LineSettings] = {}
        self.events: dict[int, list[int]] = defaultdict(list)
        self.stuck: set[int] = set()
        self.gone = False

    def set_level(self, offset: int, level: int) -> None:
        """From outside."""
        self.levels[offset] = level
        self.events[offset].append(level)

    def request_lines(self, path, consumer, config):
        ((offset, settings),) = config.items()
        if path != "/dev/gpiochip0" or self.gone:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if offset in self.settings:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        assert consumer == "baiying"
        self.settings[offset] = settings
        request = _Request(self, offset, settings)
        if settings.direction == Direction.OUTPUT:
            request.set_value(offset, settings.output_value)
        return request

    def install(self, monkeypatch) -> None:
        """Make the driver meet this chip instead of the kernel's."""
        monkeypatch.setattr(
            "drivers.ptt.gpio_line.gpiod",
            SimpleNamespace(**{**vars(gpiod), "request_lines": self.request_lines}),
        )


class _Request:
    def __init__(self, chip: EmulatedChip, offset: int, settings: gpiod.LineSettings) -> None:
        self._chip = chip
        self._offset = offset
        self._inverted = int(settings.active_low)
        self.fd, self._other_end = os.pipe()

    def set_value(self, offset, value):
        self._check(offset)
        if offset not in self._chip.stuck:
            self._chip.levels[offset] = int(value == Value.ACTIVE) ^ self._inverted

    def get_value(self, offset):
        self._check(offset)
        return Value.ACTIVE if self._chip.levels[offset] ^ self._inverted else Value.INACTIVE

    def wait_edge_events(self, timeout):
        self._check(self._offset)
        assert not timeout
        return bool(self._chip.events[self._offset])

    def read_edge_events(self):
        self._chip.events[self._offset].clear()

    def release(self):
        self._chip.settings.pop(self._offset, None)
        os.close(self.fd)
        os.close(self._other_end)

    def _check(self, offset):
        assert offset == self._offset
        if self._chip.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
