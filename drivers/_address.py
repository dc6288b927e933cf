"""``host:port`` as drivers' options write it. Pure."""

from __future__ import annotations


def host_and_port(text: str) -> tuple[str, int]:
    """The two parts of ``host:port`` or ``[v6-address]:port``.

    Raises:
        ValueError: it is neither; the text says why, for the operator.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} is ambiguous; write an IPv6 address as [address]:port")
    if not colon or not host:
        raise ValueError(f"{text!r} is no address; write host:port, such as 127.0.0.1:5001")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65_535):
        raise ValueError(f"{port!r} is no port; write a number from 1 to 65535")
    return host, int(port)
