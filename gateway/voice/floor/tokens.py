"""Which packets of a talkgroup may be played: those of the newest grant. Pure.

Rules (contract "The floor"):

1. Grants are ordered by term, then grant, then the controller's name. Only a controller's word
   (`confirm`) moves what is known as the newest, and never backwards.
2. A packet with an older token is not played. One with the newest token is played if it comes from
   the talker's own client, until `GRACE` after the controller said that the grant is over: the end
   of a burst may still be on its way when the word about it is here.
3. A packet with a newer token than any that is known is played unconfirmed: of each client for
   `UNCONFIRMED` at most, however many such tokens it uses; again only `UNCONFIRMED_PAUSE` later,
   for a newer token still, or once a controller has granted it anything.
4. One talker at a time: while an unconfirmed talker is playing, what is confirmed is older than it
   and waits, until `QUIET` after its last packet. Of two unconfirmed talkers the newer token has it,
   then the greater name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from gateway.voice.floor.actions import client_of
from gateway.voice.rtp import Token

UNCONFIRMED = 1.0
"""How long a newer token that no controller has spoken of is played (contract)."""
UNCONFIRMED_PAUSE = 5.0
"""From one such time to the next of the same client."""
GRACE = 1.0
"""How long a burst's last packets may come after the word that it is over."""
QUIET = 0.1
"""Five packets missing: an unconfirmed talker no longer talks."""
MAX_CLIENTS = 256
"""Clients whose unconfirmed time is remembered; past it the earliest are forgotten."""


class Verdict(Enum):
    """What is to be done with a packet, and why."""

    PLAY = auto()
    OLD = auto()
    STRANGER = auto()
    ENDED = auto()
    UNCONFIRMED = auto()


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest grant that a controller has spoken of. ``ended`` is when it was said to be over."""

    token: Token
    controller: str
    talker: str | None
    ended: float | None


@dataclass(slots=True)
class _Window:
    """When a client's unconfirmed time began, and the newest token it used."""

    since: float
    token: Token


@dataclass(frozen=True, slots=True)
class _Unconfirmed:
    """The unconfirmed talker that is playing."""

    token: Token
    client: str
    last: float


class Gate:
    """One talkgroup as its listeners on this gateway know it."""

    def __init__(self) -> None:
        self._newest: Newest | None = None
        self._windows: dict[str, _Window] = {}
        self._playing: _Unconfirmed | None = None

    @property
    def newest(self) -> Newest | None:
        return self._newest

    def confirm(
        self, token: Token, controller: str, talker: str | None, now: float, *, live: bool
    ) -> bool:
        """A controller says who has the floor; ``live`` while that grant is in force.

        Returns:
            False where a newer grant is known: nothing has changed.
        """
        known = self._newest
        ended = None if live else now
        if known is not None:
            if (token, controller) < (known.token, known.controller):
                return False
            if (token, controller) == (known.token, known.controller):
                talker = talker or known.talker
                if not live and known.ended is not None:
                    ended = known.ended
        self._newest = Newest(token, controller, talker, ended)
        if self._playing is not None and self._playing.token <= token:
            self._playing = None
        if talker is not None:
            window = self._windows.get(client_of(talker))
            if window is not None and window.token <= token:
                del self._windows[client_of(talker)]
        return True

    def retire(self, now: float) -> None:
        """The controller that spoke last controls no longer: its grant counts as over."""
        known = self._newest
        if known is not None and known.ended is None:
            self._newest = Newest(known.token, known.controller, known.talker, now)

    def admit(self, client: str, token: Token, now: float) -> Verdict:
        """Whether a packet of ``client`` under ``token`` is played."""
        playing = self._playing
        if playing is not None and now - playing.last >= QUIET:
            playing = self._playing = None
        known = self._newest
        if known is not None and token <= known.token:
            if token < known.token:
                return Verdict.OLD
            if known.talker is None or client_of(known.talker) != client:
                return Verdict.STRANGER
            if known.ended is not None and now - known.ended >= GRACE:
                return Verdict.ENDED
            return Verdict.PLAY if playing is None else Verdict.OLD
        if playing is not None and (token, client) < (playing.token, playing.client):
            return Verdict.OLD
        if not self._has_time(client, token, now):
            return Verdict.UNCONFIRMED
        self._playing = _Unconfirmed(token, client, now)
        return Verdict.PLAY

    def _has_time(self, client: str, token: Token, now: float) -> bool:
        window = self._windows.get(client)
        if window is None:
            if len(self._windows) >= MAX_CLIENTS:
                del self._windows[next(iter(self._windows))]
            self._windows[client] = _Window(now, token)
            return True
        if token > window.token:
            window.token = token
            if now - window.since >= UNCONFIRMED_PAUSE:
                window.since = now
        return now - window.since < UNCONFIRMED
