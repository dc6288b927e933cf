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
