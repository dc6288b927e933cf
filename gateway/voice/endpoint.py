"""One endpoint that speaks or listens: its audio device, its lines, its talkgroups.

Decides nothing: `gateway.voice.uplink.uplink` says when to speak, `gateway.voice.downlink.downlink` what to play.
`Capture` and `Playout` carry it out on the device that `Device` keeps open; this joins them, is the
member that talkgroups know, and tells the talker and everybody else how it fares. Everything here runs
on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from gateway.ops.counters import Counters
from gateway.ports import AudioDevice, AudioStream
from gateway.voice.device import Device
from gateway.voice.downlink.downlink import Downlink, Heard
from gateway.voice.downlink.hearing import Hearing
from gateway.voice.downlink.jitter import Frame
from gateway.voice.downlink.playout import Playout
from gateway.voice.downlink.ticker import Ticker
from gateway.voice.endpoint_ports import (
    EndpointFacts,
    EndpointOptions,
    Floor,
    KeyerLine,
    TalkgroupFacts,
)
from gateway.voice.floor.causes import Revoke
from gateway.voice.patches.patch import Tuning
from gateway.voice.rtp import Packet, Token
from gateway.voice.tones import tones
from gateway.voice.tones.cues import Cues
from gateway.voice.tones.tones import Tone
from gateway.voice.uplink.capture import Capture
from gateway.voice.uplink.squelch import Squelch
from gateway.voice.uplink.uplink import State, Uplink

_LOGGER = logging.getLogger(__name__)


class Endpoint:
    """A member of talkgroups with a device of its own.

    ``floor(talkgroup)`` finds or makes the talkgroup, ``talkgroup_facts(talkgroup)`` what the settings say of
    it. ``changed()`` is called whenever `facts` has changed. ``senses`` are the keyer's lines that
    ``squelch`` counts, ``line`` that of the transmitter; they may be the same. ``hearing`` takes the
    figures of what it plays.
    """

    def __init__(
        self,
        options: EndpointOptions,
        device: AudioDevice,
        *,
        line: KeyerLine | None,
        squelch: Squelch,
        senses: Sequence[KeyerLine] = (),
        floor: Callable[[str], Floor],
        talkgroup_facts: Callable[[str], TalkgroupFacts],
        ticker: Ticker,
        counters: Counters,
        changed: Callable[[], None],
        hearing: Hearing | None = None,
    ) -> None:
        self.name = options.name
        self._options = options
        self._device = Device(options.name, device, self._tell)
        self.ready = self._device.ready
        """Set once the device is open or known to be at fault."""
        self._line = line
        self._senses = senses
        self._floor = floor
        self._talkgroup_facts = talkgroup_facts
        self._counters = counters
        self._changed = changed
        self._hearing = hearing
        self._tuning = Tuning(None, ())
        self._uplink = Uplink(
            pre_roll=options.pre_roll,
            rx_mute=options.rx_mute,
            waits=squelch.listens,
            tail_cut=options.tail_cut,
        )
        self._timed_out = 0
        self._cues = Cues(tones=options.tones, radio=options.has_ptt, hands_free=squelch.listens)
        self._rate_hz: int | None = None
        self._downlink = Downlink(tx_delay=options.tx_delay, tail=options.tail, mixes=options.mixes)
        self._playout = Playout(
            options.name,
            self._downlink,
            line if options.has_ptt else None,
            ticker,
            counters,
            active=self._playing,
            broken=self._device.broke,
            heard=None if hearing is None else self._heard,
            ducking_db=options.ducking_db,
            pre_emphasis=options.pre_emphasis,
        )
        self._capture = Capture(
            options,
            self._uplink,
            squelch,
            senses,
            downlink=self._downlink,
            playout=self._playout,
            floor=floor,
            talkgroup_facts=talkgroup_facts,
            changed=self._tell,
        )
        self._told: EndpointFacts | None = None

    @property
    def busy(self) -> bool:
        """It speaks, asks to, plays or is keyed: a change had better wait."""
        wants = self._uplink.state in (State.ASKING, State.QUEUED, State.TURN)
        return wants or self._uplink.talking or self._downlink.busy

    @property
    def facts(self) -> EndpointFacts:
        line = self._line
        lines = dict.fromkeys((*self._senses, line))  # each once
        faults = (self._device.fault, self._out, *(one.fault for one in lines if one is not None))
        return EndpointFacts(
            talkgroup=self._tuning.speaks,
            hears=self._tuning.hears,
            ptt=line is not None and self._options.has_ptt and line.keyed,
            squelch_open=self._uplink.open(_now()),
            faults=tuple(fault for fault in faults if fault is not None),
        )

    async def run(self) -> None:
        """Open the device, speak and listen, open it again when it fails; until cancelled."""
        self._capture.watch_lines()
        for sense in self._senses:
            sense.on_fault(lambda _fault: self._tell())
        if self._line is not None:
            self._line.on_ptt(lambda _keyed: self._tell())
            self._line.on_fault(lambda _fault: self._tell())
        try:
            await self._device.run(self._serve)
        finally:
            self.hot_mic(None)
            self.tune(Tuning(None, ()))
            self._capture.close()

    def tune(self, tuning: Tuning) -> None:
        """Speak and listen there from now on. A burst on a talkgroup that stays is not touched."""
        before = self._tuning
        now = _now()
        self._capture.tune(tuning.speaks)
        self._tuning = tuning
        for name in before.talkgroups:
            stays = name in tuning.talkgroups
            if not stays or (name == before.speaks) != (name == tuning.speaks):
                self._floor(name).leave(self.name)
        self.refresh()
        for name in tuning.talkgroups:
            was = name in before.talkgroups
            if not was or (name == before.speaks) != (name == tuning.speaks):
                self._floor(name).join(self, speaks=name == tuning.speaks)
                if self._hearing is not None:
                    self._hearing.came(name, now)
        self._playout.retuned(now)
        if tuning.speaks is None:
            self._uplink.squelch(False, now)
        else:
            self._capture.look_at_lines()
        self._tell()

    def hot_mic(self, until: float | None) -> None:
        """Speak where it is tuned to without anybody pressing, until then in the loop's time."""
        self._capture.hot_mic(until)

    def refresh(self) -> None:
        """Take over what the settings say of the talkgroups now."""
        heard = []
        for name in self._tuning.talkgroups:
            facts = self._talkgroup_facts(name)
            heard.append(Heard(name, facts.tot, facts.hang_time))
        self._downlink.tune(heard, _now())
        self._capture.refresh()

    # What talkgroups say (the member's side of `gateway.voice.talkgroup`).

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:  # noqa: ARG002 - the controller ends the burst
        if talkgroup != self._tuning.speaks:
            self._floor(talkgroup).release(self.name)
            return
        waited = self._uplink.state is State.QUEUED
        if self._capture.granted(token):
            self._cue(self._cues.granted(waited=waited))

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        _LOGGER.info("%s: %s: refused (%d, %s)", self.name, talkgroup, cause, text)
        self._counters.add("voice.refused")
        if talkgroup == self._tuning.speaks:
            self._uplink.refused(retry_after, _now())
            self._cue(self._cues.refused())
            self._tell()

    def on_queued(self, talkgroup: str, position: int | None) -> None:
        _LOGGER.info("%s: %s: waits at %s", self.name, talkgroup, position or "an unknown place")
        if talkgroup == self._tuning.speaks and self._capture.queued():
            self._cue(self._cues.queued())

    def on_warning(self, talkgroup: str, left: float) -> None:
        _LOGGER.info("%s: %s: %.0f s are left", self.name, talkgroup, left)
        if talkgroup == self._tuning.speaks and self._uplink.talking:
            self._cue(self._cues.warned())

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        _LOGGER.info("%s: %s: revoked (%d, %s)", self.name, talkgroup, cause, text)
        self._counters.add("voice.revoked")
        if talkgroup == self._tuning.speaks:
            if self._capture.holds_floor:
                self._cue(self._cues.revoked(cause))
            self._uplink.revoked(too_long=cause == Revoke.MEDIA_BURST_TOO_LONG)
            self._tell()

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        if self._uplink.talking:
            self._counters.add("voice.while_talking")  # half duplex: nobody hears while speaking
        elif self._playout.packet(talkgroup, talker, packet, arrival, confirmed=confirmed):
            if self._hearing is not None:
                self._hearing.taken(talkgroup, packet)
            return
        if self._hearing is not None:
            self._hearing.came(talkgroup, arrival)

    def _heard(self, talkgroup: str, frame: Frame, at: float) -> None:
        if self._hearing is not None:
            self._hearing.heard(talkgroup, frame, at, time.time() + at - _now())

    def on_idle(self, talkgroup: str) -> None:
        self._downlink.floor_idle(talkgroup)
        if talkgroup == self._tuning.speaks:
            self._uplink.idle(_now())

    # What the device says.

    async def _serve(self, stream: AudioStream) -> None:
        """Speak and listen on an open device until it fails, which raises DriverError."""
        self._capture.attach(stream.rate_hz)
        self._playout.attach(stream)
        self._rate_hz = stream.rate_hz
        self._device.works()
        self._capture.begin()
        try:
            await self._device.use(self._capture.run(stream))
        finally:
            # The line goes down before anything else can fail.
            self._playout.detach(_now())
            self._capture.detach()
            self._rate_hz = None
            self._tell()

    def _playing(self, active: bool) -> None:
        self._capture.playing(active)

    # Whom it tells.

    def _cue(self, tone: Tone | None) -> None:
        """Tell the talker, on this device alone."""
        if tone is not None and self._rate_hz is not None and not self._capture.unattended:
            self._playout.sound(tones.samples(tone, self._rate_hz), _now())

    @property
    def _out(self) -> str | None:
        """That the input was taken out, for people."""
        if self._uplink.state is not State.OUT:
            return None
        return f"the squelch was open for {self._uplink.input_timeout:g} s: not listened to until it has closed"

    def _tell(self) -> None:
        if self._uplink.timed_out != self._timed_out:
            self._timed_out = self._uplink.timed_out
            self._counters.add("voice.input_timeout")
            _LOGGER.warning("%s: %s", self.name, self._out)
        if self._uplink.state is State.QUIET:
            self._cues.rest()
        facts = self.facts
        self._playout.carrier(facts.squelch_open or self._uplink.talking, _now())
        if facts != self._told:
            self._told = facts
            self._changed()


def _now() -> float:
    return asyncio.get_running_loop().time()
