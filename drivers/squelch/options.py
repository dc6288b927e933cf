"""Options of the ways to notice incoming speech: squelch lines, and VOX."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from drivers._squelch_lines import (
    Cm108SquelchOptions,
    GpioSquelchOptions,
    PtySquelchOptions,
    SerialSquelchOptions,
)

__all__ = [
    "Cm108SquelchOptions",
    "GpioSquelchOptions",
    "PtySquelchOptions",
    "SerialSquelchOptions",
    "VoxOptions",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxOptions:
    """Voice operation: the squelch opens when the audio itself is loud enough."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    listens: ClassVar[bool] = True
    """To the audio, instead of sensing a line."""
    pre_roll: ClassVar[float] = 0.2
    """Seconds that an endpoint with it sends from before it opened, unless told otherwise."""

    threshold_dbfs: Annotated[float, Ge(-90), Le(-1)] | None = None
    """Loudness that opens, in dB below a full-scale square wave; a full-scale sine is -3. Default is -40, with ``margin_db`` -60."""
    margin_db: Annotated[float, Ge(3), Le(40)] | None = None
    """Follow the noise of the place: open only what also stands this far out of it. 6 suits a room or an engine, 15 to 20 a place where others talk."""
    hysteresis_db: Annotated[float, Ge(0), Le(30)] = 6.0
    """Once open, this much less than the threshold keeps it open, and than the margin, but at least half of the margin."""
    attack_s: Annotated[float, Ge(0), Le(1)] = 0.04
    """Seconds that the loudness must last to open; clicks and knocks are shorter. Pre-roll makes up for it."""
    hang_s: Annotated[float, Ge(0), Le(10)] = 0.5
    """Seconds of quiet after which it closes; pauses between words are shorter."""

    def occupies(self) -> Iterable[str]:
        return ()
