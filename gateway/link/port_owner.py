"""Who listens on a TCP port of this machine, read from /proc (Linux)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp."""


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A listener's process; ``pid`` is None where it is not ours to see, ``uid`` always known."""

    uid: int
    pid: int | None = None
    command: str = ""

    def __str__(self) -> str:
        if self.pid is None:
            return f"a process of user {self.uid} that we may not look at"
        return f"process {self.pid} ({self.command})"


def port_owner(port: int) -> PortOwner | None:
    """The process that listens on ``port``, on any address; None where nobody does."""
    found = _listening(port)
    if found is None:
        return None
    inode, uid = found
    pid = _holder(inode)
    return PortOwner(uid) if pid is None else PortOwner(uid, pid, command_of(pid))


def command_of(pid: int) -> str:
    """The command line of a process, or its name where it has none; empty if it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        line = b" ".join(word for word in words if word).decode(errors="replace")
        return line or Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _listening(port: int) -> tuple[str, int] | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # a kernel without IPv6
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                return fields[9], int(fields[7])
    return None


def _holder(inode: str) -> int | None:
    wanted = f"socket:[{inode}]"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            descriptors = list((entry / "fd").iterdir())
            if any(str(descriptor.readlink()) == wanted for descriptor in descriptors):
                return int(entry.name)
        except OSError:  # gone meanwhile, or another user's
            continue
    return None
