"""Local sounds of one endpoint: when each is played, and how much of it is left. Pure; seconds.

Rule 1. Sounds are played one after the other; past `LONGEST` the oldest that waits is dropped.
Rule 2. Where the endpoint is a radio, a sound begins only `TURN_ROUND` after its own carrier has
        gone: whoever sends hears nothing. Of those that wait for that only the newest is kept:
        it says how things stand.
Rule 3. A sound that has begun goes on, whatever the carrier does meanwhile: a radio that transmits
        does not listen.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from gateway.voice.dsp import Samples

LONGEST = 3.0
"""Seconds of sounds that wait or play at most."""

TURN_ROUND = 0.1
"""Seconds from the end of somebody's carrier until their receiver hears; assumed, radios need 20 to 100 ms."""

_NOTHING: Samples = np.zeros(0, np.int16)


class Sounds:
    """What is to be played on one endpoint besides talk bursts. ``rate_hz`` is the device's."""

    def __init__(self, *, radio: bool) -> None:
        self._radio = radio
        self._rate_hz = 48_000
        self._carrier = False
        self._free_at = float("-inf")
        self._waiting: deque[Samples] = deque()
        self._playing = _NOTHING
        self.dropped = 0

    @property
    def empty(self) -> bool:
        """Nothing plays or waits."""
        return not self._waiting and not len(self._playing)

    @property
    def left(self) -> float:
        """Seconds of what plays and waits."""
        return (len(self._playing) + sum(map(len, self._waiting))) / self._rate_hz

    @property
    def begins_at(self) -> float | None:
        """From when on `take` gives something; None where nothing waits, or the carrier is there."""
        if len(self._playing):
            return float("-inf")
        return self._free_at if self._waiting and not self._carrier else None

    def device(self, rate_hz: int) -> None:
        """Sounds are at this rate from now on."""
        self.clear()
        self._rate_hz = rate_hz

    def add(self, samples: Samples) -> None:
        """Play ``samples``, 16-bit mono at the device's rate, when it is their turn."""
        if self._carrier and self._radio and not len(self._playing):
            self._waiting.clear()
        self._waiting.append(samples)
        while self.left > LONGEST and len(self._waiting) > 1:
            self._waiting.popleft()
            self.dropped += 1

    def carrier(self, is_open: bool, now: float) -> None:
        """The endpoint's own carrier comes or goes; without effect where it is no radio."""
        if self._radio and is_open is not self._carrier:
            self._carrier = is_open
            self._free_at = now + TURN_ROUND

    def take(self, length: int) -> Samples:
        """The next ``length`` samples, fewer at the end, none where there are none."""
        while len(self._playing) < length and self._waiting:
            self._playing = np.concatenate((self._playing, self._waiting.popleft()))
        taken, self._playing = self._playing[:length], self._playing[length:]
        return taken

    def clear(self) -> None:
        """Play nothing of what is here."""
        self._waiting.clear()
        self._playing = _NOTHING
