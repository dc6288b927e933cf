"""Options of the ``panel`` alarm input."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from gateway.ports import AlarmSignal


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelOptions:
    """An alarm panel's receiver on a serial line."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }
    addressed_by: ClassVar[str] = "account"

    protocol: Literal["surgard"] = "surgard"
    """What the receiver speaks: ``surgard`` is the Sur-Gard MLR2 family, Contact ID and SIA lines."""
    port: Path
    """Device of the serial line, best a stable name under /dev/serial/by-id."""
    baud_rate: Annotated[int, Ge(50), Le(4_000_000)] = 9600
    """Bits per second: 9600 for MLR2000, 19200 for MLR2E, 1200 for MLR2-DV."""
    data_bits: Literal[7, 8] = 8
    """Bits of a character: 8 for MLR2000; 7, with even parity, for MLR2E and MLR2-DV."""
    parity: Literal["none", "even", "odd"] = "none"
    """Parity of a character; a character that fails it makes its line noise."""
    stop_bits: Literal[1, 2] = 1
    """Stop bits of a character."""

    def __post_init__(self) -> None:
        if self.port == Path():
            raise ValueError("no device is named; write for example /dev/ttyUSB0")

    def occupies(self) -> Iterable[str]:
        return (str(self.port),)

    def meaning_of(self, code: str) -> AlarmSignal | None:
        """What an event code (``E120``, ``R401``, ``PA``) says; None where it is none."""
        from drivers.panel.signals import meaning_of  # the tables are not needed to validate

        return meaning_of(code)
