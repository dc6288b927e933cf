"""Options of the PTT lines."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen


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

    def occupies(self) -> Iterable[str]:
        chip = self.chip if self.chip.startswith("/") else f"/dev/{self.chip}"
        return (f"{chip} line {self.offset}",)


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

    def occupies(self) -> Iterable[str]:
        return (str(self.path),)
