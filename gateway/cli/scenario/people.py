"""The people of a scenario: their receivers sign for pages, and what they do is said until heard.

Rules (contract, section 2):

1. Of a group that no gateway serves, a receiver signs for each page as it comes, unless the scenario
   says that it is deaf. The same page has the same receipt.
2. An action is sent again each second until the incident's state has it in ``applied`` or ``refused``.
3. A responder's client says where it is each ``interval`` seconds until it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from gateway.cli.scenario.reader import clock
from gateway.cli.scenario.seen import Seen
from gateway.cli.scenario.world import World
from gateway.link.messages import Action, ActionName, IncidentState, Page, Presence, encode
from gateway.moment import timestamp

AGAIN = 1.0
"""Seconds between two sendings of an action."""


@dataclass(slots=True)
class Deed:
    """An action of somebody, and what has become of it."""

    words: str
    at: float
    wanted_refusal: str | None
    once: bool = False
    applied: bool = False
    refused: str | None = None
    unanswered: str = "nobody answered it"

    def miss(self) -> str | None:
        """What is wrong with its end; None where it ended as it was to."""
        said = f"{clock(self.at)} {self.words}"
        if self.wanted_refusal is not None:
            if self.refused is None:
                how = "applied" if self.applied else self.unanswered
                return f"{said}: expected a refusal with {self.wanted_refusal!r}, but it was {how}"
            if self.wanted_refusal not in self.refused:
                return f"{said}: refused, but for another reason: {self.refused}"
            return None
        if self.refused is not None:
            return f"{said}: refused: {self.refused}"
        return None if self.applied else f"{said}: {self.unanswered}"


@dataclass(slots=True)
class _Sent:
    deed: Deed
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class People:
    """Everybody who is not a gateway."""

    def __init__(
        self, world: World, seen: Seen, *, served: Collection[str], deaf: Collection[str]
    ) -> None:
        self._world = world
        self._seen = seen
        self._served = frozenset(served)
        self._deaf = set(deaf)
        self._receipts: dict[str, str] = {}
        self._sent: dict[str, _Sent] = {}
        self._beats: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def deafen(self, groups: Collection[str]) -> None:
        """Their receivers sign for nothing from now on."""
        self._deaf.update(groups)

    def undeafen(self, groups: Collection[str]) -> None:
        self._deaf.difference_update(groups)

    def hear(self, message: object) -> None:
        """Something was published."""
        if isinstance(message, Page):
            if message.group not in self._deaf and message.group not in self._served:
                self._sign(message)
        elif isinstance(message, IncidentState):
            for name in message.applied:
                self._settle(name, None)
            if message.refused is not None:
                self._settle(message.refused.id, message.refused.reason)

    def act(
        self,
        deed: Deed,
        incident: str,
        action: str,
        *,
        by: str,
        group: str | None,
        details: Mapping[str, Any],
    ) -> None:
        """Say it, until it is answered."""
        assert action in get_args(ActionName)
        made = Action(
            id=self._world.new_id(),
            incident=incident,
            group=group,
            by=by,
            action=action,  # type: ignore[arg-type]  # looked at just above
            time=timestamp(self._world.wall()),
            **details,
        )
        sent = _Sent(deed)
        self._sent[made.id] = sent
        self._tasks.append(asyncio.create_task(self._say(made, sent)))

    def present(
        self,
        client: str,
        *,
        groups: tuple[str, ...],
        on_duty: bool,
        position: tuple[float, float] | None,
        interval: float,
        fix_age: float,
    ) -> None:
        """A responder's client says how it is, now and each ``interval`` seconds."""
        self.gone(client)
        fixed = None if position is None else timestamp(self._world.wall() - fix_age)

        async def beat() -> None:
            while True:
                says = Presence(
                    client=client,
                    groups=groups,
                    on_duty=on_duty,
                    position=position,
                    # A client that stands still has new fixes all the same; an old one stays old.
                    fixed=timestamp(self._world.wall()) if fixed and not fix_age else fixed,
                    interval_s=interval,
                    time=timestamp(self._world.wall()),
                )
                topic = self._seen.topics.presence(client)
                expiry = max(1, round(3 * interval))
                self._world.publish(topic, encode(says), retain=True, expiry=expiry)
                await asyncio.sleep(interval)

        self._beats[client] = asyncio.create_task(beat())

    def gone(self, client: str) -> None:
        """It says nothing more, without a word of leave."""
        beat = self._beats.pop(client, None)
        if beat is not None:
            beat.cancel()

    async def close(self) -> None:
        for task in (*self._tasks, *self._beats.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._beats.values(), return_exceptions=True)

    async def _say(self, made: Action, sent: _Sent) -> None:
        topic = self._seen.topics.action(made.incident, made.group or "operator")
        while not sent.settled.is_set():
            self._world.publish(topic, encode(made))
            if sent.deed.once:
                return
            try:
                async with asyncio.timeout(AGAIN):
                    await sent.settled.wait()
            except TimeoutError:
                continue

    def _sign(self, page: Page) -> None:
        receipt = self._receipts.setdefault(page.id, self._world.new_id())
        made = Action(
            id=receipt,
            incident=page.incident,
            group=page.group,
            by=page.group,
            action="receipt",
            time=timestamp(self._world.wall()),
            page=page.id,
        )
        self._world.publish(self._seen.topics.action(page.incident, page.group), encode(made))

    def _settle(self, name: str, refused: str | None) -> None:
        sent = self._sent.get(name)
        if sent is None or sent.settled.is_set():
            return
        sent.settled.set()
        sent.deed.applied, sent.deed.refused = refused is None, refused
