"""When a transmitter may be keyed: hold, time-out, floor token. Pure; times are seconds, monotonic.

Rule 1. Only a keepalive keys. The line is held for `HOLD` after the newest one was *sent*: one that
        waited in a queue holds no longer than one that came at once. A time of sending that lies in
        the future counts as now.
Rule 2. A keepalive that is `HOLD` old on arrival is refused as late.
Rule 3. Tokens compare within one talkgroup. A token lower than the newest confirmed one that this
        line has seen there is stale: refused, and it does not prolong what a newer one holds.
        A token that no controller has confirmed keys, but makes no other stale: else whoever forges
        one could keep the transmitter from being keyed by anybody else.
Rule 4. The time-out counts from the first key-up under a token and goes on through gaps. When it
        has run out the line is released and that token is spent: only a newer one keys again.
        The time-out that counts is the one named by the keepalive that keyed first.
Rule 5. Unkey releases at once. A later keepalive under a token that is not spent keys again.
Rule 6. Without its device the line is released and refuses. The time-out goes on.
Rule 7. Abandoned by the daemon, the line is released and never keys again.

Exactly at a deadline the line is released.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

HOLD = 0.1
"""Seconds that a line stays keyed after its last keepalive (contract, section 6)."""

MAX_TALKGROUPS = 64
"""Talkgroups whose newest token one line remembers; the one unheard of for longest is forgotten."""


class Released(StrEnum):
    """Why a keyed line was released."""

    ASKED = "asked"
    SILENT = "silent"
    TIME_OUT = "time-out"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Refused(StrEnum):
    """Why a keepalive had no effect."""

    LATE = "late"
    STALE = "stale-token"
    SPENT = "time-out"
    NO_DEVICE = "no-device"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Keepalive:
    """There is audio to send now. ``tot`` is the time-out in seconds; ``sent`` the sender's clock."""

    talkgroup: str
    term: int
    grant: int
    tot: float
    sent: float
    confirmed: bool = True
    """Whether a controller has spoken of the token, or only its talker."""


@dataclass(frozen=True, slots=True)
class Key:
    """Key the transmitter."""


@dataclass(frozen=True, slots=True)
class Release:
    """Release the transmitter."""

    why: Released


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing but count it."""

    why: Refused


Action = Key | Release | Refuse


@dataclass(slots=True)
class _Grant:
    """A token, and when its time-out ends (None: it never keyed)."""

    token: tuple[int, int]
    ends: float | None = None


@dataclass(slots=True)
class _Talkgroup:
    """The newest confirmed token of one talkgroup, and the last of those newer than it."""

    newest: _Grant | None = None
    unconfirmed: _Grant | None = None

    def find(self, token: tuple[int, int], *, confirmed: bool) -> _Grant | None:
        """What the token is worth here; None where it is stale."""
        newest, claimed = self.newest, self.unconfirmed
        if newest is not None and token <= newest.token:
            return newest if token == newest.token else None
        if claimed is None or claimed.token != token:
            claimed = _Grant(token)
        if confirmed:  # it keeps the time-out that it began with
            self.newest, self.unconfirmed = claimed, None
        else:
            self.unconfirmed = claimed
        return claimed


class Line:
    """One PTT line. Begins without its device."""

    def __init__(self) -> None:
        self._talkgroups: OrderedDict[str, _Talkgroup] = OrderedDict()
        self._keyed_by: _Grant | None = None
        self._held_until = 0.0
        self._device = False
        self._abandoned = False

    @property
    def keyed(self) -> bool:
        return self._keyed_by is not None

    def opened(self) -> None:
        """The device is there, released."""
        self._device = True

    def failed(self) -> list[Action]:
        """The device is gone, or does not follow."""
        self._device = False
        return self._release(Released.FAILED)

    def keepalive(self, keepalive: Keepalive, now: float) -> list[Action]:
        """There is audio to send. A deadline that has passed is kept first."""
        actions = self.tick(now)
        grant = self._grant_for(keepalive, now)
        if isinstance(grant, Refused):
            return [*actions, Refuse(grant)]
        if grant.ends is None:
            grant.ends = now + keepalive.tot
        if not self.keyed:
            actions.append(Key())
        self._keyed_by = grant
        self._held_until = min(keepalive.sent, now) + HOLD
        return actions

    def unkey(self, now: float) -> list[Action]:
        """The burst is over."""
        return self.tick(now) or self._release(Released.ASKED)

    def abandon(self) -> list[Action]:
        """The daemon is gone."""
        self._abandoned = True
        return self._release(Released.ABANDONED)

    def tick(self, now: float) -> list[Action]:
        """Release if a deadline has come."""
        if self._keyed_by is None:
            return []
        assert self._keyed_by.ends is not None
        if now >= self._keyed_by.ends:
            return self._release(Released.TIME_OUT)
        if now >= self._held_until:
            return self._release(Released.SILENT)
        return []

    def deadline(self) -> float | None:
        """When `tick` will have something to do."""
        if self._keyed_by is None:
            return None
        assert self._keyed_by.ends is not None
        return min(self._held_until, self._keyed_by.ends)

    def _grant_for(self, keepalive: Keepalive, now: float) -> _Grant | Refused:
        if self._abandoned:
            return Refused.ABANDONED
        if now >= keepalive.sent + HOLD:
            return Refused.LATE
        talkgroup = self._talkgroups.setdefault(keepalive.talkgroup, _Talkgroup())
        self._talkgroups.move_to_end(keepalive.talkgroup)
        if len(self._talkgroups) > MAX_TALKGROUPS:
            self._talkgroups.popitem(last=False)
        grant = talkgroup.find((keepalive.term, keepalive.grant), confirmed=keepalive.confirmed)
        if grant is None:
            return Refused.STALE
        if grant.ends is not None and now >= grant.ends:
            return Refused.SPENT
        return grant if self._device else Refused.NO_DEVICE

    def _release(self, why: Released) -> list[Action]:
        if self._keyed_by is None:
            return []
        self._keyed_by = None
        return [Release(why)]
