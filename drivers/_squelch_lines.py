"""Options of squelch lines: the driver of a PTT line opens them too, where both are one port."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSquelchOptions:
    """A receiver whose squelch (COS) drives a modem line of a serial port."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    port: Annotated[str, MinLen(1)]
    """Device of the serial port, best a stable name under /dev/serial/by-id."""
    line: Literal["cts", "dsr", "dcd", "ri"] = "cts"
    """The line that says the squelch is open."""
    active: Literal["low", "high"] = "high"
    """``high``: open when the line is asserted; ``low``: open when it is not."""

    def occupies(self) -> Iterable[str]:
        return (self.port,)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioSquelchOptions:
    """A receiver whose squelch (COS) drives a line of a GPIO chip."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    chip: Annotated[str, MinLen(1)]
    """The chip: its name (gpiochip0) or its device path."""
    offset: Annotated[int, Ge(0), Le(65_535)]
    """The line's offset on the chip, as ``gpioinfo`` shows it."""
    active: Literal["low", "high"] = "low"
    """Electrical level that means open; ``low`` for a contact to ground."""
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"] = "as-is"
    """Resistor inside the chip, where it has one."""
    debounce_ms: Annotated[float, Ge(0), Le(1000)] = 0.0
    """Milliseconds for which a level must hold before it counts; they delay the first word."""

    def occupies(self) -> Iterable[str]:
        chip = self.chip if self.chip.startswith("/") else f"/dev/{self.chip}"
        return (f"{chip} line {self.offset}",)


Cm108Input = Literal[
    "volume-up", "volume-down", "mute-playback", "mute-record",
    "gpio1", "gpio2", "gpio3", "gpio4", "gpio5", "gpio6", "gpio7", "gpio8",
]  # fmt: skip
"""What a USB sound chip reports the level of: its button inputs and its pins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cm108SquelchOptions:
    """A receiver whose squelch (COS) drives an input of a USB sound chip (CM108, CM119 and the like)."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    device: Annotated[str, MinLen(1)]
    """``/dev/hidraw0`` or a link to it, or by the sound card's name ``card:radio1``, its USB port ``usb:1-1.2`` or its serial number ``serial:0042``."""
    line: Cm108Input = "volume-down"
    """The input that says the squelch is open; most interfaces use the volume-down button's."""
    active: Literal["low", "high"] = "low"
    """Electrical level that means open; ``low`` for a contact to ground, as of a button."""

    def __post_init__(self) -> None:
        check_hid_device(self.device)

    def occupies(self) -> Iterable[str]:
        return hid_resources(self.device, self.line)


def check_hid_device(device: str) -> None:
    """Whether this can name a hidraw device.

    Raises:
        ValueError: it cannot.
    """
    kind, colon, name = device.partition(":")
    if not device.startswith("/") and not (kind in ("card", "usb", "serial") and colon and name):
        raise ValueError(f"{device!r} is neither a path nor card:NAME, usb:PORT or serial:NUMBER")


def hid_resources(device: str, line: str) -> Iterable[str]:
    """The device, which one endpoint's ptt and squelch may share, and a line of it, which not."""
    return (device, f"{device} line {line}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PtySquelchOptions:
    """A pseudo-terminal that is told ``O`` when the squelch opens and ``Z`` when it closes."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    path: Path
    """The link to make to the terminal; a link that is there is replaced, anything else refused."""

    def occupies(self) -> Iterable[str]:
        return (str(self.path),)
