"""The responders in the field: MQTT clients that know the contract and no gateway's code.

A client answers for the groups of one street, or is one patrol car with a position of its own. Each
says where it is (Presence), signs for pages, and sends each of its actions again every second until
the incident's state has it in ``applied`` or ``refused`` (contract, section 2). One more client only
listens: what a load tells is what arrived there.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import aiomqtt

from gateway.cli.simulate.district import Group, Position
from gateway.cli.simulate.outcome import Outcome
from gateway.cli.simulate.people import People
from gateway.cli.simulate.stage import Reach
from gateway.errors import RemoteProtocolError
from gateway.link.messages import (
    Action,
    ActionName,
    AlarmEvent,
    IncidentState,
    Page,
    Presence,
    decode,
    encode,
)
from gateway.link.topics import Topics
from gateway.moment import timestamp
from gateway.ops.ids import new_id

OBSERVER = "load"
PRESENCE_INTERVAL = 30.0
RESEND = 1.0
RESENDS = 60
"""After which an action is given up."""
RECONNECT = 1.0
STRIDE = 0.002
"""Degrees that a car moves between two positions, at most: 200 m."""


@dataclass(slots=True)
class _Pending:
    action: Action
    left: int = RESENDS


@dataclass(slots=True, eq=False)
class Client:
    """One responder's client; ``home`` is where it is at first, None for one without position."""

    name: str
    groups: dict[str, int]
    """With how many people each has."""
    home: Position | None = None
    link: aiomqtt.Client | None = None
    pending: dict[str, _Pending] = field(default_factory=dict)


def clients_of(groups: Iterable[Group]) -> list[Client]:
    """Who answers for whom: a client for each street, one for the district, and one in each car."""
    found: dict[str, Client] = {}
    for group in groups:
        car = group.party == "patrol"
        name = f"load-{group.name if car else group.street or 'district'}"
        client = found.setdefault(name, Client(name, {}, group.position if car else None))
        client.groups[group.name] = group.people
    return list(found.values())


class Field:
    """All clients, and what they do."""

    def __init__(
        self, clients: list[Client], reach: Reach, people: People, outcome: Outcome, seed: int
    ) -> None:
        self._clients = clients
        self._reach = reach
        self._people = people
        self._outcome = outcome
        self._chance = random.Random(seed)
        self._topics = Topics()
        self._of_group = {name: client for client in clients for name in client.groups}
        self._asked: set[tuple[str, ActionName]] = set()
        """What was asked for each incident to end it."""
        self._deeds: set[asyncio.Task[None]] = set()
        self._up: set[str] = set()
        self._all_up = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep(Client(OBSERVER, {})), name=OBSERVER)
            for client in self._clients:
                group.create_task(self._keep(client), name=client.name)
                group.create_task(self._send_again(client), name=f"{client.name}.again")

    async def ready(self) -> None:
        """Returns once every client has been connected."""
        await self._all_up.wait()

    # Connections

    async def _keep(self, client: Client) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._connected(client)
            client.link = None
            await asyncio.sleep(RECONNECT)

    async def _connected(self, client: Client) -> None:
        address = self._reach(client.name)
        topics = self._topics
        presence = topics.presence(client.name)
        async with aiomqtt.Client(
            address.host,
            address.port,
            identifier=client.name,
            username=address.username,
            password=address.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=aiomqtt.Will(presence, b"", qos=1, retain=True) if client.groups else None,
            max_inflight_messages=1000,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        ) as link:
            if client.name == OBSERVER:
                filters = [topics.alarm("+"), topics.incident("+", "+")]
            else:
                filters = [topics.page(group, "+") for group in client.groups]
            for one in filters:
                await link.subscribe(one, qos=1)
            client.link = link
            self._up.add(client.name)
            if len(self._up) > len(self._clients):
                self._all_up.set()
            telling = asyncio.create_task(self._tell_presence(client, link))
            try:
                async for message in link.messages:
                    with contextlib.suppress(RemoteProtocolError):
                        self._arrived(str(message.topic), bytes(message.payload))
            finally:
                telling.cancel()

    async def _tell_presence(self, client: Client, link: aiomqtt.Client) -> None:
        while client.groups:
            now = timestamp(time.time())
            presence = Presence(
                client=client.name,
                groups=tuple(client.groups),
                on_duty=True,
                position=client.home,
                fixed=None if client.home is None else now,
                interval_s=PRESENCE_INTERVAL,
                time=now,
            )
            topic = self._topics.presence(client.name)
            with contextlib.suppress(aiomqtt.MqttError):
                await link.publish(topic, encode(presence), qos=1, retain=True)
            await asyncio.sleep(PRESENCE_INTERVAL)
            if client.home is not None:
                client.home = self._moved(client.home)

    def _moved(self, position: Position) -> Position:
        step = self._chance.uniform
        return (
            round(position[0] + step(-STRIDE, STRIDE), 6),
            round(position[1] + step(-STRIDE, STRIDE), 6),
        )

    # What arrives

    def _arrived(self, topic: str, payload: bytes) -> None:
        levels = topic.split("/")
        if not payload:
            return
        match levels[1]:
            case "alarm":
                self._outcome.event(decode(AlarmEvent, payload))
            case "group":
                self._paged(decode(Page, payload))
            case "incident":
                self._state(decode(IncidentState, payload))

    def _paged(self, page: Page) -> None:
        client = self._of_group.get(page.group)
        if client is None or not self._outcome.page(page, time.monotonic()):
            return
        receipt = self._action(page.incident, page.group, "receipt", by=client.name)
        self._later(self._people.receipt(), client, replace(receipt, page=page.id))
        for deed in self._people.paged(page.incident, page.group):
            self._later(deed.after, client, self._action(page.incident, page.group, deed.action))

    def _state(self, state: IncidentState) -> None:
        if not self._outcome.state(state):
            return
        gone = [*state.applied, *((state.refused.id,) if state.refused else ())]
        for client in self._clients:
            for one in gone:
                pending = client.pending.pop(one, None)
                if pending and state.refused and one == state.refused.id:
                    self._outcome.refused[pending.action.action] += 1
                    self._asked.discard((state.id, pending.action.action))
        for action in self._ending(state):
            if (state.id, action) not in self._asked:
                self._asked.add((state.id, action))
                self._end(state, action)

    @staticmethod
    def _ending(state: IncidentState) -> Iterator[ActionName]:
        """What is left to do for an incident that is handled: the latch first, then the book."""
        if state.state == "resolved":
            if not state.latched:
                yield "close"
            elif state.input == "restored":
                yield "reset"

    def _end(self, state: IncidentState, action: ActionName) -> None:
        """By one of those who have handled it."""
        group = next(
            (name for name, one in state.groups.items() if one.acked and name in self._of_group),
            next((name for name in state.groups if name in self._of_group), None),
        )
        if group is None:
            return
        done = self._action(state.id, group, action)
        if action == "close":
            done = replace(done, disposition=self._people.disposition())
        self._later(self._people.writes(), self._of_group[group], done)

    # What they do

    def _action(
        self, incident: str, group: str, action: ActionName, by: str | None = None
    ) -> Action:
        if by is None:
            people = self._of_group[group].groups[group]
            by = f"{group}-{self._people.member(people):02}"
        return Action(
            id=new_id(),
            incident=incident,
            group=group,
            by=by,
            action=action,
            time=timestamp(time.time()),
        )

    def _later(self, after: float, client: Client, action: Action) -> None:
        task = asyncio.create_task(self._do(after, client, action))
        self._deeds.add(task)
        task.add_done_callback(self._deeds.discard)

    async def _do(self, after: float, client: Client, action: Action) -> None:
        await asyncio.sleep(after)
        state = self._outcome.states.get(action.incident)
        if action.action != "receipt" and state is not None and state.state == "closed":
            return  # somebody told them that it is over
        done = replace(action, time=timestamp(time.time()))
        client.pending[done.id] = _Pending(done)
        self._outcome.actions[done.action] += 1
        await self._send(client, done)

    async def _send_again(self, client: Client) -> None:
        while True:
            await asyncio.sleep(RESEND)
            for pending in list(client.pending.values()):
                pending.left -= 1
                if pending.left <= 0:
                    client.pending.pop(pending.action.id, None)
                else:
                    await self._send(client, pending.action)

    async def _send(self, client: Client, action: Action) -> None:
        if client.link is not None:
            topic = self._topics.action(action.incident, client.name)
            with contextlib.suppress(aiomqtt.MqttError):
                await client.link.publish(topic, encode(action), qos=1)
