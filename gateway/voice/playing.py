"""What a listener without a sound card is to `gateway.voice.downlink.playout`: a stream that only plays."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import DriverIOError
from gateway.voice.dsp import Samples


class PlayingStream:
    """The capturing half of a `gateway.ports.AudioStream`, which there is none of. ``write`` is the subclass's.

    ``name`` is for errors; what is written sounds at once.
    """

    playback_delay = 0.0

    def __init__(self, name: str, rate_hz: int) -> None:
        self._name = name
        self.rate_hz = rate_hz

    @property
    def counters(self) -> Mapping[str, int]:
        return {}

    async def read(self) -> Samples:
        raise DriverIOError(self._name, "captures nothing", transient=False)
