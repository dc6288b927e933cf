"""The two clocks a machine is handed, as one value. Pure: nothing here reads a clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant, on both clocks.

    ``elapsed`` is CLOCK_BOOTTIME in seconds (monotonic, runs through suspend, starts anew at a
    reboot) and drives every timer; ``wall`` is POSIX time in seconds and only labels events.
    """

    elapsed: float
    wall: float

    def later(self, seconds: float) -> Moment:
        """The instant ``seconds`` after this one, on both clocks."""
        return Moment(self.elapsed + seconds, self.wall + seconds)


def timestamp(wall: float) -> str:
    """POSIX seconds as RFC 3339 with milliseconds, in UTC: ``2026-11-24T05:45:08.123Z``."""
    seconds, milliseconds = divmod(round(wall * 1000), 1000)
    return f"{_to_the_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=1024)
def _to_the_second(seconds: int) -> str:
    # timedelta arithmetic: datetime.fromtimestamp rounds through the platform's time_t.
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S")


def parse_timestamp(text: str) -> float:
    """RFC 3339 with a zone as POSIX seconds.

    Raises:
        ValueError: the text is no RFC 3339 time, or has no zone.
    """
    at = datetime.fromisoformat(text.upper())  # RFC 3339 takes t and z, fromisoformat does not
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.timestamp()
