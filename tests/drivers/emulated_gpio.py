"""A GPIO chip as the kernel and libgpiod 2 show it to drivers of output lines, for one process."""

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
        if path != "/dev/gpiochip0" or self.gone:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self.settings.keys() & config.keys():
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        assert consumer == "baiying"
        self.settings.update(config)
        request = _Request(self, config)
        for offset, settings in config.items():
            if settings.direction == Direction.OUTPUT:
                request.set_value(offset, settings.output_value)
        return request

    def install(self, monkeypatch, driver="drivers.ptt.gpio_line") -> None:
        """Make the driver meet this chip instead of the kernel's."""
        monkeypatch.setattr(
            f"{driver}.gpiod",
            SimpleNamespace(**{**vars(gpiod), "request_lines": self.request_lines}),
        )


class _Request:
    def __init__(self, chip: EmulatedChip, config: dict[int, gpiod.LineSettings]) -> None:
        self._chip = chip
        self._inverted = {offset: int(one.active_low) for offset, one in config.items()}
        self.fd, self._other_end = os.pipe()

    def set_value(self, offset, value):
        self._check()
        if offset not in self._chip.stuck:
            self._chip.levels[offset] = int(value == Value.ACTIVE) ^ self._inverted[offset]

    def get_value(self, offset):
        self._check()
        active = self._chip.levels[offset] ^ self._inverted[offset]
        return Value.ACTIVE if active else Value.INACTIVE

    def wait_edge_events(self, timeout):
        self._check()
        assert not timeout
        return any(self._chip.events[offset] for offset in self._inverted)

    def read_edge_events(self):
        for offset in self._inverted:
            self._chip.events[offset].clear()

    def release(self):
        for offset in self._inverted:
            self._chip.settings.pop(offset, None)
        os.close(self.fd)
        os.close(self._other_end)

    def _check(self):
        if self._chip.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
