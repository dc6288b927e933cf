"""Lines of the Sur-Gard MLR2 family, from receiver to computer. Pure codec.

Rules of the reader:

1. A line ends with DC4 (0x14). There is no checksum and no escape; parity is the port's matter.
2. Only the run of printable characters directly before the DC4 is looked at. What stands before
   it is noise: counted, never stored.
3. If that run ends with a valid line, it is that line; what stands before it is noise. So a line
   whose beginning or end was lost does not spoil the one sent after it.
4. Otherwise a run of 15 to 64 characters is an `Undecoded` line, which somebody meant to send.
5. Any other run is noise, and so is whatever never meets a DC4. Nothing grows without bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.errors import InsufficientData, RemoteProtocolError

TERMINATOR = b"\x14"
"""DC4, the end of a line."""
ACK = b"\x06"
"""The line is stored; the receiver forgets it."""
NAK = b"\x15"
"""The line was not understood; the receiver sends it again."""

MIN_LINE, MAX_LINE = 15, 64
"""Characters of a line that is worth a NAK (contract, "From a panel")."""

_CONTACT_ID = re.compile(
    rb"5(?P<receiver>[0-9A-F]{2})(?P<line>[0-9A-F]) (?P<type>18|98)(?P<account>[0-9A-F]{4})"
    rb"(?P<qualifier>[ERP])(?P<event>[0-9A-F]{3})(?P<group>[0-9A-F]{2})(?P<zone>[0-9A-F]{3})\Z"
)
_SIA = re.compile(
    rb"3(?P<receiver>[0-9A-F]{2})(?P<line>[0-9A-F]) {4}(?P<account>(?! *[0-9A-F]+ )[ 0-9A-F]{5}[0-9A-F])"
    rb"(?P<event>[A-Z]{2})(?P<zone>[0-9A-F]{4})\Z"
)
# Receivers differ in how many spaces they put around the @.
_HEARTBEAT = re.compile(rb"1(?P<receiver>[0-9A-F]{2})(?P<line>[0-9A-F]) {1,24}@ {0,8}\Z")
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactIdLine:
    """``5RRLs18AAAAQXYZGGCCC``: a Contact ID event (SIA DC-05). All fields as on the wire."""

    receiver: str
    line: str
    account: str
    qualifier: str
    """E new, R restore, P previous report."""
    event: str
    group: str
    zone: str
    """Zone or user."""

    def to_bytes(self) -> bytes:
        return (
            f"5{self.receiver}{self.line} 18{self.account}"
            f"{self.qualifier}{self.event}{self.group}{self.zone}"
        ).encode("ascii") + TERMINATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class SiaLine:
    """``3RRLssssAAAAAAXXYYYY``: a SIA event (SIA DC-03). ``account`` is without padding spaces."""

    receiver: str
    line: str
    account: str
    event: str
    zone: str

    def to_bytes(self) -> bytes:
        text = f"3{self.receiver}{self.line}    {self.account:>6}{self.event}{self.zone}"
        return text.encode("ascii") + TERMINATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """``1RRL``, 11 spaces, ``@``, 4 spaces: the receiver lives. It wants an ACK like a message."""

    receiver: str
    line: str

    def to_bytes(self) -> bytes:
        return f"1{self.receiver}{self.line}{'':11}@{'':4}".encode("ascii") + TERMINATOR


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A line that nobody understands; ``line`` is without its terminator."""

    line: bytes


Frame = ContactIdLine | SiaLine | Heartbeat


def from_bytes(data: bytes) -> Frame:
    """Exactly one line with its terminator.

    Raises:
        InsufficientData: the terminator has not come yet.
        RemoteProtocolError: it is no line of this protocol, or more than one.
    """
    if TERMINATOR not in data:
        raise InsufficientData("line without its terminator")
    found = _tail(data[:-1]) if data.endswith(TERMINATOR) else None
    if found is None or found[1] != 0:
        raise RemoteProtocolError(f"no Sur-Gard line: {data[: MAX_LINE + 1]!r}")
    return found[0]


class LineReader:
    """Finds the lines in a byte stream; see the rules above."""

    def __init__(self) -> None:
        self._run = b""  # printable characters since the last unprintable one or terminator
        self._dropped = 0  # characters of the same run that no longer fit into _run
        self.noise_bytes = 0
        """Bytes that belonged to no line, so far."""

    def feed(self, data: bytes) -> list[Frame | Undecoded]:
        """The lines that ``data`` completes, in order."""
        if not self._run and (whole := _CONTACT_ID.match(data[:-1])) and data[-1:] == TERMINATOR:
            return [_contact_id(whole)]  # as nearly all that comes
        *ended, rest = data.split(TERMINATOR)
        lines = []
        for piece in ended:
            self._extend(piece)
            line = self._end()
            if line is not None:
                lines.append(line)
        self._extend(rest)
        return lines

    def _extend(self, piece: bytes) -> None:
        after_noise = max((bad.end() for bad in _UNPRINTABLE.finditer(piece)), default=0)
        if after_noise:
            self.noise_bytes += len(self._run) + after_noise
            self._run, self._dropped = b"", 0
        run = self._run + piece[after_noise:]
        overflow = max(len(run) - MAX_LINE, 0)
        self.noise_bytes += overflow
        self._dropped += overflow
        self._run = run[overflow:]

    def _end(self) -> Frame | Undecoded | None:
        run, complete = self._run, self._dropped == 0
        self._run, self._dropped = b"", 0
        found = _tail(run)
        if found is not None:
            frame, skipped = found
            self.noise_bytes += skipped
            return frame
        if complete and len(run) >= MIN_LINE:
            return Undecoded(run)
        self.noise_bytes += len(run) + len(TERMINATOR)
        return None


def _tail(run: bytes) -> tuple[Frame, int] | None:
    """The line at the end of ``run``, and how many bytes stand before it."""
    if match := _CONTACT_ID.search(run):
        return _contact_id(match), match.start()
    if match := _SIA.search(run):
        text = _fields(match)
        text["account"] = text["account"].lstrip()
        return SiaLine(**text), match.start()
    if match := _HEARTBEAT.search(run):
        return Heartbeat(**_fields(match)), match.start()
    return None


def _contact_id(match: re.Match[bytes]) -> ContactIdLine:
    receiver, line, _, account, qualifier, event, group, zone = (
        value.decode("ascii") for value in match.groups()
    )
    return ContactIdLine(
        receiver=receiver,
        line=line,
        account=account,
        qualifier=qualifier,
        event=event,
        group=group,
        zone=zone,
    )


def _fields(match: re.Match[bytes]) -> dict[str, str]:
    return {name: value.decode("ascii") for name, value in match.groupdict().items()}
