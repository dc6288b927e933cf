"""The endpoints of one gateway: made, tuned, changed and ended as settings, incidents and people say. No decisions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gateway import pieces, squelches
from gateway.control.server import WrongCall
from gateway.errors import DriverUnavailable
from gateway.settings.model import Endpoint as EndpointSettings
from gateway.shared import Shared
from gateway.voice.announcing.covert import Ear
from gateway.voice.downlink.hearing import Hearing
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.endpoint import Endpoint
from gateway.voice.endpoint_ports import TalkgroupFacts
from gateway.voice.keying.keyer_client import Keyer
from gateway.voice.patches.hand_patches import OwnEndpoint
from gateway.voice.patches.patch import Patch, tuning
from gateway.voice.recording.recorder import Recorder
from gateway.voice.recording.tap import TappedDevice
from gateway.voice.talkgroup import Talkgroup
from gateway.voice.uplink.hot_mic import Microphones

_LOGGER = logging.getLogger(__name__)

_BUSY_LOOK = 0.1
"""Seconds between looks whether a burst that a reload waits for has ended."""


class Endpoints:
    """Every endpoint that speaks or listens, and the keyer's lines of them.

    ``floor`` finds a talkgroup, ``facts_of`` what the settings say of it. ``claims`` are the patches
    of incidents and people on the endpoints that it is handed, ``microphones`` those that incidents
    open.
    """

    def __init__(
        self,
        shared: Shared,
        keyer: Keyer,
        recorder: Recorder,
        ticker: Ticker,
        floor: Callable[[str], Talkgroup],
        facts_of: Callable[[str], TalkgroupFacts],
        claims: Callable[[Iterable[OwnEndpoint]], Sequence[Patch]],
        microphones: Callable[[], Iterable[Microphones]],
    ) -> None:
        self.frames: Counter[tuple[str, str]] = Counter()
        """What was played, by talkgroup and kind (`gateway.voice.downlink.hearing`)."""
        self._shared = shared
        self._keyer = keyer
        self._recorder = recorder
        self._ticker = ticker
        self._floor = floor
        self._facts_of = facts_of
        self._claims = claims
        self._microphones = microphones
        self._wanted: Mapping[str, EndpointSettings] = {}
        self._applied: dict[str, EndpointSettings] = {}
        """Endpoints as they run: a change waits for the end of a burst."""
        self._endpoints: dict[str, tuple[Endpoint, asyncio.Task[None]]] = {}
        self._pending: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, name: str) -> bool:
        """Whether an endpoint of that name speaks or listens."""
        return name in self._endpoints

    def start(self, group: asyncio.TaskGroup, wanted: Mapping[str, EndpointSettings]) -> None:
        """Start every endpoint in ``group``.

        Raises:
            DriverUnavailable: a driver marked ``required`` cannot be loaded.
        """
        self._wanted = wanted
        self._applied = dict(wanted)
        self._configure_keyer()
        for name, settings in wanted.items():
            self._start(group, name, settings)

    async def settled(self) -> None:
        """Returns once every endpoint is up or reported as faulted."""
        for endpoint, _ in list(self._endpoints.values()):
            await endpoint.ready.wait()

    async def reload(
        self, group: asyncio.TaskGroup, wanted: Mapping[str, EndpointSettings]
    ) -> None:
        """Change what differs; what is in the middle of a burst, after it."""
        self._wanted = wanted
        for name in self._applied.keys() | wanted.keys():
            waiting = self._pending.pop(name, None)
            if waiting is not None:
                waiting.cancel()
            if self._applied.get(name) != wanted.get(name):
                self._pending[name] = group.create_task(
                    self._change(group, name), name=f"endpoint[{name}].change"
                )
        for endpoint, _ in self._endpoints.values():
            endpoint.refresh()
        # What is quiet changes now, so that a reload that is done has been seen to be done.
        quiet = [task for name, task in self._pending.items() if not self._is_busy(name)]
        if quiet:
            await asyncio.wait(quiet)

    async def stop(self) -> None:
        """End every burst and every endpoint."""
        for name in list(self._endpoints):
            await self._stop(name)

    def retune(self) -> None:
        """What incidents or people have joined has changed."""
        claims = self._claimed()
        for name in self._endpoints:
            self._tune(name, claims)

    # What is asked of them

    def speaks_on(self, name: str) -> str | None:
        """The talkgroup that an endpoint speaks on now."""
        return self._endpoints[name][0].facts.talkgroup if name in self._endpoints else None

    def joined(self, talkgroup: str) -> Iterator[str]:
        """The endpoints that speak on ``talkgroup`` now."""
        return (name for name in self._endpoints if self.speaks_on(name) == talkgroup)

    def ears(self, talkgroup: str) -> Iterator[Ear]:
        """The endpoints that hear ``talkgroup`` now."""
        for name, (endpoint, _) in self._endpoints.items():
            if talkgroup in (endpoint.facts.talkgroup, *endpoint.facts.hears):
                settings = self._applied[name]
                yield Ear(name, settings.site, settings.kind)

    def listener(self, name: str, talkgroup: str) -> Endpoint:
        """An endpoint that may be played something that nobody else hears.

        Raises:
            WrongCall: it may not, or there is none.
        """
        if name not in self._endpoints:
            raise WrongCall(f"this gateway has no endpoint {name} that plays")
        endpoint, _ = self._endpoints[name]
        if self._applied[name].ptt is not None:
            raise WrongCall(f"{name} keys a transmitter: what it sends needs the floor")
        if talkgroup not in (endpoint.facts.talkgroup, *endpoint.facts.hears):
            raise WrongCall(f"{name} does not hear {talkgroup}")
        return endpoint

    # Carrying out

    def _configure_keyer(self) -> None:
        self._keyer.configure(pieces.keyed_endpoints_of(self._applied))

    def _start(self, group: asyncio.TaskGroup, name: str, settings: EndpointSettings) -> None:
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
            floor=self._floor,
            talkgroup_facts=self._facts_of,
            ticker=self._ticker,
            counters=self._shared.counters,
            changed=lambda: self._show(name),
            hearing=Hearing(self._shared.measures, self.frames),
        )
        task = group.create_task(endpoint.run(), name=f"endpoint[{name}]")
        self._endpoints[name] = endpoint, task
        self._tune(name, self._claimed())

    async def _stop(self, name: str) -> None:
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
        old, new = self._applied.get(name), self._wanted.get(name)
        if old is not None and new is not None and pieces.same_devices(old, new):
            self._applied[name] = new
            self._tune(name, self._claimed())
        else:
            await self._stop(name)
            self._applied.pop(name, None)
            if new is not None:
                self._applied[name] = new
            self._configure_keyer()
            if new is not None:
                self._start(group, name, new)
        self._pending.pop(name, None)

    def _is_busy(self, name: str) -> bool:
        return name in self._endpoints and self._endpoints[name][0].busy

    def _claimed(self) -> Sequence[Patch]:
        own = (OwnEndpoint(name, self._applied[name].talkgroup) for name in self._endpoints)
        return self._claims(own)

    def _tune(self, name: str, claims: Sequence[Patch]) -> None:
        settings, (endpoint, _) = self._applied[name], self._endpoints[name]
        tuned = tuning(name, settings.talkgroup, settings.hears, claims)
        endpoint.tune(tuned)
        hot = (
            one.until
            for one in self._microphones()
            if one.talkgroup == tuned.speaks and name in one.endpoints and settings.hot_mic
        )
        endpoint.hot_mic(max(hot, default=None))

    def _show(self, name: str) -> None:
        if name not in self._endpoints:
            return
        now = self._endpoints[name][0].facts
        states = self._shared.states
        states.tuned(name, now.talkgroup, now.hears)
        states.lines(name, ptt=now.ptt, squelch_open=now.squelch_open)
        states.fault(name, "audio", "; ".join(now.faults) or None)
