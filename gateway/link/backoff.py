"""How long to wait before trying again. Pure: randomness is an argument.

Rules:

1. Every pause lies in ``shortest .. longest`` seconds.
2. The first pause after `reset` is at most three times the shortest; each later one is drawn
   evenly between the shortest and three times the one before ("decorrelated jitter", AWS
   Architecture Blog, "Exponential Backoff and Jitter"), so that a district's gateways do not
   all return in the same instant after a broker's restart.
3. A connection has *held* once it lasted ``longest`` seconds; only then does the next loss start
   from the shortest pause again. A broker that accepts and hangs up is not hammered.
"""

from __future__ import annotations

from collections.abc import Callable

SHORTEST = 0.2
LONGEST = 5.0
"""Seconds; retry 0.2 to 5 s with jitter."""


class Backoff:
    """Pauses between attempts, in seconds."""

    def __init__(
        self,
        random: Callable[[], float],
        *,
        shortest: float = SHORTEST,
        longest: float = LONGEST,
    ) -> None:
        """``random`` draws from [0, 1)."""
        self._random = random
        self._shortest = shortest
        self._longest = longest
        self._previous = shortest

    def pause(self) -> float:
        """The next pause in seconds."""
        reach = min(self._longest, self._previous * 3)
        self._previous = self._shortest + (reach - self._shortest) * self._random()
        return self._previous

    def lasted(self, duration: float) -> None:
        """What was started ran ``duration`` seconds before it failed."""
        if duration >= self._longest:
            self.reset()

    def reset(self) -> None:
        """Start again from the shortest pause."""
        self._previous = self._shortest
