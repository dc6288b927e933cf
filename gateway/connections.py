"""A gateway's three connections, what it learns over them of the others, and its broker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway import __version__
from gateway.errors import RemoteProtocolError
from gateway.link.address import BrokerAddress, Tls, parse_listen, parse_url, read_password
from gateway.link.broker import BrokerOptions, EmbeddedBroker
from gateway.link.incoming import Incoming
from gateway.link.media_link import MediaLink
from gateway.link.messages import EndpointState, Status, decode
from gateway.link.presence import Presence
from gateway.link.roster import Roster
from gateway.link.session import ControlLink
from gateway.link.topics import Topics
from gateway.link.voice_link import VoiceLink
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.ops.ids import new_id
from gateway.settings import facts
from gateway.settings.model import Settings


@dataclass(slots=True)
class Connections:
    """The three connections of one run of one gateway."""

    gateway: str
    boot: str
    topics: Topics
    clock: SystemClock
    new_id: Callable[[], str]
    counters: Counters
    control: ControlLink
    voice: VoiceLink
    media: MediaLink
    reached: asyncio.Event
    tasks: list[asyncio.Task[None]]

    @classmethod
    def make(
        cls,
        settings: Settings,
        address: BrokerAddress,
        *,
        clock: SystemClock | None = None,
        new_id: Callable[[], str] = new_id,
        jitter: Callable[[], float] = random.random,
    ) -> Connections:
        """``jitter`` draws from [0, 1) how long a link pauses before it tries again."""
        clock = clock or SystemClock()
        name = settings.gateway
        boot = new_id()
        topics = Topics(settings.mqtt.root)
        counters = Counters()
        presence = Presence(topic=topics.status(name), boot=boot, version=__version__)
        links = cls(
            name,
            boot,
            topics,
            clock,
            new_id,
            counters,
            ControlLink(
                name, address, presence=presence, counters=counters, clock=clock, jitter=jitter
            ),
            VoiceLink(name, address, counters=counters, jitter=jitter),
            MediaLink(name, address, counters=counters, clock=clock, jitter=jitter),
            asyncio.Event(),
            [],
        )
        links.control.on_connection(links.connection)
        return links

    def connection(self, connected: bool) -> None:
        if connected:
            self.reached.set()

    def start(self, group: asyncio.TaskGroup) -> None:
        for link in (self.control, self.voice, self.media):
            self.tasks.append(group.create_task(link.run(), name=type(link).__name__))

    async def stop(self) -> None:
        """Say `offline` and hang up."""
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks, timeout=2)


class RosterFeed:
    """Fills the roster from the retained topics of all gateways."""

    def __init__(self, links: Connections) -> None:
        self.roster = Roster()
        self.changed = _nothing
        self.has_endpoint: Callable[[str], bool] = lambda _: True
        """Whether this gateway has an endpoint of that name now."""
        self._control = links.control
        self._topics = links.topics
        self._gateway = links.gateway
        self._counters = links.counters
        links.control.on_connection(self._connection)
        links.control.subscribe(links.topics.status("+"), self._status)
        links.control.subscribe(links.topics.endpoint("+", "+"), self._endpoint)

    def own_endpoint(self, name: str, state: EndpointState | None) -> None:
        if self.roster.endpoint(self._gateway, name, state):
            self.changed()

    def _connection(self, connected: bool) -> None:
        if not connected and self.roster.clear():
            self.changed()

    def _status(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is None:
            return
        try:
            status = decode(Status, incoming.payload) if incoming.payload else None
        except RemoteProtocolError:
            self._counters.add("roster.malformed")
            return
        if self.roster.status(levels[1], status):
            self.changed()

    def _endpoint(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if levels is None:
            return
        if levels[1] == self._gateway and not self.has_endpoint(levels[3]):
            # Of an earlier run, with an endpoint that was taken out while we were down.
            if incoming.payload:
                self._control.set_retained(incoming.topic, b"")
            return
        if levels[1] == self._gateway and self.roster.knows(levels[1], levels[3]):
            return  # our own words come back; `own_endpoint` has them first
        try:
            state = decode(EndpointState, incoming.payload) if incoming.payload else None
        except RemoteProtocolError:
            self._counters.add("roster.malformed")
            return
        if self.roster.endpoint(levels[1], levels[3], state):
            self.changed()


def _nothing() -> None:
    pass


@asynccontextmanager
async def broker(settings: Settings) -> AsyncIterator[BrokerAddress]:
    """How to reach the broker; the embedded one runs for the length of the block.

    Raises:
        BrokerError: the embedded broker could not be started.
        LinkError: the address or the password file cannot be used.
    """
    mqtt = settings.mqtt
    if mqtt.broker != "embedded":
        host, port, tls = parse_url(mqtt.broker)
        yield BrokerAddress(
            host=host,
            port=port,
            # Also without a password: a broker may know us by address or certificate (contract, 1).
            username=mqtt.username or settings.gateway,
            password=None if mqtt.password_file is None else read_password(mqtt.password_file),
            tls=Tls(ca_file=mqtt.ca_file, cert_file=mqtt.cert_file, key_file=mqtt.key_file)
            if tls
            else None,
        )
        return
    host, port = parse_listen(mqtt.listen)
    controllers = {name for group in settings.talkgroups.values() for name in group.controllers}
    options = BrokerOptions(
        host=host,
        port=port,
        folder=settings.data_dir / "broker",
        root=mqtt.root,
        discovery=facts.neighbours_of(settings).discovery,
        clients=tuple(sorted({settings.gateway} | controllers)),
        users_file=mqtt.users_file,
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
    )
    async with EmbeddedBroker(options).running() as running:
        yield running.address(settings.gateway)
