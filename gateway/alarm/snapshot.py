"""An incident as it stands in the journal: JSON with a version, complete. Pure codec.

``{"v": 1, "state": IncidentState, "boot": kernel boot id, "record": IncidentRecord}``. ``state`` is
what was published, for reports; a restart reads ``boot`` and ``record`` only.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.alarm.record import IncidentRecord
from gateway.errors import StorageError

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A record and the kernel boot whose clock its deadlines are on."""

    v: int
    boot: str
    record: IncidentRecord


_DECODER = msgspec.json.Decoder(Snapshot)


def to_bytes(record: IncidentRecord, kernel_boot: str, published: bytes | None) -> bytes:
    """A snapshot; ``published`` is the encoded IncidentState."""
    return msgspec.json.encode(
        {
            "v": VERSION,
            "state": None if published is None else msgspec.Raw(published),
            "boot": kernel_boot,
            "record": record,
        }
    )


def from_bytes(body: bytes) -> Snapshot:
    """The snapshot of a journal row.

    Raises:
        StorageError: it is damaged, or a newer version's.
    """
    try:
        snapshot = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StorageError(f"snapshot of an incident: {error}") from error
    if snapshot.v != VERSION:
        raise StorageError(f"snapshot of an incident: version {snapshot.v}, not {VERSION}")
    if not 1 <= snapshot.record.level <= max(len(snapshot.record.case.steps), 1):
        raise StorageError(f"snapshot of an incident: no level {snapshot.record.level}")
    return snapshot
