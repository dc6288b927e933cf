"""Carries out what the uplink machine decides: captures, asks for the floor, codes, sends, gives it back.

On the way from the device: squelch (lines, listeners, an incident's hot microphone) ► processing ►
uplink ► coder ► the talkgroup that is spoken on. Used from the event loop only.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence

from gateway.ports import BLOCK, AudioStream
from gateway.voice.downlink.downlink import Downlink
from gateway.voice.downlink.playout import Playout
from gateway.voice.endpoint_ports import EndpointOptions, Floor, KeyerLine, TalkgroupFacts
from gateway.voice.processing.chain import Chain
from gateway.voice.rtp import Token
from gateway.voice.uplink.actions import Action, Ask, Begin, GiveBack, Send
from gateway.voice.uplink.backlog import Block
from gateway.voice.uplink.hot_mic import Change, HotMic
from gateway.voice.uplink.sender import Sender
from gateway.voice.uplink.squelch import Squelch
from gateway.voice.uplink.uplink import State, Uplink

_LOGGER = logging.getLogger(__name__)


class Capture:
    """Speaks what one endpoint's device captures, on the talkgroup it is tuned to; else nothing.

    ``senses`` are the keyer's lines that ``squelch`` counts. ``downlink`` and ``playout`` are the
    endpoint's other half: half duplex, what it plays is cut where a burst of its own begins.
    ``changed()`` is called whenever what ``uplink`` says of itself may have changed.
    """

    def __init__(
        self,
        options: EndpointOptions,
        uplink: Uplink,
        squelch: Squelch,
        senses: Sequence[KeyerLine],
        *,
        downlink: Downlink,
        playout: Playout,
        floor: Callable[[str], Floor],
        talkgroup_facts: Callable[[str], TalkgroupFacts],
        changed: Callable[[], None],
    ) -> None:
        self._name = options.name
        self._options = options
        self._uplink = uplink
        self._squelch = squelch
        self._senses = senses
        self._downlink = downlink
        self._playout = playout
        self._floor = floor
        self._talkgroup_facts = talkgroup_facts
        self._changed = changed
        self._talkgroup: str | None = None
        self._sender: Sender | None = None
        self._hot = HotMic(presses=not squelch.listens)
        self._was_hot = False
        self._hot_timer: asyncio.TimerHandle | None = None
        self._hot_until = 0.0  # when it rings: uvloop's handle of what is due already cannot tell
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = float("inf")

    @property
    def holds_floor(self) -> bool:
        """It talks, or may."""
        return self._uplink.talking or self._uplink.state is State.TURN

    @property
    def unattended(self) -> bool:
        """The microphone is hot, and nobody who presses anything is there to be told how it fares."""
        return self._hot.unattended

    # Where it speaks

    def tune(self, talkgroup: str | None) -> None:
        """Speak there from now on. What it has of the floor elsewhere is given back."""
        if talkgroup != self._talkgroup:
            self.hot_mic(None)  # it was for there
            self._do(self._uplink.stop())
        self._talkgroup = talkgroup

    def refresh(self) -> None:
        """Take over what the settings say of the talkgroup now."""
        limit = self._options.input_timeout
        if limit is None and self._talkgroup is not None:
            limit = 2 * self._talkgroup_facts(self._talkgroup).tot
        self._uplink.input_timeout = None if self._hot.hot else limit
        self._arm()

    def close(self) -> None:
        """Look at the time no more; it is tuned to nothing by then."""
        if self._timer is not None:
            self._timer.cancel()

    # What the talkgroup says

    def granted(self, token: Token) -> bool:
        """The floor is ours; whether that is news to the talker."""
        before = self._uplink.state
        self._do(self._uplink.granted(token, _now()))
        news = before is State.ASKING or (before is State.QUEUED and self.holds_floor)
        if news:
            self._hot.granted(_now())
        return news

    def queued(self) -> bool:
        """The request waits for its turn; whether it still does."""
        self._do(self._uplink.queued(_now()))
        return self._uplink.state is State.QUEUED

    # The device

    def attach(self, rate_hz: int) -> None:
        """A device of that rate is there.

        Raises:
            DriverUnavailable: libopus is not installed.
        """
        self._sender = Sender(rate_hz, random.getrandbits)

    def begin(self) -> None:
        """Look at what opens the microphone: it may be open already."""
        self.look_at_lines()
        self._key(Change(self._hot.is_open))

    async def run(self, stream: AudioStream) -> None:
        """Capture until the device fails, which raises DriverError."""
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

    def detach(self) -> None:
        """The device is gone."""
        self._do(self._uplink.stop())
        self._uplink.squelch(False, _now())
        self._sender = None

    def playing(self, active: bool) -> None:
        """The endpoint begins or ends to play, or to be keyed."""
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

    # What opens the microphone

    def watch_lines(self) -> None:
        """Be told by the keyer from now on."""
        for number, sense in enumerate(self._senses):
            sense.on_squelch(self._on_line(number))

    def look_at_lines(self) -> None:
        """Take over what the lines are now: they may be open already."""
        for number, sense in enumerate(self._senses):
            self._squelch.line(number, sense.squelch_open)
        if not self._squelch.listens:
            self._on_squelch(self._squelch.open)

    def hot_mic(self, until: float | None) -> None:
        """Speak without anybody pressing, until then in the loop's time; None is no longer."""
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
                "%s: the microphone is %s", self._name, "hot" if self._hot.hot else "closed"
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

    def _on_line(self, number: int) -> Callable[[bool, float], None]:
        return lambda is_open, _at: self._on_squelch(self._squelch.line(number, is_open))

    def _on_squelch(self, is_open: bool) -> None:
        self._key(self._hot.key(is_open, _now()))

    def _key(self, change: Change) -> None:
        """The microphone is to be open or closed, or to ask with a priority of its own."""
        talkgroup = self._talkgroup
        if self._sender is None or talkgroup is None:
            return
        if change.asks and self._uplink.state is State.REFUSED:
            self._do(self._uplink.squelch(False, _now()))  # and opens again below: it asks anew
        elif change.asks and self._uplink.state is not State.QUIET:
            self._floor(talkgroup).request(self._name, priority=self._priority)
        self._do(self._uplink.squelch(change.is_open, _now()))
        self._arm_heat()

    @property
    def _priority(self) -> int:
        return self._hot.priority(self._options.priority)

    # Carrying out

    def _do(self, actions: Iterable[Action]) -> None:
        """Carry out what the uplink wants; a grant may come in the middle of it."""
        talkgroup = self._talkgroup
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
                    self._floor(talkgroup).release(self._name)
                case Ask():
                    self._floor(talkgroup).request(self._name, priority=self._priority)
        self._arm()
        self._changed()

    def _send(self, talkgroup: str, block: Block | None, *, pre_roll: bool, last: bool) -> None:
        if self._sender is None:
            return
        samples = None if block is None else block.samples
        captured = 0.0 if block is None else block.captured
        packet = self._sender.packet(samples, captured, pre_roll=pre_roll, last=last)
        self._floor(talkgroup).send(self._name, packet)
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

    def _on_time(self) -> None:
        self._timer = None
        self._rings_at = float("inf")
        self._do(self._uplink.tick(_now()))


def _now() -> float:
    return asyncio.get_running_loop().time()
