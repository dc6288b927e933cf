"""The voice side put together: keyer, talkgroups, endpoints, patches. No decisions of its own."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from gateway import pieces
from gateway.control.server import Handler
from gateway.endpoints import Endpoints
from gateway.errors import StorageError
from gateway.link.messages import IncidentState, Page
from gateway.link.roster import Roster
from gateway.link.voice_link import VoiceLink
from gateway.moment import parse_timestamp
from gateway.ops.measures import Measures
from gateway.requests.patches import PatchRequests
from gateway.requests.voice import VoiceRequests
from gateway.settings.model import Settings
from gateway.shared import Shared
from gateway.voice.announcing.announcer import Announcer
from gateway.voice.announcing.covert import Ear
from gateway.voice.announcing.stock import Stock
from gateway.voice.bridges.bridges import Bridges
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.endpoint_ports import TalkgroupFacts
from gateway.voice.floor.participant_actions import OutcomeKind
from gateway.voice.keying.keyer_client import Keyer
from gateway.voice.patches.hand_patches import OwnEndpoint
from gateway.voice.patches.patch import Patch
from gateway.voice.patches.patch_board import PatchBoard, PatchMemory
from gateway.voice.recording.recorder import Recorder
from gateway.voice.recording.requests import RecordingRequests
from gateway.voice.talkgroup import Talkgroup
from gateway.voice.talkgroups import TalkgroupNow, Talkgroups, TermStore
from gateway.voice.uplink.hot_mic import LONGEST, Microphones

_LOGGER = logging.getLogger(__name__)


class Memory(TermStore, Protocol):
    """What voice needs of the journal: the floor terms."""

    async def terms(self) -> Mapping[str, int]: ...


class VoiceSide:
    """From a squelch that opens to a transmitter that is keyed, on one gateway."""

    def __init__(
        self,
        shared: Shared,
        settings: Settings,
        voice_link: VoiceLink,
        roster: Roster,
        memory: Memory,
        patch_memory: PatchMemory,
    ) -> None:
        self._shared = shared
        self._settings = settings
        self._voice_link = voice_link
        self._roster = roster
        self._memory = memory
        self._ticker = Ticker(shared.counters)
        self._keyer = Keyer(shared.data_dir / "keyer.lock", shared.counters)
        self._talkgroups: Talkgroups | None = None
        self._patches: dict[str, Patch] = {}
        self._microphones: dict[str, Microphones] = {}
        self._recorder = Recorder(
            shared.gateway,
            pieces.recordings_of(settings),
            self._floor,
            shared.counters,
            shared.clock,
            secrets.randbits,
            lambda fault: shared.control.announce_recording(records=fault is None),
        )
        self._endpoints = Endpoints(
            shared,
            self._keyer,
            self._recorder,
            self._ticker,
            self._floor,
            self._facts_of,
            self._claims,
            self._microphones.values,
        )
        self._board = PatchBoard(
            shared.gateway,
            shared.topics,
            shared.control,
            patch_memory,
            shared.clock,
            shared.new_id,
            shared.counters,
            self._endpoints.retune,
        )
        self._announcer = Announcer(
            shared.gateway,
            shared.topics,
            shared.control,
            self,
            Stock(shared.data_dir / "announcements", shared.counters),
            shared.counters,
        )
        self._bridges = Bridges(
            shared.gateway, self._floor, self._facts_of, self._ticker, shared.counters
        )

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Start keyer, talkgroups and endpoints.

        Raises:
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        shared = self._shared
        self._talkgroups = Talkgroups(
            shared.gateway,
            shared.topics,
            shared.control,
            self._voice_link,
            self._roster,
            self._memory,
            await self._terms(),
            shared.counters,
            # Floor requests of this run are numbered after those of any run before.
            seq=int(shared.clock.now().wall),
            observer=_Outcomes(shared.measures),
        )
        self._talkgroups.configure(pieces.talkgroups_of(self._settings))
        group.create_task(self._talkgroups.run(), name="talkgroups")
        self._recorder.configure(pieces.recorder_options_of(self._settings))
        group.create_task(self._recorder.run(), name="recordings")
        await self._configure_announcer()
        group.create_task(self._announcer.run(), name="announcer")
        await self._board.start()
        group.create_task(self._keyer.run(), name="keyer")
        self._endpoints.start(group, self._settings.endpoints)
        await self._bridges.configure(group, pieces.bridges_of(self._settings))

    async def _terms(self) -> Mapping[str, int]:
        """The floor terms on disk; people who cannot speak would be worse than a term used again."""
        try:
            return await self._memory.terms()
        except StorageError as error:
            self._shared.counters.add("floor.terms_not_read")
            _LOGGER.warning("the floor terms of earlier runs are not known: %s", error)
            return {}

    async def settled(self) -> None:
        """Returns once every endpoint and the keyer are up or reported as faulted."""
        await self._endpoints.settled()
        await self._keyer.ready()

    async def stop(self) -> None:
        """End every burst, release every PTT, give up control of every floor."""
        self._announcer.close()
        self._board.close()
        await self._bridges.close()
        await self._endpoints.stop()
        await self._recorder.close()
        self._floors.close()

    async def reload(self, group: asyncio.TaskGroup, settings: Settings) -> None:
        """Change what differs. An endpoint in the middle of a burst changes after it."""
        self._settings = settings
        self._floors.configure(pieces.talkgroups_of(settings))
        self._recorder.configure(pieces.recorder_options_of(settings))
        await self._configure_announcer()
        await self._bridges.configure(group, pieces.bridges_of(settings))
        await self._endpoints.reload(group, settings.endpoints)

    def roster_changed(self) -> None:
        if self._talkgroups is not None:
            self._talkgroups.roster_changed()

    def incident(self, state: IncidentState) -> None:
        """Join or leave the incident's talkgroup, as its state says."""
        if state.state == "closed":
            self._recorder.incident_closed(state.id)
        else:
            occasion, places = pieces.occasion_of(self._settings, state)
            self._recorder.incident(occasion, places)
        joined = pieces.joined_endpoints(self._settings, state)
        if state.talkgroup is None or state.state == "closed" or not joined:
            changed = self._patches.pop(state.id, None) is not None
        else:
            patch = Patch(
                state.id, state.talkgroup, state.severity, parse_timestamp(state.raised), joined
            )
            changed = self._patches.get(state.id) != patch
            self._patches[state.id] = patch
        if self._heat(state) or changed:
            self._endpoints.retune()
        self._announcer.incident(state)

    def _heat(self, state: IncidentState) -> bool:
        """Note whose microphones an incident opens, and until when; whether that has changed."""
        endpoints = pieces.hot_microphones(self._settings, state)
        if not endpoints or state.talkgroup is None or state.hot_mic_until is None:
            return self._microphones.pop(state.id, None) is not None
        left = parse_timestamp(state.hot_mic_until) - self._shared.clock.now().wall
        until = asyncio.get_running_loop().time() + min(left, LONGEST)
        known = self._microphones.get(state.id)
        if known is not None and (known.told, known.endpoints) == (state.hot_mic_until, endpoints):
            return False
        hot = Microphones(state.talkgroup, endpoints, until, state.hot_mic_until)
        self._microphones[state.id] = hot
        return True

    def page(self, page: Page) -> None:
        """A page for a group that is served here, which people are to hear of."""
        self._announcer.page(page)

    def handlers(self) -> Mapping[str, Handler]:
        """``talk``, ``listen``, and what is asked of recordings, announcements and patches."""
        patches = PatchRequests(
            self._shared.gateway,
            self._board,
            lambda: self._settings.talkgroups,
            self._speaks,
            self._endpoints.joined,
        )
        recordings = RecordingRequests(
            self._shared.gateway,
            self._recorder,
            pieces.recordings_of(self._settings),
            self._floor,
            self._known,
            self._endpoints.listener,
        )
        voice = VoiceRequests(
            self._shared.gateway,
            self._shared.topics,
            self._known,
            self._floor,
            self._facts_of,
            lambda: self._announcer.facts,
            self._ticker,
            self._shared.counters,
        )
        return {**voice.handlers(), **recordings.handlers(), **patches.handlers()}

    @property
    def frames(self) -> Counter[tuple[str, str]]:
        """What was played, by talkgroup and kind (`gateway.voice.downlink.hearing`)."""
        return self._endpoints.frames

    def talkgroups(self) -> tuple[TalkgroupNow, ...]:
        """Each talkgroup as it is now."""
        return self._floors.now()

    def _claims(self, own: Iterable[OwnEndpoint]) -> list[Patch]:
        """What incidents and people have joined."""
        return [*self._patches.values(), *self._board.claims(own)]

    @property
    def _floors(self) -> Talkgroups:
        assert self._talkgroups is not None, "start comes first"
        return self._talkgroups

    def _floor(self, talkgroup: str) -> Talkgroup:
        return self._floors.get(talkgroup)

    # What the announcer asks (`gateway.voice.announcing.announcer.Surroundings`)

    def floor(self, talkgroup: str) -> Talkgroup:
        return self._floor(talkgroup)

    def bitrate_bps(self, talkgroup: str) -> int:
        return self._facts_of(talkgroup).bitrate_bps

    def listens_on(self, group: str, talkgroup: str) -> bool:
        endpoints = pieces.group_endpoints(self._settings, frozenset({group})).get(group, ())
        return any(
            name in self._endpoints and self._endpoints.speaks_on(name) == talkgroup
            for name in endpoints
        )

    def ears(self, talkgroup: str) -> Iterator[Ear]:
        yield from self._endpoints.ears(talkgroup)
        for gateway in self._roster.gateways_of(talkgroup) - {self._shared.gateway}:
            for state in self._roster.endpoints_of(gateway):
                if talkgroup in (state.talkgroup, *state.hears):
                    yield Ear(state.endpoint, state.site, state.kind)

    async def _configure_announcer(self) -> None:
        """In a thread: to find what a district may have to be told takes 0.2 s."""
        options = await asyncio.to_thread(pieces.announcer_options_of, self._settings)
        self._announcer.configure(options)

    def _facts_of(self, talkgroup: str) -> TalkgroupFacts:
        return pieces.talkgroup_facts_of(self._settings, talkgroup)

    def _known(self) -> set[str]:
        by_hand = (state.talkgroup for state in self._board.all())
        by_incidents = (patch.talkgroup for patch in self._patches.values())
        return {*self._settings.talkgroups, *by_incidents, *by_hand}

    def _speaks(self, gateway: str, endpoint: str) -> bool:
        """Whether an endpoint is known to speak, here or at another gateway."""
        if gateway == self._shared.gateway:
            return endpoint in self._endpoints
        return any(
            state.endpoint == endpoint and state.talkgroup is not None
            for state in self._roster.endpoints_of(gateway)
        )


class _Outcomes:
    """KPI 1 of TS 22.179: how long those who got the floor waited for it."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def outcome(self, talkgroup: str, kind: OutcomeKind, seconds: float) -> None:
        if kind in ("immediate", "queued"):
            self._measures.observe("floor.access", talkgroup, seconds)
