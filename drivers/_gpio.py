"""How a GPIO chip's output lines are named and driven."""

from __future__ import annotations

from pathlib import Path

from gpiod.line import Drive

CONSUMER = "baiying"
"""Who holds a line, as ``gpioinfo`` shows it."""

DRIVES = {
    "push-pull": Drive.PUSH_PULL,
    "open-drain": Drive.OPEN_DRAIN,
    "open-source": Drive.OPEN_SOURCE,
}


def chip_path(chip: str) -> str:
    """The device of a chip that is given by name or by path."""
    return chip if chip.startswith("/") else str(Path("/dev") / chip)
