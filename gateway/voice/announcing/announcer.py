"""Speaks pages on the talkgroups of the groups that are served here, as ``<gateway>/announcer``.

Decides nothing: `wording` says what is said, `turns` when, `covert` whether; the floor's controller
whether it may. Everything here runs on the event loop, and nothing waits for it: a page is signed for
and shown whether or not it can be spoken.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.errors import RemoteProtocolError
from gateway.link.incoming import Incoming
from gateway.link.messages import Announced, IncidentState, Page, decode, encode
from gateway.link.topics import Topics
from gateway.moment import parse_timestamp, timestamp
from gateway.ops.counters import Counters
from gateway.voice.announcing.channel import Channel, Floor
from gateway.voice.announcing.covert import Ear, given_away_by
from gateway.voice.announcing.sound import announcement
from gateway.voice.announcing.stock import Stock, StockFacts, StockOptions
from gateway.voice.announcing.turns import Call, TurnRules
from gateway.voice.announcing.wording import Language, Notice, Phrase, phrases

_LOGGER = logging.getLogger(__name__)

RENDER_WITHIN = 2.0
"""Seconds for which an announcement waits for a phrase that was not rendered ahead."""

_JOIN_WITHIN = 0.3
"""Seconds by which endpoints have joined an incident's talkgroup: page and state come apart."""

_JOIN_LOOKS = 15

_MAX_PREPARING = 32


@dataclass(frozen=True, slots=True)
class Addressee:
    """A group that is served here: where it listens, and in which language it is spoken to.

    ``drills`` says that it is marked for drills: nothing of one is spoken to any other.
    """

    talkgroup: str
    language: Language
    drills: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncerOptions:
    """The announcer's piece of the settings. ``vocabulary`` is rendered ahead, its first first."""

    rules: TurnRules = field(default_factory=TurnRules)
    priority: int = 50
    pre_empt_priority: int = 150
    chime: bool = True
    stock: StockOptions = field(default_factory=StockOptions)
    groups: Mapping[str, Addressee] = field(default_factory=dict)
    vocabulary: tuple[Phrase, ...] = ()


class Surroundings(Protocol):
    """What the announcer asks of the voice side (`gateway.voice_side.VoiceSide`)."""

    def floor(self, talkgroup: str) -> Floor: ...
    def bitrate_bps(self, talkgroup: str) -> int: ...
    def listens_on(self, group: str, talkgroup: str) -> bool:
        """Whether endpoints of the group here speak on ``talkgroup`` now: they hear that first."""

    def ears(self, talkgroup: str) -> Iterable[Ear]:
        """All that is known to hear ``talkgroup``."""


class Control(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    @property
    def connected(self) -> bool: ...
    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None], /) -> None: ...
    def unsubscribe(
        self, topic_filter: str, handler: Callable[[Incoming], None] | None = None, /
    ) -> None: ...
    def post(
        self, topic: str, payload: bytes, /, *, expiry: int | None = None
    ) -> asyncio.Future[None]: ...


@dataclass(slots=True)
class _Preparing:
    page: Page
    over: bool = False


class Announcer:
    """Every announcement of one gateway."""

    def __init__(
        self,
        gateway: str,
        topics: Topics,
        control: Control,
        around: Surroundings,
        stock: Stock,
        counters: Counters,
    ) -> None:
        self._gateway = gateway
        self._topics = topics
        self._control = control
        self._around = around
        self._stock = stock
        self._counters = counters
        self._options = AnnouncerOptions()
        self._channels: dict[str, Channel] = {}
        self._preparing: dict[str, _Preparing] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def facts(self) -> StockFacts:
        """How far rendering ahead is."""
        return self._stock.facts

    async def run(self) -> None:
        """Announce, and render ahead, until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._stock.run(), name="announcer.stock")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                self._group = None

    def configure(self, options: AnnouncerOptions) -> None:
        """Live by other options from now on; what is being said is said to its end."""
        self._options = options
        wanted = options.vocabulary if options.rules.times else ()
        self._stock.configure(options.stock, wanted)
        for channel in self._channels.values():
            channel.turns.rules = options.rules
            channel.priorities = (options.priority, options.pre_empt_priority)
        kept = {one.talkgroup for one in options.groups.values()}
        for talkgroup in kept:
            self._channel(talkgroup)
        for talkgroup, channel in list(self._channels.items()):
            if talkgroup not in kept and channel.silent:
                self._close(talkgroup)

    def close(self) -> None:
        """Say nothing more; for the end of the gateway."""
        for talkgroup in list(self._channels):
            self._close(talkgroup)

    def page(self, page: Page) -> None:
        """A page was received for a group that is served here; known pages do not come here."""
        addressee = self._options.groups.get(page.group)
        if addressee is None:
            self._counters.add("announce.not_served")
        elif page.drill and not addressee.drills:
            self._counters.add("announce.not_for_drills")
        elif page.announce == "off" or self._options.rules.times == 0:
            self._counters.add("announce.off")
        elif len(self._preparing) >= _MAX_PREPARING or self._group is None:
            self._counters.add("announce.too_many")
        else:
            work = _Preparing(page)
            self._preparing[page.id] = work
            self._group.create_task(self._prepare(work), name=f"announcer[{page.id}]")

    def incident(self, state: IncidentState) -> None:
        """An incident's newest state: what of it needs no more announcing."""
        ended = state.state in ("resolved", "closed")
        quiet = frozenset(
            name for name, group in state.groups.items() if group.state not in _CALLED
        )
        for work in self._preparing.values():
            if work.page.incident == state.id and (ended or work.page.group in quiet):
                work.over = True
        for talkgroup, channel in list(self._channels.items()):
            if channel.turns.waits_for(state.id):
                gone = quiet
                if talkgroup == state.talkgroup and len(quiet) < len(state.groups):
                    # Said for everybody on it, by this gateway alone: to its end, or the last ack.
                    gone = frozenset()
                channel.over(state.id, None if ended else gone)
            if channel.silent and talkgroup == state.talkgroup and ended:
                self._close(talkgroup)

    async def _prepare(self, work: _Preparing) -> None:
        """Put an announcement together, and say it when it is its turn."""
        page = work.page
        try:
            addressee = self._options.groups[page.group]
            said = phrases(_notice(page), addressee.language)
            had = await self._stock.have(said, RENDER_WITHIN)
            await self._joined(page)
            if work.over:
                self._counters.add("announce.over")
                return
            fragments = [one for one in had if one is not None and len(one)]
            if len(fragments) < len(said):
                self._counters.add("announce.fragment_missing", len(said) - len(fragments))
            if not fragments and not self._options.chime:
                self._counters.add("announce.silent")
                return
            talkgroup = self._where(page, addressee)
            if self._is_withheld(page, talkgroup):
                return
            sound = announcement(
                fragments,
                chime=self._options.chime,
                level_dbfs=self._options.stock.level_dbfs,
            )
            self._channel(talkgroup).say(_call(page), sound)
        except Exception:  # a defect here is this announcement's alone
            self._counters.add("announce.failed")
            _LOGGER.exception("page %s: not announced", page.id)
        finally:
            self._preparing.pop(page.id, None)

    async def _joined(self, page: Page) -> None:
        """Give endpoints of the group the time to join the incident's talkgroup."""
        for _ in range(_JOIN_LOOKS):
            if page.talkgroup is None or self._around.listens_on(page.group, page.talkgroup):
                return
            await asyncio.sleep(_JOIN_WITHIN / _JOIN_LOOKS)

    def _where(self, page: Page, addressee: Addressee) -> str:
        """The talkgroup that the group hears first."""
        if page.talkgroup is not None and self._around.listens_on(page.group, page.talkgroup):
            return page.talkgroup
        return addressee.talkgroup

    def _is_withheld(self, page: Page, talkgroup: str) -> bool:
        if not page.covert:
            return False
        ears = self._around.ears(talkgroup)
        ear = given_away_by(ears, site=page.site, endpoints=page.endpoints)
        if ear is not None:
            self._counters.add("announce.withheld")
            _LOGGER.warning(
                "page %s is covert and not announced: %s at the site hears %s",
                page.id,
                ear,
                talkgroup,
            )
        return ear is not None

    # Talkgroups

    def _channel(self, talkgroup: str) -> Channel:
        found = self._channels.get(talkgroup)
        if found is None:
            options = self._options
            found = self._channels[talkgroup] = Channel(
                talkgroup,
                self._around.floor,
                options.rules,
                self._counters,
                priorities=(options.priority, options.pre_empt_priority),
                bitrate_bps=self._around.bitrate_bps(talkgroup),
                speaks=lambda call: self._speaks(call, talkgroup),
            )
            self._control.subscribe(self._topics.announced(talkgroup, "+"), self._announced)
        return found

    def _close(self, talkgroup: str) -> None:
        self._control.unsubscribe(self._topics.announced(talkgroup, "+"), self._announced)
        self._channels.pop(talkgroup).close()

    # Other gateways

    def _speaks(self, call: Call, talkgroup: str) -> None:
        """Tell the others that this one is said."""
        _LOGGER.info("page %s is announced on %s", call.page, talkgroup)
        if not self._control.connected:
            return
        said = Announced(
            page=call.page,
            incident=call.incident,
            group=call.group,
            level=call.level,
            talkgroup=talkgroup,
            by=self._gateway,
            time=timestamp(time.time()),
        )
        topic = self._topics.announced(talkgroup, self._gateway)
        sent = self._control.post(topic, encode(said), expiry=_SAID_EXPIRY)
        sent.add_done_callback(_heedless)

    def _announced(self, incoming: Incoming) -> None:
        levels = self._topics.levels(incoming.topic)
        if incoming.retain or levels is None or levels[-1] == self._gateway:
            return
        try:
            said = decode(Announced, incoming.payload)
        except RemoteProtocolError:
            self._counters.add("announce.malformed")
            return
        channel = self._channels.get(levels[1])
        if channel is not None:
            channel.elsewhere(said.incident, said.level, levels[-1])


_SAID_EXPIRY = 60
"""Seconds: who comes later has its own floor to ask for."""

_CALLED = frozenset({"paged", "received"})
"""A group in one of these has yet to say something (contract: IncidentState.groups)."""


def _notice(page: Page) -> Notice:
    return Notice(
        site=page.site_name or page.site,
        place=page.place,
        category=page.category,
        level=page.level_name,
        drill=page.drill,
        covert=page.covert,
    )


def _call(page: Page) -> Call:
    return Call(
        page=page.id,
        incident=page.incident,
        group=page.group,
        level=page.level,
        severity=page.severity,
        raised=parse_timestamp(page.raised),
        drill=page.drill,
        pre_empt=page.announce == "pre-empt",
    )


def _heedless(sent: asyncio.Future[None]) -> None:
    """Nobody waits for it: where the broker does not take it, others say it too."""
    if not sent.cancelled():
        sent.exception()
