"""A recording spoken again: its packets as they were, nothing is coded anew.

On a talkgroup it is a member like any other: it asks for the floor with a priority of its own, is
refused and revoked, and shows as ``<gateway>/replay``. To one endpoint alone it is played here, without
the floor and unheard by others, until somebody talks. What was lost is left out of the count, so that
receivers recover it from the packet after it, as they would have then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.voice.console import ANSWER_WITHIN, Spoken, TalkingTo
from gateway.voice.dsp import level_dbov
from gateway.voice.opus_toc import is_filler, ticks_of
from gateway.voice.recording.coding import heard
from gateway.voice.rtp import CLOCK_HZ, SILENCE_DBOV, BurstFlags, Packet, Token

NAME = "replay"

PRIORITY = 50
"""Of its floor requests: below the 100 of people, any of whom takes the floor from it."""

_SPEECH_DBOV = 50
_RATE_HZ = 16_000
"""At which its loudness is looked at."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One packet to send, and how loud it is; ``payload`` is None for one that was lost."""

    payload: bytes | None
    ticks: int
    level_dbov: int


def pieces_of(payloads: Sequence[bytes]) -> list[Piece]:
    """What is to be sent; blocking, some 50 µs a packet. Lost ones at either end are left out."""
    made = [
        Piece(
            None if is_filler(payload) else payload,
            ticks_of(payload),
            level_dbov(samples) if len(samples) else SILENCE_DBOV,
        )
        for payload, samples in zip(payloads, heard(payloads, _RATE_HZ), strict=True)
    ]
    while made and made[-1].payload is None:
        made.pop()
    while made and made[0].payload is None:
        made.pop(0)
    return made


class Packets:
    """A burst of ``pieces``: SSRC, sequence and timestamp are its own; ``random_bits(n)`` gives n of them."""

    def __init__(self, pieces: Sequence[Piece], random_bits: Callable[[int], int]) -> None:
        self._pieces = pieces
        self._ssrc = random_bits(32)
        self._sequence = random_bits(16)
        self._timestamp = random_bits(32)

    def __iter__(self) -> Iterator[tuple[int, Callable[[Token, float], Packet] | None]]:
        """When each is due, in ticks from the first; and what makes the packet, or None if it was lost."""
        due = 0
        for number, piece in enumerate(self._pieces):
            yield due, None if piece.payload is None else self._maker(number, due, piece)
            due += piece.ticks

    def _maker(self, number: int, due: int, piece: Piece) -> Callable[[Token, float], Packet]:
        def packet(token: Token, captured: float) -> Packet:
            assert piece.payload is not None
            return Packet(
                self._sequence + number & 0xFFFF,
                self._timestamp + due & 0xFFFF_FFFF,
                self._ssrc,
                number == 0,
                piece.payload,
                piece.level_dbov,
                piece.level_dbov < _SPEECH_DBOV,
                token,
                BurstFlags(last=number == len(self._pieces) - 1),
                captured,
            )

        return packet


class Replay:
    """One recording on one talkgroup. A `gateway.voice.talkgroup.Member`."""

    name = NAME

    def __init__(self, pieces: Sequence[Piece], random_bits: Callable[[int], int]) -> None:
        self._pieces = pieces
        self._random_bits = random_bits
        self._token: Token | None = None
        self._ended: Spoken | None = None
        self._answered = asyncio.Event()

    async def speak(
        self, talkgroup: TalkingTo, *, priority: int, granted: Callable[[], None]
    ) -> Spoken:
        """Ask, wait for the answer, send at the pace of real time, give the floor back."""
        talkgroup.request(self.name, priority=priority)
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._answered.wait()
        except TimeoutError:
            return Spoken("unanswered", "nobody controls this talkgroup", 0.0)
        else:
            if self._ended is not None:
                return self._ended
            granted()
            return await self._send(talkgroup)
        finally:
            talkgroup.release(self.name)

    async def _send(self, talkgroup: TalkingTo) -> Spoken:
        loop = asyncio.get_running_loop()
        began = loop.time()
        due = 0
        for due, packet in Packets(self._pieces, self._random_bits):
            await asyncio.sleep(max(0.0, began + due / CLOCK_HZ - loop.time()))
            if self._ended is not None:
                return Spoken(self._ended.outcome, self._ended.text, due / CLOCK_HZ)
            if packet is not None and self._token is not None:
                talkgroup.send(self.name, packet(self._token, time.time()))
        return Spoken("spoken", "", (due + self._pieces[-1].ticks) / CLOCK_HZ)

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:
        del talkgroup, tot
        self._token = token
        self._answered.set()

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        del talkgroup, retry_after
        self._ended = Spoken("denied", f"denied, cause {cause}: {text}", 0.0)
        self._answered.set()

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        del talkgroup
        self._ended = Spoken("revoked", f"revoked, cause {cause}: {text}", 0.0)
        self._answered.set()

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        """It does not listen."""

    def on_idle(self, talkgroup: str) -> None:
        """A refusal is final."""


class Listener(Protocol):
    """One endpoint that is to hear it (`gateway.voice.endpoint.Endpoint`)."""

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None: ...


async def play_to(
    listener: Listener,
    talkgroup: str,
    talker: str,
    pieces: Sequence[Piece],
    random_bits: Callable[[int], int],
    has_floor: Callable[[], str | None],
) -> Spoken:
    """Play it to one endpoint, as if on ``talkgroup``, until somebody has that floor."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    due = 0
    for due, packet in Packets(pieces, random_bits):
        await asyncio.sleep(max(0.0, began + due / CLOCK_HZ - loop.time()))
        if (other := has_floor()) is not None:
            return Spoken("interrupted", f"{other} talks", due / CLOCK_HZ)
        if packet is not None:
            # The lowest token there is, and unconfirmed: it ends nothing, and whatever comes ends it.
            listener.on_packet(
                talkgroup, talker, packet(Token(0, 0), time.time()), loop.time(), confirmed=False
            )
    return Spoken("spoken", "", (due + pieces[-1].ticks) / CLOCK_HZ)
