"""One endpoint that speaks or listens: its audio device, its lines, its talkgroups.

Decides nothing: `gateway.voice.uplink.uplink` says when to speak, `gateway.voice.downlink.downlink` what to play.
Everything here runs on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence

from gateway.ops.counters import Counters
from gateway.ports import BLOCK, AudioDevice, AudioStream
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
from gateway.voice.processing.chain import Chain
from gateway.voice.rtp import Packet, Token
from gateway.voice.tones import tones
from gateway.voice.tones.cues import Cues
from gateway.voice.tones.tones import Tone
from gateway.voice.uplink.hot_mic import Change, HotMic
from gateway.voice.uplink.sender import Sender
from gateway.voice.uplink.squelch import Squelch
from gateway.voice.uplink.uplink import Action, Ask, Begin, Block, GiveBack, Send, State, Uplink

_LOGGER = logging.getLogger(__name__)


class Endpoint:
    """A member of talkgroups with a device of its own.

    ``floor(talkgroup)`` finds or makes the talkgroup, ``facts(talkgroup)`` what the settings say of
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
        self._squelch = squelch
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
        self._hot = HotMic(presses=not squelch.listens)
        self._was_hot = False
        self._hot_timer: asyncio.TimerHandle | None = None
        self._hot_until = 0.0  # when it rings: uvloop's handle of what is due already cannot tell
        self._sender: Sender | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = float("inf")
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
        for number, sense in enumerate(self._senses):
            sense.on_squelch(self._on_line(number))
            sense.on_fault(lambda _fault: self._tell())
        if self._line is not None:
            self._line.on_ptt(lambda _keyed: self._tell())
            self._line.on_fault(lambda _fault: self._tell())
        try:
            await self._device.run(self._serve)
        finally:
            self.hot_mic(None)
            self.tune(Tuning(None, ()))
            if self._timer is not None:
                self._timer.cancel()

    def tune(self, tuning: Tuning) -> None:
        """Speak and listen there from now on. A burst on a talkgroup that stays is not touched."""
        before = self._tuning
        now = _now()
        if before.speaks != tuning.speaks:
            self.hot_mic(None)  # it was for there
            self._do(self._uplink.stop())
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
            self._look_at_lines()
        self._tell()

    def hot_mic(self, until: float | None) -> None:
        """Speak where it is tuned to without anybody pressing, until then in the loop's time."""
        if until != self._hot.until:
            now = _now()
            self._heat(self._hot.close() if until is None else self._hot.open(until, now), now)

    def _on_heat(self) -> None:
        self._hot_timer = None
        now = _now()
        self._heat(self._hot.tick(now), now)

    def _heat(self, change: Change, now: float) -> None:
        if self._was_hot != self._hot.hot:
            self._was_hot = self._hot.hot
            _LOGGER.info(
                "%s: the microphone is %s", self.name, "hot" if self._hot.hot else "closed"
            )
            self._uplink.reckon(now)
            self.refresh()
        self._key(change)
        self._arm_heat()

    def _arm_heat(self) -> None:
        deadline = self._hot.deadline()
        if self._hot_timer is not None:
            if self._hot_until == deadline:
                return
            self._hot_timer.cancel()
            self._hot_timer = None
        if deadline is not None:
            self._hot_timer = asyncio.get_running_loop().call_at(deadline, self._on_heat)
            self._hot_until = deadline

    def refresh(self) -> None:
        """Take over what the settings say of the talkgroups now."""
        heard = []
        for name in self._tuning.talkgroups:
            facts = self._talkgroup_facts(name)
            heard.append(Heard(name, facts.tot, facts.hang_time))
        self._downlink.tune(heard, _now())
        limit = self._options.input_timeout
        if limit is None and self._tuning.speaks is not None:
            limit = 2 * self._talkgroup_facts(self._tuning.speaks).tot
        self._uplink.input_timeout = None if self._hot.hot else limit
        self._arm()

    # What talkgroups say (the member's side of `gateway.voice.talkgroup`).

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:  # noqa: ARG002 - the controller ends the burst
        if talkgroup != self._tuning.speaks:
            self._floor(talkgroup).release(self.name)
            return
        before = self._uplink.state
        self._do(self._uplink.granted(token, _now()))
        if before is State.ASKING or (before is State.QUEUED and self._holds_floor):
            self._hot.granted(_now())
            self._cue(self._cues.granted(waited=before is State.QUEUED))

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        _LOGGER.info("%s: %s: refused (%d, %s)", self.name, talkgroup, cause, text)
        self._counters.add("voice.refused")
        if talkgroup == self._tuning.speaks:
            self._uplink.refused(retry_after, _now())
            self._cue(self._cues.refused())
            self._tell()

    def on_queued(self, talkgroup: str, position: int | None) -> None:
        _LOGGER.info("%s: %s: waits at %s", self.name, talkgroup, position or "an unknown place")
        if talkgroup == self._tuning.speaks:
            self._do(self._uplink.queued(_now()))
            if self._uplink.state is State.QUEUED:
                self._cue(self._cues.queued())

    def on_warning(self, talkgroup: str, left: float) -> None:
        _LOGGER.info("%s: %s: %.0f s are left", self.name, talkgroup, left)
        if talkgroup == self._tuning.speaks and self._uplink.talking:
            self._cue(self._cues.warned())

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        _LOGGER.info("%s: %s: revoked (%d, %s)", self.name, talkgroup, cause, text)
        self._counters.add("voice.revoked")
        if talkgroup == self._tuning.speaks:
            if self._holds_floor:
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

    # What the device and the lines say.

    async def _serve(self, stream: AudioStream) -> None:
        """Speak and listen on an open device until it fails, which raises DriverError."""
        self._sender = Sender(stream.rate_hz, random.getrandbits)
        self._playout.attach(stream)
        self._rate_hz = stream.rate_hz
        self._device.works()
        self._look_at_lines()
        self._key(Change(self._hot.is_open))
        try:
            await self._device.use(self._capture(stream))
        finally:
            # The line goes down before anything else can fail.
            self._playout.detach(_now())
            self._do(self._uplink.stop())
            self._uplink.squelch(False, _now())
            self._sender = None
            self._rate_hz = None
            self._tell()

    async def _capture(self, stream: AudioStream) -> None:
        squelch, uplink, options = self._squelch, self._uplink, self._options.processing
        chain = None if options is None else Chain(options, stream.rate_hz)
        delay = BLOCK if chain is None else BLOCK + chain.delay
        while True:
            samples = await stream.read()
            now = _now()
            # What the loudspeaker says by itself is nobody's voice: VOX stays as it is meanwhile.
            if squelch.listens and uplink.listening(now) and not self._playout.sounding(now):
                self._on_squelch(squelch.feed(samples, now))
            if chain is not None:
                samples = chain.block(samples, is_open=uplink.open(now))
            actions = uplink.block(Block(samples, time.time() - delay), now)
            if actions:
                self._do(actions)

    def _on_line(self, number: int) -> Callable[[bool, float], None]:
        return lambda is_open, _at: self._on_squelch(self._squelch.line(number, is_open))

    def _look_at_lines(self) -> None:
        """Take over what the lines are now: they may be open already."""
        for number, sense in enumerate(self._senses):
            self._squelch.line(number, sense.squelch_open)
        if not self._squelch.listens:
            self._on_squelch(self._squelch.open)

    def _on_squelch(self, is_open: bool) -> None:
        self._key(self._hot.key(is_open, _now()))

    def _key(self, change: Change) -> None:
        """The microphone is to be open or closed, or to ask with a priority of its own."""
        talkgroup = self._tuning.speaks
        if self._sender is None or talkgroup is None:
            return
        if change.asks and self._uplink.state is State.REFUSED:
            self._do(self._uplink.squelch(False, _now()))  # and opens again below: it asks anew
        elif change.asks and self._uplink.state is not State.QUIET:
            self._floor(talkgroup).request(self.name, priority=self._priority)
        self._do(self._uplink.squelch(change.is_open, _now()))
        self._arm_heat()

    @property
    def _priority(self) -> int:
        return self._hot.priority(self._options.priority)

    def _playing(self, active: bool) -> None:
        if not active and self._hot.hot:
            self._uplink.idle(_now())  # who was asked something answers, and presses nothing
        if not self._options.has_ptt and not self._squelch.listens:
            return  # a push-to-talk key hears nothing of what is played; it may be refused, or pre-empt
        self._do(self._uplink.transmitting(active, _now()))
        if active and self._squelch.listens:
            # What it hears from now on is our own voice; an input that was taken out stays so.
            is_open = self._squelch.deafen()
            if self._uplink.state is not State.OUT:
                self._uplink.squelch(self._hot.key(is_open, _now()).is_open, _now())

    def _on_time(self) -> None:
        self._timer = None
        self._rings_at = float("inf")
        self._do(self._uplink.tick(_now()))

    def _do(self, actions: Iterable[Action]) -> None:
        """Carry out what the uplink wants; a grant may come in the middle of it."""
        talkgroup = self._tuning.speaks
        for action in actions:
            if talkgroup is None:
                break
            match action:
                case Send(block, pre_roll, last):
                    self._send(talkgroup, block, pre_roll=pre_roll, last=last)
                case Begin(token):
                    self._playout.stop(_now())  # half duplex: what it still played is cut
                    if self._sender is not None:
                        facts = self._talkgroup_facts(talkgroup)
                        self._sender.begin(token, facts.bitrate_bps, redundant=facts.redundancy)
                case GiveBack():
                    self._floor(talkgroup).release(self.name)
                case Ask():
                    self._floor(talkgroup).request(self.name, priority=self._priority)
        self._arm()
        self._tell()

    def _send(self, talkgroup: str, block: Block | None, *, pre_roll: bool, last: bool) -> None:
        if self._sender is None:
            return
        samples = None if block is None else block.samples
        captured = 0.0 if block is None else block.captured
        packet = self._sender.packet(samples, captured, pre_roll=pre_roll, last=last)
        self._floor(talkgroup).send(self.name, packet)
        if last:
            self._downlink.spoken(talkgroup, _now())

    def _arm(self) -> None:
        """Look again when time may change something; a timer that fires too early does no harm."""
        deadline = self._uplink.deadline(_now())
        if deadline is None or self._rings_at <= deadline:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline, self._on_time)
        self._rings_at = deadline  # uvloop's handle of what is due already cannot tell

    @property
    def _holds_floor(self) -> bool:
        return self._uplink.talking or self._uplink.state is State.TURN

    def _cue(self, tone: Tone | None) -> None:
        """Tell the talker, on this device alone."""
        if tone is not None and self._rate_hz is not None and not self._hot.unattended:
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
