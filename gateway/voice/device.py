"""An audio device that is kept open: used while it works, opened again when it fails.

Its fault is told once and lasts until whoever uses it says that it works: a device that opens and
cannot be used is at fault all the while. A defect of the driver is this device's fault alone. Used from
the event loop only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from gateway.errors import DriverError, DriverIOError
from gateway.ports import AudioDevice, AudioStream

_LOGGER = logging.getLogger(__name__)

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
"""Seconds before a device that failed is opened again; doubled from the first to the longest."""


class Device:
    """The device of the endpoint ``name``. ``changed()`` is called whenever `fault` may have changed."""

    def __init__(self, name: str, driver: AudioDevice, changed: Callable[[], None]) -> None:
        self.ready = asyncio.Event()
        """Set once the device is open or known to be at fault."""
        self.fault: str | None = None
        """What is wrong with it, for people."""
        self._name = name
        self._driver = driver
        self._changed = changed
        self._broken: asyncio.Future[None] | None = None

    async def run(self, serve: Callable[[AudioStream], Awaitable[None]]) -> None:
        """Open it, ``serve`` it until that raises, and open it again; until cancelled.

        ``serve`` calls `works`, then awaits `use`, and raises what that raises.
        """
        pause = _FIRST_PAUSE
        while True:
            began = _now()
            try:
                async with self._driver.open() as stream:
                    await serve(stream)
            except DriverError as error:
                self._report(error.what)
            except Exception as error:  # a defect of the driver: this device's fault alone
                _LOGGER.exception("%s: the audio device's driver failed", self._name)
                self._report(repr(error))
            if _now() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def works(self) -> None:
        """What was opened can be used: there is no fault any more."""
        self._broken = asyncio.get_running_loop().create_future()
        self._report(None)

    async def use(self, capture: Coroutine[None, None, None]) -> None:
        """Run ``capture`` until it fails or `broke` is called.

        Raises:
            DriverError: the device failed, capturing or playing.
        """
        assert self._broken is not None, "works comes first"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(capture, name=f"endpoint[{self._name}].capture")
                group.create_task(_watch(self._broken), name=f"endpoint[{self._name}].playback")
        # No `except*`: until Python 3.11.4 it wraps what is raised from it in a group of its own.
        except ExceptionGroup as errors:
            failed, others = errors.split(DriverError)
            if failed is None or others is not None:
                raise
            raise _first(failed) from None

    def broke(self, error: DriverIOError) -> None:
        """It refuses to play."""
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)

    def _report(self, fault: str | None) -> None:
        if fault is not None and self.fault is None:
            _LOGGER.warning("%s: %s", self._name, fault)
        elif fault is not None:
            _LOGGER.debug("%s: %s", self._name, fault)
        elif self.fault is not None:
            _LOGGER.info("%s: the audio device is well again", self._name)
        self.fault = fault
        self.ready.set()
        self._changed()


async def _watch(broken: asyncio.Future[None]) -> None:
    await broken


def _now() -> float:
    return asyncio.get_running_loop().time()


def _first(errors: BaseExceptionGroup[DriverError]) -> DriverError:
    """Any one of the errors: capture and playback of one device fail for one reason."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
