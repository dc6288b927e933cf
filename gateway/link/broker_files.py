"""The files of the embedded broker as text: configuration, ACL, passwords. Pure."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.link.topics import TABLE

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

_ITERATIONS = 101
"""PBKDF2 rounds; what mosquitto_passwd 2.0 writes."""

MAX_PACKET_BYTES = (512 + 64) * 1024
"""A picture of 512 KiB, its topic and its properties."""

MAX_QUEUED = 100
"""Messages that may wait for one slow client: two seconds of one talker (mosquitto's 1000 is 20 s)."""

MAX_INFLIGHT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationFacts:
    """What differs between one broker and another. ``user`` is whom mosquitto runs as."""

    host: str
    port: int
    folder: Path
    user: str
    cert_file: Path | None = None
    key_file: Path | None = None


def configuration(facts: ConfigurationFacts) -> str:
    """The text of mosquitto.conf, for mosquitto 2.0.

    ``max_inflight_messages 0``: measured, a subscriber of 5,000 retained topics gets 164 of them
    with a limit of 64 and a queue of 100, all of them without a limit. ``user``: a change of user
    would clear the parent-death signal by which the broker dies with us. No persistence: an
    alarm is safe in the journal and nowhere else.
    """
    lines = [
        "# Written anew at each start; edit the gateway's configuration instead.",
        f"user {facts.user}",
        f"listener {facts.port} {facts.host}",
    ]
    if facts.cert_file is not None and facts.key_file is not None:
        lines += [
            f"certfile {facts.cert_file}",
            f"keyfile {facts.key_file}",
            "tls_version tlsv1.2",
        ]
    lines += [
        "allow_anonymous false",
        f"password_file {facts.folder / 'passwords'}",
        f"acl_file {facts.folder / 'acl'}",
        "set_tcp_nodelay true",
        "max_inflight_messages 0",
        f"max_inflight_bytes {MAX_INFLIGHT_BYTES}",
        f"max_queued_messages {MAX_QUEUED}",
        f"max_packet_size {MAX_PACKET_BYTES}",
        "persistence false",
        "retain_available true",
        "sys_interval 0",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type information",
        "log_timestamp false",
    ]
    return "\n".join(lines) + "\n"


def acl(root: str, discovery: str | None = None) -> str:
    """The ACL: everybody who proved a name reads everything and writes the leaves of that name.

    ``discovery`` is Home Assistant's topic prefix, below which a client may describe itself.

    Reading is not narrowed: recorders, consoles and auditors are clients like any other, and what
    keeps strangers out is the password.
    """
    lines = [f"pattern write {root}/{row.pattern('%u')}" for row in TABLE]
    if discovery is not None:
        lines.append(f"pattern write {discovery}/+/%u/+/config")
        lines.append(f"pattern read {discovery}/#")
    return "\n".join([*lines, f"pattern read {root}/#"]) + "\n"


def password_line(name: str, password: str, salt: bytes) -> str:
    """One line of mosquitto's password file: PBKDF2 with SHA-512."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    encoded = (base64.b64encode(part).decode() for part in (salt, digest))
    return f"{name}:$7${_ITERATIONS}${'$'.join(encoded)}\n"


def passwords(users: Mapping[str, str], salts: Mapping[str, bytes]) -> str:
    """The whole password file; ``salts`` has one of 12 random bytes for each name."""
    return "".join(password_line(name, users[name], salts[name]) for name in sorted(users))


def parse_users(text: str) -> dict[str, str]:
    """``name:password`` lines; empty lines and lines that begin with ``#`` are skipped.

    Raises:
        ValueError: a line is none; the text names its number and never shows a password.
    """
    users: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, separator, password = line.partition(":")
        if not separator or not password:
            raise ValueError(f"line {number}: not name:password")
        if not _NAME.fullmatch(name):
            # A name with + or # would become a wildcard in the ACL's patterns.
            raise ValueError(f"line {number}: a name is a-z, 0-9 and -, at most 64 characters")
        if name in users:
            raise ValueError(f"line {number}: {name} stands there twice")
        users[name] = password
    return users
