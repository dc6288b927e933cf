"""What is known of a recording, and its names. Pure values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from gateway.moment import timestamp
from gateway.voice.rtp import CLOCK_HZ

Kind = Literal["burst", "pre-alarm"]

PRE_SKIP = 312
"""Ticks of 48 kHz that a decoder gives before the first sample: libopus's look-ahead of 6.5 ms."""

PRE_ALARM = "pre-alarm"

SUFFIX = ".opus"
PART = ".part"

_NO_NAME = re.compile(r"[^a-z0-9-]")
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One burst, or what was heard before one alarm.

    ``talkgroup`` is None where it was on none; ``talker`` is ``<client>/<endpoint>``, or the client
    where no more is known; ``gateway`` recorded it. ``started`` is POSIX seconds on this gateway's clock, when its
    first sample reached us less what lay before it; ``ticks`` its length at 48 kHz with what is
    lost, ``lost`` how many packets that were. ``whole`` says that its first and its last packet
    are there.
    """

    id: str
    kind: Kind
    talkgroup: str | None
    talker: str
    gateway: str
    started: float
    ticks: int = 0
    packets: int = 0
    lost: int = 0
    whole: bool = False
    incident: str | None = None
    drill: bool = False

    @property
    def length(self) -> float:
        """Seconds of sound: what a player plays."""
        return max(0, self.ticks - PRE_SKIP) / CLOCK_HZ

    @property
    def ended(self) -> float:
        """POSIX seconds."""
        return self.started + self.length


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording on disk: ``file`` is relative to the folder of recordings."""

    recording: Recording
    file: str
    size: int


def identifier(wall: float, ssrc: int) -> str:
    """The id of what began at ``wall`` under ``ssrc``: ``20261124T054508-9f3a1b2c``, which sorts by time."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(wall))
    return f"{at:%Y%m%dT%H%M%S}-{ssrc:08x}"


def folder_of(recording: Recording) -> str:
    """The folder that it lies in."""
    return PRE_ALARM if recording.talkgroup is None else _safe(recording.talkgroup)


def file_of(recording: Recording) -> str:
    """Its path below the folder of recordings: by talkgroup, time, talker, incident, loss."""
    return f"{folder_of(recording)}/{recording.id}_{_rest(recording)}{SUFFIX}"


def part_of(recording: Recording) -> str:
    """The same while it is being written."""
    return f"{folder_of(recording)}/{recording.id}{PART}"


def export_name(recording: Recording, suffix: str) -> str:
    """A file name for people: ``20261124T054508.123Z_police_zju1.radio_lost-3.opus``."""
    at = re.sub("[-:]", "", timestamp(recording.started))
    return f"{at}_{folder_of(recording)}_{_rest(recording)}{suffix}"


def has_incident(file: str) -> bool:
    """Whether a file of ours is of an incident, by its name alone."""
    return "_incident-" in file


def _rest(recording: Recording) -> str:
    client, _, endpoint = recording.talker.partition("/")
    parts = [_safe(client) + (f".{_safe(endpoint)}" if endpoint else "")]
    if recording.incident is not None:
        parts.append(f"incident-{_safe(recording.incident)}")
    if recording.lost:
        parts.append(f"lost-{recording.lost}")
    return "_".join(parts)


def _safe(text: str) -> str:
    """What names a client is not always one of ours: nothing of it leads elsewhere in a path."""
    return _NO_NAME.sub("-", text)[:_LONGEST_NAME]
