"""A talker, a broker and a listener, each in a network namespace, with a bad link on both hops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.link.broker_files import ConfigurationFacts, acl, configuration, passwords

ROOT = Path(__file__).parents[1]
PORT = 1883
BROKER = {"talker": "10.99.1.1", "listener": "10.99.2.1"}
"""The broker's address, as either end has it."""
PASSWORD = "word"


def possible() -> bool:
    """Whether this user may make namespaces and tun devices, and the programs are there."""
    programs = all(shutil.which(name) for name in ("ip", "mosquitto"))
    if os.geteuid() or not programs or not Path("/dev/net/tun").exists():
        return False
    name = f"baiying-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return made.returncode == 0


@dataclass(slots=True)
class World:
    """What runs; `loss` changes both hops at once."""

    names: dict[str, str]
    carrier: asyncio.subprocess.Process

    def loss(self, chance: float) -> None:
        assert self.carrier.stdin is not None
        self.carrier.stdin.write(f"{chance}\n".encode())

    def command(self, where: str, *words: str) -> list[str]:
        """``words`` as a command within a namespace."""
        return ["ip", "netns", "exec", self.names[where], *words]

    @contextlib.asynccontextmanager
    async def program(
        self, where: str, *words: str, output: int | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process in a namespace for the length of a block."""
        process = await asyncio.create_subprocess_exec(
            *self.command(where, *words), cwd=ROOT, stdout=output, limit=1 << 24
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@contextlib.asynccontextmanager
async def world(
    folder: Path, *, delay: float = 0.02, seed: int = 1, congestion: str = "cubic"
) -> AsyncIterator[World]:
    """Namespaces, carrier and a broker with the configuration of the embedded one.

    ``delay`` is one way, of each hop.
    """
    names = {who: f"by{os.getpid()}-{seed}-{who}" for who in ("talker", "broker", "listener")}
    async with contextlib.AsyncExitStack() as stack:
        for name in names.values():
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        links = [
            [[names["talker"], "wan0", "10.99.1.2/30"], [names["broker"], "wan1", "10.99.1.1/30"]],
            [[names["listener"], "wan0", "10.99.2.2/30"], [names["broker"], "wan2", "10.99.2.1/30"]],
        ]  # fmt: skip
        job = json.dumps({"delay": delay, "seed": seed, "links": links})
        carrier = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.link_carrier", job,
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        stack.push_async_callback(_end, carrier)
        assert carrier.stdout is not None
        assert await carrier.stdout.readline() == b"ready\n"
        for one in [end for link in links for end in link]:
            namespace, device, address = one
            network = address[:-4] + "0/30"
            _ip("-n", namespace, "route", "change", network, "dev", device, "congctl", congestion)
        here = World(names, carrier)
        await stack.enter_async_context(here.program("broker", *_broker(folder)))
        await asyncio.sleep(0.5)
        yield here


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


def _broker(folder: Path) -> list[str]:
    """The embedded broker's files, listening on all addresses of its namespace."""
    facts = ConfigurationFacts(host="0.0.0.0", port=PORT, folder=folder, user="root")
    folder.chmod(0o755)
    (folder / "mosquitto.conf").write_text(
        configuration(facts)
        .replace("log_type n", "# log_type n")
        .replace("log_type i", "# log_type i")
    )
    (folder / "acl").write_text(acl("baiying"))
    users = dict.fromkeys(("talker", "listener"), PASSWORD)
    (folder / "passwords").write_text(passwords(users, dict.fromkeys(users, b"0" * 12)))
    (folder / "passwords").chmod(0o600)
    return ["mosquitto", "-c", str(folder / "mosquitto.conf")]
