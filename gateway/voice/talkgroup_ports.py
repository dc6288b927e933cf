"""What a talkgroup has to do with: its members, the broker's two connections, its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.link.incoming import Incoming
from gateway.link.topics import Topics
from gateway.ops.counters import Counters
from gateway.voice.downlink.age import Ages
from gateway.voice.floor.actions import FloorOptions
from gateway.voice.floor.participant_actions import OutcomeKind
from gateway.voice.rtp import Packet, Token


class Member(Protocol):
    """Somebody of this gateway on a talkgroup: an endpoint, or a call of the command.

    A method may call the talkgroup; what that leads to follows after it returns.
    """

    name: str

    def on_granted(self, talkgroup: str, token: Token, tot: float) -> None:
        """It may talk, ``tot`` seconds from its first packet.

        Again, with another token, where the burst goes on under another controller.
        """

    def on_refused(self, talkgroup: str, cause: int, text: str, retry_after: float | None) -> None:
        """It may not talk. Without ``retry_after`` (seconds) it may ask again at `on_idle`."""

    def on_revoked(self, talkgroup: str, cause: int, text: str) -> None:
        """It must stop: what it sends from now on is dropped."""

    def on_packet(
        self, talkgroup: str, talker: str, packet: Packet, arrival: float, *, confirmed: bool
    ) -> None:
        """A packet that may be played; ``arrival`` in the loop's time.

        ``talker`` is ``<client>/<endpoint>`` or, where that is not known yet, ``<client>``; it
        stays the same within an SSRC. ``confirmed`` says that a controller has spoken of the
        packet's token.
        """

    def on_idle(self, talkgroup: str) -> None:
        """The floor has become idle."""


@runtime_checkable
class WaitingMember(Protocol):
    """A member that can be told, besides what a `Member` is, that it waits or will be cut off.

    For any other a queued request is one whose answer comes later.
    """

    def on_queued(self, talkgroup: str, position: int | None) -> None:
        """Its request waits at ``position`` (from 1) of the queue; again when that changes.

        `on_granted` follows, or `on_refused`. A grant that follows has to be used within 2 s
        (TS 24.380 T132), else `on_revoked` follows that.
        """

    def on_warning(self, talkgroup: str, left: float) -> None:
        """Its talk time runs out in ``left`` seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkgroupNow:
    """A talkgroup as one gateway sees it at this moment; ``members`` are those of this gateway.

    ``level_dbov`` is the loudness of what is said now, 0 (loudest) to 127; None while nobody talks.
    """

    name: str
    state: str
    talker: str | None
    controller: str | None
    queue: tuple[str, ...]
    members: tuple[str, ...]
    level_dbov: int | None


class FloorObserver(Protocol):
    """Who counts what becomes of requests for the floor, for figures."""

    def outcome(self, talkgroup: str, kind: OutcomeKind, seconds: float) -> None:
        """A request of a member of this gateway has ended so, ``seconds`` after it was made.

        For ``immediate`` and ``queued`` that is the access time (TS 22.179 6.15, KPI 1).
        """


class ControlSide(Protocol):
    """The control connection (`gateway.link.session.ControlLink`)."""

    @property
    def connected(self) -> bool: ...
    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None]) -> None: ...
    def unsubscribe(
        self, topic_filter: str, handler: Callable[[Incoming], None] | None = None
    ) -> None: ...
    def set_retained(self, topic: str, payload: bytes, *, expiry: int | None = None) -> None: ...


class VoiceSide(Protocol):
    """The voice connection (`gateway.link.voice_link.VoiceLink`)."""

    @property
    def connected(self) -> bool: ...
    def subscribe(self, topic_filter: str, handler: Callable[[str, bytes], None]) -> None: ...
    def unsubscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], None] | None = None
    ) -> None: ...
    def publish(
        self, topic: str, payload: bytes, *, expiry: int | None = None, voice: bool = True
    ) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkgroupOptions:
    """One talkgroup's piece of the settings; times in seconds."""

    tot: float = 30.0
    hang_time: float = 2.0
    max_age: float = 2.0
    controllers: tuple[str, ...] = ()
    priority_cap: int = 255
    queue_length: int = 0
    retry_after: float = 2.0
    pre_alert: float = 5.0

    @property
    def floor(self) -> FloorOptions:
        return FloorOptions(
            tot=self.tot,
            hang_time=self.hang_time,
            retry_after=self.retry_after,
            priority_cap=self.priority_cap,
            queue_length=self.queue_length,
        )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all talkgroups of a gateway share. ``store_term(talkgroup, term)`` only begins to."""

    gateway: str
    topics: Topics
    control: ControlSide
    voice: VoiceSide
    counters: Counters
    ages: Ages
    store_term: Callable[[str, int], None]
    started: float
    observer: FloorObserver | None = None
