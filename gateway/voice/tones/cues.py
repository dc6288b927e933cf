"""Which tone tells the talker at an endpoint what has become of its wish to talk. Pure.

Rules:

1. Nothing sounds where tones are switched off.
2. A radio (``radio``: something keys it) hears nothing while somebody speaks into it, so it is told
   only what still holds when it listens again: denied, revoked, timed out.
3. Where the microphone is open without a key (``hands_free``), a tone for the grant would be the
   first thing that everybody hears: it is left out.
4. Denied and queued are told once for each time that the squelch opens, however often the endpoint
   asks meanwhile.
"""

from __future__ import annotations

from gateway.voice.floor.causes import Revoke
from gateway.voice.tones.tones import Tone

_TO_RADIOS = (Tone.DENIED, Tone.REVOKED, Tone.TIMED_OUT)
_ONCE = (Tone.DENIED, Tone.QUEUED)


class Cues:
    """What one endpoint's talker is told."""

    def __init__(self, *, tones: bool, radio: bool, hands_free: bool) -> None:
        self._tones = tones
        self._radio = radio
        self._hands_free = hands_free
        self._told: set[Tone] = set()

    def rest(self) -> None:
        """Nobody wants to talk: whoever does next is told anew."""
        self._told.clear()

    def granted(self, *, waited: bool) -> Tone | None:
        """The floor is the endpoint's; ``waited`` where it was queued before."""
        self._told.clear()
        if not waited and self._hands_free:
            return None
        return self._wanted(Tone.TURN if waited else Tone.GRANTED)

    def refused(self) -> Tone | None:
        """The request was denied."""
        return self._wanted(Tone.DENIED)

    def queued(self) -> Tone | None:
        """The request waits for its turn."""
        return self._wanted(Tone.QUEUED)

    def warned(self) -> Tone | None:
        """The talk time is about to run out."""
        return self._wanted(Tone.WARNING)

    def revoked(self, cause: int) -> Tone | None:
        """The floor was taken away, for a cause of TS 24.380."""
        timed_out = cause == Revoke.MEDIA_BURST_TOO_LONG
        return self._wanted(Tone.TIMED_OUT if timed_out else Tone.REVOKED)

    def _wanted(self, tone: Tone) -> Tone | None:
        if not self._tones or (self._radio and tone not in _TO_RADIOS):
            return None
        if tone in _ONCE and tone in self._told:
            return None
        self._told.add(tone)
        return tone
