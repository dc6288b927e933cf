"""Options of the PTT lines."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen

from drivers._squelch_lines import Cm108Input, check_hid_device, hid_resources


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialPttOptions:
    """A transmitter keyed by a modem line of a serial port.

    Asserted is keyed and there is no choice: the kernel drops the lines when the keyer dies, and
    a line that keys when it drops would key just then. Invert in the interface, not here.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    port: Annotated[str, MinLen(1)]
    """Device of the serial port, best a stable name under /dev/serial/by-id."""
    line: Literal["rts", "dtr"] = "rts"
    """The line that keys; the other one stays released."""
    readback: Literal["none", "cts", "dsr", "dcd", "ri"] = "none"
    """Input to which the interface or the radio says that it transmits; disagreement is a fault."""
    readback_active: Literal["low", "high"] = "high"
    """``high``: it transmits when that line is asserted; ``low``: when it is not."""

    def occupies(self) -> Iterable[str]:
        return (self.port,)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioPttOptions:
    """A transmitter keyed by a line of a GPIO chip."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    chip: Annotated[str, MinLen(1)]
    """The chip: its name (gpiochip0) or its device path."""
    offset: Annotated[int, Ge(0), Le(65_535)]
    """The line's offset on the chip, as ``gpioinfo`` shows it."""
    active: Literal["low", "high"] = "high"
    """Electrical level that keys. Fit a resistor to the other one: nobody drives the line at boot."""
    drive: Literal["push-pull", "open-drain", "open-source"] = "push-pull"
    """How the chip drives the line."""
    readback_offset: Annotated[int, Ge(0), Le(65_535)] | None = None
    """Line of the same chip by which the radio says that it transmits; disagreement is a fault."""
    readback_active: Literal["low", "high"] = "low"
    """Electrical level of that line that means transmitting."""

    def occupies(self) -> Iterable[str]:
        chip = self.chip if self.chip.startswith("/") else f"/dev/{self.chip}"
        offsets = [self.offset]
        if self.readback_offset is not None:
            offsets.append(self.readback_offset)
        return [f"{chip} line {offset}" for offset in offsets]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cm108PttOptions:
    """A transmitter keyed by a pin of a USB sound chip (CM108, CM108AH, CM119 and the like)."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    device: Annotated[str, MinLen(1)]
    """``/dev/hidraw0`` or a link to it, or by the sound card's name ``card:radio1``, its USB port ``usb:1-1.2`` or its serial number ``serial:0042``."""
    gpio: Annotated[int, Ge(1), Le(8)] = 3
    """The pin that keys; most interfaces use GPIO3. CM108AH and CM108B have 1, 3 and 4 only."""
    active: Literal["low", "high"] = "high"
    """Level of the pin that keys. The chip lets go of its pins at every reset: fit a resistor to the other one."""
    readback: Cm108Input | Literal["none"] = "none"
    """Input of the chip by which the radio says that it transmits; disagreement is a fault. The pin that keys reads itself."""
    readback_active: Literal["low", "high"] = "low"
    """Electrical level of that input that means transmitting."""

    def __post_init__(self) -> None:
        check_hid_device(self.device)

    def occupies(self) -> Iterable[str]:
        return hid_resources(self.device, f"gpio{self.gpio}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PtyPttOptions:
    """A pseudo-terminal that says ``T`` when keyed and ``R`` when released."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    path: Path
    """The link to make to the terminal; a link that is there is replaced, anything else refused."""
    readback: bool = False
    """Whether its user says back ``t`` when it transmits and ``r`` when not; disagreement is a fault."""

    def occupies(self) -> Iterable[str]:
        return (str(self.path),)
