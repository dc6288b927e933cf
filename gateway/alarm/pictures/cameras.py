"""Keeps every camera open, and takes pictures with it in bounded time.

One task per camera: one that is slow, dead, or lies about its format is a fault of its own and
costs nobody else anything. What a driver raises beyond its port's errors is logged and is a fault
like any other. One that fails is asked again while there is time: it may only just be opening.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from gateway.alarm.pictures import jpeg
from gateway.errors import DriverError, DriverIOError, RemoteProtocolError
from gateway.ops.counters import Counters
from gateway.ports import MAX_PICTURE_BYTES, Camera

_LOGGER = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0

ASK_AGAIN = 0.2
"""Seconds after which a camera that gave no picture is asked once more."""

OPEN_PATIENCE = 2.0
"""Seconds that a start waits for cameras; what is not open by then is reported as a fault."""

Fault = Callable[[str, str | None], None]
"""``(endpoint, fault or None)``: the camera's health has changed."""


@dataclass(slots=True)
class _Running:
    camera: Camera
    task: asyncio.Task[None]
    shot: asyncio.Future[jpeg.Picture] | None = None
    """The picture being taken now, for all who want one meanwhile."""


class Cameras:
    """The cameras of one gateway, by the endpoint they belong to; changed one by one on reload."""

    def __init__(self, fault: Fault, counters: Counters) -> None:
        self._fault = fault
        self._counters = counters
        self._running: dict[str, _Running] = {}
        self._opening: dict[str, None] = {}
        """Cameras that are neither open nor reported; one event for all, of which there are thousands."""
        self._all_settled = asyncio.Event()

    def start(self, group: asyncio.TaskGroup, endpoint: str, camera: Camera) -> None:
        self._opening[endpoint] = None
        task = group.create_task(self._keep(endpoint, camera), name=f"camera[{endpoint}]")
        self._running[endpoint] = _Running(camera, task)

    async def settled(self) -> None:
        """Returns once every camera is open or reported as faulted, after `OPEN_PATIENCE` at most."""
        if not self._opening:
            return
        self._all_settled.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPEN_PATIENCE):
                await self._all_settled.wait()
        for endpoint in self._opening:
            self._fault(endpoint, "is still being opened")

    async def stop(self, endpoint: str) -> None:
        self._settle(endpoint)
        running = self._running.pop(endpoint, None)
        if running is not None:
            running.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running.task

    def __contains__(self, endpoint: str) -> bool:
        return endpoint in self._running

    async def shoot(self, endpoint: str, within: float) -> jpeg.Picture:
        """One checked picture; ``within`` in seconds.

        Raises:
            DriverIOError: there is none, for whatever reason; it is logged and counted.
        """
        try:
            return await self._shoot(endpoint, within)
        except DriverError as error:
            what = error.what
        except Exception as error:
            _LOGGER.exception("camera[%s]: the driver failed", endpoint)
            what = repr(error)
        self._counters.add(f"camera.{endpoint}.failed")
        _LOGGER.warning("camera[%s]: no picture: %s", endpoint, what)
        raise DriverIOError(endpoint, what)

    async def _shoot(self, endpoint: str, within: float) -> jpeg.Picture:
        running = self._running[endpoint]
        if running.shot is None or running.shot.done():
            running.shot = asyncio.ensure_future(self._take(endpoint, running.camera, within))
        # Two presses at one camera share its picture; neither ends it for the other.
        return await asyncio.shield(running.shot)

    @staticmethod
    async def _take(endpoint: str, camera: Camera, within: float) -> jpeg.Picture:
        why = ""
        try:
            async with asyncio.timeout(within):
                while True:
                    try:
                        return jpeg.parse(await camera.picture(), MAX_PICTURE_BYTES)
                    except DriverIOError as error:
                        why = f": {error.what}"
                    await asyncio.sleep(ASK_AGAIN)
        except TimeoutError as error:
            raise DriverIOError(endpoint, f"none within {within} s{why}") from error
        except RemoteProtocolError as error:
            raise DriverIOError(endpoint, str(error)) from error

    def _settle(self, endpoint: str) -> None:
        self._opening.pop(endpoint, None)
        if not self._opening:
            self._all_settled.set()

    async def _keep(self, endpoint: str, camera: Camera) -> None:
        pause, said, opened = FIRST_PAUSE, "", False

        def ready() -> None:
            nonlocal opened
            opened = True
            self._settle(endpoint)
            self._fault(endpoint, None)

        while True:
            opened = False
            what = "the driver ended"
            try:
                await camera.run(ready)
                if opened:
                    return  # it keeps nothing open; a district has thousands of these
            except DriverError as error:
                what = error.what
            except Exception as error:
                _LOGGER.exception("camera[%s]: the driver failed", endpoint)
                what = repr(error)
            if opened:
                pause, said = FIRST_PAUSE, ""
            # A repeating fault is a warning once (style, rule 23).
            level = logging.WARNING if what != said else logging.DEBUG
            _LOGGER.log(level, "camera[%s]: %s; opening it again", endpoint, what)
            said = what
            self._settle(endpoint)
            self._fault(endpoint, what)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
