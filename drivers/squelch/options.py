"""Options of the ways to notice incoming speech: squelch lines, VOX and tones."""

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
    "TONES_HZ",
    "Cm108SquelchOptions",
    "CtcssOptions",
    "GpioSquelchOptions",
    "PtySquelchOptions",
    "SerialSquelchOptions",
    "VoxOptions",
]

TONES_HZ = (
    67.0, 69.3, 71.9, 74.4, 77.0, 79.7, 82.5, 85.4, 88.5, 91.5, 94.8, 97.4, 100.0,
    103.5, 107.2, 110.9, 114.8, 118.8, 123.0, 127.3, 131.8, 136.5, 141.3, 146.2, 151.4, 156.7,
    159.8, 162.2, 165.5, 167.9, 171.3, 173.8, 177.3, 179.9, 183.5, 186.2, 189.9, 192.8, 196.6, 199.5,
    203.5, 206.5, 210.7, 218.1, 225.7, 229.1, 233.6, 241.8, 250.3, 254.1,
)  # fmt: skip
"""CTCSS: the tones of EIA/TIA-603 and those that makers of radios have added between them."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class CtcssOptions:
    """Tone squelch: opens to transmissions with one sub-audible tone, and to no others."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    listens: ClassVar[bool] = True
    pre_roll: ClassVar[float] = 0.4

    tone_hz: float
    """The tone, one of the 50 that radios have, from 67.0 to 254.1."""

    def __post_init__(self) -> None:
        if self.tone_hz not in TONES_HZ:
            nearest = min(TONES_HZ, key=lambda tone: abs(tone - self.tone_hz))
            raise ValueError(f"{self.tone_hz:g} Hz is no CTCSS tone; did you mean {nearest}?")

    def occupies(self) -> Iterable[str]:
        return ()
