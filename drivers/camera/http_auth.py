"""Basic (RFC 7617) and digest (RFC 7616) authentication of an HTTP client. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest

_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
# A scheme begins the header or follows a comma, and is not itself followed by "=".
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][A-Za-z0-9-]*)(?=\s+[A-Za-z0-9_-]+\s*=|\s*(?:,|$))")
# Cameras ask for MD5; it protects the password on the wire and nothing else.
_HASHES: dict[str, Callable[[bytes], str]] = {
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
    "sha-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One scheme that the server offers; ``scheme`` and parameter names in lower case."""

    scheme: str
    parameters: dict[str, str]

    @property
    def algorithm(self) -> str:
        return self.parameters.get("algorithm", "MD5")


def challenges(headers: Iterable[str]) -> list[Challenge]:
    """The challenges in the values of WWW-Authenticate headers, in order."""
    found = []
    for header in headers:
        # What is quoted may look like a scheme, so it is blanked while schemes are looked for.
        blanked = re.sub(r'"(?:[^"\\]|\\.)*"', lambda quoted: "_" * len(quoted.group()), header)
        starts = list(_SCHEME.finditer(blanked))
        for start, after in zip_longest(starts, starts[1:]):
            end = len(header) if after is None else after.start()
            parameters = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
                for name, quoted, plain in _PARAMETER.findall(header[start.end() : end])
            }
            found.append(Challenge(start.group(1).lower(), parameters))
    return found


def choose(offered: Iterable[Challenge]) -> Challenge | None:
    """The strongest challenge that can be answered; None if there is none."""
    usable = [challenge for challenge in offered if _strength(challenge)]
    return max(usable, key=_strength, default=None)


def _strength(challenge: Challenge) -> int:
    if challenge.scheme == "basic":
        return 1
    name = challenge.algorithm.lower().removesuffix("-sess")
    if challenge.scheme != "digest" or name not in _HASHES or "nonce" not in challenge.parameters:
        return 0
    qop = challenge.parameters.get("qop")
    if qop is not None and "auth" not in _listed(qop):
        return 0
    return 2 if name == "md5" else 3


def _listed(text: str) -> list[str]:
    return [item.strip().lower() for item in text.split(",")]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks."""

    username: str
    password: str

    def answer(
        self, challenge: Challenge, method: str, target: str, *, cnonce: str, count: int = 1
    ) -> str:
        """Value of the Authorization header for ``challenge``, which `choose` has chosen.

        ``cnonce`` is a random text of ours, ``count`` how often its nonce has been used with it.
        """
        if challenge.scheme == "basic":
            token = base64.b64encode(f"{self.username}:{self.password}".encode())
            return f"Basic {token.decode('ascii')}"
        return self._digest(challenge, method, target, cnonce, f"{count:08x}")

    def _digest(
        self, challenge: Challenge, method: str, target: str, cnonce: str, count: str
    ) -> str:
        given = challenge.parameters
        algorithm = challenge.algorithm
        hash_hex = _HASHES[algorithm.lower().removesuffix("-sess")]

        def hashed(*parts: str) -> str:
            return hash_hex(":".join(parts).encode("utf-8"))

        realm, nonce = given.get("realm", ""), given["nonce"]
        a1 = hashed(self.username, realm, self.password)
        if algorithm.lower().endswith("-sess"):
            a1 = hashed(a1, nonce, cnonce)
        a2 = hashed(method, target)
        fields = [
            ("username", _quoted(self.username)),
            ("realm", _quoted(realm)),
            ("nonce", _quoted(nonce)),
            ("uri", _quoted(target)),
        ]
        if "qop" in given:
            response = hashed(a1, nonce, count, cnonce, "auth", a2)
            fields += [("qop", "auth"), ("nc", count), ("cnonce", _quoted(cnonce))]
        else:  # RFC 2069, which old cameras still speak
            response = hashed(a1, nonce, a2)
            if algorithm.lower().endswith("-sess"):
                fields.append(("cnonce", _quoted(cnonce)))
        fields.append(("response", _quoted(response)))
        if "algorithm" in given:
            fields.append(("algorithm", algorithm))
        if "opaque" in given:
            fields.append(("opaque", _quoted(given["opaque"])))
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields)


def _quoted(text: str) -> str:
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'
