"""The clocks of one grant: TS 24.380's T1, T2, T3, T8 and T20 with the contract's values. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.voice.floor.actions import Request
from gateway.voice.floor.causes import Revoke
from gateway.voice.rtp import Token

NO_FIRST_MEDIA = 4.0
"""T1 from the grant to the first packet (TS 24.380 T1)."""
NO_MORE_MEDIA = 0.8
"""T1 between packets: shorter, so that a dead talker frees the floor within a second (contract)."""
REVOKE_GRACE = 3.0
"""How long a revoked talker may take to stop (TS 24.380 T3)."""
RESEND = 1.0
"""Between two sendings of a revoke (T8) or of a grant out of the queue (T20)."""
GRANT_RESENDS = 3
"""How often a grant out of the queue is repeated while neither media nor an ack comes (T20)."""

UNDER_WAY = 1.0
"""How long packets that were sent before a grant was known may take to come."""


@dataclass(slots=True)
class Burst:
    """One grant in force, from ``granted`` on. ``cause`` is set once it is revoked."""

    request: Request
    client: str
    token: Token
    granted: float
    resends: int = 0
    cause: Revoke | None = None
    _first_media: float | None = None
    _last_media: float = 0.0
    _revoked: float = 0.0
    _sent: float = 0.0
    _renewed: float = 0.0

    def __post_init__(self) -> None:
        self._sent = self._renewed = self.granted

    def ask_again(self, request: Request) -> None:
        """Its talker asks anew: its priority may rise by that, and an emergency begin."""
        before = self.request
        self.request = Request(
            request.talker,
            max(request.priority, before.priority),
            request.emergency or before.emergency,
            request.seq,
        )

    def acknowledged(self) -> None:
        """Its talker knows of the grant."""
        if self.cause is None:
            self.resends = 0

    def renew(self, token: Token, now: float) -> None:
        """The same grant goes on under another token."""
        self.token = token
        self._renewed = now

    def is_new(self, now: float) -> bool:
        """Whether packets under its talker's token before may still be on their way."""
        return now < self._renewed + UNDER_WAY

    @property
    def heard(self) -> bool:
        """Whether any packet of it has come."""
        return self._first_media is not None

    def media(self, now: float) -> None:
        """A packet of it has come."""
        if self._first_media is None:
            self._first_media = now
            self.resends = 0
        self._last_media = now

    def revoke(self, cause: Revoke, now: float) -> None:
        """Its talker has been told to stop."""
        self.cause = cause
        self._revoked = self._sent = now

    def sent_again(self, now: float) -> None:
        """The grant, or the revoke, was repeated."""
        self._sent = now
        self.resends -= 1

    def left(self, tot: float, now: float) -> float:
        """Seconds of talk time left of ``tot``."""
        return tot if self._first_media is None else max(0.0, self._first_media + tot - now)

    def over_at(self) -> float:
        """When it ends by itself: no media (T1), or the grace after a revoke (T3)."""
        if self._first_media is None:
            guard = self.granted + NO_FIRST_MEDIA
        else:
            guard = self._last_media + NO_MORE_MEDIA
        return guard if self.cause is None else min(guard, self._revoked + REVOKE_GRACE)

    def too_long_at(self, tot: float) -> float | None:
        """When its talk time of ``tot`` runs out (T2); None before its first packet, or if revoked."""
        if self._first_media is None or self.cause is not None:
            return None
        return self._first_media + tot

    def resend_at(self) -> float | None:
        """When the revoke, or the grant out of the queue, is to be sent again."""
        return self._sent + RESEND if self.cause is not None or self.resends > 0 else None
