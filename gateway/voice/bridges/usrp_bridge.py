"""A talkgroup joined to a USRP peer: PCM at 8 kHz, keyed, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from gateway.errors import RemoteProtocolError
from gateway.ops.counters import Counters
from gateway.voice.bridges import udp
from gateway.voice.bridges.inflow import Say
from gateway.voice.bridges.options import UsrpOptions
from gateway.voice.bridges.speaker import Floor, Speaker
from gateway.voice.bridges.usrp import RATE_HZ, SAMPLES, Kind, UsrpPacket
from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.playout import Playout
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.dsp import Samples
from gateway.voice.playing import PlayingStream
from gateway.voice.rtp import Packet, Token
from gateway.voice.uplink.sender import Sender

_MOST_LOST = 5
"""Packets in a row that are made up for with silence; after more of them it goes on as it comes."""


class UsrpBridge:
    """One bridge by USRP. A `gateway.voice.talkgroup.Member` while it runs."""

    def __init__(
        self,
        name: str,
        floor: Floor,
        heard: Heard,
        options: UsrpOptions,
        ticker: Ticker,
        counters: Counters,
        random_bits: Callable[[int], int],
        bitrate_bps: Callable[[], int],
    ) -> None:
        """``bitrate_bps`` says what a burst that begins is coded with."""
        self.name = name
        self._floor = floor
        self._options = options
        self._counters = counters
        self._incoming = _Incoming(random_bits, bitrate_bps, counters)
        speaker = self._speaker = Speaker(name, floor, options.speaking, self._incoming, counters)
        self.on_granted, self.on_refused = speaker.on_granted, speaker.on_refused
        self.on_revoked = speaker.on_revoked
        self._frames = _Frames(self._frame)
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
        self._put: Callable[[bytes], None] = lambda _: None
        self._sequence = 1  # 0 says to peers that nothing was counted
        self._keyed = False

    async def run(self) -> None:
        """Be there until cancelled.

        Raises:
            OSError: a socket cannot be had.
        """
        options = self._options
        async with udp.channel(
            options.listen, options.send, self._received, self._counters, sources=options.sources
        ) as self._put:
            self._playout.attach(self._frames)
            self._floor.join(self, speaks=True)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._floor.leave(self.name)
                self._speaker.close()
                self._playout.detach(asyncio.get_running_loop().time())
                self._unkey()

    # From the peer

    def _received(self, data: bytes) -> None:
        try:
            packet = UsrpPacket.from_bytes(data)
        except RemoteProtocolError:
            self._counters.add("bridge.malformed")
            return
        if packet.kind != Kind.VOICE:
            self._counters.add("bridge.not_voice")
        elif not packet.keyup:
            self._incoming.ends()
            self._speaker.over()
        elif packet.body:
            for block in self._incoming.blocks(packet):
                self._speaker.hear(block)

    # To the peer

    def _frame(self, block: Samples) -> None:
        self._keyed = True
        self._send(UsrpPacket(self._sequence, True, body=block.astype("<i2").tobytes()))
        self._counters.add("bridge.packets_out")
        self._speaker.sending_out()

    def _active(self, active: bool) -> None:
        if not active:
            self._unkey()

    def _unkey(self) -> None:
        if self._keyed:
            self._keyed = False
            self._send(UsrpPacket(self._sequence, False))

    def _send(self, packet: UsrpPacket) -> None:
        numbered = UsrpPacket(
            packet.sequence, packet.keyup, self._options.number, packet.kind, packet.body
        )
        self._put(numbered.to_bytes())
        self._sequence = self._sequence + 1 & 0xFFFF_FFFF or 1

    # What its talkgroup tells it

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        self._playout.packet(talkgroup, talker, packet, arrival, confirmed=confirmed)

    def on_idle(self, talkgroup: str) -> None:
        self._downlink.floor_idle(talkgroup)
        self._speaker.on_idle(talkgroup)


class _Incoming:
    """`gateway.voice.bridges.speaker.Bursts` out of PCM, coded once; None is a block that was lost."""

    def __init__(
        self,
        random_bits: Callable[[int], int],
        bitrate_bps: Callable[[], int],
        counters: Counters,
    ) -> None:
        # Opus has 8 kHz as it is: receivers decode at their own rate, nothing is gained by more.
        self._sender = Sender(RATE_HZ, random_bits)
        self._bitrate_bps = bitrate_bps
        self._counters = counters
        self._sequence: int | None = None

    def blocks(self, packet: UsrpPacket) -> list[Samples | None]:
        """The packet's block, after one for each that was lost before it; nothing where it is late."""
        before, self._sequence = self._sequence, packet.sequence
        lost = 0 if before is None or not packet.sequence else packet.sequence - before - 1
        if -_MOST_LOST <= lost < 0:
            self._sequence = before
            self._counters.add("bridge.late")
            return []
        missing = lost if 0 < lost <= _MOST_LOST else 0
        if missing:
            self._counters.add("bridge.lost", missing)
        block = np.frombuffer(packet.body, "<i2").astype(np.int16)
        assert len(block) == SAMPLES
        return [*[None] * missing, block]

    def ends(self) -> None:
        self._sequence = None

    def packet(self, say: Say[Samples | None], token: Token, captured: float) -> Packet:
        if say.first:
            self._sender.begin(token, self._bitrate_bps())
        self._counters.add("bridge.packets_in")
        return self._sender.packet(say.what, captured, pre_roll=say.waited, last=False)

    def last(self) -> Packet:
        """What the coder holds back comes out with one block of silence."""
        return self._sender.packet(None, 0.0, pre_roll=False, last=True)

    def released(self) -> None:
        """Nothing is kept between bursts."""


class _Frames(PlayingStream):
    """An `AudioStream` whose loudspeaker is the peer."""

    def __init__(self, write: Callable[[Samples], None]) -> None:
        super().__init__("usrp", RATE_HZ)
        self._write = write

    def write(self, block: Samples) -> None:
        self._write(block)
