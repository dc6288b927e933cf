"""The bridges of one gateway: each runs until its configuration changes, and is tried again when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping

from gateway.ops.counters import Counters
from gateway.voice.bridges.options import BridgeOptions, RtpOptions
from gateway.voice.bridges.rtp_bridge import RtpBridge
from gateway.voice.bridges.speaker import Floor
from gateway.voice.bridges.usrp_bridge import UsrpBridge
from gateway.voice.downlink.downlink import Heard
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.endpoint_ports import TalkgroupFacts

_LOGGER = logging.getLogger(__name__)

_AGAIN = 5.0
"""Seconds until a bridge that could not be opened is tried again: an interface may come later."""


class Bridges:
    """Those that `configure` names."""

    def __init__(
        self,
        gateway: str,
        floor: Callable[[str], Floor],
        facts: Callable[[str], TalkgroupFacts],
        ticker: Ticker,
        counters: Counters,
    ) -> None:
        """``floor`` and ``facts`` give a talkgroup, and what endpoints know of it, by name."""
        self._gateway = gateway
        self._floor = floor
        self._facts = facts
        self._ticker = ticker
        self._counters = counters
        self._running: dict[str, tuple[BridgeOptions, asyncio.Task[None]]] = {}

    async def configure(
        self, group: asyncio.TaskGroup, options: Mapping[str, BridgeOptions]
    ) -> None:
        """Run these and no others. One that changes ends its burst; one that does not is left alone."""
        for name, (running, _) in list(self._running.items()):
            if options.get(name) != running:
                await self._stop(name)
        for name, wanted in options.items():
            if name not in self._running:
                task = group.create_task(self._run(name, wanted), name=f"bridge[{name}]")
                self._running[name] = wanted, task

    async def close(self) -> None:
        """End all of them: what sends says goodbye."""
        for name in list(self._running):
            await self._stop(name)

    async def _stop(self, name: str) -> None:
        _, task = self._running.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _run(self, name: str, options: BridgeOptions) -> None:
        while True:
            try:
                await self._made(name, options).run()
            except OSError as error:
                _LOGGER.error("bridge[%s]: %s; tried again in %.0f s", name, error, _AGAIN)
            except Exception:  # a defect here must not silence the talkgroup's endpoints
                _LOGGER.exception("bridge[%s] failed", name)
            self._counters.add("bridge.failed")
            await asyncio.sleep(_AGAIN)

    def _made(self, name: str, options: BridgeOptions) -> RtpBridge | UsrpBridge:
        floor, way = self._floor(options.talkgroup), options.way
        if isinstance(way, RtpOptions):
            return RtpBridge(
                name, self._gateway, floor, way, self._counters, secrets.randbits
            )  # fmt: skip
        facts = self._facts(options.talkgroup)
        return UsrpBridge(
            name,
            floor,
            Heard(options.talkgroup, facts.tot, facts.hang_time),
            way,
            self._ticker,
            self._counters,
            secrets.randbits,
            lambda: self._facts(options.talkgroup).bitrate_bps,
        )
