"""The members of one talkgroup on this gateway, and how they are told things."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

from gateway.errors import LocalProtocolError
from gateway.ops.counters import Counters
from gateway.voice.floor.actions import Answer, Op
from gateway.voice.floor.participant import Participant
from gateway.voice.floor.participant_actions import Granted, Queued, Refused, Revoked, Warn
from gateway.voice.rtp import Packet
from gateway.voice.talkgroup_ports import Member, WaitingMember

_LOGGER = logging.getLogger(__name__)

P = ParamSpec("P")

MAX_LABELS = 256
"""Clients whose talker's name is remembered; past it the earliest is forgotten."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A member, and the floor as it has it."""

    member: Member
    speaks: bool
    participant: Participant


class Labels:
    """How remote talkers are called; a name stays for an SSRC, also when a better one is learned."""

    def __init__(self) -> None:
        self._labels: dict[str, tuple[int, str]] = {}

    def label(self, client: str, ssrc: int, known: str | None) -> str:
        """``known`` is the talker's full name where a controller has told it."""
        before = self._labels.get(client)
        if before is not None and before[0] == ssrc:
            return before[1]
        if before is None and len(self._labels) >= MAX_LABELS:
            del self._labels[next(iter(self._labels))]
        self._labels[client] = (ssrc, known or client)
        return known or client


class Members:
    """Tells members what happens; one that fails harms neither the floor nor another member."""

    def __init__(self, talkgroup: str, counters: Counters) -> None:
        self._talkgroup = talkgroup
        self._counters = counters
        self._joined: dict[str, Joined] = {}
        self.loudness: tuple[int, float] | None = None
        """The newest packet's loudness in dBov below overload, and when it came."""

    def __len__(self) -> int:
        return len(self._joined)

    def __contains__(self, name: str) -> bool:
        return name in self._joined

    def add(self, joined: Joined) -> None:
        self._joined[joined.member.name] = joined

    def remove(self, name: str) -> Joined | None:
        return self._joined.pop(name, None)

    def get(self, name: str) -> Joined | None:
        return self._joined.get(name)

    def need(self, name: str) -> Joined:
        """The member of that name.

        Raises:
            LocalProtocolError: there is none.
        """
        joined = self._joined.get(name)
        if joined is None:
            raise LocalProtocolError(f"{name} is not on {self._talkgroup}")
        return joined

    def names(self) -> tuple[str, ...]:
        return tuple(self._joined)

    def participants(self) -> tuple[tuple[str, Participant], ...]:
        """Each member's name with its side of the floor."""
        return tuple((name, joined.participant) for name, joined in self._joined.items())

    def meant(self, answer: Answer, gateway: str) -> list[str]:
        """Whom an answer is for.

        A controller that was started in the middle of a burst may not know whose packets it has
        refused; it knows their token.
        """
        client, _, name = answer.talker.partition("/")
        if client != gateway:
            return []
        if name in self._joined or answer.op is not Op.REVOKED:
            return [name] if name in self._joined else []
        return [name for name, one in self.participants() if one.token == answer.token]

    # Telling

    def tell(self, name: str, what: Granted | Queued | Warn | Refused | Revoked) -> None:
        """Tell one member what has become of its request or of its talk."""
        joined = self._joined.get(name)
        if joined is None:
            return
        member, talkgroup = joined.member, self._talkgroup
        match what:
            case Granted(token, tot):
                self._call(member.on_granted, talkgroup, token, tot)
            case Refused(cause, wait):
                self._call(member.on_refused, talkgroup, int(cause), cause.text, wait)
            case Revoked(revoke):
                self._call(member.on_revoked, talkgroup, int(revoke), revoke.text)
            case Queued(position) if isinstance(member, WaitingMember):
                self._call(member.on_queued, talkgroup, position)
            case Warn(left) if isinstance(member, WaitingMember):
                self._call(member.on_warning, talkgroup, left)
            case _:
                pass

    def idle(self) -> None:
        """The floor has become idle."""
        for joined in tuple(self._joined.values()):
            self._call(joined.member.on_idle, self._talkgroup)

    def hear(
        self,
        talker: str,
        packet: Packet,
        arrival: float,
        *,
        confirmed: bool,
        besides: str | None = None,
    ) -> None:
        """Hand a packet to everybody but ``besides``."""
        self.loudness = packet.level_dbov, arrival
        for name, joined in tuple(self._joined.items()):
            if name != besides:
                heard = joined.member.on_packet
                self._call(heard, self._talkgroup, talker, packet, arrival, confirmed=confirmed)

    def _call(self, method: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(*args, **kwargs)
        except Exception:
            self._counters.add("voice.member_failed")
            _LOGGER.exception("%s: a member failed", self._talkgroup)
