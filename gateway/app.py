"""The composition root: settings into services, in one TaskGroup. No decisions.

Nested from the outside in: the data folder's lock, the journal, the broker, the links, the two
sides. A stop goes the other way: inputs close, bursts are released and every PTT with them, then
`offline` is said, then the broker ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from gateway import __version__, pieces
from gateway.alarm.journal.journal import Journal
from gateway.alarm.journal.room import Room
from gateway.alarm.pictures.store import PictureStore
from gateway.alarm_gateway import AlarmGateway
from gateway.alarm_side import AlarmSide
from gateway.connections import Connections, broker
from gateway.control.server import ControlServer
from gateway.errors import BaiyingError, ConfigError, StorageError
from gateway.link.address import BrokerAddress
from gateway.ops import collector
from gateway.ops.clock import kernel_boot_id
from gateway.ops.disk import DISK_FAILS
from gateway.ops.liveness import Liveness
from gateway.ops.measures import Measures
from gateway.ops.metrics_server import MetricsServer
from gateway.ops.sd_notify import Notifier
from gateway.patch_journal import JournalPatches
from gateway.settings.addresses import listen_address
from gateway.settings.difference import Difference, difference, sharing
from gateway.settings.loader import Loaded, load
from gateway.settings.model import Settings
from gateway.shared import Drivers
from gateway.standing import Facts, Standing
from gateway.voice.recording.shelf import give_way
from gateway.voice_side import VoiceSide

_LOGGER = logging.getLogger(__name__)

BROKER_PATIENCE = 2.0
"""Seconds that `ready` waits for the broker (contract, section 5)."""

_SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that waits for the interpreter gets it.

Python's 5 ms are more than a turn of a busy loop, which gives the interpreter away at its end and
takes it back at once; measured, the journal's thread then waited for seconds. With this it keeps up.
"""

LONGEST_TURN = 5.0
"""Seconds without a turn of the event loop after which the watchdog is no longer fed."""


class Gateway:
    """One gateway, from `run` to its end."""

    def __init__(self, config: Path, loaded: Loaded, drivers: Drivers) -> None:
        self._config = config
        self._settings = loaded.settings
        self._drivers = drivers
        self._notifier = Notifier()
        self._stopping = asyncio.Event()
        self._reload_wanted = asyncio.Event()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            BaiyingError: it could not be started; possibly in an exception group.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        sys.setswitchinterval(_SWITCH_INTERVAL)
        settings = self._settings
        data_dir = settings.data_dir
        with _locked(data_dir):
            path = data_dir / "journal.db"
            recordings = partial(give_way, pieces.recordings_of(settings))
            room = Room(path, (recordings, PictureStore(data_dir / "pictures").give_way))
            async with Journal(path, room=room) as journal, broker(settings) as address:
                await self._serve(journal, address)

    async def _serve(self, journal: Journal, address: BrokerAddress) -> None:
        settings = self._settings
        links = Connections.make(settings, address)
        base = AlarmGateway(settings, links, journal, self._drivers, kernel_boot_id())
        shared, alarm = base.shared, base.alarm
        voice = VoiceSide(
            shared, settings, links.voice, base.roster.roster, journal, JournalPatches(journal)
        )
        base.roster.changed = voice.roster_changed
        base.incident_changed = voice.incident
        base.page_received = voice.page
        liveness = Liveness(self._notifier)
        try:
            async with asyncio.TaskGroup() as group:
                await voice.start(group)
                await base.start(group)
                standing = _standing(links, base, voice)
                server = ControlServer(
                    settings.data_dir / "control.sock",
                    {**alarm.handlers(), **voice.handlers(), **standing.handlers()},
                )
                if settings.metrics is not None:
                    host, port = listen_address(settings.metrics.listen)
                    metrics = MetricsServer(host, port, standing.page)
                    group.create_task(metrics.run(), name="metrics")
                group.create_task(server.run(), name="control")
                group.create_task(liveness.run(), name="liveness")
                group.create_task(collector.tend(), name="collector")
                group.create_task(_turn(liveness, shared.measures), name="turn")
                stopping = group.create_task(self._stopping.wait(), name="stopping")
                up = group.create_task(self._up(links, alarm, voice), name="up")
                # A device that never settles keeps `ready` back, but no stop.
                await asyncio.wait({stopping, up}, return_when=asyncio.FIRST_COMPLETED)
                up.cancel()
                await self._until_stopped(group, stopping, base, voice)
                self._notifier.stopping()
                await _stop(group, base, voice)
        except* _Stopped:
            counts = ", ".join(
                f"{name} {count}" for name, count in links.counters.snapshot().items()
            )
            _LOGGER.info("gateway %s stopped; counted: %s", settings.gateway, counts or "nothing")

    async def _up(self, links: Connections, alarm: AlarmSide, voice: VoiceSide) -> None:
        """Say ``ready`` once everything is up or reported as faulted (contract, section 5)."""
        await alarm.settled()
        await voice.settled()
        collector.settle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BROKER_PATIENCE):
                await links.reached.wait()
        broker = "broker reached" if links.reached.is_set() else "broker not reached yet"
        counts = (
            f"{number} {word}" if number != 1 else f"1 {word.removesuffix('s')}"
            for number, word in (
                (len(self._settings.inputs), "inputs"),
                (len(self._settings.endpoints), "endpoints"),
            )
        )
        status = f"{', '.join(counts)}, {broker}"
        _LOGGER.info("gateway %s ready: %s", self._settings.gateway, status)
        self._notifier.ready(status)

    async def _until_stopped(
        self,
        group: asyncio.TaskGroup,
        stopping: asyncio.Task[Any],
        base: AlarmGateway,
        voice: VoiceSide,
    ) -> None:
        """Serve, and reload whenever asked to."""
        while not self._stopping.is_set():
            wanted = group.create_task(self._reload_wanted.wait(), name="reload.wanted")
            await asyncio.wait({stopping, wanted}, return_when=asyncio.FIRST_COMPLETED)
            wanted.cancel()
            if self._reload_wanted.is_set() and not self._stopping.is_set():
                self._reload_wanted.clear()
                self._notifier.reloading()
                await self._reload(group, base, voice)
                self._notifier.ready("reloaded")

    async def _reload(self, group: asyncio.TaskGroup, base: AlarmGateway, voice: VoiceSide) -> None:
        """Validate the whole file, then change only what differs; or keep the old and say why."""
        try:
            with collector.paused():
                wanted, changes = await asyncio.to_thread(self._reread)
        except ConfigError as error:
            for problem in error.problems:
                _LOGGER.error("reload: %s", problem)
            _LOGGER.error("reload: refused; the configuration before stays in force")
            return
        before = self._settings
        # What is read once at the start stays as it is.
        kept = {key: getattr(before, key) for key in changes.restart}
        after = wanted.model_copy(update=kept)
        for key in changes.restart:
            _LOGGER.warning("reload: %s takes effect at the next start only", key)
        self._settings = after
        try:
            await voice.reload(group, after)
            await base.reload(group, before, after)
        except BaiyingError as error:
            _LOGGER.error("reload: %s; go back by mending the file and reloading again", error)
            return
        collector.settle()
        _LOGGER.info("reload: done: %s", changes)

    def _reread(self) -> tuple[Settings, Difference]:
        """The file as it is now, and what is different; in a thread, thousands of endpoints take seconds.

        Raises:
            ConfigError: it cannot be used.
        """
        wanted = load(self._config, self._drivers).settings
        return sharing(self._settings, wanted), difference(self._settings, wanted)


class _Stopped(Exception):
    """Ends the services' TaskGroup from inside."""


async def _stop(group: asyncio.TaskGroup, base: AlarmGateway, voice: VoiceSide) -> None:
    _LOGGER.info("stopping")
    base.links.control.announce_stopping()
    await voice.stop()
    await base.stop()
    del group
    raise _Stopped


async def _turn(liveness: Liveness, measures: Measures) -> None:
    """The event loop's own pulse, and how late it is."""
    loop = asyncio.get_running_loop()
    pulse = liveness.pulse("event loop", LONGEST_TURN)
    while True:
        pulse.beat()
        due = loop.time() + 0.25
        await asyncio.sleep(0.25)
        measures.observe("loop.lag", "loop", max(loop.time() - due, 0.0))


def _standing(links: Connections, base: AlarmGateway, voice: VoiceSide) -> Standing:
    shared, alarm = base.shared, base.alarm
    facts = Facts(
        gateway=shared.gateway,
        version=__version__,
        connected=lambda: {
            "control": links.control.connected,
            "voice": links.voice.connected,
            "media": links.media.connected,
        },
        talkgroups=voice.talkgroups,
        incidents=alarm.desk.incidents,
        figures=alarm.desk.figures,
        states=shared.states,
        counters=shared.counters,
        measures=shared.measures,
        frames=voice.frames,
        clock=shared.clock,
        started=shared.clock.now().wall,
    )
    return Standing(facts)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """One gateway in one data folder.

    Raises:
        StorageError: there is no such folder and none can be made, or another gateway runs in it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "gateway.lock").open("a+", encoding="ascii")
    except OSError as error:
        if error.errno not in DISK_FAILS or not data_dir.is_dir():
            raise StorageError(f"data_dir {data_dir}: {error.strerror}") from error
        _LOGGER.error("data_dir %s: %s; starting without its lock", data_dir, error.strerror)
        yield
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StorageError(
                f"another gateway (process {lock.read().strip() or 'unknown'}) runs in {data_dir}"
            ) from None
        with contextlib.suppress(OSError):  # for people; the disk may be full
            lock.truncate(0)
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())
        yield
