"""Runs the watch: is told of signs of life, reports silence, and keeps which links are up.

The rules are in `gateway.alarm.supervision.supervision` and `gateway.alarm.supervision.presence`; this feeds them.

1. Silence is reported as a signal ``lost`` of category supervision, its end as a restore, each in
   one unit with the row that says so of the link.
2. What the desk cannot take now is reported again after `PAUSE`.
3. Where the broker may only have kept a sign of life (`lifesigns`), it wakes nobody who was silent.
4. This gateway's own outages are known from a file that it writes while it runs, and those of the
   journal once it works again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.plans.plan import SUPERVISION, SourceFacts
from gateway.alarm.raised import Raised
from gateway.alarm.signals.contact import Contact, Sighting
from gateway.alarm.supervision.availability import BROKER, GATEWAY, JOURNAL, Chain
from gateway.alarm.supervision.lifesigns import LifeSigns, Watching
from gateway.alarm.supervision.lifesigns import Link as ListeningLink
from gateway.alarm.supervision.link_log import LinkLog
from gateway.alarm.supervision.presence import Attendance, Presences
from gateway.alarm.supervision.supervision import Finding, Name, Part, Supervision
from gateway.errors import StorageError
from gateway.link.topics import Topics
from gateway.moment import Moment
from gateway.ops.clock import DeadlineTimer, SystemClock
from gateway.ops.counters import Counters
from gateway.ports import SignalKind

_LOGGER = logging.getLogger(__name__)

GROUPS_WITHIN = 10.0
"""Seconds after a connect until the clients of every group that is there have been heard of."""

PAUSE = 1.0
"""Seconds until what could not be reported is reported again."""

PATIENCE = 5.0
"""Seconds that a start waits for the journal."""

ALIVE_EVERY = 5.0
"""Seconds between two marks that this gateway runs; an outage is known to within as many."""


class Link(ListeningLink, Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    def on_connection(self, callback: Callable[[bool], None], /) -> None: ...


class Memory(Protocol):
    """What is needed of the journal (`gateway.alarm.journal.journal.Journal`)."""

    def append_soon(self, rows: tuple[Row, ...], /) -> None: ...
    async def standing(self, kind: Kind, /) -> tuple[Stored, ...]: ...


class Report(Protocol):
    """Takes a sighting of the gateway itself (`gateway.alarm.desk.Desk.report`)."""

    def __call__(
        self, sighting: Sighting, rows: tuple[Row, ...], done: Callable[[Raised], None], /
    ) -> None: ...


class Watch:
    """The watch of one gateway. Everything is called on the event loop."""

    def __init__(
        self,
        gateway: str,
        boot: str,
        topics: Topics,
        link: Link,
        journal: Memory,
        clock: SystemClock,
        counters: Counters,
        presences: Presences,
        report: Report,
        source_of: Callable[[str], SourceFacts | None],
        is_well: Callable[[str], bool],
        alive: Path,
    ) -> None:
        self._link = link
        self._journal = journal
        self._clock = clock
        self._counters = counters
        self._presences = presences
        self._report = report
        self._source_of = source_of
        self._is_well = is_well
        self._alive = alive
        self._watching = Watching()
        self._inputs: set[str] = set()
        self._supervision = Supervision()
        self._log = LinkLog()
        self._signs = LifeSigns(gateway, boot, topics, link, clock, counters, presences, self)
        self._timer = DeadlineTimer(clock, self._expired)
        self._groups_by: float | None = None
        """When groups of which nothing was heard since the connect are gone, on `Moment.elapsed`."""
        self._unstored_since: float | None = None
        self._chains: tuple[Chain, ...] = ()
        self._running = False
        self._untold: list[tuple[Sighting, tuple[Row, ...]]] = []
        self._again: float | None = None
        """When these are reported again."""

    @property
    def silent(self) -> frozenset[Name]:
        """Who is supervised and not heard."""
        return self._supervision.silent

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            async with asyncio.timeout(PATIENCE):
                self._log.load(await self._journal.standing(Kind.LINK))
        except (StorageError, TimeoutError) as error:
            _LOGGER.warning("who was silent before is not known: %s", error)
        ran_until = await asyncio.to_thread(_read, self._alive)
        if self._log.is_up(GATEWAY):
            self._keep(self._log.change(GATEWAY, up=False, since=ran_until))
        self._keep(self._log.change(GATEWAY, up=True))
        self._running = True
        try:
            self._link.on_connection(self._connection_changed)
            self._connection_changed(self._link.connected)
            self._watch(self._log.silent())
            if self._chains:
                self.take_chains(self._chains)
            while True:
                await asyncio.to_thread(_write, self._alive, self._clock.now().wall)
                await asyncio.sleep(ALIVE_EVERY)
        finally:
            self._running = False
            self._timer.cancel()
            self._signs.leave()
            self._keep(self._log.change(GATEWAY, up=False))

    def configure(self, watching: Watching) -> None:
        """Watch these from now on, and no others."""
        self._watching = watching
        self._inputs = {one.name for one in watching.intervals if one.part is Part.INPUT}
        if self._running:
            self._watch()

    def take_chains(self, chains: Iterable[Chain]) -> None:
        """What depends on what, for the journal."""
        self._chains = tuple(chains)
        if self._running:  # else it is not known yet what the journal has
            self._keep(self._log.take(self._chains))

    def _watch(self, silent: Iterable[Name] = ()) -> None:
        now = self._clock.now()
        self._found(*self._supervision.watch(dict(self._watching.intervals), now, silent))
        self._signs.listen(self._watching, now)
        for name in self._watching.intervals:
            if name.part is Part.ENDPOINT:
                self.endpoint_health(name.name, well=self._is_well(name.name))
        self._arm()

    # Signs of life

    def input_heard(self, name: str) -> None:
        """A heartbeat or a signal of an input."""
        if name in self._inputs:
            self.heard(Name(Part.INPUT, name))

    def endpoint_signalled(self, name: str) -> None:
        """A signal of an endpoint."""
        if name in self._watching.speaking:
            self.heard(Name(Part.ENDPOINT, name))

    def endpoint_health(self, name: str, *, well: bool) -> None:
        """The state of an endpoint's devices."""
        endpoint = Name(Part.ENDPOINT, name)
        if endpoint in self._supervision and name not in self._watching.speaking:
            finding = self._supervision.vouch(endpoint, self._clock.now(), well=well)
            self._found(*(finding,) if finding else ())
            self._arm()

    def storage(self, fault: str | None) -> None:
        """The journal's state; an outage can be written down only once it is over."""
        if fault is not None and self._unstored_since is None:
            self._unstored_since = self._clock.now().wall
        elif fault is None and self._unstored_since is not None:
            since, self._unstored_since = self._unstored_since, None
            self._keep(self._log.change(JOURNAL, up=False, since=since))
            self._keep(self._log.change(JOURNAL, up=True))

    def heard(self, name: Name, *, kept: bool = False) -> None:
        """A sign of life; ``kept``: the broker may only have kept it (rule 3)."""
        if kept and name in self._supervision.silent:
            return
        finding = self._supervision.heard(name, self._clock.now())
        if finding is not None:
            self._found(finding)

    def attended(self, changes: Iterable[Attendance]) -> None:
        """Groups whose first client came, or whose last one went."""
        for change in changes:
            self._keep(self._log.change(f"group/{change.group}", up=change.there))
        if self._running:
            self._arm()

    # Findings

    def _found(self, *findings: Finding) -> None:
        for finding in findings:
            name = finding.name
            _LOGGER.warning("%s", finding.text)
            self._counters.add("watch.silences" if finding.silent else "watch.heard_again")
            rows = self._log.change(name.link, up=not finding.silent)
            source = self._source_of(name.name) if name.part is Part.ENDPOINT else None
            sighting = Sighting(
                source=source,
                subject=name.subject,
                signal=SignalKind.LOST if finding.silent else SignalKind.RESTORE,
                category=SUPERVISION,
                contact=Contact("silence", SUPERVISION),
                code=None,
                account=None,
                zone=None,
                text=finding.text,
            )
            self._tell(sighting, rows)
        if self._running:
            self._arm()

    def _tell(self, sighting: Sighting, rows: tuple[Row, ...]) -> None:
        def done(raised: Raised) -> None:
            if raised.event is None and self._running:  # too much waits there
                self._untold.append((sighting, rows))
                self._again = self._again or self._clock.now().elapsed + PAUSE
                self._arm()

        self._report(sighting, rows, done)

    def _keep(self, rows: tuple[Row, ...]) -> None:
        if rows:
            self._journal.append_soon(rows)

    # Time and connection

    def _connection_changed(self, connected: bool) -> None:
        if not self._running:
            return
        now = self._clock.now()
        self._keep(self._log.change(BROKER, up=connected))
        if connected:
            self._supervision.hearing(now)
            self._presences.hearing(now)
            self._signs.connected(now)
            self._groups_by = now.elapsed + GROUPS_WITHIN
        else:
            self._supervision.deaf()
            self._presences.deaf()
            self._groups_by = None
        self._arm()

    def _expired(self, now: Moment) -> None:
        self._found(*self._supervision.tick(now))
        self.attended(self._presences.tick(now))
        if self._groups_by is not None and self._groups_by <= now.elapsed:
            self._groups_by = None
            for link in self._log.up("group/"):  # of an earlier run, and gone since
                if not self._presences.is_there(link.removeprefix("group/")):
                    self._keep(self._log.change(link, up=False))
        if self._again is not None and self._again <= now.elapsed:
            untold, self._untold, self._again = self._untold, [], None
            for sighting, rows in untold:
                self._tell(sighting, rows)
        self._signs.ask(now)
        self._arm()

    def _arm(self) -> None:
        deadlines = [
            self._supervision.deadline(),
            self._presences.deadline(),
            self._groups_by,
            self._again,
            self._signs.deadline(),
        ]
        self._timer.arm(min((one for one in deadlines if one is not None), default=None))


def _read(alive: Path) -> float | None:
    """Until when an earlier run is known to have been, POSIX seconds."""
    try:
        return float(alive.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _write(alive: Path, wall: float) -> None:
    """Mark that this run still is; not worth a failure."""
    with contextlib.suppress(OSError):
        alive.write_text(f"{wall:.3f}\n", encoding="ascii")
