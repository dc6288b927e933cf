"""``baiying simulate load``: a day of a district, or a minute of a street, against real gateways."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

from gateway.cli.demo.hardware import Panel
from gateway.cli.live import CallError
from gateway.cli.simulate.district import District, make
from gateway.cli.simulate.field import OBSERVER, Field, clients_of
from gateway.cli.simulate.outcome import Outcome
from gateway.cli.simulate.part import Part, choose
from gateway.cli.simulate.people import People
from gateway.cli.simulate.stage import Stage, running, started
from gateway.cli.simulate.strokes import Stroke, What, strokes

MAX_GATEWAYS = 12
"""Gateways started on one machine; each takes about 90 MB and some seconds to start."""
PATIENCE = 400.0
"""Seconds, divided by the haste, in which what was raised last should be closed."""
CONNECTED_WITHIN = 30.0
TELL_EACH = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command was asked for."""

    folder: Path
    streets: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    single: bool = False
    running: bool = False
    broker: str | None = None
    rate: float = 2.0
    seconds: float = 60.0
    seed: int = 1
    haste: float = 1.0


def load(options: Options, *, as_json: bool) -> int:
    """Play it and print what came back; status 0 where every line was acknowledged.

    Raises:
        CallError: the folder is no district, or there is no such part of it.
        BaiyingError: a gateway or the broker cannot be started.
    """
    try:
        part = choose(
            _district(options.folder),
            streets=options.streets,
            grids=options.grids,
            sites=options.sites,
            single=options.single,
        )
        if not options.running and len(part.gateways) > MAX_GATEWAYS:
            raise CallError(
                f"{len(part.gateways)} gateways are too many for one machine; name --street, --grid"
                " or --site, or take --single"
            )
        outcome = asyncio.run(_Load(options, part, quiet=as_json).run())
    except ValueError as error:
        raise CallError(str(error)) from error
    figures = outcome.figures()
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        print("\n".join(_lines(figures)))
    return 0 if not outcome.unacknowledged else 1


def _district(folder: Path) -> District:
    try:
        facts = json.loads((folder / "district.json").read_text("utf-8"))
        return make(int(facts["seed"]), float(facts["scale"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "make one by `baiying simulate district --out`"
        raise CallError(f"{folder} has no district: {error}; {hint}") from error


def _broker_of(folder: Path) -> str:
    """Where the district's own files say that the broker is."""
    try:
        return str(yaml.safe_load((folder / "broker.yaml").read_text("utf-8"))["mqtt"]["broker"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CallError(f"{folder / 'broker.yaml'} names no broker: {error}") from error


class _Load:
    """One load, from its stage to what came of it."""

    def __init__(self, options: Options, part: Part, *, quiet: bool) -> None:
        self._options = options
        self._part = part
        self._quiet = quiet
        self._outcome = Outcome()
        self._stopping = asyncio.Event()
        self._lines: dict[str, asyncio.Queue[Stroke]] = {
            name: asyncio.Queue() for name in part.receiver_of.values()
        }

    async def run(self) -> Outcome:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        clients = clients_of(self._part.groups)
        people = People(Random(self._options.seed), self._options.haste)
        async with self._stage([OBSERVER, *(client.name for client in clients)]) as stage:
            names = ", ".join(self._part.gateways[:4])
            more = len(self._part.gateways) - 4
            self._say(
                f"{len(self._part.devices)} devices at gateways {names}"
                + (f" and {more} more" if more > 0 else "")
                + f"; {len(clients)} clients answer for {len(self._part.groups)} groups"
            )
            field = Field(clients, stage.reach, people, self._outcome, self._options.seed)
            tasks = [asyncio.create_task(field.run(), name="field")]
            try:
                async with asyncio.timeout(CONNECTED_WITHIN):
                    await field.ready()
                tasks += [
                    asyncio.create_task(self._speak(panel, self._lines[name]), name=name)
                    for name, panel in stage.panels.items()
                ]
                tasks.append(asyncio.create_task(self._tell(), name="tell"))
                await self._play()
            except TimeoutError:
                raise CallError("the broker lets not all clients in, or none") from None
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        return self._outcome

    def _stage(self, clients: Iterable[str]) -> AbstractAsyncContextManager[Stage]:
        options = self._options
        if options.running:
            url = options.broker or _broker_of(options.folder)
            return running(options.folder.absolute(), self._part, url)
        return started(options.folder.absolute(), self._part, options.broker, clients)

    async def _play(self) -> None:
        """Everything that happens, then what is needed to see it out; less where it is stopped."""
        options = self._options
        began = time.monotonic()
        for stroke in strokes(
            self._part.devices,
            rate=options.rate,
            seconds=options.seconds,
            seed=options.seed,
            haste=options.haste,
        ):
            if await self._stopped_within(began + stroke.at - time.monotonic()):
                return
            self._outcome.sent[stroke.what.name.lower()] += 1
            self._lines[self._part.receiver_of[stroke.device.site.gateway]].put_nowait(stroke)
        deadline = time.monotonic() + PATIENCE / options.haste
        while time.monotonic() < deadline:
            waiting = any(queue.qsize() for queue in self._lines.values())
            if not waiting and not self._outcome.open and self._is_all_told():
                return
            if await self._stopped_within(0.2):
                return

    def _is_all_told(self) -> bool:
        """Whether every line sent has been answered, for good or not."""
        answered = len(self._outcome.acknowledged) + self._outcome.unacknowledged
        return answered >= self._outcome.sent.total()

    async def _stopped_within(self, seconds: float) -> bool:
        if seconds > 0 and not self._stopping.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return False
        return self._stopping.is_set()

    async def _speak(self, panel: Panel, lines: asyncio.Queue[Stroke]) -> None:
        """A receiver says one line after the other, each until it is acknowledged."""
        while True:
            stroke = await lines.get()
            if stroke.what is What.ALARM:
                self._outcome.pressed(stroke.device.name, time.monotonic())
            began = time.monotonic()
            try:
                _, acknowledged = await panel.send(stroke.line)
            except TimeoutError:
                self._outcome.unacknowledged += 1
            else:
                self._outcome.acknowledged.append(acknowledged - began)

    async def _tell(self) -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(TELL_EACH)
            outcome = self._outcome
            self._say(
                f"{time.monotonic() - began:4.0f} s: {outcome.sent.total()} signals,"
                f" {outcome.pages} pages, {len(outcome.states)} incidents, {outcome.open} open"
            )

    def _say(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)


def _lines(figures: dict[str, object]) -> Iterable[str]:
    """The figures for people: one to a line, nothing left out."""
    for name, value in figures.items():
        words = name.replace("_", " ")
        if isinstance(value, dict):
            parts = ", ".join(f"{key} {number}" for key, number in value.items())
            yield f"{words}: {parts or 'none'}"
        else:
            yield f"{words}: {'-' if value is None else value}"
