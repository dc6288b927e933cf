"""Records the bursts of talkgroups, and what was heard before an alarm: machines, disk thread, fault.

Decides nothing: `gateway.voice.recording.bursts` says what is a burst and when it is over, `shelf` what is kept.
Used from the event loop only, but for what runs in the writer's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from gateway.errors import RemoteProtocolError
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.voice.opus_toc import ticks_of
from gateway.voice.recording.bursts import Action, Begin, Bursts, Finish, Write
from gateway.voice.recording.coding import coded
from gateway.voice.recording.facts import Recording, identifier
from gateway.voice.recording.incidents import Occasion, Occasions
from gateway.voice.recording.pre_alarm import Before, PreAlarm
from gateway.voice.recording.retention import DEFAULT_LIMITS, Limits
from gateway.voice.recording.shelf import Shelf
from gateway.voice.recording.writer import Job, Writer
from gateway.voice.rtp import Packet, Token

_LOGGER = logging.getLogger(__name__)

LOOK_PAUSE = 2.0
"""Seconds between two looks at the disk."""

TIDY_PAUSE = 3600.0
"""Seconds between two looks for what is too old."""

CLOSE_WITHIN = 1.5
"""Seconds that a stop waits for the disk; what is not done then is mended at the next start."""

FRESH = 10.0
"""Seconds: an incident that was raised longer ago was not raised now, it was only heard of now."""

BITRATE_BPS = 24_000
"""Of what was heard before an alarm; as a talkgroup has it by default."""

_EARLY = 0.001


class Floor(Protocol):
    """A talkgroup as the recorder hears it (`gateway.voice.talkgroup.Talkgroup`)."""

    @property
    def talker(self) -> str | None: ...
    def join(self, member: Recorder, *, speaks: bool) -> None: ...
    def leave(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderOptions:
    """The recorder's piece of the settings; ``pre_alarm`` is seconds by endpoint."""

    talkgroups: frozenset[str] = frozenset()
    incidents: bool = False
    pre_alarm: Mapping[str, float] = field(default_factory=dict)
    limits: Limits = DEFAULT_LIMITS

    @property
    def anything(self) -> bool:
        return bool(self.talkgroups or self.incidents or self.pre_alarm)


class Recorder:
    """Ears on every talkgroup that is recorded. A `gateway.voice.talkgroup.Member` that never speaks.

    ``floor(talkgroup)`` finds or makes the talkgroup. ``fault_changed`` is told why nothing can be
    recorded, and None when it can again.
    """

    name = "(recorder)"  # which no endpoint can be called

    def __init__(
        self,
        gateway: str,
        folder: Path,
        floor: Callable[[str], Floor],
        counters: Counters,
        clock: SystemClock,
        new_bits: Callable[[int], int],
        fault_changed: Callable[[str | None], None],
    ) -> None:
        self.fault: str | None = None
        self._gateway = gateway
        self._folder = folder
        self._floor = floor
        self._counters = counters
        self._clock = clock
        self._new_bits = new_bits
        self._fault_changed = fault_changed
        self._options = RecorderOptions()
        self._occasions = Occasions()
        self._bursts = Bursts(gateway, self._occasions)
        self._joined: frozenset[str] = frozenset()
        self._rings: dict[str, PreAlarm] = {}
        self._shelf = Shelf(folder, self._options.limits)
        self._is_open = False  # the writer's
        self._writer: Writer | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Look after the disk until cancelled."""
        self._loop = asyncio.get_running_loop()
        tidied = self._loop.time()
        self._ask(self._tidy)
        while True:
            await asyncio.sleep(LOOK_PAUSE)
            if self._loop.time() - tidied >= TIDY_PAUSE:
                tidied = self._loop.time()
                self._ask(self._tidy)
            else:
                self._ask(self._look)

    def configure(self, options: RecorderOptions) -> None:
        """Record this from now on; what is not recorded any more ends where it is."""
        self._loop = asyncio.get_running_loop()
        self._options = options
        if self._writer is None and (options.anything or self._folder.exists()):
            # Opening makes room: by these limits, not by others first.
            self._shelf = Shelf(self._folder, options.limits)
            self._writer = Writer("recordings")
            self._writer.start()
        self._ask(lambda: self._shelf.configure(options.limits))
        for endpoint in self._rings.keys() - options.pre_alarm.keys():
            del self._rings[endpoint]
        self._tune()

    def ring(self, endpoint: str) -> PreAlarm | None:
        """What an endpoint that is being opened is to fill; None where nothing is to be kept."""
        seconds = self._options.pre_alarm.get(endpoint)
        if seconds is None:
            return None
        ring = self._rings[endpoint] = PreAlarm(seconds)
        return ring

    def incident(self, occasion: Occasion, places: Collection[str]) -> None:
        """An incident is open, at these endpoints of ours; what was heard there before it is stored."""
        new = self._occasions.begin(occasion)
        at = self._clock.now().wall
        if new and at - occasion.raised < FRESH:
            for endpoint in places:
                ring = self._rings.get(endpoint)
                before = None if ring is None else ring.take(at)
                if before is not None:
                    self._ask(partial(self._keep_before, endpoint, before, occasion))
        if occasion.talkgroup is not None and occasion.talkgroup not in self._joined:
            self._tune()

    def incident_closed(self, incident: str) -> None:
        """It is over."""
        occasion = self._occasions.end(incident)
        if occasion is not None and occasion.talkgroup in self._joined:
            self._tune()

    def recording_now(self) -> list[Recording]:
        """The bursts that are being recorded."""
        return self._bursts.now()

    async def close(self) -> None:
        """End what is being recorded, and wait a little for the disk."""
        self._closed = True
        self._do(self._bursts.close())
        for talkgroup in self._joined:
            self._floor(talkgroup).leave(self.name)
        self._joined = frozenset()
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            self._writer.do(self._shelf.close)
            if not await asyncio.to_thread(self._writer.close, CLOSE_WITHIN):
                self._counters.add("recording.not_finished")
                _LOGGER.warning("recordings: the disk is too slow; the next start finishes them")

    # What talkgroups say

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        del confirmed  # what may be played may be recorded
        if talkgroup not in self._joined or self._writer is None:
            return
        try:
            ticks = ticks_of(packet.payload)
        except RemoteProtocolError:
            self._counters.add("recording.malformed_opus")
            return
        if "/" not in talker:
            whole = self._floor(talkgroup).talker
            if whole is not None and whole.startswith(f"{talker}/"):
                talker = whole
        wall = self._clock.now().wall
        accepts = self._writer.accepts
        self._do(
            self._bursts.packet(talkgroup, talker, packet, ticks, arrival, wall, accepts=accepts)
        )

    def on_idle(self, talkgroup: str) -> None:
        """The end of a burst may still be on its way."""

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:
        """It never asks."""

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        """It never asks."""

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        """It never talks."""

    # Inside

    def _tune(self) -> None:
        """Be on every talkgroup that is to be recorded, and on no other."""
        if self._closed:
            return
        wanted = self._options.talkgroups
        if self._options.incidents:
            wanted |= self._occasions.talkgroups()
        for talkgroup in self._joined - wanted:
            self._do(self._bursts.leave(talkgroup))
            self._floor(talkgroup).leave(self.name)
        new, self._joined = wanted - self._joined, wanted
        for talkgroup in new:
            self._floor(talkgroup).join(self, speaks=False)

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Begin(recording):
                    self._ask(partial(self._begin, recording))
                case Write(name, payloads):
                    self._ask(partial(self._shelf.write, name, payloads))
                case Finish(recording, payloads):
                    self._ask(partial(self._finish, recording, payloads))
        for what, number in self._bursts.counts.items():
            self._counters.add(f"recording.{what}", number)
        self._bursts.counts.clear()
        self._arm()

    def _arm(self) -> None:
        """Look when a burst may be over; a timer that is too early only looks again."""
        deadline = self._bursts.deadline()
        if self._timer is None and deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(deadline + _EARLY, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._do(self._bursts.tick(asyncio.get_running_loop().time()))

    def _ask(self, job: Job) -> None:
        """Have the writer do it; where the disk fails, that is a fault."""
        if self._writer is not None:
            self._writer.do(partial(self._try, job))

    def _told(self, fault: str | None) -> None:
        if fault == self.fault:
            return
        before, self.fault = self.fault, fault
        if fault is None:
            _LOGGER.info("recordings: recording again")
        elif before is None:
            self._counters.add("recording.faults")
            _LOGGER.error("recordings: nothing is recorded: %s", fault)
        if (fault is None) is not (before is None):
            self._fault_changed(fault)

    # In the writer's thread

    def _try(self, job: Job) -> None:
        try:
            if not self._is_open:
                self._shelf.open()
                self._is_open = True
            job()
        except OSError as error:
            self._tell(error.strerror or str(error))
            self._count("recording.failed")

    def _begin(self, recording: Recording) -> None:
        if self._shelf.begin(recording):
            self._tell(None)
        else:
            self._count("recording.no_room")
            self._tell(self._full())

    def _finish(self, recording: Recording, payloads: tuple[bytes, ...]) -> None:
        if self._shelf.finish(recording, payloads) is not None:
            self._count("recording.kept")

    def _look(self) -> None:
        self._shelf.make_room()
        self._tell(self._full())

    def _tidy(self) -> None:
        self._count("recording.expired", self._shelf.tidy(self._clock.now().wall))
        self._tell(self._full())

    def _keep_before(self, endpoint: str, before: Before, occasion: Occasion) -> None:
        recording = Recording(
            id=identifier(before.started, self._new_bits(32)),
            kind="pre-alarm",
            talkgroup=None,
            talker=f"{self._gateway}/{endpoint}",
            gateway=self._gateway,
            started=before.started,
            whole=True,
            incident=occasion.incident,
            drill=occasion.drill,
        )
        payloads = coded(before.samples, before.rate_hz, BITRATE_BPS)
        if self._shelf.begin(recording):
            kept = self._shelf.finish(replace(recording, packets=len(payloads)), payloads)
            if kept is not None:
                self._count("recording.before_alarms")
        else:
            self._count("recording.no_room")

    def _full(self) -> str | None:
        if not self._shelf.no_room or not self._options.anything:
            return None
        return f"the disk has less than {self._options.limits.keep_free // 1024**2} MiB free"

    def _tell(self, fault: str | None) -> None:
        self._call(self._told, fault)

    def _count(self, name: str, number: int = 1) -> None:
        if number:
            self._call(self._counters.add, name, number)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)
