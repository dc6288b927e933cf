"""Carries out what the downlink machine decides: decodes, mixes, writes to the device, keys the line.

On the way to the device: decoder (one a talkgroup) ► softer where another is more important ► rate
of the device ► local sounds ► limiter ► pre-emphasis of a transmitter ► clock of the device.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from functools import partial
from typing import Protocol

from gateway.errors import DriverIOError, RemoteProtocolError
from gateway.ops.counters import Counters
from gateway.ports import BLOCK, AudioStream, ClockedStream
from gateway.voice.downlink.decoding import Decoding
from gateway.voice.downlink.downlink import Downlink
from gateway.voice.downlink.drift import Drift
from gateway.voice.downlink.jitter import Frame
from gateway.voice.downlink.mixing import Mixer, fade, total
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.downlink.trim import Trim
from gateway.voice.dsp import Samples, as_block, mix
from gateway.voice.keying.ptt import Keyed
from gateway.voice.opus import ticks_of
from gateway.voice.processing.emphasis import PreEmphasis
from gateway.voice.processing.limiter import Limiter
from gateway.voice.resample import Resampler, codec_rate
from gateway.voice.rtp import Packet, Token
from gateway.voice.tones.sounds import Sounds

_LOGGER = logging.getLogger(__name__)

_EARLY = 0.0005  # timers may fire this much early
_LOOK = 5  # blocks; clocks do not change more quickly
_PAUSE = 0.1  # seconds without a block; what comes then has nothing to do with what was before

DUCKING_DB = 15.0
"""How much softer the less important is, unless told: understood when nobody listens to it, and not in the way."""


class PttLine(Protocol):
    """What keys the transmitter (`gateway.voice.keying.keyer_client.KeyerLine`)."""

    def keepalive(self, token: Token, tot: float, talkgroup: str, *, confirmed: bool) -> None: ...

    def unkey(self) -> None: ...


class Playout:
    """Plays one endpoint's downlink on the device that is attached, and on none while none is.

    ``active(on)`` is told when playing (or keying) begins and ends, where nothing is keyed not for
    local sounds; ``broken(error)`` when the device refuses to play; ``heard(talkgroup, frame, at)``
    of each frame, and when it begins to sound.
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
        heard: Callable[[str, Frame, float], None] | None = None,
        ducking_db: float = DUCKING_DB,
        pre_emphasis: bool = False,
    ) -> None:
        self._name = name
        self._downlink = downlink
        self._line = line
        self._ticker = ticker
        self._counters = counters
        self._active = active
        self._broken = broken
        self._heard = heard
        self._keyed: Keyed | None = None
        self._busy = False
        self._told_active = False
        self._ending: float | None = None
        """When the last packet of a burst begins to sound, if it was pulled with the last beat."""
        self._beeping = False
        self._sounds = Sounds(radio=line is not None)
        self._sounded = float("-inf")
        self._mixer = Mixer(ducking_db)
        self._limiter = Limiter()
        self._pre_emphasis = pre_emphasis
        self._emphasis: PreEmphasis | None = None
        self._deviation = Limiter()
        self._stream: AudioStream | None = None
        self._coded_hz = 0
        self._decodings: dict[str, Decoding] = {}
        self._spare: list[Decoding] = []
        self._playing: list[str] = []
        self._held: list[str] = []
        """Talkgroups of which not all of the frame last pulled has been played."""
        self._resampler: Resampler | None = None
        self._clock: _Clock | None = None

    def attach(self, stream: AudioStream) -> None:
        """Play on ``stream`` from now on."""
        coded = self._coded_hz = codec_rate(stream.rate_hz)
        self._decodings.clear()
        self._playing = []
        self._held = []
        self._spare = [Decoding(self._name, coded, self._counters)]  # before it is needed
        self._resampler = None if coded == stream.rate_hz else Resampler(coded, stream.rate_hz)
        self._emphasis = PreEmphasis(stream.rate_hz) if self._pre_emphasis else None
        self._clock = _Clock(stream) if isinstance(stream, ClockedStream) else None
        self._downlink.device(stream.playback_delay)
        self._sounds.device(stream.rate_hz)
        self._stream = stream

    def sound(self, samples: Samples, now: float) -> None:
        """Play ``samples`` (int16, mono, at the device's rate) here and nowhere else, once.

        It is mixed over what plays. Where there is a transmitter it is keyed for it; see
        `gateway.voice.tones.sounds` for when.
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
    ) -> bool:
        """A packet that may be played, ``now`` in loop time; False where it is not. The first of a burst keys at once."""
        if self._stream is None:
            self._counters.add("voice.no_device")
            return False
        try:
            ticks = ticks_of(packet.payload)
        except RemoteProtocolError:
            self._counters.add("voice.malformed_opus")
            return False
        taken = self._downlink.packet(talkgroup, talker, packet, ticks, now, confirmed=confirmed)
        if not taken or self._busy:
            return taken
        self._downlink.tick(now)
        self._settle()
        starts_at = self._downlink.starts_at
        if starts_at is not None:
            # In step with the first frame, but now: a keyed line wants to be kept so meanwhile.
            self._ticker.stop(self._tick)  # a local sound may have wanted it later
            self._ticker.start(self._tick, now + (starts_at - now) % BLOCK)
        return True

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
        begins_at = None if self._sounds.empty else self._sounds.begins_at
        if begins_at is None:
            if self._beeping:
                self._beeping = False
                self._downlink.sound(None)
        elif now >= begins_at - _EARLY:
            self._beeping = True
            self._downlink.sound(self._sounds.left)
        passes = self._downlink.tick(now, holding=self._held)
        self._settle()
        if passes and self._stream is not None:
            self._play(now, self._stream)
        if self._line is not None and (self._ending is not None or not passes):
            over_at = self._downlink.over_at(now, self._ending)
            if over_at is not None:
                self._ticker.once(self._between, over_at)

    def _between(self, now: float) -> None:
        """A transmitter may have nothing left to send before the next beat."""
        if self._busy and self._sounds.begins_at is None:
            self._downlink.tick(now)  # what is held can be nothing but silence
            self._settle()
            over_at = self._downlink.over_at(now, None)
            if over_at is not None and over_at > now + _EARLY:
                self._ticker.once(self._between, over_at)

    def _play(self, now: float, stream: AudioStream) -> None:
        """Give the device its next block, if there is one."""
        self._ending = None
        try:
            block = self._block(now, stream.rate_hz // 50)
            if self._beeping:
                block = self._with_sound(block, now)
            if block is None:
                return
            if self._emphasis is not None:
                block = self._deviation.block(self._emphasis.block(block))
            if self._clock is not None:
                block = self._clock.block(block, now)
            stream.write(block)
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
        busy = keyed is not None or downlink.busy
        if busy is not self._busy:
            self._busy = busy
            if not busy:
                self._keep_decodings(())
                self._playing = []
                self._held = []
                self._count()
        if not busy and self._sounds.begins_at is None:
            self._ticker.stop(self._tick)
        active = busy if self._line is not None else downlink.hearing
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
        playing = self._downlink.playing
        if playing != self._playing:
            self._keep_decodings(playing)
            self._playing = playing
        coded = self._alone(now, playing[0]) if len(playing) == 1 else self._mixed(now, playing)
        if coded is None or self._resampler is None:
            return coded
        return as_block(self._resampler.block(coded), length)

    def _alone(self, now: float, talkgroup: str) -> Samples | None:
        """What is played of the only talkgroup that plays."""
        decoding = self._decoding(talkgroup)
        block = decoding.block(partial(self._pull, now, talkgroup))
        self._held = [talkgroup] if len(decoding.rest) else []
        if block is None or decoding.gain == 1.0:
            return block
        before, decoding.gain = decoding.gain, self._mixer.gain(decoding.gain, first=True)
        if before is None:
            return block
        return self._limiter.block(fade(block, before, decoding.gain))

    def _mixed(self, now: float, playing: list[str]) -> Samples | None:
        """What is played of several, the first of them as it is."""
        self._held = []
        heard = []
        for rank, talkgroup in enumerate(playing):
            decoding = self._decoding(talkgroup)
            block = decoding.block(partial(self._pull, now, talkgroup))
            if len(decoding.rest):
                self._held.append(talkgroup)
            if block is None:
                continue
            gain = self._mixer.gain(decoding.gain, first=rank == 0)
            heard.append(fade(block, gain if decoding.gain is None else decoding.gain, gain))
            decoding.gain = gain
        return self._limiter.block(total(heard)) if heard else None

    def _pull(self, now: float, talkgroup: str, ahead: float) -> Frame | None:
        frame = self._downlink.pull(now, ahead, talkgroup)
        if frame is not None and frame.packet is not None and frame.packet.flags.last:
            self._ending = now + ahead
        if frame is not None and self._heard is not None and self._stream is not None:
            self._heard(talkgroup, frame, now + ahead + self._stream.playback_delay)
        return frame

    def _decoding(self, talkgroup: str) -> Decoding:
        decoding = self._decodings.get(talkgroup)
        if decoding is None:
            if not self._spare:
                self._spare.append(Decoding(self._name, self._coded_hz, self._counters))
            decoding = self._decodings[talkgroup] = self._spare.pop()
        return decoding

    def _keep_decodings(self, playing: Container[str]) -> None:
        """Those of talkgroups that are not played any more are for others."""
        for name in [name for name in self._decodings if name not in playing]:
            decoding = self._decodings.pop(name)
            decoding.begin()
            self._spare.append(decoding)

    def _count(self) -> None:
        for what, number in self._downlink.counts.items():
            self._counters.add(f"voice.{what}", number)
        self._downlink.counts.clear()


class _Clock:
    """A device that plays by its own clock: how long each block is to be for it."""

    def __init__(self, stream: ClockedStream) -> None:
        self._stream = stream
        self._drift = Drift()
        self._trim = Trim(stream.rate_hz // 50)
        self._more = 0.0
        self._blocks = 0
        self._holes = 0
        self._last = float("-inf")

    def block(self, block: Samples, now: float) -> Samples:
        """``block`` as the device wants it."""
        if now - self._last > _PAUSE:
            self._trim.begin()
            self._blocks = 0
        self._last = now
        if self._blocks % _LOOK == 0:
            holes = self._stream.counters.get("underruns", 0)
            if holes != self._holes:
                self._holes = holes
                self._drift.begin()
            self._more = self._drift.correction(self._stream.queued, now)
        self._blocks += 1
        return self._trim.block(block, self._more)
