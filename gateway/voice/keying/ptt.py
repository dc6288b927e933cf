"""When a transmitter is keyed for what is to be played. Pure; times are seconds.

Rule 1. Audio keys at once; nothing else keys.
Rule 2. Audio passes from ``tx_delay`` after key-up on, so that a repeater has opened by then. One
        burst following another without a gap does not wait again.
Rule 3. When the audio has ended the transmitter stays keyed for ``tail``, counted from when the end
        of it is heard (``lag`` after it was written); new audio takes it over.
Rule 4. The time-out counts from the first audio under a grant, through gaps. When it has run out
        the transmitter is released and the grant is spent: only another one keys again.
Rule 5. `stop` releases at once.

Exactly at a deadline the transmitter is released, or the audio passes.

The keyer enforces hold, time-out and token once more, on its own: this machine asks, that one keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.voice.rtp import Token

_EARLY = 0.0005  # ticks are sums of 0.02, and timers fire up to half a millisecond early


@dataclass(frozen=True, slots=True)
class Keyed:
    """What a transmitter is keyed for; ``tot`` is the time-out in seconds.

    ``confirmed`` says that a controller has spoken of the token, and not only its talker.
    """

    talkgroup: str
    token: Token
    tot: float
    confirmed: bool = True


class Ptt:
    """The sequence of one transmitter.

    ``lag`` is how long audio is on its way through the device that is open now.
    """

    def __init__(self, tx_delay: float, tail: float) -> None:
        self._tx_delay = tx_delay
        self._tail = tail
        self.lag = 0.0
        self._keyed: Keyed | None = None
        self._since = 0.0  # key-up
        self._granted = 0.0  # first audio under the grant
        self._grant: tuple[str, Token] | None = None
        self._until: float | None = None  # the end of the tail

    @property
    def keyed(self) -> Keyed | None:
        """What the transmitter is to be kept keyed for, or None."""
        return self._keyed

    def passes(self, now: float) -> bool:
        """Whether audio may be played now."""
        return self._keyed is not None and now >= self._since + self._tx_delay - _EARLY

    def audio(self, what: Keyed, now: float) -> bool:
        """There is audio to play under this grant; False where its time-out has run out."""
        grant = (what.talkgroup, what.token)
        if grant != self._grant:
            self._grant = grant
            self._granted = now
        if now >= self._granted + what.tot - _EARLY:
            self.stop()
            return False
        if self._keyed is None:
            self._since = now
        self._keyed = what
        self._until = None
        return True

    def silence(self, now: float) -> None:
        """There is no audio, or no more."""
        if self._keyed is None:
            return
        if self._until is None:
            self._until = now + self._tail + self.lag
        if now >= min(self._until, self._granted + self._keyed.tot) - _EARLY:
            self.stop()

    @property
    def deadline(self) -> float | None:
        """When `silence` will release; None while there is audio, or nothing is keyed."""
        return self._until if self._keyed is not None else None

    def stop(self) -> None:
        """Release at once."""
        self._keyed = None
        self._until = None
