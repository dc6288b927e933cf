"""What our own FloorState topic says. Pure.

Rules:

1. While we control the talkgroup it says what the floor is. While only our own endpoints know that
   we do (no broker, or one that has not settled), it says so only of a burst in progress: at the
   next connect others must learn of a newer grant, and need not learn that nobody talks.
2. When we control no longer it is cleared (contract): once the new controller shows a newer grant,
   at the latest after `LINGER`. Until then the new controller can learn our term and our talker.
3. Whoever knows a newer grant than the controller shows has to tell it, else nobody who knows that
   grant would hear the controller's talkers: for `LINGER` it says that grant, as idle.
"""

from __future__ import annotations

from gateway.voice.floor.actions import LIVE, Show, State
from gateway.voice.rtp import Token

LINGER = 1.0
"""How long a gateway that does not control shows what the controller has yet to learn."""


class Leaf:
    """The wanted content of one topic; None is cleared."""

    def __init__(self) -> None:
        self._show: Show | None = None
        self._until: float | None = None  # set while we do not control

    def wanted(self, *, public: bool) -> Show | None:
        """What the topic should say; ``public`` while everybody knows who controls."""
        show = self._show
        if show is None or self._until is not None or public or show.state in LIVE:
            return show
        return None

    def show(self, show: Show) -> None:
        """We control, and the floor is so."""
        self._show = show
        self._until = None

    def cede(self, now: float) -> None:
        """We control no longer."""
        self._until = now + LINGER

    def lend(self, token: Token, now: float) -> None:
        """The controller shows an older grant than ``token``."""
        self._until = now + LINGER
        if self._show is None or self._show.token < token:
            self._show = Show(
                state=State.IDLE, talker=None, priority=0, emergency=False, token=token, queue=()
            )

    def superseded(self, token: Token) -> None:
        """The controller shows ``token``."""
        if self._until is not None and self._show is not None and token > self._show.token:
            self._show = None

    def clear(self) -> None:
        """Nothing is to be shown."""
        self._show = None

    def deadline(self) -> float | None:
        """When `tick` is to be called."""
        return self._until if self._show is not None else None

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self._until is not None and now >= self._until:
            self._show = None
