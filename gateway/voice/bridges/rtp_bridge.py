"""A talkgroup as an RTP stream, and an RTP stream as a talker of a talkgroup. Nothing is coded anew."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gateway.errors import RemoteProtocolError
from gateway.ops.counters import Counters
from gateway.voice.bridges import rtcp, udp
from gateway.voice.bridges.inflow import Say
from gateway.voice.bridges.inlet import Inlet, Numbering, Taken
from gateway.voice.bridges.options import RtpOptions
from gateway.voice.bridges.outflow import Outflow
from gateway.voice.bridges.sdp import Stream, description
from gateway.voice.bridges.speaker import Floor, Speaker, drain
from gateway.voice.dsp import level_dbov
from gateway.voice.opus import Decoder
from gateway.voice.opus_toc import ticks_of
from gateway.voice.rtp import BurstFlags, Packet, Token

_LOGGER = logging.getLogger(__name__)

_SPEECH_DBOV = 50
_LEVEL_HZ = 8_000
"""The rate at which the loudness of what comes in is looked at."""

_NTP_EPOCH = 2_208_988_800


class RtpBridge:
    """One bridge by RTP. A `gateway.voice.talkgroup.Member` while it runs."""

    def __init__(
        self,
        name: str,
        gateway: str,
        floor: Floor,
        options: RtpOptions,
        counters: Counters,
        random_bits: Callable[[int], int],
    ) -> None:
        """``random_bits(n)`` gives n random bits."""
        self.name = name
        self._cname = f"{name}@{gateway}"
        self._floor = floor
        self._options = options
        self._counters = counters
        now = asyncio.get_running_loop().time()
        self._outflow = Outflow(options.payload_type, random_bits, now)
        self._incoming = _Incoming(
            Inlet(options.payload_type, {self._outflow.ssrc}), random_bits, counters
        )
        speaker = self._speaker = Speaker(name, floor, options.speaking, self._incoming, counters)
        self.on_granted, self.on_refused = speaker.on_granted, speaker.on_refused
        self.on_revoked, self.on_idle = speaker.on_revoked, speaker.on_idle
        self._put: Callable[[bytes], None] = lambda _: None

    async def run(self) -> None:
        """Be there until cancelled.

        Raises:
            OSError: a socket cannot be had.
        """
        options = self._options
        send, listen = options.send, options.listen
        report_to = report_at = None
        if options.rtcp:
            report_to = None if send is None else send.plus(1)
            report_at = None if listen is None else listen.plus(1)
        channel = partial(
            udp.channel, sources=options.sources, ttl=options.ttl, interface=options.interface
        )
        async with (
            channel(listen, send, self._on_rtp, self._counters) as put,
            channel(report_at, report_to, self._on_rtcp, self._counters) as tell,
        ):
            self._put = put
            await self._describe()
            self._floor.join(self, speaks=listen is not None)
            try:
                while True:
                    tell(self._report())
                    await asyncio.sleep(rtcp.INTERVAL)
            finally:
                self._floor.leave(self.name)
                self._speaker.close()
                tell(rtcp.bye(self._outflow.ssrc, self._cname))

    def _report(self) -> bytes:
        sent = self._outflow.sent(asyncio.get_running_loop().time())
        return rtcp.report(self._outflow.ssrc, self._cname, sent, time.time())

    async def _describe(self) -> None:
        """Write the SDP file; without it the stream is there all the same."""
        options = self._options
        if options.sdp is None or options.send is None:
            return
        stream = Stream(
            name=self._floor.name,
            session=int(time.time()) + _NTP_EPOCH,
            origin=udp.origin(options.send),
            to=options.send,
            ttl=options.ttl,
            payload_type=options.payload_type,
            ssrc=self._outflow.ssrc,
            cname=self._cname,
        )
        try:
            await asyncio.to_thread(_write, options.sdp, description(stream))
        except OSError as error:
            self._counters.add("bridge.sdp_not_written")
            _LOGGER.error("bridge[%s]: %s is not written: %s", self.name, options.sdp, error)

    def _on_rtp(self, data: bytes) -> None:
        if self._options.listen is None:
            return
        taken = self._incoming.inlet.take(data)
        drain(self._incoming.inlet.counts, self._counters)
        if taken is not None:
            self._speaker.hear(taken)

    def _on_rtcp(self, data: bytes) -> None:
        try:
            gone = rtcp.leaving(data)
        except RemoteProtocolError:
            self._counters.add("bridge.rtcp_malformed")
            return
        self._counters.add("bridge.rtcp_in")
        if any(self._incoming.inlet.holds(ssrc) for ssrc in gone):
            self._speaker.over()

    # What its talkgroup tells it

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        del talkgroup
        if self._options.send is None:
            return
        try:
            ticks = ticks_of(packet.payload)
        except RemoteProtocolError:
            self._counters.add("bridge.malformed_opus")
            return
        plain = self._outflow.packet(talker, packet, ticks, arrival, confirmed=confirmed)
        drain(self._outflow.counts, self._counters)
        if plain is not None:
            self._put(plain.to_bytes())
            self._counters.add("bridge.packets_out")
            self._speaker.sending_out()


class _Incoming:
    """`gateway.voice.bridges.speaker.Bursts` out of RTP payloads, which stay as they are."""

    def __init__(self, inlet: Inlet, random_bits: Callable[[int], int], counters: Counters) -> None:
        self.inlet = inlet
        self._numbering = Numbering(random_bits)
        self._decoder = Decoder(_LEVEL_HZ)
        self._counters = counters

    def packet(self, say: Say[Taken], token: Token, captured: float) -> Packet | None:
        if say.first:
            self._numbering.begin()
            self._decoder.begin()
        try:  # for its loudness, and so that nothing goes on which is not Opus
            level = level_dbov(self._decoder.decode(say.what.payload))
        except RemoteProtocolError:
            self._counters.add("bridge.malformed_opus")
            return None
        sequence, timestamp = self._numbering.place(say.what)
        self._counters.add("bridge.packets_in")
        return Packet(
            sequence,
            timestamp,
            self._numbering.ssrc,
            say.first,
            say.what.payload,
            level,
            level < _SPEECH_DBOV,
            token,
            BurstFlags(pre_roll=say.waited),
            captured,
        )

    def last(self) -> None:
        """Nothing: a packet for it would have to be made, and the floor's end says as much."""

    def released(self) -> None:
        self.inlet.release()


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a player may read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(text.encode())
        beside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
