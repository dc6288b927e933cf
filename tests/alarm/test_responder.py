"""The responder at a real broker, with a real journal; the incident's owner is played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.alarm.journal.journal import Journal
from gateway.alarm.responder import OutcomeKind, Responder
from gateway.errors import LocalProtocolError, StorageError
from gateway.link.broker import BrokerOptions, EmbeddedBroker
from gateway.link.messages import Action, IncidentState, Page, Refusal, decode, encode
from gateway.link.session import ControlLink
from gateway.link.topics import Topics
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters
from gateway.ops.ids import new_id
from tests.alarm.test_inbox import INCIDENT, OTHER, PAGE, a_page, a_state

pytestmark = pytest.mark.system

TOPICS = Topics()


async def until(condition, within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        await asyncio.sleep(0.005)


async def settled() -> None:
    """Long enough for the broker to have delivered what was published."""
    await asyncio.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Owner:
    """The gateway ``zju1``, which owns the incident."""

    def __init__(self, link: ControlLink) -> None:
        self.link = link
        self.actions: list[Action] = []
        link.subscribe(TOPICS.action("+", "+"), self._action)

    def _action(self, incoming) -> None:
        action = decode(Action, incoming.payload)
        assert incoming.topic == TOPICS.action(action.incident, "police1")
        assert not incoming.retain
        self.actions.append(action)

    async def page(self, page: Page, *, topic: str | None = None, retain: bool = False) -> None:
        await self.link.publish(
            topic or TOPICS.page(page.group, "zju1"), encode(page), retain=retain, expiry=60
        )

    async def say(self, state: IncidentState, *, leaf: str = "zju1") -> None:
        await self.link.publish(TOPICS.incident(state.id, leaf), encode(state), retain=True)


class Police:
    """The gateway ``police1``, which serves the group ``police``."""

    def __init__(self, link: ControlLink, path: Path) -> None:
        self.link = link
        self.path = path
        self.pages: list[Page] = []
        self.states: list[IncidentState] = []
        self.counters = Counters()
        self.delivered: list[Action] = []
        self.owned: set[str] = set()
        self.responder: Responder | None = None

    @contextlib.asynccontextmanager
    async def running(self, journal=None) -> AsyncIterator[Responder]:
        """From the start of the daemon to its end."""
        async with contextlib.AsyncExitStack() as stack:
            opened = journal or await stack.enter_async_context(Journal(self.path))
            responder = Responder(
                "police1",
                TOPICS,
                self.link,
                opened,
                SystemClock(),
                new_id,
                self.counters,
                serves=frozenset({"police"}),
                on_page=self.pages.append,
                on_state=self.states.append,
                deliver=self._deliver,
            )
            task = asyncio.create_task(responder.run())
            try:
                await settled()
                yield responder
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def _deliver(self, action: Action) -> bool:
        if action.incident in self.owned:
            self.delivered.append(action)
            return True
        return False


@pytest.fixture
async def broker(tmp_path: Path):
    options = BrokerOptions(
        host="127.0.0.1",
        port=free_port(),
        folder=tmp_path / "broker",
        clients=("zju1", "police1"),
    )
    async with EmbeddedBroker(options).running() as running:
        yield running


@contextlib.asynccontextmanager
async def connected(broker: EmbeddedBroker, name: str) -> AsyncIterator[ControlLink]:
    link = ControlLink(name, broker.address(name))
    task = asyncio.create_task(link.run())
    try:
        await until(lambda: link.connected)
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def owner(broker: EmbeddedBroker):
    async with connected(broker, "zju1") as link:
        yield Owner(link)


@pytest.fixture
async def police(broker: EmbeddedBroker, tmp_path: Path):
    async with connected(broker, "police1") as link:
        yield Police(link, tmp_path / "police" / "journal.db")


async def test_a_page_is_announced_and_signed_for_until_the_owner_has_the_receipt(owner, police):
    async with police.running():
        await owner.page(a_page())
        await until(lambda: len(owner.actions) == 1, 0.5)
        assert police.pages == [a_page()]
        receipt = owner.actions[0]
        assert (receipt.action, receipt.page, receipt.group) == ("receipt", PAGE, "police")
        await until(lambda: len(owner.actions) == 3, 3.0)
        assert owner.actions == [receipt] * 3
        await owner.say(a_state(applied=(receipt.id,)))
        await asyncio.sleep(1.3)
        assert owner.actions == [receipt] * 3


async def test_a_page_of_a_group_that_is_not_served_gets_nothing(owner, police):
    async with police.running() as responder:
        await owner.page(a_page(group="street"))
        await settled()
        assert (police.pages, owner.actions) == ([], [])
        responder.serve(frozenset({"street"}))
        await settled()
        await owner.page(a_page())
        await owner.page(a_page(group="street"))
        await until(lambda: owner.actions)
        assert [page.group for page in police.pages] == ["street"]


async def test_a_retained_page_is_ignored_and_counted(owner, police):
    await owner.page(a_page(), retain=True)
    async with police.running():
        await settled()
        assert (police.pages, owner.actions) == ([], [])
        assert police.counters["responder.page_retained"] == 1


async def test_a_page_is_not_announced_again_after_a_restart_and_is_signed_for(owner, police):
    async with police.running():
        await owner.page(a_page())
        await until(lambda: owner.actions)
    first = owner.actions.pop()
    owner.actions.clear()
    async with police.running():
        await owner.page(a_page())
        await until(lambda: owner.actions)
    assert len(police.pages) == 1
    assert owner.actions[0].id == first.id


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (TOPICS.page("police", "zju1"), b"{}"),
        (TOPICS.page("police", "zju1"), b'{"v":1,"v":1}'),
        (TOPICS.page("police", "zju1"), encode(a_page(group="street"))),
        (TOPICS.page("police", "zju1"), encode(a_state())),
        (TOPICS.incident(INCIDENT, "zju1"), b"\xff"),
        (TOPICS.incident(INCIDENT, "zju1"), encode(a_state(owner="hospital"))),
        (TOPICS.incident(OTHER, "zju1"), encode(a_state())),
    ],
)
async def test_what_is_no_message_of_its_topic_is_refused_and_counted(
    owner, police, topic: str, payload: bytes
):
    async with police.running() as responder:
        await owner.link.publish(topic, payload)
        await until(lambda: police.counters["responder.refused"] == 1)
        await owner.page(a_page())  # and the next one is taken
        await until(lambda: owner.actions)
        assert len(police.pages) == 1
        assert responder.incidents() == []


async def test_retained_incidents_are_known_after_a_start(owner, police):
    await owner.say(a_state())
    await owner.say(a_state(id=OTHER, raised="2026-11-24T06:00:00.000Z"))
    async with police.running() as responder:
        await until(lambda: len(responder.incidents()) == 2)
        assert [state.id for state in responder.incidents()] == [OTHER, INCIDENT]
        assert [state.id for state in responder.find(INCIDENT)] == [INCIDENT]
        assert len(responder.find(INCIDENT[:-1])) == 2
        assert responder.find("9") == []
        await owner.link.publish(TOPICS.incident(OTHER, "zju1"), b"", retain=True)
        await until(lambda: len(responder.incidents()) == 1)


async def test_an_action_is_sent_until_it_is_applied(owner, police):
    async with police.running() as responder:
        acting = asyncio.create_task(
            responder.act(INCIDENT, "ack", by="chen", group="police", details={"note": "来了"})
        )
        await until(lambda: len(owner.actions) == 2, 2.0)
        first, second = owner.actions
        assert first == second
        assert (first.action, first.by, first.group, first.note) == (
            "ack",
            "chen",
            "police",
            "来了",
        )
        state = a_state(state="answered", applied=(first.id,))
        await owner.say(state)
        outcome = await acting
        assert (outcome.kind, outcome.reason, outcome.state) == (OutcomeKind.APPLIED, "", state)


async def test_a_refused_action_comes_back_with_the_owners_reason(owner, police):
    async with police.running() as responder:
        acting = asyncio.create_task(responder.act(INCIDENT, "close", by="chen", group="police"))
        await until(lambda: owner.actions)
        await owner.say(a_state(refused=Refusal(id=owner.actions[0].id, reason="no disposition")))
        outcome = await acting
        assert (outcome.kind, outcome.reason) == (OutcomeKind.REFUSED, "no disposition")


async def test_an_action_that_nobody_answers_ends_as_that(owner, police):
    async with police.running() as responder:
        outcome = await responder.act(INCIDENT, "ack", by="chen", patience=0.2)
        assert outcome.kind is OutcomeKind.UNANSWERED
        sent = len(owner.actions)
        await asyncio.sleep(1.2)
        assert len(owner.actions) == sent


async def test_an_action_that_is_no_message_is_the_callers_mistake(owner, police):
    async with police.running() as responder:
        for incident, group in (("not-a-uuid", "police"), (INCIDENT, "No Group")):
            with pytest.raises(LocalProtocolError):
                await responder.act(incident, "ack", by="chen", group=group)
        await settled()
        assert owner.actions == []


async def test_an_incident_owned_here_is_acted_on_without_the_broker(police, tmp_path: Path):
    police.owned.add(INCIDENT)
    police.link = ControlLink("police1", address_of_no_broker(tmp_path))  # never connected
    async with police.running() as responder:
        responder.receive(a_page())
        await until(lambda: police.delivered)
        assert police.delivered[0].action == "receipt"
        acting = asyncio.create_task(responder.act(INCIDENT, "ack", by="chen", group="police"))
        await until(lambda: len(police.delivered) == 2)
        responder.observe(a_state(applied=tuple(action.id for action in police.delivered)))
        assert (await acting).kind is OutcomeKind.APPLIED


def address_of_no_broker(folder: Path):
    broker = EmbeddedBroker(
        BrokerOptions(
            host="127.0.0.1", port=free_port(), folder=folder / "away", clients=("police1",)
        )
    )
    broker.prepare()
    return broker.address("police1")


async def test_a_broker_that_holds_back_its_acknowledgements_gets_one_copy_at_a_time(
    broker, owner, police
):
    async with police.running() as responder:
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            acting = asyncio.create_task(responder.act(INCIDENT, "ack", by="chen"))
            await asyncio.sleep(2.3)
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        await until(lambda: owner.actions)
        await settled()
        assert len({action.id for action in owner.actions}) == 1
        assert len(owner.actions) <= 2
        acting.cancel()


class NoDisk:
    """A journal that cannot be written, or never answers."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs

    async def append(self, _rows) -> int:
        if self.hangs:
            await asyncio.Event().wait()
        raise StorageError("no disk")

    async def known_pages(self, _since: float):
        raise StorageError("no disk")


@pytest.mark.parametrize("hangs", [False, True])
async def test_without_a_disk_a_page_is_announced_once_and_signed_for(owner, police, hangs: bool):
    async with police.running(NoDisk(hangs=hangs)):
        await owner.page(a_page())
        await owner.page(a_page())
        await until(lambda: owner.actions, 1.5)
        assert police.pages == [a_page()]
        assert police.counters["responder.page_not_stored"] == 1


async def test_an_announcement_that_fails_keeps_no_receipt_back(owner, police):
    class Broken(list):
        def append(self, _page) -> None:
            raise RuntimeError("no loudspeaker")

    police.pages = Broken()
    async with police.running():
        await owner.page(a_page())
        await until(lambda: owner.actions)
        assert police.counters["responder.callback_failed"] == 1


async def test_what_comes_before_run_is_done_then(owner, police, tmp_path: Path):
    async with Journal(tmp_path / "early" / "journal.db") as journal:
        responder = Responder(
            "police1", TOPICS, police.link, journal, SystemClock(), new_id, police.counters,
            serves=frozenset({"police"}), on_page=police.pages.append,
        )  # fmt: skip
        responder.receive(replace(a_page()))
        task = asyncio.create_task(responder.run())
        await until(lambda: owner.actions)
        assert police.pages == [a_page()]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
