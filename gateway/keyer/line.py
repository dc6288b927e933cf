"""When a transmitter may be keyed: hold, time-out, floor token. Pure; times are seconds, monotonic.

Rule 1. Only a keepalive keys. The line is held for `HOLD` after the newest one was *sent*: one that
        waited in a queue holds no longer than one that came at once. A time of sending that lies in
        the future counts as now.
Rule 2. A keepalive that is `HOLD` old on arrival is refused as late.
Rule 3. Tokens compare within one talkgroup. A token lower than the newest that this line has seen
        there is stale: refused, and it does not prolong what a newer one holds.
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
    """The newest token of one talkgroup, and when its time-out ends (None: it never keyed)."""

    token: tuple[int, int]
    ends: float | None = None


class Line:
    """One PTT line. Begins without its device."""

    def __init__(self) -> None:
        self._grants: OrderedDict[str, _Grant] = OrderedDict()
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
        refused = self._refuses(keepalive, now)
        if refused is not None:
            return [*actions, Refuse(refused)]
        grant = self._grants[keepalive.talkgroup]
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

    def _refuses(self, keepalive: Keepalive, now: float) -> Refused | None:
        if self._abandoned:
            return Refused.ABANDONED
        if now >= keepalive.sent + HOLD:
            return Refused.LATE
        token = (keepalive.term, keepalive.grant)
        grant = self._grants.get(keepalive.talkgroup)
        if grant is None or token > grant.token:
            grant = self._grants[keepalive.talkgroup] = _Grant(token)
        elif token < grant.token:
            return Refused.STALE
        self._grants.move_to_end(keepalive.talkgroup)
        if len(self._grants) > MAX_TALKGROUPS:
            self._grants.popitem(last=False)
        if grant.ends is not None and now >= grant.ends:
            return Refused.SPENT
        return None if self._device else Refused.NO_DEVICE

    def _release(self, why: Released) -> list[Action]:
        if self._keyed_by is None:
            return []
        self._keyed_by = None
        return [Release(why)]
