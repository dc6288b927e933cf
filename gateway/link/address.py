"""Where the broker is and how a client proves itself to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gateway.errors import LinkError

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files of a TLS client.

    ``ca_file`` names the authorities to trust, None the system's. ``pinned_file`` trusts exactly
    the certificate in it instead, whatever name it bears: for the broker that is our own child.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    pinned_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A client context; reads files, so call it off the loop.

        Raises:
            LinkError: a file is missing or holds no PEM.
        """
        try:
            if self.pinned_file is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.load_verify_locations(self.pinned_file)
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
                context.check_hostname = False
            else:
                context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            names = (self.pinned_file, self.ca_file, self.cert_file, self.key_file)
            files = ", ".join(str(name) for name in names if name is not None)
            raise LinkError(f"cannot use {files or 'the system certificates'}: {error}") from error
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """A broker to connect to. Without ``username`` the client stays anonymous."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        scheme = "mqtt" if self.tls is None else "mqtts"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


def parse_url(url: str) -> tuple[str, int, bool]:
    """``mqtt://host:1883`` or ``mqtts://host:8883`` as host, port and whether TLS is spoken.

    Raises:
        ValueError: it is neither; the text says what is wrong.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"{url!r} begins with neither mqtt:// nor mqtts://")
    if not parts.hostname:
        raise ValueError(f"{url!r} names no host")
    if parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{url!r} has more than a host and a port")
    return parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme == "mqtts"


def parse_listen(listen: str) -> tuple[str, int]:
    """``host:port`` (``[::1]:1883`` for IPv6) of the embedded broker.

    Raises:
        ValueError: it is none, or the port is outside 1 to 65535.
    """
    host, separator, port = listen.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{listen!r}: write an IPv6 address in brackets")
    if not separator or not host or not port.isascii() or not port.isdigit():
        raise ValueError(f"{listen!r} is not host:port")
    if not 1 <= int(port) <= 65_535:
        raise ValueError(f"{listen!r}: a port is 1 to 65535")
    return host, int(port)


def read_password(path: Path) -> str:
    """The first line of a password file.

    Raises:
        LinkError: the file cannot be read, or its first line is empty.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            password = lines.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LinkError(f"cannot read the password file {path}: {error}") from error
    if not password:
        raise LinkError(f"the first line of the password file {path} is empty")
    return password
