"""Options of the alarm outputs."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MinLen


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioOutputLine:
    """One line that shows or sounds."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    offset: Annotated[int, Ge(0), Le(65_535)]
    """The line's offset on the chip, as ``gpioinfo`` shows it."""
    active: Literal["low", "high"] = "high"
    """Electrical level that is on. Fit a resistor to the other one: nobody drives the line at boot."""
    drive: Literal["push-pull", "open-drain", "open-source"] = "push-pull"
    """How the chip drives the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpioOutputOptions:
    """Lamps and relays on the lines of one GPIO chip."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    chip: Annotated[str, MinLen(1)]
    """The chip: its name (gpiochip0) or its device path."""
    lines: Annotated[dict[str, GpioOutputLine], MinLen(1)]
    """The lines, by the name that ``indications`` use after the slash."""
    drills: bool = False
    """Whether a drill may switch it."""

    def occupies(self) -> Iterable[str]:
        chip = self.chip if self.chip.startswith("/") else f"/dev/{self.chip}"
        return tuple(f"{chip} line {line.offset}" for line in self.lines.values())

    def line_names(self) -> Iterable[str]:
        return self.lines


@dataclass(frozen=True, slots=True, kw_only=True)
class PtyOutputOptions:
    """A pseudo-terminal that says ``NAME on`` and ``NAME off``, each on a line of its own."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    path: Path
    """The link to make to the terminal; a link that is there is replaced, anything else refused."""
    lines: Annotated[tuple[str, ...], MinLen(1)]
    """Names of its lines, which ``indications`` use after the slash."""
    drills: bool = False
    """Whether a drill may switch it."""

    def occupies(self) -> Iterable[str]:
        return (str(self.path),)

    def line_names(self) -> Iterable[str]:
        return self.lines


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualOutputOptions:
    """Lines that only the log and ``baiying outputs`` show."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    lines: Annotated[tuple[str, ...], MinLen(1)]
    """Names of its lines, which ``indications`` use after the slash."""
    drills: bool = False
    """Whether a drill may switch it."""

    def line_names(self) -> Iterable[str]:
        return self.lines
