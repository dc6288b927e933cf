"""An incident as it stands in the journal: JSON with a version, complete. Pure codec.

``{"v": 2, "state": IncidentState, "boot": kernel boot id, "record": IncidentRecord}``. ``state`` is
what was published, for reports; a restart reads ``boot`` and ``record`` only. Version 1 had a list of
parties, or null, for a step's quorum; it is still read.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.alarm.incidents.record import IncidentRecord
from gateway.errors import StorageError

VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A record and the kernel boot whose clock its deadlines are on."""

    v: int
    boot: str
    record: IncidentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    v: int


_DECODER = msgspec.json.Decoder(Snapshot)
_VERSION = msgspec.json.Decoder(_Version)


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
        version = _VERSION.decode(body).v
        if version not in (1, VERSION):
            raise StorageError(f"snapshot of an incident: version {version}, not {VERSION}")
        snapshot = _DECODER.decode(body if version == VERSION else _from_version_1(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise StorageError(f"snapshot of an incident: {error}") from error
    if not 1 <= snapshot.record.level <= max(len(snapshot.record.case.steps), 1):
        raise StorageError(f"snapshot of an incident: no level {snapshot.record.level}")
    return snapshot


def _from_version_1(body: bytes) -> bytes:
    snapshot = msgspec.json.decode(body)
    for step in snapshot["record"]["case"]["steps"]:
        step["quorum"] = {"parties": step["quorum"] or []}
    # Its targets were not yet kept: no clock of it is to run out now.
    off = dict.fromkeys(("ack", "en_route", "on_scene", "handled"))
    snapshot["record"]["case"]["targets"] = off
    snapshot["record"]["case"]["home"] = snapshot["record"]["owner"]
    return msgspec.json.encode(snapshot | {"v": VERSION})
