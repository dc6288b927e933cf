"""Carries out what the downlink machine decides: decodes, writes to the device, keys the line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import numpy as np

from gateway.errors import DriverIOError, RemoteProtocolError
from gateway.ops.counters import Counters
from gateway.ports import BLOCK, AudioStream
from gateway.voice.downlink import Downlink
from gateway.voice.dsp import Samples, as_block, merge, mix
from gateway.voice.jitter import Frame, Kind, Speed
from gateway.voice.opus import Decoder, ticks_of
from gateway.voice.ptt import Keyed
from gateway.voice.resample import Resampler, codec_rate
from gateway.voice.rtp import Packet, Token
from gateway.voice.sounds import Sounds
from gateway.voice.stretch import longer, shorter
from gateway.voice.ticker import Ticker

_LOGGER = logging.getLogger(__name__)

_WHOLE = 2  # concealed frames in a row at full loudness ...
_FADED = 5  # ... and until silence; beyond 100 ms a guess is a drone, not speech
_EARLY = 0.0005  # timers may fire this much early
_NOTHING: Samples = np.zeros(0, np.int16)


class PttLine(Protocol):
    """What keys the transmitter (`gateway.voice.keyer_client.KeyerLine`)."""

    def keepalive(self, token: Token, tot: float, talkgroup: str, *, confirmed: bool) -> None: ...

    def unkey(self) -> None: ...


class Playout:
    """Plays one endpoint's downlink on the device that is attached, and on none while none is.

    ``active(on)`` is told when playing (or keying) begins and ends, where nothing is keyed not for
    local sounds; ``broken(error)`` when the device refuses to play.
    """

    def __init__(
        self,
        name: str,
        downlink: Downlink,
        line: PttLine | None,
        ticker: Ticker,
        counters: Counters,
        *,
        active: Callable[[bool], None],
        broken: Callable[[DriverIOError], None],
    ) -> None:
        self._name = name
        self._downlink = downlink
        self._line = line
        self._ticker = ticker
        self._counters = counters
        self._active = active
        self._broken = broken
        self._keyed: Keyed | None = None
        self._busy = False
        self._told_active = False
        self._sounds = Sounds(radio=line is not None)
        self._sounded = float("-inf")
        self._stream: AudioStream | None = None
        self._decoder: Decoder | None = None
        self._resampler: Resampler | None = None
        self._ssrc: int | None = None
        self._rest = _NOTHING
        self._concealed = 0

    def attach(self, stream: AudioStream) -> None:
        """Play on ``stream`` from now on."""
        coded = codec_rate(stream.rate_hz)
        self._decoder = Decoder(coded)
        self._resampler = None if coded == stream.rate_hz else Resampler(coded, stream.rate_hz)
        self._ssrc = None
        self._rest = _NOTHING
        self._downlink.device(stream.playback_delay)
        self._sounds.device(stream.rate_hz)
        self._stream = stream

    def sound(self, samples: Samples, now: float) -> None:
        """Play ``samples`` (int16, mono, at the device's rate) here and nowhere else, once.

        It is mixed over what plays. Where there is a transmitter it is keyed for it; see
        `gateway.voice.sounds` for when.
        """
        if self._stream is not None:
            self._sounds.add(samples)
            self._look(now)

    def carrier(self, is_open: bool, now: float) -> None:
        """The endpoint's own carrier is there, or gone: local sounds wait for its end."""
        self._sounds.carrier(is_open, now)
        self._look(now)

    def sounding(self, now: float) -> bool:
        """A local sound plays, or its end is still on its way out of the device."""
        return now < self._sounded

    def stop(self, now: float) -> None:
        """Release and play nothing more of what is here."""
        self._sounds.clear()
        self._downlink.stop(now)
        self._settle()

    def detach(self, now: float) -> None:
        """The device is gone."""
        self._stream = None
        self.stop(now)

    def packet(
        self, talkgroup: str, talker: str, packet: Packet, now: float, *, confirmed: bool
    ) -> None:
        """A packet that may be played, ``now`` in loop time. The first of a burst keys at once."""
        if self._stream is None:
            self._counters.add("voice.no_device")
            return
        try:
            ticks = ticks_of(packet.payload)
        except RemoteProtocolError:
            self._counters.add("voice.malformed_opus")
            return
        taken = self._downlink.packet(talkgroup, talker, packet, ticks, now, confirmed=confirmed)
        if not taken or self._busy:
            return
        self._downlink.tick(now)
        self._settle()
        starts_at = self._downlink.starts_at
        if starts_at is not None:
            # In step with the first frame, but now: a keyed line wants to be kept so meanwhile.
            self._ticker.stop(self._tick)  # a local sound may have wanted it later
            self._ticker.start(self._tick, now + (starts_at - now) % BLOCK)

    def retuned(self, now: float) -> None:
        """The downlink has been tuned; what it plays may have ended."""
        self._downlink.tick(now)
        self._settle()

    def _look(self, now: float) -> None:
        """Wake up for a sound that may be played, now or soon."""
        begins_at = self._sounds.begins_at
        if begins_at is not None and self._stream is not None:
            self._ticker.start(self._tick, max(begins_at, now))

    def _tick(self, now: float) -> None:
        begins_at = self._sounds.begins_at
        if begins_at is None:
            self._downlink.sound(None)
        elif now >= begins_at - _EARLY:
            self._downlink.sound(self._sounds.left)
        passes = self._downlink.tick(now, holding=len(self._rest) > 0)
        self._settle()
        if not passes or self._stream is None:
            return
        try:
            block = self._with_sound(self._block(now, self._stream.rate_hz // 50), now)
            if block is not None:
                self._stream.write(block)
        except DriverIOError as error:
            self._broken(error)
        except Exception as error:  # a defect of the driver: the device is opened anew
            _LOGGER.exception("%s: the audio device's driver failed", self._name)
            self._broken(DriverIOError(self._name, repr(error)))

    def _settle(self) -> None:
        """Bring line, ticker and listeners to what the machine says."""
        downlink = self._downlink
        keyed = downlink.keyed
        if self._line is not None:
            if keyed is not None:
                self._line.keepalive(
                    keyed.token, keyed.tot, keyed.talkgroup, confirmed=keyed.confirmed
                )
            elif self._keyed is not None:
                self._line.unkey()
        self._keyed = keyed
        if downlink.busy is not self._busy:
            self._busy = downlink.busy
            if not self._busy:
                self._rest = _NOTHING
                self._ssrc = None
                self._count()
        if not self._busy and self._sounds.begins_at is None:
            self._ticker.stop(self._tick)
        active = downlink.busy if self._line is not None else downlink.hearing
        if active is not self._told_active:
            self._told_active = active
            self._active(active)

    def _with_sound(self, block: Samples | None, now: float) -> Samples | None:
        """The block with what is to be heard of local sounds over it."""
        stream = self._stream
        begins_at = self._sounds.begins_at
        if begins_at is None or now < begins_at - _EARLY or stream is None:
            return block
        length = stream.rate_hz // 50
        sound = as_block(self._sounds.take(length), length)
        self._sounded = now + BLOCK + stream.playback_delay
        return sound if block is None else mix(block, sound)

    def _block(self, now: float, length: int) -> Samples | None:
        """The next 20 ms, at the device's rate; None where there is nothing to play yet or any more."""
        assert self._decoder is not None
        coded = self._decoder.rate_hz // 50
        while len(self._rest) < coded:
            ahead = len(self._rest) / self._decoder.rate_hz
            frame = self._downlink.pull(now, ahead)
            if frame is None:
                break
            made = self._samples(frame, self._decoder)
            self._rest = made if not len(self._rest) else np.concatenate((self._rest, made))
        if not len(self._rest):
            return None
        block, self._rest = as_block(self._rest, coded), self._rest[coded:]
        return block if self._resampler is None else as_block(self._resampler.block(block), length)

    def _samples(self, frame: Frame, decoder: Decoder) -> Samples:
        packet = frame.packet
        if packet is not None and packet.ssrc != self._ssrc:
            self._ssrc = packet.ssrc
            self._concealed = 0
            decoder.begin()
        try:
            if packet is not None and frame.kind is Kind.RECOVER:
                self._concealed = 0
                return decoder.recover(packet.payload, frame.ticks)
            if packet is not None:
                made = decoder.decode(packet.payload)
                if frame.second is not None:
                    second = decoder.decode(frame.second.payload)
                    made = merge(made, as_block(second, len(made)))
                if frame.speed is not Speed.EVEN:
                    change = shorter if frame.speed is Speed.QUICKER else longer
                    made = change(made, decoder.rate_hz)
                self._concealed = 0
                return made
        except RemoteProtocolError as error:
            self._counters.add("voice.malformed_opus")
            _LOGGER.debug("%s: %s", self._name, error)
        return self._concealment(frame.ticks, decoder)

    def _concealment(self, ticks: int, decoder: Decoder) -> Samples:
        self._concealed += 1
        made = decoder.conceal(ticks)
        gain = min(max((_FADED - self._concealed) / (_FADED - _WHOLE), 0.0), 1.0)
        return made if gain == 1.0 else (made * np.float32(gain)).astype(np.int16)

    def _count(self) -> None:
        for what, number in self._downlink.counts.items():
            self._counters.add(f"voice.{what}", number)
        self._downlink.counts.clear()
