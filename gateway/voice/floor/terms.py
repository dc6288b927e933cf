"""Which term a floor controller grants under, and the token of its newest grant. Pure.

Rules:

1. A term is one more than the highest that was stored or seen, and is on disk before it is ours.
2. It is ours alone while no other controller's term is as high: then a grant under it is the
   newest anywhere. Once another's is, a new term is needed before the next grant.
3. Terms and grants are 32 bits. A term above `CREDIBLE_TERM` is not believed: no honest controller
   comes near it, and one that says it has would leave none above it.
"""

from __future__ import annotations

from gateway.voice.rtp import Token

MAX_TERM = 0xFFFF_FFFF
"""Terms and grants are 32 bits on the wire (contract, section 3)."""

CREDIBLE_TERM = MAX_TERM - 0x1_0000
"""The highest term that is believed of another."""


class Terms:
    """The terms of one talkgroup. ``stored`` is the highest known to be on disk; 0 for none."""

    def __init__(self, stored: int = 0) -> None:
        self._stored = stored
        self._seen = 0
        self._term: int | None = None
        self._grant = 0
        self._storing: int | None = None

    @property
    def token(self) -> Token | None:
        """The newest grant under our term, grant 0 before the first; None without a term."""
        return None if self._term is None else Token(self._term, self._grant)

    @property
    def fresh(self) -> bool:
        """Whether the next grant under our term would be the newest anywhere (rule 2)."""
        return self._term is not None and self._term > self._seen and self._grant < MAX_TERM

    def seen(self, term: int) -> bool:
        """Another controller's term was seen; False where it is not believed."""
        if term > CREDIBLE_TERM:
            return False
        self._seen = max(self._seen, term)
        return True

    def want(self) -> int | None:
        """The term to store now; None where one is being stored."""
        if self._storing is not None:
            return None
        self._storing = min(max(self._stored, self._seen, self._term or 0) + 1, MAX_TERM)
        return self._storing

    def stored(self, term: int) -> bool:
        """A term is on disk; True where it is ours now, False where it was not (or no more) wanted."""
        self._stored = max(self._stored, term)
        if term != self._storing:
            return False
        self._storing = None
        if term <= self._seen:
            return False
        self._term = term
        self._grant = 0
        return True

    def grant(self) -> Token:
        """The token of a new grant."""
        assert self._term is not None
        self._grant += 1
        return Token(self._term, self._grant)

    def drop(self) -> None:
        """We control no longer: our term is over."""
        self._term = self._storing = None
        self._grant = 0
