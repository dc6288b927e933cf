"""The broker, gateways and panels that a load needs: its own, or those that run already."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import Panel, free_port
from gateway.cli.simulate.files import SINGLE, broker, line_of
from gateway.cli.simulate.part import Part
from gateway.errors import BaiyingError
from gateway.link.address import BrokerAddress, parse_url
from gateway.link.broker import BrokerOptions, EmbeddedBroker

READY_WITHIN = 120.0
"""Seconds: one gateway with 30,000 devices takes 5 s of processor time to start (measured)."""

Reach = Callable[[str], BrokerAddress]
"""How a client of a name reaches the broker."""


@dataclass(frozen=True, slots=True)
class Stage:
    """``panels`` by the name of their receiver; ``processes`` are the gateways started here."""

    reach: Reach
    panels: dict[str, Panel]
    processes: tuple[GatewayProcess, ...] = ()


def at_broker(url: str) -> Reach:
    """A broker that lets anybody in by name, as a test broker on loopback does.

    Raises:
        ValueError: that is no address of one without TLS.
    """
    host, port, tls = parse_url(url)
    if tls:
        raise ValueError(f"{url!r}: a load speaks to a broker without TLS; write mqtt://")
    return lambda name: BrokerAddress(host=host, port=port, username=name)


@asynccontextmanager
async def running(folder: Path, part: Part, url: str) -> AsyncIterator[Stage]:
    """The panels of gateways that run already, on the files of ``folder``.

    Raises:
        BaiyingError: a panel's line cannot be laid.
    """
    async with _panels(folder, part.receiver_of.values()) as panels:
        yield Stage(at_broker(url), panels)


@asynccontextmanager
async def started(
    folder: Path, part: Part, url: str | None, clients: Iterable[str]
) -> AsyncIterator[Stage]:
    """Gateways of our own below ``folder/run``, which is made anew; and a broker, unless one is named.

    ``folder`` is absolute; ``clients`` are the names that connect beside the gateways.

    Raises:
        BaiyingError: something cannot be started; a gateway's last words are in the text.
    """
    run = folder / "run"
    try:
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
    except OSError as error:
        raise BaiyingError(f"{run} cannot be used: {error.strerror}") from error
    async with AsyncExitStack() as stack:
        passwords: Path | None = None
        reach: Reach
        if url is None:
            port = free_port()
            options = BrokerOptions(
                host="127.0.0.1",
                port=port,
                folder=run / "broker",
                clients=(*part.gateways, *clients),
            )
            embedded = await stack.enter_async_context(EmbeddedBroker(options).running())
            reach, url, passwords = embedded.address, f"mqtt://127.0.0.1:{port}", options.folder
        else:
            reach = at_broker(url)
        # Each has its panels' lines in a folder of its own, as it has its files.
        homes = {name: _home(folder, run / name, url, passwords) for name in part.gateways}
        panels: dict[str, Panel] = {}
        for name in dict.fromkeys(part.receiver_of.values()):
            home = homes[SINGLE if SINGLE in homes else name]
            panels |= await stack.enter_async_context(_panels(home, [name]))
        processes = []
        for name, home in homes.items():
            config = home / (f"{SINGLE}.yaml" if name == SINGLE else f"gateways/{name}.yaml")
            process = GatewayProcess(name, config, run / "log" / f"{name}.log")
            processes.append(await stack.enter_async_context(process))
        for process in processes:
            await process.ready(READY_WITHIN)
        yield Stage(reach, panels, tuple(processes))


def _home(folder: Path, home: Path, url: str, passwords: Path | None) -> Path:
    """A gateway's files: the district's own, but with this broker and lines of its own."""
    home.mkdir()
    for name in ("shared", f"{SINGLE}.yaml"):
        (home / name).symlink_to(folder / name)
    # A copy: what is relative to it must not lead back through a link.
    shutil.copytree(folder / "gateways", home / "gateways")
    text = broker(url, None if passwords is None else passwords / "clients" / home.name)
    (home / "broker.yaml").write_text(text, "utf-8")
    return home


@asynccontextmanager
async def _panels(folder: Path, receivers: Iterable[str]) -> AsyncIterator[dict[str, Panel]]:
    async with AsyncExitStack() as stack:
        panels = {}
        for name in dict.fromkeys(receivers):
            panel = await stack.enter_async_context(Panel())
            stack.enter_context(_linked(folder / line_of(name), panel.path))
            panels[name] = panel
        yield panels


@contextlib.contextmanager
def _linked(link: Path, target: str) -> Iterator[None]:
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_symlink():
            link.unlink()  # of a load that was killed
        link.symlink_to(target)
    except OSError as error:
        raise BaiyingError(f"the panel's line {link} cannot be laid: {error.strerror}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            link.unlink()
