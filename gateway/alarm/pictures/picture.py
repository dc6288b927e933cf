"""The incident's pictures: taken on a press, published, and kept as long as the incident's state.

Rules:
  1. On a press every camera of the incident's endpoints that is on this gateway is asked at once;
     each has `PICTURE_TIME`. None waits for another, and nothing waits for them.
  2. Every picture is published as it comes, with the user properties ``taken`` and ``endpoint``.
     The topic holds one: the picture of the newest press, of the camera that stands first among
     the incident's endpoints (the pressed one's own, where it has one). The others are published
     without being retained.
  3. The retained picture is published again on every connect, and with an expiry of 86,400 s
     once the incident is closed. A publication that fails is not repeated before the next
     connect: what a connected broker refuses it would refuse again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.alarm.pictures.cameras import Cameras
from gateway.alarm.pictures.store import RETAINED_FOR, PictureStore, Shot
from gateway.errors import DriverIOError, LinkError
from gateway.link.topics import Topics
from gateway.moment import timestamp
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

PICTURE_TIME = 1.8
"""Seconds that a camera has; with the way to the broker the picture is there within 2 s."""

MAX_UNDER_WAY = 16
"""Pictures that may wait for the broker at once, 8 MB; a further one waits for the next connect."""


class MediaLink(Protocol):
    """What is needed of the media connection (`gateway.link.media_link.MediaLink`)."""

    @property
    def connected(self) -> bool: ...
    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        expiry: int | None = None,
        properties: tuple[tuple[str, str], ...] = (),
    ) -> None: ...
    def on_connection(self, callback: Callable[[bool], None], /) -> None: ...


class Pictures:
    """The pictures that one gateway gives to its incidents. Everything is called on the loop."""

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        link: MediaLink,
        cameras: Cameras,
        store: PictureStore,
        clock: SystemClock,
        counters: Counters,
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._link = link
        self._cameras = cameras
        self._store = store
        self._clock = clock
        self._counters = counters
        self._connected = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self._presses = 0
        self._under_way = 0
        self._retained: dict[str, tuple[int, int]] = {}
        """For each incident the (press, rank) of what its topic holds."""
        self._closed: dict[str, int] = {}
        self._keeping = asyncio.Lock()

    async def run(self) -> None:
        """Publish until cancelled."""
        self._link.on_connection(self._connection_changed)
        self._connection_changed(self._link.connected)
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._publish_again()
            finally:
                self._group = None

    def take(self, incident: str, endpoints: Sequence[str]) -> None:
        """A press: take pictures of the endpoints that have a camera here, best one first."""
        self._presses += 1
        here = [name for name in dict.fromkeys(endpoints) if name in self._cameras]
        for rank, endpoint in enumerate(here):
            self._spawn(
                self._take(incident, endpoint, (self._presses, -rank)), f"picture[{endpoint}]"
            )

    def closed(self, incident: str) -> None:
        """The incident is closed: its picture goes with its state."""
        now = int(self._clock.now().wall)
        for old in [name for name, at in self._closed.items() if at + RETAINED_FOR < now]:
            del self._closed[old]
        if self._closed.setdefault(incident, now) == now:
            self._retained.pop(incident, None)
            self._spawn(self._close(incident, now), f"picture.close[{incident}]")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        if self._group is None:
            work.close()  # not running yet, or no more: there is no camera then either
        else:
            self._group.create_task(work, name=name)

    async def _take(self, incident: str, endpoint: str, rank: tuple[int, int]) -> None:
        try:
            picture = await self._cameras.shoot(endpoint, PICTURE_TIME)
        except DriverIOError:
            return  # reported where it happened
        wall = self._clock.now().wall
        shot = Shot(incident, endpoint, wall, self._closed.get(incident))
        best = rank > self._retained.get(incident, (0, 0))
        if best:
            self._retained[incident] = rank
        published = await self._publish(shot, picture.data, retain=best)
        if not best:
            return
        async with self._keeping:
            if self._retained.get(incident, rank) != rank:
                return  # a better one has come in the meantime
            kept = replace(shot, closed=self._closed.get(incident))
            try:
                await asyncio.to_thread(self._store.keep, kept, picture.data)
            except OSError as error:
                self._not_kept(error)
                return
        if kept.closed != shot.closed:
            await self._publish(kept, picture.data, retain=True)
        elif not published:
            self._connection_changed(self._link.connected)  # back before there was a copy

    async def _close(self, incident: str, closed: int) -> None:
        try:
            async with self._keeping:
                shot = await asyncio.to_thread(self._store.close, incident, closed)
                if shot is None:
                    return
                data = await asyncio.to_thread(self._store.read, shot)
        except OSError as error:
            self._not_kept(error)
            return
        await self._publish(shot, data, retain=True)

    async def _publish_again(self) -> None:
        while True:
            await self._connected.wait()
            self._connected.clear()
            try:
                await asyncio.to_thread(self._store.prune, self._clock.now().wall)
                for shot in await asyncio.to_thread(self._store.shots):
                    data = await asyncio.to_thread(self._store.read, shot)
                    await self._publish(shot, data, retain=True)
            except OSError as error:
                self._not_kept(error)

    async def _publish(self, shot: Shot, data: bytes, *, retain: bool) -> bool:
        if self._under_way >= MAX_UNDER_WAY:
            self._counters.add("pictures.not_published")
            return False
        topic = self._topics.picture(shot.incident, self._gateway)
        properties = (("taken", timestamp(shot.taken)), ("endpoint", shot.endpoint))
        expiry = shot.expiry(self._clock.now().wall) if retain else None
        self._under_way += 1
        try:
            await self._link.publish(
                topic, data, retain=retain, expiry=expiry, properties=properties
            )
        except LinkError as error:
            self._counters.add("pictures.not_published")
            _LOGGER.debug("picture of %s, incident %s: %s", shot.endpoint, shot.incident, error)
            return False
        finally:
            self._under_way -= 1
        self._counters.add("pictures.published")
        return True

    def _connection_changed(self, connected: bool) -> None:
        if connected:
            self._connected.set()

    def _not_kept(self, error: OSError) -> None:
        self._counters.add("pictures.not_kept")
        _LOGGER.warning("pictures cannot be kept: %s", error)
