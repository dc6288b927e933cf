"""Why a floor request is denied and a grant revoked: the numbers of TS 24.380 with their texts. Pure."""

from __future__ import annotations

from enum import IntEnum


class Deny(IntEnum):
    """Causes of a Floor Deny."""

    ANOTHER_HAS_PERMISSION = 1
    INTERNAL_ERROR = 2
    ONLY_ONE_PARTICIPANT = 3
    RETRY_AFTER_NOT_EXPIRED = 4
    RECEIVE_ONLY = 5
    NO_RESOURCES = 6
    QUEUE_FULL = 7
    OTHER = 255

    @property
    def text(self) -> str:
        """The cause in words, for people."""
        return _DENY_TEXTS[self]


class Revoke(IntEnum):
    """Causes of a Floor Revoke."""

    ONLY_ONE_CLIENT = 1
    MEDIA_BURST_TOO_LONG = 2
    NO_PERMISSION = 3
    PREEMPTED = 4
    NO_RESOURCES = 6
    OTHER = 255

    @property
    def text(self) -> str:
        """The cause in words, for people."""
        return _REVOKE_TEXTS[self]


_DENY_TEXTS = {
    Deny.ANOTHER_HAS_PERMISSION: "another client has permission",
    Deny.INTERNAL_ERROR: "internal error of the floor controller",
    Deny.ONLY_ONE_PARTICIPANT: "only one participant",
    Deny.RETRY_AFTER_NOT_EXPIRED: "retry-after has not expired",
    Deny.RECEIVE_ONLY: "receive only",
    Deny.NO_RESOURCES: "no resources",
    Deny.QUEUE_FULL: "queue full",
    Deny.OTHER: "other reason",
}
_REVOKE_TEXTS = {
    Revoke.ONLY_ONE_CLIENT: "only one client",
    Revoke.MEDIA_BURST_TOO_LONG: "media burst too long",
    Revoke.NO_PERMISSION: "no permission to send",
    Revoke.PREEMPTED: "pre-empted",
    Revoke.NO_RESOURCES: "no resources",
    Revoke.OTHER: "other reason",
}
