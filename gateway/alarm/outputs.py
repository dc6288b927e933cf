"""Keeps the alarm outputs open, and switches their lines as `indications` says.

One task per output: a device that cannot be opened, or vanishes, is a fault within a second, is
opened again with back-off for ever, and has every line as it is to be as soon as it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gateway.alarm.indications import Indications, Signs
from gateway.alarm.raised import Raised
from gateway.errors import DriverError
from gateway.link.messages import EndpointState, IncidentState
from gateway.moment import Moment
from gateway.ops.clock import DeadlineTimer, SystemClock
from gateway.ports import AlarmOutput

_LOGGER = logging.getLogger(__name__)

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0

OPEN_PATIENCE = 2.0
"""Seconds that a start waits for outputs."""

Fault = Callable[[str, str | None], None]
"""``(output, fault or None)``: the output's health has changed."""


@dataclass(frozen=True, slots=True)
class OutputNow:
    """One output for people: its lines that are on, and what is wrong with it."""

    lit: tuple[str, ...]
    fault: str | None


@dataclass(slots=True)
class _Running:
    driver: AlarmOutput
    task: asyncio.Task[None]
    settled: asyncio.Event
    fault: str | None = None


class Outputs:
    """The outputs of one gateway, by name; changed one by one on reload."""

    def __init__(self, gateway: str, clock: SystemClock, fault: Fault) -> None:
        self._gateway = gateway
        self._clock = clock
        self._fault = fault
        self._indications = Indications()
        self._timer = DeadlineTimer(clock, self._expired)
        self._running: dict[str, _Running] = {}
        self._switching: asyncio.Handle | None = None

    # Devices

    def start(self, group: asyncio.TaskGroup, name: str, driver: AlarmOutput) -> None:
        settled = asyncio.Event()
        task = group.create_task(self._keep(name, driver, settled), name=f"output[{name}]")
        self._running[name] = _Running(driver, task, settled)

    async def stop(self, name: str) -> None:
        """Close one output, with every line off."""
        running = self._running.pop(name, None)
        if running is not None:
            running.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running.task

    async def settled(self) -> None:
        """Returns once every output is open or reported as faulted, after `OPEN_PATIENCE` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPEN_PATIENCE):
                for running in list(self._running.values()):
                    await running.settled.wait()

    def close(self) -> None:
        """Switch nothing any more."""
        self._timer.cancel()
        if self._switching is not None:
            self._switching.cancel()

    def now(self) -> dict[str, OutputNow]:
        """Every output that runs."""
        lit = self._indications.lit()
        return {
            name: OutputNow(
                tuple(sorted(line for output, line in lit if output == name)), running.fault
            )
            for name, running in self._running.items()
        }

    # What happens

    def configure(self, signs: Mapping[str, Signs], drilled: Iterable[str]) -> None:
        """Which endpoints show with what, and which outputs take part in drills."""
        self._indications.configure(signs, drilled, self._clock.now())
        self._switch_soon()

    def take_up(self, states: Iterable[IncidentState]) -> None:
        """Incidents that were found in the journal."""
        for state in states:
            if self._is_ours(state):
                self._indications.incident(state, self._clock.now(), stored=True)
        self._switch_soon()

    def incident(self, state: IncidentState) -> None:
        """An incident of any gateway, whoever owns it; those that began here show."""
        if self._is_ours(state):
            self._indications.incident(state, self._clock.now())
            self._switch_soon()

    def raised(self, raised: Raised) -> None:
        """What has come of a signal."""
        if raised.stored and raised.incidents:
            now = self._clock.now()
            self._indications.stored((state.id for state in raised.incidents), now)
            self._switch_soon()

    def endpoint(self, name: str, state: EndpointState | None) -> None:
        """An endpoint's state; None where it is no more."""
        faulty = state is not None and (
            state.health == "fault" or state.input in ("fault", "tamper")
        )
        self._indications.fault(name, faulty=faulty)
        self._switch_soon()

    def storage(self, fault: str | None) -> None:
        """The journal's state."""
        self._indications.storage(faulty=fault is not None)
        self._switch_soon()

    def _is_ours(self, state: IncidentState) -> bool:
        return (state.home or state.owner) == self._gateway

    def _expired(self, now: Moment) -> None:
        self._indications.tick(now)
        self._switch_soon()

    # Switching

    def _switch_soon(self) -> None:
        """What happens within one turn of the loop switches a line once at most."""
        if self._switching is None and self._running:
            self._switching = asyncio.get_running_loop().call_soon(self._switch)
        self._timer.arm(self._indications.deadline())

    def _switch(self) -> None:
        self._switching = None
        for (output, line), on in self._indications.take_changes().items():
            running = self._running.get(output)
            if running is not None:
                running.driver.set(line, on)

    async def _keep(self, name: str, driver: AlarmOutput, settled: asyncio.Event) -> None:
        pause, said, opened = FIRST_PAUSE, "", False

        def ready() -> None:
            nonlocal opened
            opened = True
            for output, line in self._indications.lit():
                if output == name:
                    driver.set(line, True)
            self._tell(name, None)
            settled.set()

        while True:
            opened = False
            what = "the driver ended"
            try:
                await driver.run(ready)
            except DriverError as error:
                what = error.what
            except Exception as error:  # a driver's defect is its device's fault alone
                _LOGGER.exception("output[%s]: the driver failed", name)
                what = repr(error)
            if opened:
                pause, said = FIRST_PAUSE, ""
            # A repeating fault is a warning once (style, rule 23).
            level = logging.WARNING if what != said else logging.DEBUG
            _LOGGER.log(level, "output[%s]: %s; opening it again", name, what)
            said = what
            self._tell(name, what)
            settled.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _tell(self, name: str, fault: str | None) -> None:
        running = self._running.get(name)
        if running is not None:
            running.fault = fault
        self._fault(name, fault)
