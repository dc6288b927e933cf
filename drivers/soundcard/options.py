"""Options of the ``soundcard`` audio driver."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le, MinLen, MultipleOf


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundCardOptions:
    """A sound card, by PortAudio."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    capture: Annotated[str, MinLen(1)] | None = None
    """Device to record from: its name, or a part that only one device has; none records nothing."""
    playback: Annotated[str, MinLen(1)] | None = None
    """Device to play to: its name, or a part that only one device has; none plays nothing."""
    rate_hz: Annotated[int, Ge(8_000), Le(48_000), MultipleOf(50)] = 48_000
    """Sample rate. 8, 12, 16, 24 and 48 kHz need no conversion."""
    latency_s: Annotated[float, Ge(0.005), Le(0.5)] = 0.02
    """Seconds of buffering to ask the sound system for, each way; more survives a busy machine."""

    def __post_init__(self) -> None:
        if self.capture is None and self.playback is None:
            raise ValueError("neither capture nor playback; name at least one device")

    def occupies(self) -> Iterable[str]:
        # Sound servers share devices and some cards have several streams: nothing is exclusive.
        return ()
