"""A signal whose guard is running, as it stands in the journal. Pure codec."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.alarm.journal.rows import Kind, Row
from gateway.alarm.signals.contact import Directory, Sighting, sighting_of
from gateway.errors import StorageError
from gateway.ports import AlarmSignal, SignalKind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    endpoint: str
    line: str | None
    zone: str | None
    account: str | None
    code: str | None
    kind: str | None
    text: str


_DECODER = msgspec.json.Decoder(_Held)


def rows_of(began: tuple[Sighting, ...], ended: tuple[str, ...]) -> list[Row]:
    """What is to be stored of guards that began and ended."""
    rows = [Row(Kind.HELD, one.subject, _to_bytes(one)) for one in began if one.source is not None]
    return rows + [Row(Kind.LET_GO, subject, b"") for subject in ended]


def from_bytes(body: bytes, directory: Directory) -> Sighting | None:
    """The signal of a row; None where its endpoint is no longer configured.

    Raises:
        StorageError: the row is damaged.
    """
    try:
        held = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StorageError(f"held signal: {error}") from error
    source = directory.named(held.endpoint)
    if source is None:
        return None
    signal = AlarmSignal(
        signal=SignalKind.ALARM,
        line=held.line,
        zone=held.zone,
        account=held.account,
        code=held.code,
        category=held.kind,
        text=held.text,
    )
    return sighting_of(source, signal)


def _to_bytes(sighting: Sighting) -> bytes:
    assert sighting.source is not None
    held = _Held(
        endpoint=sighting.source.endpoint,
        line=sighting.source.line,
        zone=sighting.zone,
        account=sighting.account,
        code=sighting.code,
        kind=sighting.contact.kind,
        text=sighting.text,
    )
    return msgspec.json.encode(held)
