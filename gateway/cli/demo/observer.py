"""A client of the broker that only listens: the demo believes what arrived, not what was sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import aiomqtt

from gateway.cli.demo.district import OBSERVER


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message as it arrived; ``at`` is monotonic, ``body`` the JSON, or None for voice and pictures."""

    at: float
    topic: tuple[str, ...]
    payload: bytes
    body: Any
    retain: bool


class Observer:
    """Keeps every message below ``baiying/`` in order of arrival."""

    def __init__(self, port: int, password: str) -> None:
        self._client = aiomqtt.Client(
            "127.0.0.1",
            port,
            identifier=OBSERVER,
            username=OBSERVER,
            password=password,
            protocol=aiomqtt.ProtocolVersion.V5,
        )
        self.arrivals: list[Arrival] = []
        self._arrived = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        await self._client.subscribe("baiying/#", qos=1)
        self._task = asyncio.create_task(self._listen(), name="observer")
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await self._client.__aexit__(None, None, None)

    async def _listen(self) -> None:
        async for message in self._client.messages:
            at = time.monotonic()
            payload = bytes(message.payload)
            topic = tuple(str(message.topic).split("/")[1:])
            try:
                body = (
                    json.loads(payload)
                    if payload and topic[2:3] not in (("voice",), ("picture",))
                    else None
                )
            except ValueError:
                body = None
            async with self._arrived:
                self.arrivals.append(Arrival(at, topic, payload, body, bool(message.retain)))
                self._arrived.notify_all()

    def find(self, wanted: Callable[[Arrival], bool], since: float = 0.0) -> list[Arrival]:
        return [one for one in self.arrivals if one.at >= since and wanted(one)]

    async def expect(
        self,
        wanted: Callable[[Arrival], bool],
        within: float,
        *,
        count: int = 1,
        since: float = 0.0,
    ) -> list[Arrival]:
        """The first ``count`` messages that are wanted, waiting for them; fewer if time runs out."""
        try:
            async with asyncio.timeout(within), self._arrived:
                await self._arrived.wait_for(lambda: len(self.find(wanted, since)) >= count)
        except TimeoutError:
            pass
        return self.find(wanted, since)[:count]


def page(group: str | None = None, level: int | None = None) -> Callable[[Arrival], bool]:
    """Matches a Page."""
    return lambda one: (
        one.topic[0] == "group"
        and one.body is not None
        and (group is None or one.topic[1] == group)
        and (level is None or one.body["level"] == level)
    )


def state(check: Callable[[Any], bool] = lambda _: True) -> Callable[[Arrival], bool]:
    """Matches an IncidentState."""
    return lambda one: (
        one.topic[0] == "incident"
        and one.topic[2] == "state"
        and one.body is not None
        and check(one.body)
    )


def leaf(kind: str, check: Callable[[Any], bool] = lambda _: True) -> Callable[[Arrival], bool]:
    """Matches a message of a talkgroup or an incident by its third level: voice, answer, floor, picture ..."""
    return lambda one: len(one.topic) > 2 and one.topic[2] == kind and check(one.body)
