"""The little of HTTP/1.1 (RFC 9112) that fetching one picture needs. Pure codec."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from gateway.errors import InsufficientData, RemoteProtocolError

MAX_HEAD_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to fetch from; ``target`` is path and query as they go into the request."""

    host: str
    port: int
    secure: bool
    target: str
    username: str | None
    password: str | None

    @classmethod
    def from_url(cls, url: str) -> Address:
        """Take an ``http://`` or ``https://`` address apart.

        Raises:
            ValueError: it is neither.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no http:// or https:// address")
        if any(character <= " " or character == "\x7f" for character in url):
            raise ValueError(f"{url!r} contains a space or a control character")
        secure = parts.scheme == "https"
        return cls(
            host=parts.hostname,
            port=parts.port or (443 if secure else 80),
            secure=secure,
            target=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )


def request_bytes(address: Address, authorization: str | None) -> bytes:
    """A GET that closes the connection after its answer."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    lines = [
        f"GET {address.target} HTTP/1.1",
        f"Host: {host}:{address.port}",
        "Accept: image/jpeg, */*;q=0.1",
        "User-Agent: baiying",
        "Connection: close",
    ]
    if authorization is not None:
        lines.append(f"Authorization: {authorization}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer; names in lower case, in order, repeated ones kept."""

    status: int
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> Head:
        """Parse up to and with the empty line.

        Raises:
            InsufficientData: the empty line has not come yet.
            RemoteProtocolError: this is no answer of HTTP/1.
        """
        if len(data) > MAX_HEAD_BYTES:
            raise RemoteProtocolError(f"HTTP headers of more than {MAX_HEAD_BYTES} bytes")
        text = data.decode("latin-1")
        if not text.endswith("\r\n\r\n"):
            raise InsufficientData("HTTP headers without their end")
        first, *rest = text[:-4].split("\r\n")
        version, _, status = first.partition(" ")
        if (
            not version.startswith("HTTP/1.")
            or not status[:3].isascii()
            or not status[:3].isdigit()
        ):
            raise RemoteProtocolError(f"no HTTP answer: {first[:40]!r}")
        headers = []
        for line in rest:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise RemoteProtocolError(f"no HTTP header: {line[:40]!r}")
            headers.append((name.lower(), value.strip()))
        return cls(int(status[:3]), tuple(headers))

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def length(self) -> int | None:
        """Bytes of the body; None where only the end of the connection tells.

        Raises:
            RemoteProtocolError: the length is no number, or there are several.
        """
        lengths = set(self.all("content-length"))
        if not lengths:
            return None
        (text, *others) = lengths
        if others or not (text.isascii() and text.isdigit()):
            raise RemoteProtocolError(f"HTTP body of {sorted(lengths)} bytes")
        return int(text)

    def chunked(self) -> bool:
        return any("chunked" in value.lower() for value in self.all("transfer-encoding"))


def chunk_length(line: bytes) -> int:
    """Length in a chunk's first line; 0 is the last chunk.

    Raises:
        RemoteProtocolError: there is none.
    """
    digits = line.split(b";")[0].strip()
    if not digits or len(digits) > 8 or digits.strip(b"0123456789abcdefABCDEF"):
        raise RemoteProtocolError(f"no chunk length: {line[:20]!r}")
    return int(digits, 16)
