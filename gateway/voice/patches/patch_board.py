"""Patches by hand: told to every gateway, kept over a restart, ended at their time.

The rules are in `gateway.voice.patches.hand_patches`. A patch is one retained message of the gateway at which
it was made; the broker forgets it at its end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import msgspec

from gateway.errors import RemoteProtocolError, StorageError
from gateway.link.incoming import Incoming
from gateway.link.messages import PatchMembers, PatchState, decode, encode
from gateway.link.topics import Topics
from gateway.moment import Moment, parse_timestamp, timestamp
from gateway.ops.clock import DeadlineTimer, SystemClock
from gateway.ops.counters import Counters
from gateway.voice.patches.hand_patches import HandPatches, OwnEndpoint
from gateway.voice.patches.patch import Patch

_LOGGER = logging.getLogger(__name__)

_STORE_WITHIN = 1.0
"""Seconds: a slow disk must not keep people from talking to each other."""


_TOLD_WITHIN = 3.0
"""Seconds from a connect on within which the broker has told what is retained."""


class PatchMemory(Protocol):
    """Where patches are kept (`gateway.patch_journal.JournalPatches`)."""

    async def standing(self) -> tuple[bytes, ...]:
        """The patches that have not ended, as they were kept; raises StorageError."""

    async def made(self, patch: str, body: bytes) -> None:
        """Return once it is on disk; raises StorageError."""

    async def ended(self, patch: str, body: bytes) -> None:
        """Return once it is on disk; raises StorageError."""


class Control(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None], /) -> None: ...
    def set_retained(self, topic: str, payload: bytes, /, *, expiry: int | None = None) -> None: ...
    def on_connection(self, callback: Callable[[bool], None], /) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants joined, and for how long (seconds)."""

    name: str
    members: PatchMembers
    by: str
    seconds: float


class PatchBoard:
    """Every patch by hand that this gateway knows of. ``changed`` is told when endpoints may have to move."""

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        control: Control,
        memory: PatchMemory,
        clock: SystemClock,
        new_id: Callable[[], str],
        counters: Counters,
        changed: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._control = control
        self._memory = memory
        self._clock = clock
        self._new_id = new_id
        self._counters = counters
        self._changed = changed
        self._patches = HandPatches(gateway)
        self._timer = DeadlineTimer(clock, self._on_time)
        self._ending: set[asyncio.Task[bool]] = set()
        self._read = True
        self._stale: set[tuple[str, str]] = set()
        self._settling: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Take up what was kept, and listen to the others."""
        try:
            async with asyncio.timeout(_STORE_WITHIN):
                kept = await self._memory.standing()
        except (StorageError, TimeoutError) as error:
            self._counters.add("patch.not_read")
            _LOGGER.warning("patches by hand of earlier runs are not known: %s", error)
            kept = ()
            self._read = False  # the broker's copies are believed instead
        wall = self._clock.now().wall
        for body in kept:
            try:
                state = decode(PatchState, body)
            except RemoteProtocolError as error:
                _LOGGER.warning("a patch by hand of an earlier run is left out: %s", error)
                continue
            if self._patches.put(state, wall):
                self._tell(state, wall)
            else:
                self._end_soon(state)
        self._control.on_connection(self._connection)
        self._control.subscribe(self._topics.patch("+", "+"), self._arrived)
        self._arm()
        if kept:
            self._changed()

    def close(self) -> None:
        """Look at no more times."""
        self._timer.cancel()
        if self._settling is not None:
            self._settling.cancel()

    def claims(self, endpoints: Iterable[OwnEndpoint]) -> Iterable[Patch]:
        """What the patches of this moment claim of this gateway's endpoints."""
        return self._patches.claims(endpoints).values()

    def all(self) -> list[PatchState]:
        """Every patch, the next to end first."""
        return self._patches.all()

    def find(self, words: str) -> list[PatchState]:
        """The patches called so, or whose id begins so."""
        return self._patches.find(words)

    async def make(self, wanted: Wanted) -> tuple[PatchState, bool]:
        """Join them from now on; the patch, and whether it is kept over a restart."""
        now = self._clock.now()
        patch = self._new_id()
        state = PatchState(
            id=patch,
            name=wanted.name,
            talkgroup=f"patch-{patch}",
            members=wanted.members,
            owner=self._gateway,
            by=wanted.by,
            since=timestamp(now.wall),
            until=timestamp(now.wall + wanted.seconds),
            seq=1,
        )
        encode(state)  # the caller's mistake is the caller's error, before anything is done
        self._patches.put(state, now.wall)
        self._tell(state, now.wall)
        self._moved()
        _LOGGER.info(
            "patch %s (%s) made by %s until %s", patch, wanted.name, wanted.by, state.until
        )
        return state, await self._stored(self._memory.made, state)

    async def end(self, state: PatchState, by: str) -> bool:
        """End a patch of this gateway before its time; whether that is kept over a restart."""
        self._patches.take(state.id, state.owner)
        self._control.set_retained(self._topics.patch(state.id, self._gateway), b"")
        self._moved()
        _LOGGER.info("patch %s (%s) ended by %s", state.id, state.name, by)
        return await self._stored(self._memory.ended, state)

    async def _stored(self, store: Callable[[str, bytes], object], state: PatchState) -> bool:
        try:
            async with asyncio.timeout(_STORE_WITHIN):
                await store(state.id, msgspec.json.encode(state))  # type: ignore[misc]
        except (StorageError, TimeoutError) as error:
            self._counters.add("patch.not_stored")
            _LOGGER.warning("patch %s is not stored: %s", state.id, error)
            return False
        return True

    def _tell(self, state: PatchState, wall: float) -> None:
        left = ceil(parse_timestamp(state.until) - wall)
        topic = self._topics.patch(state.id, self._gateway)
        self._control.set_retained(topic, encode(state), expiry=max(left, 1))

    def _arrived(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is None:
            return
        _, patch, owner = levels
        self._stale.discard((owner, patch))
        own = owner == self._gateway
        known = own and any(one.id == patch for one in self._own())
        if known or (own and not incoming.payload):
            return  # our own words come back
        if own and self._read:
            # Of an earlier run, ended while the broker was away.
            self._control.set_retained(incoming.topic, b"")
            return
        if not incoming.payload:
            if self._patches.take(patch, owner):
                self._moved()
            return
        try:
            state = _patch_of(patch, owner, incoming.payload)
        except RemoteProtocolError as error:
            self._counters.add("patch.malformed")
            _LOGGER.debug("refused: %s: %s", incoming.topic, error)
            return
        if self._patches.put(state, self._clock.now().wall):
            self._moved()

    def _connection(self, connected: bool) -> None:
        """What the broker no longer tells after a connect has ended meanwhile."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if connected:
            others = (one for one in self._patches.all() if one.owner != self._gateway)
            self._stale = {(one.owner, one.id) for one in others}
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(_TOLD_WITHIN, self._forget_stale)

    def _forget_stale(self) -> None:
        self._settling = None
        stale, self._stale = self._stale, set()
        over = [patch for owner, patch in stale if self._patches.take(patch, owner)]
        if over:
            self._moved()

    def _own(self) -> list[PatchState]:
        return [state for state in self._patches.all() if state.owner == self._gateway]

    def _on_time(self, now: Moment) -> None:
        over = self._patches.tick(now.wall)
        for state in over:
            if state.owner == self._gateway:
                self._control.set_retained(self._topics.patch(state.id, self._gateway), b"")
                self._end_soon(state)
        if over:
            self._changed()
        self._arm()

    def _end_soon(self, state: PatchState) -> None:
        task = asyncio.get_running_loop().create_task(
            self._stored(self._memory.ended, state), name=f"patch[{state.id}].ended"
        )
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _moved(self) -> None:
        self._changed()
        self._arm()

    def _arm(self) -> None:
        now, ends = self._clock.now(), self._patches.deadline()
        self._timer.arm(None if ends is None else now.elapsed + max(ends - now.wall, 0.05))


def _patch_of(patch: str, owner: str, payload: bytes) -> PatchState:
    state = decode(PatchState, payload)
    # The last level is what the broker's ACL vouches for.
    if (state.id, state.owner) != (patch, owner) or state.talkgroup != f"patch-{patch}":
        raise RemoteProtocolError(f"a patch of {state.owner} on another's topic")
    return state
