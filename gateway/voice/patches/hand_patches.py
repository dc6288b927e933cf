"""Talkgroups and endpoints that people have joined by hand, here and at other gateways. Pure.

Rules:

1. A patch joins endpoints on a talkgroup of its own, ``patch-<id>``, as an incident's does: nothing is
   re-encoded or passed on, so patches cannot loop, however they overlap.
2. Its members are the endpoints whose own talkgroup it names, wherever they are, and those that it
   names one by one. Each gateway joins its own.
3. Of several the newer has an endpoint; an incident's patch always has it first.
4. Each has an end, at most `LONGEST` away, which every gateway keeps by its own wall clock: also where
   the gateway that made it is gone. Only that gateway ends it before its time.
5. Of several copies of one patch that its owner has said, the highest ``seq`` holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.link.messages import PatchState
from gateway.moment import parse_timestamp
from gateway.voice.patches.patch import Patch

LONGEST = 7 * 86_400.0
"""Seconds; what is to last is configured (``hears``, one talkgroup for both)."""

MOST = 256
"""Patches of others that are kept; past it the one that ends first goes."""

BY_HAND = 1000
"""In place of an incident's severity, which is 1 to 4 (rule 3)."""


@dataclass(frozen=True, slots=True)
class OwnEndpoint:
    """One endpoint of this gateway that speaks: its own talkgroup, or None."""

    name: str
    talkgroup: str | None


class HandPatches:
    """What is known at ``gateway``. ``wall`` is POSIX seconds."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._patches: dict[tuple[str, str], PatchState] = {}

    def put(self, state: PatchState, wall: float) -> bool:
        """Take a patch, made here or heard of; whether anything changed."""
        until = parse_timestamp(state.until)
        if not wall < until <= wall + LONGEST:
            return self.take(state.id, state.owner)
        key = (state.owner, state.id)
        known = self._patches.get(key)
        if known is not None and known.seq >= state.seq:
            return False
        self._patches[key] = state
        others = [key for key in self._patches if key[0] != self._gateway]
        if len(others) > MOST:
            del self._patches[min(others, key=lambda key: self._patches[key].until)]
        return True

    def take(self, patch: str, owner: str) -> bool:
        """A patch has ended; whether anything changed."""
        return self._patches.pop((owner, patch), None) is not None

    def find(self, words: str) -> list[PatchState]:
        """The patches called so, or whose id begins so; own ones first."""
        found = [
            state
            for state in self.all()
            if state.name == words or (len(words) >= 4 and state.id.startswith(words))
        ]
        return sorted(found, key=lambda state: state.owner != self._gateway)

    def all(self) -> list[PatchState]:
        """Every patch, the next to end first."""
        return sorted(
            self._patches.values(), key=lambda state: (parse_timestamp(state.until), state.id)
        )

    def deadline(self) -> float | None:
        """When the next one ends, on the wall clock."""
        ends = (parse_timestamp(state.until) for state in self._patches.values())
        return min(ends, default=None)

    def tick(self, wall: float) -> list[PatchState]:
        """Time has passed: the patches that end by it."""
        over = [one for one in self._patches.values() if parse_timestamp(one.until) <= wall]
        for state in over:
            self.take(state.id, state.owner)
        return over

    def claims(self, endpoints: Iterable[OwnEndpoint]) -> Mapping[str, Patch]:
        """What each patch claims of this gateway's ``endpoints``, by the patch's id (rules 2 and 3)."""
        own = tuple(endpoints)
        claimed = {}
        for state in self._patches.values():
            members = frozenset(
                endpoint.name
                for endpoint in own
                if endpoint.talkgroup in state.members.talkgroups
                or f"{self._gateway}/{endpoint.name}" in state.members.endpoints
            )
            if members:
                since = parse_timestamp(state.since)
                claimed[state.id] = Patch(state.id, state.talkgroup, BY_HAND, since, members)
        return claimed
