"""All talkgroups of one gateway: configured ones, and those of incidents while anybody is on them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.errors import StorageError
from gateway.link.topics import Topics
from gateway.ops.counters import Counters
from gateway.voice.downlink.age import Ages
from gateway.voice.talkgroup import Talkgroup
from gateway.voice.talkgroup_ports import (
    ControlSide,
    FloorObserver,
    Surroundings,
    TalkgroupNow,
    TalkgroupOptions,
    VoiceSide,
)

__all__ = ["TalkgroupNow", "Talkgroups", "TermStore"]

_LOGGER = logging.getLogger(__name__)

_STORE_WITHIN = 0.5
"""Seconds after which a floor waits for its journal no longer, as an alarm does not (faults, 10)."""


class TermStore(Protocol):
    """Where terms are kept (`gateway.alarm.journal.journal.Journal`)."""

    async def store_term(self, talkgroup: str, term: int) -> None:
        """Return once the term is on disk; raises StorageError."""


class Presence(Protocol):
    """Who is there (`gateway.link.roster.Roster`)."""

    def online(self) -> frozenset[str]: ...
    def gateways_of(self, talkgroup: str) -> frozenset[str]: ...


class ConnectedControl(ControlSide, Protocol):
    """The control connection, with word of its coming and going."""

    def on_connection(self, callback: Callable[[bool], None]) -> None: ...


class ConnectedVoice(VoiceSide, Protocol):
    """The voice connection, with word of its coming and going."""

    def on_connection(self, callback: Callable[[bool], None]) -> None: ...


class Talkgroups:
    """Makes, opens and closes talkgroups. Made in a running loop.

    ``terms`` are the stored ones at start. ``seq`` is where the numbers of floor requests begin;
    by default at POSIX seconds, so that no answer to an earlier life's request fits a new one.
    ``observer`` is told what becomes of each request of a member of ours.
    """

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        control: ConnectedControl,
        voice: ConnectedVoice,
        presence: Presence,
        store: TermStore,
        terms: Mapping[str, int],
        counters: Counters,
        *,
        seq: int | None = None,
        observer: FloorObserver | None = None,
    ) -> None:
        self._presence = presence
        self._control = control
        self._voice = voice
        self._store = store
        self._terms = dict(terms)
        self._counters = counters
        self._seq = int(time.time()) if seq is None else seq
        self._options: Mapping[str, TalkgroupOptions] = {}
        self._talkgroups: dict[str, Talkgroup] = {}
        self._to_store: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        self._closed = False
        self._around = Surroundings(
            gateway,
            topics,
            control,
            voice,
            counters,
            Ages(),
            lambda talkgroup, term: self._to_store.put_nowait((talkgroup, term)),
            asyncio.get_running_loop().time(),
            observer,
        )
        control.on_connection(self._on_connection)
        voice.on_connection(self._on_connection)

    async def run(self) -> None:
        """Store terms until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                talkgroup, term = await self._to_store.get()
                tasks.create_task(self._keep(talkgroup, term), name=f"talkgroup[{talkgroup}].term")

    def configure(self, options: Mapping[str, TalkgroupOptions]) -> None:
        """Take over what is configured now; bursts in progress go on.

        A talkgroup that this gateway may have to control is there even when nobody here is on it.
        """
        before, self._options = self._options, dict(options)
        for name, talkgroup in tuple(self._talkgroups.items()):
            talkgroup.configure(options.get(name, TalkgroupOptions()))
        for name, one in options.items():
            if self._around.gateway in one.controllers:
                self.get(name)
        for name in before:
            self._close_if_unused(name)

    def get(self, name: str) -> Talkgroup:
        """The talkgroup of that name."""
        talkgroup = self._talkgroups.get(name)
        if talkgroup is None:
            talkgroup = self._talkgroups[name] = Talkgroup(
                name,
                self._options.get(name, TalkgroupOptions()),
                self._around,
                term=self._terms.get(name, 0),
                seq=self._seq,
                left=self._close_if_unused,
            )
            if not self._closed:
                talkgroup.open()
                talkgroup.connection(self._control.connected and self._voice.connected)
                self._tell_presence(talkgroup)
        return talkgroup

    def now(self) -> tuple[TalkgroupNow, ...]:
        """Each talkgroup that is there at this moment, by name."""
        return tuple(self._talkgroups[name].now() for name in sorted(self._talkgroups))

    def roster_changed(self) -> None:
        """Somebody came, went, or changed talkgroup."""
        for talkgroup in tuple(self._talkgroups.values()):
            self._tell_presence(talkgroup)

    def close(self) -> None:
        """Give back every floor and clear our FloorStates; for the end of the gateway."""
        self._closed = True
        for talkgroup in self._talkgroups.values():
            talkgroup.close()

    def _on_connection(self, _: bool) -> None:
        connected = self._control.connected and self._voice.connected
        for talkgroup in tuple(self._talkgroups.values()):
            talkgroup.connection(connected)

    def _tell_presence(self, talkgroup: Talkgroup) -> None:
        talkgroup.presence(self._presence.online(), self._presence.gateways_of(talkgroup.name))

    def _close_if_unused(self, name: str) -> None:
        talkgroup = self._talkgroups.get(name)
        if talkgroup is None or not talkgroup.empty or name in self._options or self._closed:
            return
        del self._talkgroups[name]
        talkgroup.close()

    async def _keep(self, name: str, term: int) -> None:
        """Store a term; a journal that cannot does not silence the talkgroup.

        Terms on disk guard against granting twice under one token after a restart. What was
        retained by the broker guards against it as well, and people who cannot speak are worse.
        """
        try:
            async with asyncio.timeout(_STORE_WITHIN):
                await self._store.store_term(name, term)
        except (StorageError, TimeoutError) as error:
            self._counters.add("floor.term_not_stored")
            _LOGGER.warning("%s: term %d is not stored: %s", name, term, str(error) or "too slow")
        self._terms[name] = max(term, self._terms.get(name, 0))
        talkgroup = self._talkgroups.get(name)
        if talkgroup is not None:
            talkgroup.term_stored(term)
