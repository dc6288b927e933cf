"""Ogg pages (RFC 3533) as we write and read them: whole packets in each page. Pure codec.

A page holds packets of one stream, its number among them, and a granule position, which counts
to the end of its last packet. A packet that spans pages is refused: of Opus no packet needs to.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.errors import InsufficientData, LocalProtocolError, RemoteProtocolError

MAX_SEGMENTS = 255
"""Lacing values of a page; a packet takes one for each 255 bytes, and one more (RFC 3533, 6)."""

MAX_PAGE_BYTES = 27 + MAX_SEGMENTS + MAX_SEGMENTS * 255

_CONTINUED, _FIRST, _LAST = 1, 2, 4
_HEAD = struct.Struct("<4sBBqIIIB")
_CRC_AT = 22
_CAPTURE = b"OggS"

# Ogg's CRC (polynomial 0x04c11db7, start 0) is that of zlib with every byte and the result turned
# round, and without zlib's complements. In C it takes a thirtieth of what a table in Python does.
_TURNED = bytes(int(f"{number:08b}"[::-1], 2) for number in range(256))


def checksum(data: bytes) -> int:
    """The CRC of a page whose own CRC field is 0."""
    turned = zlib.crc32(data.translate(_TURNED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{turned:032b}"[::-1], 2)


@dataclass(frozen=True, slots=True)
class Page:
    """One page. ``granule`` is in the units of its codec; ``first`` and ``last`` are of the stream."""

    serial: int
    number: int
    granule: int
    packets: tuple[bytes, ...]
    first: bool = False
    last: bool = False

    def to_bytes(self) -> bytes:
        """The page for the file.

        Raises:
            LocalProtocolError: a field does not fit, or the packets do not.
        """
        lacing = b"".join(
            b"\xff" * (len(one) // 255) + bytes((len(one) % 255,)) for one in self.packets
        )
        if len(lacing) > MAX_SEGMENTS:
            raise LocalProtocolError(f"{len(lacing)} segments do not fit into a page")
        flags = _FIRST * self.first | _LAST * self.last
        try:
            head = _HEAD.pack(
                _CAPTURE, 0, flags, self.granule, self.serial, self.number, 0, len(lacing)
            )
        except struct.error as error:
            raise LocalProtocolError(f"a field does not fit: {error}") from error
        page = b"".join((head, lacing, *self.packets))
        crc = checksum(page).to_bytes(4, "little")
        return page[:_CRC_AT] + crc + page[_CRC_AT + 4 :]

    @classmethod
    def from_bytes(cls, data: bytes, at: int = 0) -> tuple[Page, int]:
        """The page that begins at ``at``, and where the next one does.

        Raises:
            InsufficientData: what is there is the beginning of one.
            RemoteProtocolError: there is none, it is damaged, or a packet of it spans pages.
        """
        capture = data[at : at + len(_CAPTURE)]
        if not _CAPTURE.startswith(capture):
            raise RemoteProtocolError("no Ogg page begins here")
        if len(data) < at + _HEAD.size:
            raise InsufficientData("a page breaks off in its header")
        _, version, flags, granule, serial, number, crc, count = _HEAD.unpack_from(data, at)
        if version != 0:
            raise RemoteProtocolError(f"Ogg version {version}")
        body = at + _HEAD.size + count
        lacing = data[at + _HEAD.size : body]
        end = body + sum(lacing)
        if len(lacing) < count or len(data) < end:
            raise InsufficientData("a page breaks off")
        if checksum(data[at : at + _CRC_AT] + bytes(4) + data[at + _CRC_AT + 4 : end]) != crc:
            raise RemoteProtocolError(f"page {number} is damaged")
        if flags & _CONTINUED or (lacing and lacing[-1] == 255):
            raise RemoteProtocolError(f"page {number}: a packet spans pages")
        packets = []
        start = body
        length = 0
        for value in lacing:
            length += value
            if value < 255:
                packets.append(data[start : start + length])
                start += length
                length = 0
        first, last = bool(flags & _FIRST), bool(flags & _LAST)
        return cls(serial, number, granule, tuple(packets), first, last), end


def pages(data: bytes) -> Iterator[tuple[int, Page]]:
    """Where each page begins, and the page, up to the first that is damaged or breaks off."""
    at = 0
    while at < len(data):
        try:
            page, end = Page.from_bytes(data, at)
        except (InsufficientData, RemoteProtocolError):
            return
        yield at, page
        at = end


def segments_of(packet: bytes) -> int:
    """Lacing values that a packet takes."""
    return len(packet) // 255 + 1


def shared_out(packets: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    """The packets of one page after the other."""
    mine: list[bytes] = []
    used = 0
    for packet in packets:
        needed = segments_of(packet)
        if used + needed > MAX_SEGMENTS:
            yield tuple(mine)
            mine, used = [], 0
        mine.append(packet)
        used += needed
    if mine:
        yield tuple(mine)
