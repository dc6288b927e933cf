"""A microphone that an incident opens, beside the key that opens it by hand. Pure; times are seconds.

Rules:

1. While it is hot the microphone is open whether or not a key is pressed, and asks for the floor with
   `PRIORITY`, so that whoever speaks pre-empts it. The rest is the uplink's: refused or revoked, it
   asks again, until its time is over.
2. A key pressed meanwhile speaks at the endpoint's own priority, and asks for that at once; let go, it
   gives whoever was called a break to answer, and goes on at `PRIORITY`. VOX presses nothing: somebody
   who shouts beside a hot microphone must not keep a responder from speaking.
3. It is no stuck input: the time-out of inputs does not count while it is hot, and begins anew after.
4. After `TALKS` of speech it is quiet for `LISTENS`: a radio that transmits hears nobody who wants to
   answer, so that its squelch, and with it every hand-held, could never pre-empt.
5. Once it has heard somebody to the end it asks at once, without waiting for the hang time: who is
   asked a question answers, and nobody is there to press anything.
"""

from __future__ import annotations

from dataclasses import dataclass

PRIORITY = 0
"""Of the floor requests of a hot microphone: the lowest there is."""

TALKS = 10.0
"""Seconds that it speaks without a break."""

LISTENS = 2.0
"""Seconds of the break: the far radio's tail and mute take 0.6 of them, noticing a carrier 0.2."""

LONGEST = 600.0
"""Seconds for which a microphone is hot at most, whatever two machines' clocks say."""


@dataclass(frozen=True, slots=True)
class Microphones:
    """What one incident opens: on which talkgroup, and until when in the loop's time.

    ``told`` is the same time as the incident's state says it.
    """

    talkgroup: str
    endpoints: frozenset[str]
    until: float
    told: str


@dataclass(frozen=True, slots=True)
class Change:
    """What an event makes of the squelch as the uplink sees it.

    ``asks`` is a change of priority in the middle: ask again, or anew where the floor was refused.
    """

    is_open: bool
    asks: bool = False


class HotMic:
    """One endpoint's. ``presses`` says whether its squelch is a key that somebody presses (rule 2)."""

    def __init__(self, *, presses: bool) -> None:
        self._presses = presses
        self._until: float | None = None
        self._turns_at = 0.0  # when it falls quiet, or speaks again
        self._quiet = False
        self._key = False

    @property
    def until(self) -> float | None:
        """Until when it is hot; None where it is not."""
        return self._until

    @property
    def hot(self) -> bool:
        return self._until is not None

    @property
    def unattended(self) -> bool:
        """It is open, and nobody who presses anything is there to be told how it fares."""
        return self.hot and not (self._key and self._presses)

    @property
    def is_open(self) -> bool:
        """What the uplink is to take the squelch for."""
        return self._key or (self.hot and not self._quiet)

    def priority(self, own: int) -> int:
        """The priority to ask with, where the endpoint's own is ``own``."""
        pressed = self._key and self._presses
        return own if pressed or not self.hot else PRIORITY

    def key(self, is_open: bool, now: float) -> Change:
        """The squelch has opened or closed."""
        changed, self._key = is_open != self._key, is_open
        if changed and self.hot and self._presses and not is_open:
            self._quiet = True  # a burst keeps its highest priority: it ends here (rule 2)
            self._turns_at = now + LISTENS
        return Change(self.is_open, asks=changed and is_open and self.hot and self._presses)

    def open(self, until: float, now: float) -> Change:
        """Be hot until then; a time that is over closes it."""
        self._until = until if until > now else None
        self._quiet = False
        self._turns_at = now + TALKS
        return Change(self.is_open)

    def close(self) -> Change:
        """Be hot no longer. A burst that a key holds open goes on, at the priority it has."""
        self._until = None
        return Change(self.is_open)

    def granted(self, now: float) -> None:
        """It has the floor: its time without a break begins."""
        self._turns_at = now + TALKS

    def deadline(self) -> float | None:
        """When `tick` is to be called, if nothing happens before."""
        return None if self._until is None else min(self._until, self._turns_at)

    def tick(self, now: float) -> Change:
        """Time has passed."""
        if self._until is not None and now >= self._until:
            return self.close()
        if self.hot and now >= self._turns_at:
            self._quiet = not self._quiet
            self._turns_at = now + (LISTENS if self._quiet else TALKS)
        return Change(self.is_open)
