"""A recording as an Ogg Opus file (RFC 7845): header, tags of a fixed size, pages of packets. Pure codec.

The tags are padded (RFC 7845, 5.2: what follows the comments "should be ignored"), so that they can
be written anew in place once the burst is over and its loss is known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from gateway.errors import InsufficientData, LocalProtocolError, RemoteProtocolError
from gateway.moment import parse_timestamp, timestamp
from gateway.voice.opus_toc import is_filler, ticks_of
from gateway.voice.recording.facts import PRE_SKIP, Kind, Recording
from gateway.voice.recording.ogg import Page, pages, shared_out

VENDOR = "baiying"

TAGS_BYTES = 1400
"""Of the packet of tags with its padding; what we say of a recording takes half of it at most."""

HEAD_BYTES = 27 + 1 + 19
"""Of the first page; the page of tags comes after it, and begins here."""

BEGINNING = HEAD_BYTES + 27 + TAGS_BYTES // 255 + 1 + TAGS_BYTES
"""Of both; the packets come after them."""

_HEAD = struct.Struct("<8sBBHIhB")
_HEAD_MAGIC, _TAGS_MAGIC = b"OpusHead", b"OpusTags"
_LENGTH = struct.Struct("<I")
_LONGEST_TALKER = 130  # two names and a slash


def serial_of(recording: Recording) -> int:
    """The stream's number: the burst's SSRC, with which its id ends."""
    return int(recording.id[-8:], 16)


def beginning(recording: Recording) -> bytes:
    """The first two pages, always `BEGINNING` bytes."""
    head = Page(serial_of(recording), 0, 0, (opus_head(),), first=True)
    return head.to_bytes() + tags_page(recording)


def opus_head() -> bytes:
    """The OpusHead packet of all our files: one channel (RFC 7845, 5.1.1.1).

    The rate of capture is not in the packets: 0 is "unspecified".
    """
    return _HEAD.pack(_HEAD_MAGIC, 1, 1, PRE_SKIP, 0, 0, 0)


def tags_page(recording: Recording) -> bytes:
    """The second page, always of the same size."""
    packet = tags_to_bytes(VENDOR, comments_of(recording))
    if len(packet) > TAGS_BYTES:
        raise LocalProtocolError(f"{len(packet)} bytes of tags")
    return Page(serial_of(recording), 1, 0, (packet.ljust(TAGS_BYTES, b"\0"),)).to_bytes()


@dataclass(slots=True)
class Stream:
    """Where the next page of a recording goes: its number, and the ticks before it."""

    serial: int
    number: int = 2
    ticks: int = 0

    def pages(self, payloads: Sequence[bytes], *, last: bool = False) -> bytes:
        """Pages with these packets, which come next; ``last`` ends the stream.

        Raises:
            RemoteProtocolError: one is no Opus packet; nothing has changed.
        """
        lengths = {payload: ticks_of(payload) for payload in set(payloads)}
        made = []
        groups = list(shared_out(payloads))
        for group in groups:
            self.ticks += sum(lengths[payload] for payload in group)
            ends = last and group is groups[-1]
            made.append(Page(self.serial, self.number, self.ticks, group, last=ends).to_bytes())
            self.number += 1
        return b"".join(made)


# Tags


def comments_of(recording: Recording) -> dict[str, str]:
    """What the tags say; read back by `recording_of`."""
    where = recording.talkgroup or "before an alarm"
    comments = {
        "TITLE": f"{where}: {recording.talker[:_LONGEST_TALKER]}",
        "DATE": timestamp(recording.started),
        "ID": recording.id,
        "KIND": recording.kind,
        "TALKER": recording.talker[:_LONGEST_TALKER],
        "GATEWAY": recording.gateway,
        "PACKETS": str(recording.packets),
        "LOST": str(recording.lost),
        "WHOLE": "yes" if recording.whole else "no",
        "DRILL": "yes" if recording.drill else "no",
    }
    if recording.talkgroup is not None:
        comments["TALKGROUP"] = recording.talkgroup
    if recording.incident is not None:
        comments["INCIDENT"] = recording.incident
    return comments


def recording_of(comments: Mapping[str, str], ticks: int) -> Recording:
    """What the tags of a file of ours say.

    Raises:
        RemoteProtocolError: they are none of ours.
    """
    try:
        kind = next(one for one in get_args(Kind) if one == comments["KIND"])
        found = Recording(
            id=comments["ID"],
            kind=kind,
            talkgroup=comments.get("TALKGROUP"),
            talker=comments["TALKER"],
            gateway=comments["GATEWAY"],
            started=parse_timestamp(comments["DATE"]),
            ticks=ticks,
            packets=int(comments["PACKETS"]),
            lost=int(comments["LOST"]),
            whole=comments["WHOLE"] == "yes",
            incident=comments.get("INCIDENT"),
            drill=comments["DRILL"] == "yes",
        )
        serial_of(found)
    except (KeyError, ValueError, StopIteration) as error:
        raise RemoteProtocolError(f"no tags of ours: {error!r}") from error
    return found


def tags_to_bytes(vendor: str, comments: Mapping[str, str]) -> bytes:
    """An OpusTags packet (RFC 7845, 5.2)."""
    entries = [f"{name}={value}".encode() for name, value in comments.items()]
    parts = [_TAGS_MAGIC]
    for text in (vendor.encode(), None, *entries):
        if text is None:
            parts.append(_LENGTH.pack(len(entries)))
        else:
            parts += [_LENGTH.pack(len(text)), text]
    return b"".join(parts)


def tags_from_bytes(packet: bytes) -> tuple[str, dict[str, str]]:
    """Vendor and comments; of one name the first counts.

    Raises:
        RemoteProtocolError: it is no OpusTags packet.
    """
    if not packet.startswith(_TAGS_MAGIC):
        raise RemoteProtocolError("no OpusTags packet")
    at = len(_TAGS_MAGIC)

    def number() -> int:
        nonlocal at
        if at + _LENGTH.size > len(packet):
            raise RemoteProtocolError("the tags break off")
        (value,) = _LENGTH.unpack_from(packet, at)
        at += _LENGTH.size
        return int(value)

    def text() -> str:
        nonlocal at
        length = number()
        if at + length > len(packet):
            raise RemoteProtocolError("the tags break off")
        raw = packet[at : at + length]
        at += length
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise RemoteProtocolError("a tag is no UTF-8") from error

    vendor = text()
    comments: dict[str, str] = {}
    for _ in range(number()):
        name, equals, value = text().partition("=")
        if not equals:
            raise RemoteProtocolError("a tag has no value")
        comments.setdefault(name.upper(), value)
    return vendor, comments


# Reading


@dataclass(frozen=True, slots=True)
class Head:
    """An OpusHead packet (RFC 7845, 5.1), as far as anybody here needs it."""

    channels: int
    pre_skip: int

    @classmethod
    def from_bytes(cls, packet: bytes) -> Head:
        """Raises RemoteProtocolError: it is none, or of a later major version."""
        if len(packet) < _HEAD.size or not packet.startswith(_HEAD_MAGIC):
            raise RemoteProtocolError("no OpusHead packet")
        _, version, channels, pre_skip, _rate, _gain, family = _HEAD.unpack_from(packet)
        if version >> 4 or not channels or family != 0:
            raise RemoteProtocolError(f"OpusHead of version {version}, mapping family {family}")
        return cls(channels, pre_skip)


@dataclass(frozen=True, slots=True)
class Content:
    """A file that was read: its header, its tags, its packets, and the granule position at its end."""

    head: Head
    comments: Mapping[str, str]
    payloads: tuple[bytes, ...]
    granule: int
    ended: bool
    good_bytes: int
    """Up to where the file is in order."""
    last_page_at: int
    """Where its last page begins."""


def content_of(data: bytes) -> Content:
    """What is in a file, up to where it is damaged or breaks off.

    Raises:
        RemoteProtocolError: it is no Ogg Opus file.
    """
    found = list(pages(data[: len(data)]))
    if len(found) < 2 or len(found[0][1].packets) != 1 or len(found[1][1].packets) != 1:
        raise RemoteProtocolError("no Ogg Opus file")
    head = Head.from_bytes(found[0][1].packets[0])
    _, comments = tags_from_bytes(found[1][1].packets[0])
    at, last = found[-1]
    payloads = tuple(packet for _, page in found[2:] for packet in page.packets)
    return Content(head, comments, payloads, last.granule, last.last, at + len(last.to_bytes()), at)


def summary_of(start: bytes, end: bytes) -> Recording:
    """What a file of ours is, from its first `BEGINNING` bytes and its last `MAX_PAGE_BYTES`, or as many as there are.

    Raises:
        RemoteProtocolError: it is none of ours, or was not ended.
    """
    comments = content_of(start).comments
    for page in _last_pages(end):
        if page.last:
            return recording_of(comments, page.granule)
    raise RemoteProtocolError("the file was not ended")


def mended(data: bytes) -> tuple[bytes, Recording] | None:
    """A file that was cut off, as one that was ended: up to its last good page, which ends it.

    None where there is nothing to keep.
    """
    try:
        content = content_of(data)
        if not content.payloads:
            return None
        found = recording_of(content.comments, content.granule)
    except RemoteProtocolError:
        return None
    if content.ended and found.packets:  # only its name was missing
        return data[: content.good_bytes], found
    last, _ = Page.from_bytes(data, content.last_page_at)
    lost = sum(map(is_filler, content.payloads))
    found = replace(found, packets=len(content.payloads) - lost, lost=lost, whole=False)
    ended = Page(last.serial, last.number, last.granule, last.packets, last=True).to_bytes()
    return (
        data[:HEAD_BYTES] + tags_page(found) + data[BEGINNING : content.last_page_at] + ended,
        found,
    )


def _last_pages(data: bytes) -> Iterator[Page]:
    at = len(data)
    while (at := data.rfind(b"OggS", 0, at)) >= 0:
        try:
            yield Page.from_bytes(data, at)[0]
        except (RemoteProtocolError, InsufficientData):
            continue
