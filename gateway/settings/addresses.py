"""Addresses as the configuration writes them. Pure."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

EMBEDDED = "embedded"
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Address(NamedTuple):
    """A host and a TCP or UDP port; an IPv6 host without its brackets."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than ``localhost`` is not trusted."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


class BrokerAddress(NamedTuple):
    """An external broker."""

    host: str
    port: int
    tls: bool


def listen_address(text: str) -> Address:
    """``host:port`` or ``[v6]:port``.

    Raises:
        ValueError: it is none; the text says ``what; hint``.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
        extra = parts.username is not None or parts.path or parts.query or parts.fragment
    except ValueError:
        host, port, extra = None, None, True
    if not host or not port or extra or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is no host:port; write for example 127.0.0.1:1883")
    return Address(host, port)


def udp_address(text: str) -> Address:
    """``ip:port`` or ``[v6]:port``, without names, which would have to be looked up while people talk.

    Raises:
        ValueError: it is none; the text says ``what; hint``.
    """
    address = listen_address(text)
    try:
        ipaddress.ip_address(address.host)
    except ValueError:
        raise ValueError(
            f"{address.host!r} is no IP address; write for example 127.0.0.1:5004"
        ) from None
    return address


def broker_address(text: str) -> BrokerAddress | None:
    """``mqtt://host:port`` or ``mqtts://host:port``; None for ``embedded``. Default ports 1883 and 8883.

    Raises:
        ValueError: it is none; the text says ``what; hint``.
    """
    if text == EMBEDDED:
        return None
    hint = "write embedded, mqtt://host:1883 or mqtts://host:8883"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{text!r} is no broker address; {hint}") from None
    if parts.scheme not in _PORTS or not host or port == 0 or any(map(str.isspace, text)):
        raise ValueError(f"{text!r} is no broker address; {hint}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "a broker address holds no user or password; use username and password_file"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"{text!r} has a path, which MQTT over TCP does not; {hint}")
    return BrokerAddress(host, port or _PORTS[parts.scheme], parts.scheme == "mqtts")
