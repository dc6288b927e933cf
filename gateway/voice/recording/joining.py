"""Several recordings as one: an Ogg Opus file of their packets, or sound; with the pauses between them.

What overlaps (bursts of several talkgroups at once) follows each other. Nothing is coded anew: a
pause is packets of one byte, and the talkers are chapters that players show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.moment import timestamp
from gateway.voice.opus_toc import fillers, ticks_of
from gateway.voice.recording.coding import sound
from gateway.voice.recording.facts import PRE_SKIP, Recording
from gateway.voice.recording.ogg import MAX_SEGMENTS, Page
from gateway.voice.recording.opus_file import VENDOR, Stream, opus_head, tags_to_bytes
from gateway.voice.rtp import CLOCK_HZ

_A_PAGE = 50
_SHORTEST = 120
"""Ticks: the shortest packet there is, so pauses are true to 2.5 ms, and do not add up."""

_MOST_TAGS = (MAX_SEGMENTS - 1) * 255


@dataclass(frozen=True, slots=True)
class Part:
    """One recording and its packets."""

    recording: Recording
    payloads: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Placed:
    """A part, and how many ticks of pause are before it."""

    part: Part
    pause: int
    at: int
    """Ticks from the beginning of the whole."""


def placed(parts: Sequence[Part], longest_pause: float | None) -> Iterator[Placed]:
    """Each part at its time; pauses longer than ``longest_pause`` (seconds) are cut to it."""
    at = 0
    shift = 0.0  # what was cut out of pauses
    first = parts[0].recording.started
    for part in parts:
        due = round((part.recording.started - first - shift) * CLOCK_HZ)
        pause = max(0, due - at)
        if longest_pause is not None and pause > longest_pause * CLOCK_HZ:
            shift += pause / CLOCK_HZ - longest_pause
            pause = round(longest_pause * CLOCK_HZ)
        pause -= pause % _SHORTEST
        yield Placed(part, pause, at + pause)
        at += pause + sum(map(ticks_of, part.payloads))


def as_ogg(parts: Sequence[Part], serial: int, longest_pause: float | None) -> Iterator[bytes]:
    """One Ogg Opus file, piece by piece."""
    places = list(placed(parts, longest_pause))
    yield Page(serial, 0, 0, (opus_head(),), first=True).to_bytes()
    yield Page(serial, 1, 0, (_tags(places),)).to_bytes()
    stream = Stream(serial)
    waiting: list[bytes] = []
    for place in places:
        if place.pause:
            waiting += fillers(waiting[-1] if waiting else place.part.payloads[0], place.pause)
        waiting += place.part.payloads
        while len(waiting) > _A_PAGE:
            yield stream.pages(waiting[:_A_PAGE])
            del waiting[:_A_PAGE]
    yield stream.pages(waiting, last=True)


def as_sound(
    parts: Sequence[Part], rate_hz: int, longest_pause: float | None
) -> Iterator[NDArray[np.int16]]:
    """The sound of all of them, mono int16 at ``rate_hz``."""
    done = 0
    for place in placed(parts, longest_pause):
        silent = place.at * rate_hz // CLOCK_HZ - done
        if silent > 0:
            yield np.zeros(silent, np.int16)
            done += silent
        samples = sound(place.part.payloads, rate_hz)
        yield samples
        done += len(samples)


def _tags(places: Sequence[Placed]) -> bytes:
    """Title, time and chapters; as many of these as a page has room for."""
    first = places[0].part.recording
    talkgroups = dict.fromkeys(place.part.recording.talkgroup or "-" for place in places)
    comments = {
        "TITLE": f"{', '.join(talkgroups)[:500]}: {len(places)} recordings",
        "DATE": timestamp(first.started),
        "LOST": str(sum(place.part.recording.lost for place in places)),
    }
    incidents = {place.part.recording.incident for place in places}
    if len(incidents) == 1 and (incident := incidents.pop()) is not None:
        comments["INCIDENT"] = incident
    packet = tags_to_bytes(VENDOR, comments)
    for number, place in enumerate(places):
        one = place.part.recording
        seconds = max(0, place.at - PRE_SKIP * bool(number)) / CLOCK_HZ
        minutes, rest = divmod(seconds, 60)
        hours, minutes = divmod(int(minutes), 60)
        chapter = f"CHAPTER{number:03d}"
        more = {
            chapter: f"{hours:02d}:{minutes:02d}:{rest:06.3f}",
            f"{chapter}NAME": f"{timestamp(one.started)} {one.talkgroup or '-'} {one.talker}",
        }
        longer = tags_to_bytes(VENDOR, comments | more)
        if len(longer) > _MOST_TAGS or number > 999:
            break
        comments |= more
        packet = longer
    return packet
