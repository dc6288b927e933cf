"""Options of the ``sip`` audio driver."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen, MultipleOf

from drivers._address import host_and_port
from drivers.sip.address import ANY, Address


@dataclass(frozen=True, slots=True, kw_only=True)
class SipOptions:
    """A SIP intercom, door station or telephone; needs the extra ``sip``.

    Either it is called and kept called (``call``), or it calls when somebody rings
    (``accept_from``). Who calls is what the caller's ``From`` says, which nobody proves: let
    only the intercoms' own network reach this port.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    call: str | None = None
    """Address to call, such as ``sip:gate@10.0.0.7``. Called again when the call ends; who calls here is refused."""
    accept_from: Annotated[tuple[str, ...], MaxLen(100)] = ()
    """Who may call instead, one at a time, such as ``sip:gate@10.0.0.7``; ``*`` stands for any user or host. Others are refused."""
    listen: str | None = None
    """``address:port`` of this machine for SIP, such as ``10.0.0.1:5060``; needed where calls come without a registrar. Default is a free port."""
    transport: Literal["udp", "tcp"] = "udp"
    """How SIP travels."""
    username: Annotated[str, MinLen(1)] = "baiying"
    """User part of our own address; with a registrar the account's name."""
    registrar: str | None = None
    """``host`` or ``host:port`` of the SIP server to register at; calls then go through it."""
    auth_username: Annotated[str, MinLen(1)] | None = None
    """Name to authenticate with, where it is not ``username``."""
    password_file: Path | None = None
    """File whose first line is the account's password."""
    register_every_s: Annotated[int, Ge(20), Le(3_600)] = 60
    """Seconds a registration is asked for; a registrar that is gone is noticed when it is renewed."""
    codecs: Annotated[tuple[Literal["opus", "g722", "pcma", "pcmu"], ...], MinLen(1)] = (
        "opus",
        "g722",
        "pcma",
        "pcmu",
    )
    """Codecs to offer, the best first."""
    rate_hz: Annotated[int, Ge(8_000), Le(48_000), MultipleOf(50)] = 16_000
    """Sample rate towards the gateway, whatever the call uses. 8, 12, 16, 24 and 48 kHz need no further conversion."""
    answer_within_s: Annotated[float, Ge(1), Le(120)] = 20.0
    """Seconds to wait for ``call`` to be answered."""
    silent_s: Annotated[int, Ge(0), Le(60)] = 5
    """Seconds without any packet of audio after which a call counts as lost; 0, for an intercom that sends none in silence, is never."""

    def __post_init__(self) -> None:
        if (self.call is None) == (not self.accept_from):
            raise ValueError("give either call or accept_from")
        for text in (*self.accept_from, *(() if self.call is None else (self.call,))):
            Address.from_text(text)
        if self.call is not None and ANY in self.call:
            raise ValueError(f"call {self.call!r} must be one address")
        if self.listen is None:
            if self.accept_from and self.registrar is None:
                raise ValueError("calls need listen or registrar to arrive at")
        else:
            ipaddress.ip_address(host_and_port(self.listen)[0])
        if self.registrar is not None and Address.from_text(self.registrar).user:
            raise ValueError(f"registrar {self.registrar!r} is no host; username names the user")
        if self.registrar is None and (self.password_file or self.auth_username):
            raise ValueError("password_file and auth_username need a registrar")
        for key in ("username", "auth_username"):
            value = getattr(self, key)
            if value is not None and (
                set(value) & set('@:;<>"?\\') or not value.isprintable() or " " in value
            ):
                raise ValueError(f"{key} {value!r} holds what no SIP user name may")

    def occupies(self) -> Iterable[str]:
        return () if self.listen is None else (f"udp {self.listen}",)
