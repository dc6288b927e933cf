"""What the first byte of an Opus packet says: how long it plays, and what a lost one looks like. Pure.

RFC 6716, section 3: five bits of configuration (mode, bandwidth, length of frame), one for stereo,
two for how many frames there are.
"""

from __future__ import annotations

from gateway.errors import RemoteProtocolError

MAX_TICKS = 5_760
"""120 ms at 48 kHz (RFC 6716, 3.2.5)."""

_STEREO = 4

_FRAME_TICKS = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
"""Ticks of 48 kHz in one frame, by the configuration number (RFC 6716, table 2)."""

_FAMILY = {
    number: family
    for family in (
        *(range(first, first + 4) for first in (0, 4, 8)),
        *(range(first, first + 2) for first in (12, 14)),
        *(range(first, first + 4) for first in (16, 20, 24, 28)),
    )
    for number in family
}
"""Configurations of one mode and bandwidth, which differ in the length of frame only."""

_ANY_LENGTH = range(16, 20)
"""The family with the shortest frames, for what others cannot fill."""

_LONGEST_FILLER = 960


def ticks_of(payload: bytes) -> int:
    """How long one Opus packet plays, in ticks of 48 kHz, without decoding it.

    Raises:
        RemoteProtocolError: it is none, or longer than 120 ms (RFC 6716, 3.4, R1 and R5).
    """
    if not payload:
        raise RemoteProtocolError("an Opus packet has at least one byte")
    code = payload[0] & 3
    if code == 3:
        if len(payload) < 2:
            raise RemoteProtocolError("an Opus packet of code 3 has at least two bytes")
        count = payload[1] & 0x3F
    else:
        count = 1 if code == 0 else 2
    ticks = count * _FRAME_TICKS[payload[0] >> 3]
    if not 0 < ticks <= MAX_TICKS:
        raise RemoteProtocolError(f"{count} Opus frames of {_FRAME_TICKS[payload[0] >> 3]} ticks")
    return ticks


def is_filler(payload: bytes) -> bool:
    """Whether nothing was coded in it: a frame of no bytes, which a decoder conceals."""
    return len(payload) == 1


def fillers(before: bytes, ticks: int) -> list[bytes]:
    """Packets of one byte that play ``ticks`` after the packet ``before``.

    "A frame of zero bytes is a lost packet, or DTX" (RFC 6716, 3.2.1): decoders conceal it, in the
    mode they are in. Less than 120 ticks, the shortest frame, is left out.
    """
    stereo = before[0] & _STEREO
    made: list[bytes] = []
    for family in (_FAMILY[before[0] >> 3], _ANY_LENGTH):
        for number in sorted(family, key=_FRAME_TICKS.__getitem__, reverse=True):
            length = _FRAME_TICKS[number]
            if length <= _LONGEST_FILLER:
                count, ticks = divmod(ticks, length)
                made += [bytes((number << 3 | stereo,))] * count
    return made
