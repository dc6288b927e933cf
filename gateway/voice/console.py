"""A person at the command line as a member of a talkgroup: `baiying talk` and `baiying listen`."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gateway.ops.counters import Counters
from gateway.ports import BLOCK
from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.playout import Playout
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.dsp import Samples
from gateway.voice.playing import PlayingStream
from gateway.voice.rtp import Packet, Token
from gateway.voice.uplink.sender import Sender

ANSWER_WITHIN = 5.0
"""Seconds after which nobody is believed to control the talkgroup; requests are repeated meanwhile."""


class TalkingTo(Protocol):
    """What a talker needs of a talkgroup (`gateway.voice.talkgroup.Talkgroup`)."""

    def request(self, name: str, *, priority: int, emergency: bool = False) -> None: ...
    def release(self, name: str) -> None: ...
    def send(self, name: str, packet: Packet) -> None: ...


@dataclass(frozen=True, slots=True)
class Spoken:
    """How it ended: ``outcome`` is spoken, denied, revoked or unanswered; ``seconds`` were sent."""

    outcome: str
    text: str
    seconds: float


class ConsoleTalk:
    """One recording, spoken once the floor is granted. A `gateway.voice.talkgroup.Member`."""

    def __init__(self, name: str, rate_hz: int, bitrate_bps: int) -> None:
        self.name = name
        self._bitrate_bps = bitrate_bps
        self._sender = Sender(rate_hz, secrets.randbits)
        self._token: Token | None = None
        self._refused: Spoken | None = None
        self._said: Callable[[dict[str, Any]], None] = lambda _: None
        self._heard_of = asyncio.Event()  # somebody has answered
        self._answered = asyncio.Event()  # and it was no place in the queue

    async def speak(
        self,
        talkgroup: TalkingTo,
        blocks: AsyncIterator[Samples],
        *,
        priority: int,
        emergency: bool,
        said: Callable[[dict[str, Any]], None],
    ) -> Spoken:
        """Ask, wait for the turn, send ``blocks`` at the pace of real time, give the floor back.

        ``said`` is told what happens meanwhile: ``granted``, ``queued`` with the ``position``,
        ``warning`` with ``left_s``.
        """
        self._said = said
        talkgroup.request(self.name, priority=priority, emergency=emergency)
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._heard_of.wait()
            await self._answered.wait()  # in the queue: the member's side of the floor gives up
        except TimeoutError:
            return Spoken("unanswered", "nobody controls this talkgroup", 0.0)
        else:
            if self._refused is not None:
                return self._refused
            said({"event": "granted"})
            return await self._send(talkgroup, blocks, emergency=emergency)
        finally:
            talkgroup.release(self.name)

    async def _send(
        self, talkgroup: TalkingTo, blocks: AsyncIterator[Samples], *, emergency: bool
    ) -> Spoken:
        loop = asyncio.get_running_loop()
        due = loop.time()
        began: Token | None = None
        number = 0
        # The last block bears the flag: each is held back until the next is here.
        ahead: Samples | None = None
        async for block in blocks:
            if ahead is not None:
                await asyncio.sleep(max(0.0, due - loop.time()))
                if self._refused is not None:
                    return Spoken(self._refused.outcome, self._refused.text, number * BLOCK)
                if began is None and self._token is not None:
                    began = self._token
                    self._sender.begin(began, self._bitrate_bps, emergency=emergency)
                talkgroup.send(self.name, self._packet(ahead, last=False))
                number += 1
                due += BLOCK
            ahead = block
        if began is None and self._token is not None:
            self._sender.begin(self._token, self._bitrate_bps, emergency=emergency)
        if ahead is not None:
            talkgroup.send(self.name, self._packet(ahead, last=False))
            number += 1
        # What the coder holds back comes out with one block of silence.
        talkgroup.send(self.name, self._packet(None, last=True))
        return Spoken("spoken", "", number * BLOCK)

    def _packet(self, block: Samples | None, *, last: bool) -> Packet:
        return self._sender.packet(block, time.time(), pre_roll=False, last=last)

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:
        del talkgroup, tot
        self._token = token
        self._end_waiting()

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        del talkgroup, retry_after
        self._refused = Spoken("denied", f"denied, cause {cause}: {text}", 0.0)
        self._end_waiting()

    def on_queued(self, talkgroup: str, position: int | None) -> None:
        del talkgroup
        self._heard_of.set()
        self._said({"event": "queued", "position": position})

    def on_warning(self, talkgroup: str, left: float) -> None:
        del talkgroup
        self._said({"event": "warning", "left_s": round(left, 1)})

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        del talkgroup
        self._refused = Spoken("revoked", f"revoked, cause {cause}: {text}", 0.0)
        self._end_waiting()

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        """A talker does not listen."""

    def on_idle(self, talkgroup: str) -> None:
        """A refusal is final for a command."""

    def _end_waiting(self) -> None:
        self._heard_of.set()
        self._answered.set()


_PAUSE_BLOCKS = 5
"""So much later than real time is a pause; less is a tick that came a little late or early."""


_NAMED_WITHIN = 0.1
"""Seconds after a first packet by which the floor's state has come, on a connection of its own."""


class _Recording(PlayingStream):
    """An `AudioStream` that keeps real time: pauses become silence, and speech stays in one piece."""

    def __init__(self, rate_hz: int, write: Callable[[bytes], None]) -> None:
        super().__init__("listen", rate_hz)
        self._write = write
        self._silence = np.zeros(rate_hz // 50, np.int16).tobytes()
        self._began = time.monotonic()
        self._blocks = 0

    def write(self, block: Samples) -> None:
        if self._missing() > _PAUSE_BLOCKS:
            self.fill()
        self._write(block.astype("<i2").tobytes())
        self._blocks += 1

    def fill(self) -> None:
        """Silence up to now."""
        missing = max(0, self._missing())
        for _ in range(missing):
            self._write(self._silence)
        self._blocks += missing

    def _missing(self) -> int:
        return int((time.monotonic() - self._began) / BLOCK) - self._blocks


class ConsoleListen:
    """Ears on one talkgroup. A `gateway.voice.talkgroup.Member` that never speaks.

    ``audio`` gets s16le blocks at ``rate_hz`` in real time; ``said`` what happens on the floor;
    ``has_floor`` says whose it is, where that is known.
    """

    def __init__(
        self,
        name: str,
        heard: Heard,
        rate_hz: int,
        ticker: Ticker,
        counters: Counters,
        *,
        audio: Callable[[bytes], None],
        said: Callable[[dict[str, str]], None],
        has_floor: Callable[[], str | None],
    ) -> None:
        self.name = name
        self._talkgroup = heard.talkgroup
        self._said = said
        self._has_floor = has_floor
        self._naming: asyncio.TimerHandle | None = None
        self._recording = _Recording(rate_hz, audio)
        self._downlink = Downlink(tx_delay=0.0, tail=0.0)
        self._downlink.tune([heard], asyncio.get_running_loop().time())
        self._playout = Playout(
            name,
            self._downlink,
            None,
            ticker,
            counters,
            active=self._active,
            broken=lambda _: None,
        )
        self._playout.attach(self._recording)
        self._talker: str | None = None
        self._shown = ""

    def close(self) -> None:
        """Play out nothing more; silence up to now completes the recording."""
        self._end_naming()
        self._playout.detach(asyncio.get_running_loop().time())
        self._recording.fill()

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        if talker != self._talker:
            self._end_naming()
            self._talker = talker
            self._naming = asyncio.get_running_loop().call_later(_NAMED_WITHIN, self._end_naming)
        self._playout.packet(talkgroup, talker, packet, arrival, confirmed=confirmed)

    def on_idle(self, talkgroup: str) -> None:
        self._downlink.floor_idle(talkgroup)

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:
        """It never asks."""

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        """It never asks."""

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        """It never talks."""

    def _active(self, active: bool) -> None:
        if not active and self._talker is not None:
            self._end_naming()
            self._said({"event": "silent", "talkgroup": self._talkgroup, "talker": self._shown})
            self._talker = None

    def _end_naming(self) -> None:
        """Say who talks. A first packet may know its client only; the floor's state knows the rest."""
        if self._naming is None or self._talker is None:
            return
        self._naming.cancel()
        self._naming = None
        whole = self._has_floor()
        client = self._talker.partition("/")[0]
        name = whole if whole is not None and whole.partition("/")[0] == client else self._talker
        self._shown = name
        self._said({"event": "talks", "talkgroup": self._talkgroup, "talker": name})
