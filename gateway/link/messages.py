"""The JSON payloads of the contract, section 2, as frozen dataclasses. Pure codec.

Rules:

1. UTF-8 JSON. Unknown fields are ignored. Duplicate keys, NaN and infinities (``1e999`` too),
   lone surrogates, nesting deeper than 16 and payloads over 64 KiB (an IncidentState: 512 KiB) are
   refused with `RemoteProtocolError` (`gateway.link.strict_json`).
2. What is not known is null, never absent. Fields that a payload has only "where it applies" are
   left out when unset; a reader takes null for them as well.
3. Times are RFC 3339 text (`gateway.moment`) that name an instant which exists; durations are
   float seconds in fields that end in ``_s``; whole numbers fit the 53 bits that JSON readers have.
4. UUIDs are written in lower case; a reader takes either and keeps what it read, so that the
   sender finds its own id again in ``applied``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from gateway.errors import LocalProtocolError, RemoteProtocolError
from gateway.link.strict_json import MAX_PAYLOAD_BYTES, strict_json
from gateway.moment import parse_timestamp

# ``$(?!\n)``: Python's $ also matches before a last line feed, that of JSON Schema does not.
Identifier = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$(?!\n)")]
Uuid = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$(?!\n)",
        description="a UUID; writers use version 7 in lower case",
    ),
]
Time = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$(?!\n)",
        description="RFC 3339 with a zone",
    ),
]
Octet = Annotated[int, msgspec.Meta(ge=0, le=255)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Duration = Annotated[float, msgspec.Meta(ge=0)]
Severity = Annotated[int, msgspec.Meta(ge=1, le=4)]
Talker = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}/[a-z0-9][a-z0-9-]{0,63}$(?!\n)")
]
"""``<client>/<endpoint>``"""
Version = Literal[1]
Signal = Literal["alarm", "restore", "tamper", "fault", "battery", "lost", "test", "cancel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A gateway's presence; ``boot`` is a UUID made at each start of the daemon."""

    v: Version = 1
    state: Literal["online", "offline", "stopping"]
    boot: Uuid
    version: str
    since: Time
    storage: Literal["ok", "fault"] = "ok"
    """Whether the journal stores; ``fault`` while alarms go out as not stored."""
    recording: Literal["ok", "fault"] = "ok"
    """Whether what is to be recorded can be; ``fault`` while the disk has no room for it, or fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """One endpoint as it is now; ``talkgroup`` is where it speaks, ``hears`` what else it plays."""

    v: Version = 1
    endpoint: Identifier
    kind: str
    site: Identifier | None
    health: Literal["ok", "degraded", "fault"]
    faults: tuple[str, ...]
    talkgroup: Identifier | None
    hears: tuple[Identifier, ...]
    ptt: bool
    squelch_open: bool
    input: Literal["normal", "alarm", "tamper", "fault"] | None
    since: Time
    shelved_until: Time | None = None
    """Until when its troubles raise no incident; its alarms always do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorRequest:
    """A client asks for the floor, gives it back, takes a queued request back, asks where it stands, or acknowledges a grant out of the queue."""

    v: Version = 1
    op: Literal["request", "release", "cancel", "queue_position", "ack"]
    talker: Talker
    priority: Octet
    emergency: bool
    seq: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorAnswer:
    """The controller's answer; ``seq`` is the request's, ``cause`` a number of TS 24.380; ``position`` is told again when it changes."""

    v: Version = 1
    op: Literal["granted", "denied", "queued", "revoked"]
    talker: Talker
    seq: Count
    term: U32
    grant: U32
    tot_s: Duration | msgspec.UnsetType = msgspec.UNSET
    cause: Count | msgspec.UnsetType = msgspec.UNSET
    cause_text: str | msgspec.UnsetType = msgspec.UNSET
    position: Count | msgspec.UnsetType = msgspec.UNSET
    retry_after_s: Duration | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorState:
    """The floor of one talkgroup as its controller holds it."""

    v: Version = 1
    state: Literal["idle", "taken", "revoking", "hang"]
    talker: Talker | None
    priority: Octet
    emergency: bool
    term: U32
    grant: U32
    since: Time
    queue: tuple[Talker, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmEvent:
    """One signal as its gateway stored it; ``stored`` is false only when the journal could not be written."""

    v: Version = 1
    id: Uuid
    gateway: Identifier
    site: Identifier | None
    endpoint: Identifier | None
    signal: Signal
    category: str | None
    code: str | None
    account: str | None
    zone: str | None
    text: str
    time: Time
    seq: Count
    boot: Uuid
    drill: bool
    stored: bool
    covert: bool = False
    """Nothing at the place may show or sound that it was raised."""
    shelved: bool = False
    """A trouble that raised no incident because its endpoint is shelved."""
    folded: Count = 0
    """How many further signals of a flapping input this one stands for; each is in the journal."""
    by: str | None = None
    """Who raised it by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One group being called to one incident; ``level`` counts from 1."""

    v: Version = 1
    id: Uuid
    incident: Uuid
    group: Identifier
    level: Count
    title: str
    category: str | None
    severity: Severity
    site: Identifier | None
    site_name: str | None
    endpoint: Identifier | None
    endpoints: tuple[Identifier, ...]
    position: tuple[float, float] | None
    talkgroup: str | None
    drill: bool
    raised: Time
    sent: Time
    ack_within_s: Duration
    covert: bool = False
    text: str | None = None
    """What whoever raised it said about it."""
    level_name: str | None = None
    place: str | None = None
    """Where at the site, for people."""
    announce: Literal["wait", "pre-empt", "off"] = "wait"
    """How those who serve the group speak it on its talkgroup."""


ActionName = Literal[
    "receipt",
    "ack",
    "unack",
    "decline",
    "en_route",
    "on_scene",
    "handled",
    "escalate",
    "cancel",
    "reset",
    "note",
    "close",
    "merge",
    "hand_over",
]
Verdict = Literal["true", "false", "test", "unknown"]
"""What a disposition says about the alarm itself; a source's precision is true / (true + false)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a person, or a machine (``receipt``), did about an incident."""

    v: Version = 1
    id: Uuid
    incident: Uuid
    group: Identifier | None
    by: str
    action: ActionName
    time: Time
    page: Uuid | msgspec.UnsetType = msgspec.UNSET
    note: str | msgspec.UnsetType = msgspec.UNSET
    disposition: str | msgspec.UnsetType = msgspec.UNSET
    verdict: Verdict | msgspec.UnsetType = msgspec.UNSET
    """``close``: instead of the disposition's own."""
    level: Count | msgspec.UnsetType = msgspec.UNSET
    """``escalate``: to this level (from 1) instead of the next."""
    into: Uuid | msgspec.UnsetType = msgspec.UNSET
    """``merge``: the incident of the same owner that goes on for both."""
    to: str | msgspec.UnsetType = msgspec.UNSET
    """``hand_over``: who has it from now on."""


GroupProgress = Literal[
    "paged", "received", "acked", "declined", "en_route", "on_scene", "handled", "stood_down"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """How far one paged group is; the times are null until they happen."""

    party: Identifier
    state: GroupProgress
    level: Count
    paged: Time | None
    received: Time | None
    acked: Time | None
    arrived: Time | None
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A clock that ran out: ``kind`` names it, ``level`` is where."""

    kind: str
    level: Count
    time: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What somebody remarked about an incident."""

    by: str
    text: str
    time: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An action that changed nothing, and why."""

    id: Uuid
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentState:
    """An incident as its owner holds it; of several copies the highest (owner_term, seq) holds."""

    v: Version = 1
    id: Uuid
    state: Literal["open", "answered", "resolved", "closed"]
    level: Count
    plan: Identifier | None
    category: str | None
    severity: Severity
    site: Identifier | None
    site_name: str | None
    endpoint: Identifier | None
    endpoints: tuple[Identifier, ...]
    drill: bool
    raised: Time
    latched: bool
    input: Literal["alarm", "restored"]
    talkgroup: str | None
    groups: dict[Identifier, GroupState]
    breaches: tuple[Breach, ...]
    disposition: str | None
    closed: Time | None
    owner: Identifier
    owner_term: Count
    seq: Count
    applied: tuple[Uuid, ...]
    refused: Refusal | None
    covert: bool = False
    text: str | None = None
    """What whoever raised it said about it."""
    home: Identifier | None = None
    """The gateway that raised it; another one is ``owner`` while it stands in for that."""
    handler: str | None = None
    """The operator who has it, as the last ``hand_over`` says."""
    notes: tuple[Note, ...] = ()
    """The newest remarks; the journal has them all."""
    verdict: Verdict | None = None
    merged: tuple[Uuid, ...] = ()
    """Incidents that go on in this one."""
    merged_into: Uuid | None = None
    shortfalls: tuple[str, ...] = ()
    """Whom a level wanted and could not call, and why."""
    hot_mic_until: Time | None = None
    """Until when the microphones of its endpoints are open on ``talkgroup`` without anybody pressing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A gateway has the floor of ``talkgroup`` to announce a page: others leave it to that one.

    What it says is the same for every group that is paged to ``level`` of the incident there.
    """

    v: Version = 1
    page: Uuid
    incident: Uuid
    group: Identifier
    level: Count
    talkgroup: Identifier
    by: Identifier
    time: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchMembers:
    """Who is joined: endpoints of these talkgroups, and single ones as ``<gateway>/<endpoint>``."""

    talkgroups: tuple[Identifier, ...]
    endpoints: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchState:
    """Talkgroups and endpoints that a person has joined on ``talkgroup``, until ``until``.

    Each gateway joins its own endpoints, as for an incident; an incident's patch has precedence.
    """

    v: Version = 1
    id: Uuid
    name: str
    talkgroup: Identifier
    members: PatchMembers
    owner: Identifier
    by: str
    since: Time
    until: Time
    seq: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """A responder's client: whom it answers for, where it is, and how often it says so.

    Published again each ``interval_s``; without a fix ``position`` and ``fixed`` are null.
    """

    v: Version = 1
    client: Identifier
    groups: tuple[Identifier, ...]
    on_duty: bool
    position: tuple[float, float] | None
    fixed: Time | None
    interval_s: Duration
    time: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """A gateway asks another one for a sign of life; it asks again each ``interval_s``."""

    v: Version = 1
    interval_s: Duration
    time: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class Alive:
    """A gateway's answer to whoever asks: its event loop turns, and the broker is reached."""

    v: Version = 1
    boot: Uuid
    time: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalHead:
    """The newest link of a gateway's journal: whoever keeps it can prove a later cut."""

    v: Version = 1
    gateway: Identifier
    seq: Count
    hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
    time: Time


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmFigures:
    """How busy a gateway's alarm side is, after EEMUA 191; the ``..10min`` are of the last 600 s."""

    v: Version = 1
    gateway: Identifier
    time: Time
    signals: Count
    """Since the start of the gateway."""
    signals_10min: Count
    alarms_10min: Count
    """Of these, what was new to an operator: opened or joined an incident."""
    peak_10min: Count
    """The largest ``alarms_10min`` since the start."""
    flood: bool
    floods: Count
    flood_s: Duration
    """How long floods lasted, all together."""
    standing: Count
    """Incidents that are not closed."""
    stale: Count
    """Of these, older than a day."""
    shelved: Count
    folded: Count
    waiting: Count
    """Signals taken and not yet decided."""
    refused: Count
    busiest: dict[str, Count]
    """The ten subjects with the most signals in the last 600 s."""


Message = (
    Status
    | EndpointState
    | FloorRequest
    | FloorAnswer
    | FloorState
    | AlarmEvent
    | Page
    | Action
    | IncidentState
    | Announced
    | PatchState
    | Presence
    | Ping
    | Alive
    | JournalHead
    | AlarmFigures
)
M = TypeVar("M")


MAX_STATE_BYTES = 512 * 1024
"""Of an IncidentState: about 2,500 groups, at 200 bytes each; no more than a picture (contract)."""


def longest_payload(kind: type) -> int:
    """The most bytes that a message of ``kind`` may have."""
    return MAX_STATE_BYTES if kind is IncidentState else MAX_PAYLOAD_BYTES


def encode(message: Message) -> bytes:
    """The payload of one message.

    Raises:
        LocalProtocolError: a value is outside the contract (NaN, a bad identifier): ours to mend.
    """
    kind = type(message)
    try:
        # A round through the reader's checks: what we would refuse, we do not send. Of those in
        # `strict_json` only size is left to look at, the encoder writes nothing else that it refuses.
        payload = msgspec.json.encode(message)
        _READERS[kind].decode(payload)
        for time in _times(message):
            _check_time(time)
    except (msgspec.MsgspecError, ValueError, OverflowError, TypeError, KeyError) as error:
        raise LocalProtocolError(f"{kind.__name__}: {error}") from error
    _check_length(kind, payload)
    return payload


def encode_known(message: Message) -> bytes:
    """The payload of a message that was made of what was checked before.

    Its names come from the configuration, its ids and times were made here, the rest was read off
    the wire by `decode`: its form is not gone over again, which takes longer than everything else.
    What text can do wrong is found all the same.

    Raises:
        LocalProtocolError: a text cannot be written as UTF-8, or it is too large.
    """
    kind = type(message)
    try:
        payload = msgspec.json.encode(message)
    except (ValueError, OverflowError, TypeError) as error:
        raise LocalProtocolError(f"{kind.__name__}: {error}") from error
    _check_length(kind, payload)
    return payload


def _check_length(kind: type, payload: bytes) -> None:
    longest = longest_payload(kind)
    if len(payload) > longest:
        raise LocalProtocolError(f"{kind.__name__}: {len(payload)} bytes; at most {longest}")


def decode(kind: type[M], payload: bytes) -> M:
    """One message of ``kind`` from a payload off the wire.

    Raises:
        RemoteProtocolError: the payload is not what the contract says; nothing was made of it.
    """
    value = strict_json(payload, longest_payload(kind))
    if isinstance(value, dict):
        if "v" not in value:  # has a default for us who write it, none for those who send it
            raise RemoteProtocolError(f"{kind.__name__}: no field `v`")
        for name in WHERE_IT_APPLIES.get(kind, ()):
            if value.get(name, 0) is None:
                del value[name]
    try:
        message = msgspec.convert(value, kind, strict=True)
        for time in _times(message):
            _check_time(time)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise RemoteProtocolError(f"{kind.__name__}: {error}") from error
    return message


@lru_cache(maxsize=4096)
def _check_time(time: str) -> None:
    """Raise ValueError where there is no such instant; one message names the same one many times."""
    parse_timestamp(time)


def _time_fields(kind: type) -> tuple[str, ...]:
    return tuple(
        name
        for name, hint in get_type_hints(kind, include_extras=True).items()
        if hint is Time or (get_origin(hint) is not Annotated and Time in get_args(hint))
    )


KINDS: tuple[type, ...] = get_args(Message)
"""Every message class."""

_READERS: dict[type, msgspec.json.Decoder[object]] = {
    kind: msgspec.json.Decoder(kind, strict=True) for kind in KINDS
}

WHERE_IT_APPLIES = {
    kind: tuple(one.name for one in dataclasses.fields(kind) if one.default is msgspec.UNSET)
    for kind in KINDS
}
"""The fields that a payload may do without, which then say nothing."""

HAVE_DEFAULTS = {
    kind: {
        one.name: one.default
        for one in dataclasses.fields(kind)
        if one.name != "v" and one.default not in (msgspec.UNSET, dataclasses.MISSING)
    }
    for kind in KINDS
}
"""Fields added to the contract's: we always write them, and read what was written without them."""

_TIME_FIELDS = {kind: _time_fields(kind) for kind in (*KINDS, GroupState, Breach, Note)}
"""The fields that are a `Time`, or a `Time` or null."""


def _times(message: object) -> Iterator[str]:
    """Every time in a message; the pattern has seen to the form, not to the 31st of February."""
    for name in _TIME_FIELDS.get(type(message), ()):
        time = getattr(message, name)
        if time is not None:
            yield time
    if isinstance(message, IncidentState):
        for part in (*message.groups.values(), *message.breaches, *message.notes):
            yield from _times(part)
