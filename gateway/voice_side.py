"""The voice side put together: keyer, talkgroups, endpoints, patches. No decisions of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from gateway import pieces, squelches
from gateway.control.server import Handler, WrongCall
from gateway.errors import DriverUnavailable, StorageError
from gateway.link.messages import IncidentState, Page
from gateway.link.roster import Roster
from gateway.link.voice_link import VoiceLink
from gateway.moment import parse_timestamp
from gateway.ops.measures import Measures
from gateway.requests.patches import PatchRequests
from gateway.requests.voice import VoiceRequests
from gateway.settings.model import Endpoint as EndpointSettings
from gateway.settings.model import Settings
from gateway.shared import Shared
from gateway.voice.announcing.announcer import Announcer
from gateway.voice.announcing.covert import Ear
from gateway.voice.announcing.stock import Stock
from gateway.voice.bridges.bridges import Bridges
from gateway.voice.endpoint import Endpoint
from gateway.voice.endpoint_ports import TalkgroupFacts
from gateway.voice.hand_patches import OwnEndpoint
from gateway.voice.hearing import Hearing
from gateway.voice.hot_mic import LONGEST, Microphones
from gateway.voice.keyer_client import Keyer
from gateway.voice.participant_actions import OutcomeKind
from gateway.voice.patch import Patch, tuning
from gateway.voice.patch_board import PatchBoard, PatchMemory
from gateway.voice.recording.recorder import Recorder
from gateway.voice.recording.requests import RecordingRequests
from gateway.voice.recording.tap import TappedDevice
from gateway.voice.talkgroup import Talkgroup
from gateway.voice.talkgroups import TalkgroupNow, Talkgroups, TermStore
from gateway.voice.ticker import Ticker

_LOGGER = logging.getLogger(__name__)

_BUSY_LOOK = 0.1
"""Seconds between looks whether a burst that a reload waits for has ended."""


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
        self.frames: Counter[tuple[str, str]] = Counter()
        """What was played, by talkgroup and kind (`gateway.voice.hearing`)."""
        self._ticker = Ticker(shared.counters)
        self._keyer = Keyer(shared.data_dir / "keyer.lock", shared.counters)
        self._talkgroups: Talkgroups | None = None
        self._endpoints: dict[str, tuple[Endpoint, asyncio.Task[None]]] = {}
        self._applied: dict[str, EndpointSettings] = {}
        """Endpoints as they run: a change waits for the end of a burst."""
        self._pending: dict[str, asyncio.Task[None]] = {}
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
        self._board = PatchBoard(
            shared.gateway,
            shared.topics,
            shared.control,
            patch_memory,
            shared.clock,
            shared.new_id,
            shared.counters,
            self._retune,
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
        self._applied = dict(self._settings.endpoints)
        await self._board.start()
        self._configure_keyer()
        group.create_task(self._keyer.run(), name="keyer")
        for name, endpoint in self._settings.endpoints.items():
            self._start_endpoint(group, name, endpoint)
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
        for endpoint, _ in list(self._endpoints.values()):
            await endpoint.ready.wait()
        await self._keyer.ready()

    async def stop(self) -> None:
        """End every burst, release every PTT, give up control of every floor."""
        self._announcer.close()
        self._board.close()
        await self._bridges.close()
        for name in list(self._endpoints):
            await self._stop_endpoint(name)
        await self._recorder.close()
        self._floors.close()

    async def reload(self, group: asyncio.TaskGroup, settings: Settings) -> None:
        """Change what differs. An endpoint in the middle of a burst changes after it."""
        self._settings = settings
        self._floors.configure(pieces.talkgroups_of(settings))
        self._recorder.configure(pieces.recorder_options_of(settings))
        await self._configure_announcer()
        await self._bridges.configure(group, pieces.bridges_of(settings))
        for name in self._applied.keys() | settings.endpoints.keys():
            waiting = self._pending.pop(name, None)
            if waiting is not None:
                waiting.cancel()
            if self._applied.get(name) != settings.endpoints.get(name):
                self._pending[name] = group.create_task(
                    self._change(group, name), name=f"endpoint[{name}].change"
                )
        for endpoint, _ in self._endpoints.values():
            endpoint.refresh()
        # What is quiet changes now, so that a reload that is done has been seen to be done.
        quiet = [task for name, task in self._pending.items() if not self._is_busy(name)]
        if quiet:
            await asyncio.wait(quiet)

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
            self._retune()
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
            self._joined,
        )
        recordings = RecordingRequests(
            self._shared.gateway,
            self._recorder,
            pieces.recordings_of(self._settings),
            self._floor,
            self._known,
            self._listener,
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

    def talkgroups(self) -> tuple[TalkgroupNow, ...]:
        """Each talkgroup as it is now."""
        return self._floors.now()

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
            self._endpoints[name][0].facts.talkgroup == talkgroup
            for name in endpoints
            if name in self._endpoints
        )

    def ears(self, talkgroup: str) -> Iterator[Ear]:
        for name, (endpoint, _) in self._endpoints.items():
            if talkgroup in (endpoint.facts.talkgroup, *endpoint.facts.hears):
                settings = self._applied[name]
                yield Ear(name, settings.site, settings.kind)
        for gateway in self._roster.gateways_of(talkgroup) - {self._shared.gateway}:
            for state in self._roster.endpoints_of(gateway):
                if talkgroup in (state.talkgroup, *state.hears):
                    yield Ear(state.endpoint, state.site, state.kind)

    async def _configure_announcer(self) -> None:
        """In a thread: to find what a district may have to be told takes 0.2 s."""
        options = await asyncio.to_thread(pieces.announcer_options_of, self._settings)
        self._announcer.configure(options)

    # Endpoints

    def _configure_keyer(self) -> None:
        self._keyer.configure(pieces.keyed_endpoints_of(self._applied))

    def _start_endpoint(
        self, group: asyncio.TaskGroup, name: str, settings: EndpointSettings
    ) -> None:
        states = self._shared.states
        if settings.audio is None:
            states.tuned(name, None, ())
            states.lines(name, ptt=False, squelch_open=False)
            states.fault(name, "audio", None)
            return
        try:
            device = self._shared.drivers.driver("audio", settings.audio.driver)
            squelch = squelches.squelch(name, settings, self._shared.drivers)
        except DriverUnavailable as error:
            if settings.audio.required:
                raise
            _LOGGER.error("endpoint[%s]: left out: %s", name, error)
            states.fault(name, "audio", error.what)
            return
        options = pieces.endpoint_options_of(name, settings)
        opened = device(name, settings.audio.options)
        if (ring := self._recorder.ring(name)) is not None:
            opened = TappedDevice(opened, ring)
        endpoint = Endpoint(
            options,
            opened,
            line=self._keyer.line(name) if pieces.has_line(settings) else None,
            squelch=squelch,
            senses=[self._keyer.line(line) for line in squelches.senses(name, settings)],
            floor=self._floors.get,
            talkgroup_facts=self._facts_of,
            ticker=self._ticker,
            counters=self._shared.counters,
            changed=lambda: self._show(name),
            hearing=Hearing(self._shared.measures, self.frames),
        )
        task = group.create_task(endpoint.run(), name=f"endpoint[{name}]")
        self._endpoints[name] = endpoint, task
        self._tune(name)

    async def _stop_endpoint(self, name: str) -> None:
        if name in self._endpoints:
            _, task = self._endpoints[name]
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            del self._endpoints[name]

    async def _change(self, group: asyncio.TaskGroup, name: str) -> None:
        """Bring one endpoint to what the settings say, once it is quiet."""
        while self._is_busy(name):  # noqa: ASYNC110 - rare, and nothing waits for it
            await asyncio.sleep(_BUSY_LOOK)
        old, new = self._applied.get(name), self._settings.endpoints.get(name)
        if old is not None and new is not None and pieces.same_devices(old, new):
            self._applied[name] = new
            self._tune(name)
        else:
            await self._stop_endpoint(name)
            self._applied.pop(name, None)
            if new is not None:
                self._applied[name] = new
            self._configure_keyer()
            if new is not None:
                self._start_endpoint(group, name, new)
        self._pending.pop(name, None)

    def _is_busy(self, name: str) -> bool:
        return name in self._endpoints and self._endpoints[name][0].busy

    def _tune(self, name: str) -> None:
        settings, (endpoint, _) = self._applied[name], self._endpoints[name]
        tuned = tuning(name, settings.talkgroup, settings.hears, self._claims())
        endpoint.tune(tuned)
        hot = (
            one.until
            for one in self._microphones.values()
            if one.talkgroup == tuned.speaks and name in one.endpoints and settings.hot_mic
        )
        endpoint.hot_mic(max(hot, default=None))

    def _claims(self) -> list[Patch]:
        """What incidents and people have joined."""
        own = (OwnEndpoint(name, self._applied[name].talkgroup) for name in self._endpoints)
        return [*self._patches.values(), *self._board.claims(own)]

    def _retune(self) -> None:
        for name in self._endpoints:
            self._tune(name)

    def _show(self, name: str) -> None:
        if name not in self._endpoints:
            return
        now = self._endpoints[name][0].facts
        states = self._shared.states
        states.tuned(name, now.talkgroup, now.hears)
        states.lines(name, ptt=now.ptt, squelch_open=now.squelch_open)
        states.fault(name, "audio", "; ".join(now.faults) or None)

    def _facts_of(self, talkgroup: str) -> TalkgroupFacts:
        return pieces.talkgroup_facts_of(self._settings, talkgroup)

    def _listener(self, name: str, talkgroup: str) -> Endpoint:
        """An endpoint that may be played something that nobody else hears."""
        if name not in self._endpoints:
            raise WrongCall(f"this gateway has no endpoint {name} that plays")
        endpoint, _ = self._endpoints[name]
        if self._applied[name].ptt is not None:
            raise WrongCall(f"{name} keys a transmitter: what it sends needs the floor")
        if talkgroup not in (endpoint.facts.talkgroup, *endpoint.facts.hears):
            raise WrongCall(f"{name} does not hear {talkgroup}")
        return endpoint

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

    def _joined(self, talkgroup: str) -> Iterator[str]:
        return (
            name
            for name, (endpoint, _) in self._endpoints.items()
            if endpoint.facts.talkgroup == talkgroup
        )


class _Outcomes:
    """KPI 1 of TS 22.179: how long those who got the floor waited for it."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def outcome(self, talkgroup: str, kind: OutcomeKind, seconds: float) -> None:
        if kind in ("immediate", "queued"):
            self._measures.observe("floor.access", talkgroup, seconds)
