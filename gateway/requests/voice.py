"""What a person may ask of the voice side: to talk, to listen, how far announcements are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import numpy as np

from gateway.control.protocol import AUDIO
from gateway.control.server import Handler, RequestError, Session, WrongCall
from gateway.link.topics import Topics
from gateway.ops.counters import Counters
from gateway.voice.announcing.stock import StockFacts
from gateway.voice.console import ConsoleListen, ConsoleTalk
from gateway.voice.downlink.downlink import Heard
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.dsp import Samples
from gateway.voice.endpoint_ports import TalkgroupFacts
from gateway.voice.opus import RATES_HZ
from gateway.voice.talkgroup import Talkgroup

_LISTEN_BACKLOG_BYTES = 1_000_000
"""Half a minute of audio; a `listen` that takes no more is ended."""


class VoiceRequests:
    """``talk``, ``listen``, ``announcements``.

    ``known`` are the talkgroups there are, also those of incidents and patches; ``floor`` finds one,
    ``facts_of`` what the settings say of it; ``announcer`` says how far announcements are.
    """

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        known: Callable[[], Collection[str]],
        floor: Callable[[str], Talkgroup],
        facts_of: Callable[[str], TalkgroupFacts],
        announcer: Callable[[], StockFacts],
        ticker: Ticker,
        counters: Counters,
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._known = known
        self._floor = floor
        self._facts_of = facts_of
        self._announcer = announcer
        self._ticker = ticker
        self._counters = counters

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "talk": self._talk,
            "listen": self._listen,
            "announcements": self._announcements,
        }

    async def _talk(self, request: dict[str, Any], session: Session) -> dict[str, Any]:
        talkgroup, rate_hz = self._asked(request)
        name = f"cli-{session.pid}"
        talk = ConsoleTalk(name, rate_hz, self._facts_of(talkgroup).bitrate_bps)
        floor = self._floor(talkgroup)
        floor.join(talk, speaks=True)
        try:
            spoken = await talk.speak(
                floor,
                _blocks(session, rate_hz),
                priority=int(request.get("priority", 100)),
                emergency=bool(request.get("emergency")),
                said=lambda event: session.send_event({**event, "talkgroup": talkgroup}),
            )
        finally:
            floor.leave(name)
        return {
            "outcome": spoken.outcome,
            "text": spoken.text,
            "spoken_s": round(spoken.seconds, 3),
            "talker": f"{self._gateway}/{name}",
        }

    async def _listen(self, request: dict[str, Any], session: Session) -> dict[str, Any]:
        talkgroup, rate_hz = self._asked(request)
        seconds = request.get("seconds")
        name = f"cli-{session.pid}"
        about = self._facts_of(talkgroup)
        floor = self._floor(talkgroup)
        listen = ConsoleListen(
            name,
            Heard(talkgroup, about.tot, about.hang_time),
            rate_hz,
            self._ticker,
            self._counters,
            audio=session.send_audio,
            said=session.send_event,
            has_floor=lambda: floor.talker,
        )
        floor.join(listen, speaks=False)
        session.send_event({"event": "listening", "talkgroup": talkgroup})
        try:
            async with asyncio.timeout(seconds if isinstance(seconds, int | float) else None):
                await _gone(session)
        except TimeoutError:
            pass
        finally:
            floor.leave(name)
            listen.close()
        return {"talkgroup": talkgroup}

    async def _announcements(self, _request: dict[str, Any], _: Session) -> dict[str, Any]:
        facts = self._announcer()
        counts = self._counters.snapshot()
        return {
            "wanted": facts.wanted,
            "ready": facts.ready,
            "fault": facts.fault,
            "counts": {
                name.removeprefix("announce."): count
                for name, count in counts.items()
                if name.startswith("announce.")
            },
        }

    def _asked(self, request: dict[str, Any]) -> tuple[str, int]:
        talkgroup, rate_hz = request.get("talkgroup"), request.get("rate_hz")
        if (
            not isinstance(talkgroup, str)
            or self._topics.levels(self._topics.voice(talkgroup, "x")) is None
        ):
            raise WrongCall(f"{talkgroup!r} is no talkgroup's name")
        known = self._known()
        if talkgroup not in known:
            raise WrongCall(
                f"this gateway knows no talkgroup {talkgroup}; it has {', '.join(sorted(known)) or 'none'}"
            )
        if not isinstance(rate_hz, int) or rate_hz not in RATES_HZ:
            raise WrongCall(f"a rate of {rate_hz!r} Hz is none of {RATES_HZ}")
        return talkgroup, rate_hz


async def _blocks(session: Session, rate_hz: int) -> AsyncIterator[Samples]:
    """The client's audio, block by block; what is cut short is filled with silence."""
    length = rate_hz // 50
    while (frame := await session.receive()) is not None:
        if frame.kind == AUDIO:
            samples = np.frombuffer(frame.body[: len(frame.body) // 2 * 2], "<i2")
            block = np.zeros(length, np.int16)
            block[: samples.size] = samples[:length]
            yield block


async def _gone(session: Session) -> None:
    """Returns once the client has closed, or takes no more."""
    closing = asyncio.ensure_future(session.receive())
    try:
        while not closing.done():
            await asyncio.wait({closing}, timeout=1)
            if session.backlog_bytes > _LISTEN_BACKLOG_BYTES:
                raise RequestError("the listener takes no more audio")
    finally:
        closing.cancel()
