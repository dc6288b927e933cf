"""How quickly speech is played, to be neither too late nor too early. Pure; seconds.

Rule 1. Where a frame and more must be here sooner than the link needs, it goes quicker; where less
        than the link needs, slower. In between it is played as it was said; and otherwise too for
        `PATIENCE`, in which a pause may come, unless it is `PRESSING`: words are best left alone.
Rule 2. One step is one period of the voice (`gateway.voice.downlink.stretch`). Of the time, at most the
        share that `_PACES` says for so much lateness is taken or given; what a step really gave is
        seen by when the next frame begins.
Rule 3. A device takes whole blocks, so a step only changes what is made ahead of it, and now and
        then by that how many frames must be here. What is ahead by a whole step is used up.
"""

from __future__ import annotations

from enum import Enum

LONGEST = 0.014
"""The longest period of a voice that one step takes or gives."""

PATIENCE = 2.0
"""Seconds for which speech may be too late or too early before words are touched."""

PRESSING = 0.3
"""Seconds too late from which on words are touched at once: a conversation suffers."""

_TOO_EARLY = -0.002
_PACES = ((0.25, 1 / 3), (0.08, 1 / 5), (0.0, 1 / 8))
_EARLY = 0.0005  # timers fire up to half a millisecond early, and sums of 0.02 are not exact


class Speed(Enum):
    """How a frame is played."""

    EVEN = "even"
    QUICKER = "quicker"  # one period of the voice shorter
    SLOWER = "slower"  # one period longer


class Pace:
    """The pace of one burst."""

    def __init__(self) -> None:
        self._share = _PACES[-1][1]
        self._changed: tuple[float, float] | None = None  # when the last step began, its frame
        self._steady_until = float("-inf")
        self._wrong_since: float | None = None

    def broken(self) -> None:
        """A frame was made up: what the step before it gave is not known."""
        self._changed = None

    def next(
        self, excess: float, begins: float, ahead: float, frame: float, *, more: bool
    ) -> Speed:
        """How to play a frame of ``frame`` seconds that begins to sound at ``begins``.

        ``excess`` is how much sooner than needed it was here, ``ahead`` the time between now and
        ``begins``; ``more`` says that something waits behind it.
        """
        if self._changed is not None:
            at, length = self._changed
            self._steady_until = begins + abs(begins - at - length) / self._share
            self._changed = None
        late = excess >= frame - _EARLY or (excess >= 0 and ahead >= LONGEST)
        late = late and more
        if not (late or excess <= _TOO_EARLY):
            self._wrong_since = None
            return Speed.EVEN
        if self._wrong_since is None:
            self._wrong_since = begins
        patient = excess < PRESSING and begins < self._wrong_since + PATIENCE
        if patient or begins < self._steady_until - _EARLY:
            return Speed.EVEN
        self._share = next(share for above, share in _PACES if abs(excess) >= above)
        self._changed = begins, frame
        return Speed.QUICKER if late else Speed.SLOWER
