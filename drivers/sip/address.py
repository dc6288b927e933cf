"""SIP addresses as options write them and callers give them (RFC 3261, 19.1). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ADDRESS = re.compile(
    r"""(?:sips?:)?
        (?:(?P<user>[^\s@:;?<>"]+)@)?
        (?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+|\*)
        (?::(?P<port>[0-9]{1,5}))?
        (?:;[^\s<>"]*)?""",
    re.VERBOSE,
)
ANY = "*"
"""As the user or host of a listed caller: whoever."""


@dataclass(frozen=True, slots=True)
class Address:
    """``sip:user@host:port``; ``host`` in lower case, an IPv6 one with its brackets."""

    user: str
    host: str
    port: int | None

    @classmethod
    def from_text(cls, text: str) -> Address:
        """Parse; parameters are passed over.

        Raises:
            ValueError: it is none; the text says why, for the operator.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no SIP address; write sip:user@host, or host")
        port = None if match["port"] is None else int(match["port"])
        if port is not None and not 1 <= port <= 65_535:
            raise ValueError(f"{port} is no port; write a number from 1 to 65535")
        return cls(match["user"] or "", match["host"].lower(), port)

    def lists(self, caller: Address) -> bool:
        """Whether this entry of a list means ``caller``; an entry without a port means every port."""
        return (
            self.user in (ANY, caller.user)
            and self.host in (ANY, caller.host)
            and self.port in (None, caller.port)
        )
