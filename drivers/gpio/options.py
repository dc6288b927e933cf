"""Options of the ``gpio`` alarm input."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioInputLine:
    """One contact."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    offset: Annotated[int, Ge(0), Le(65_535)]
    """The line's offset on the chip, as ``gpioinfo`` shows it."""
    active: Literal["low", "high"] = "low"
    """Electrical level that means pressed; ``low`` for a contact to ground."""
    debounce_ms: Annotated[float, Ge(0), Le(1000)] = 30.0
    """Milliseconds for which a level must hold before it counts; by the kernel where it can."""
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"] = "as-is"
    """Resistor inside the chip, where it has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioInputOptions:
    """Alarm contacts on the lines of one GPIO chip."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }
    addressed_by: ClassVar[str] = "line"

    chip: Annotated[str, MinLen(1)]
    """The chip: its name (gpiochip0) or its device path."""
    lines: Annotated[dict[str, GpioInputLine], MinLen(1)]
    """The contacts, by the name that endpoints use as their ``line``."""

    def occupies(self) -> Iterable[str]:
        chip = self.chip if self.chip.startswith("/") else f"/dev/{self.chip}"
        return tuple(f"{chip} line {line.offset}" for line in self.lines.values())

    def line_names(self) -> Iterable[str]:
        return self.lines
