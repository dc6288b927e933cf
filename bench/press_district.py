"""One press after the other on a gateway with a district's 30,000 devices: to its ACK, to its first page.

The configuration is `baiying simulate district`'s; receivers are pseudo-terminals, the broker is mosquitto,
a client signs for each page, and mosquitto_sub writes down when each arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import spread_ms
from bench.storm import Seen, ask, at_rest, read, side, watcher
from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import Panel, free_port
from gateway.cli.simulate.district import make
from gateway.cli.simulate.files import SINGLE, broker, write
from gateway.link.broker import BrokerOptions, EmbeddedBroker

TIMES = 300
WARM_UP = 20
PAUSE = 0.1
READY_WITHIN = 60.0

_BUTTON = re.compile(
    # Those that are to be held against a chance touch page a second later, as they should.
    r"^  (\S+): \{kind: button, .*input: receiver-01, account: \"(\w+)\", zone: \"(\w+)\", category: panic(?!.*hold_s)",
    re.MULTILINE,
)


def measure_district() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> dict[str, Any]:
    write(make(seed=1), folder)
    text = (folder / f"{SINGLE}.yaml").read_text("utf-8")
    buttons = _BUTTON.findall(text)[: TIMES + WARM_UP]
    port = free_port()
    clients = (SINGLE, "watcher", "signer")
    options = BrokerOptions(host="127.0.0.1", port=port, folder=folder / "broker", clients=clients)
    words = options.folder / "clients"
    (folder / "broker.yaml").write_text(broker(f"mqtt://127.0.0.1:{port}", words / SINGLE), "utf-8")
    async with contextlib.AsyncExitStack() as stack:
        panel = await stack.enter_async_context(Panel())
        stack.enter_context(_lines(folder / "lines", panel.path, text.count("driver: panel")))
        await stack.enter_async_context(EmbeddedBroker(options).running())
        gateway = GatewayProcess(SINGLE, folder / f"{SINGLE}.yaml", folder / "log")
        await stack.enter_async_context(gateway)
        await gateway.ready(READY_WITHIN)
        word = {name: (words / name).read_text("utf-8").strip() for name in clients}
        log = await stack.enter_async_context(watcher(folder, port, word["watcher"]))
        await ask(
            await stack.enter_async_context(side("responder", str(port), "signer", word["signer"])),
            None,
        )
        await at_rest(gateway.pid)
        sent: dict[str, float] = {}
        stored: list[float] = []
        for name, account, zone in buttons:
            began = time.time()
            at, acknowledged = await panel.send(f"5011 18{account}E12001{zone}")
            sent[name] = began
            stored.append(acknowledged - at)
            await asyncio.sleep(PAUSE)
        await asyncio.sleep(1)
        first = _first_pages(read(log))
    names = [name for name, _, _ in buttons[WARM_UP:]]
    paged = [first[name] - sent[name] for name in names if name in first]
    return {
        "benchmark": "press on a gateway with 30,000 devices",
        "devices": text.count("{kind: "),
        "stored": {**spread_ms(stored[WARM_UP:]), "target_p99_ms": 10},
        "paged": {**spread_ms(paged), "target_p99_ms": 25},
        "presses_without_a_page": len(names) - len(paged),
    }


def _first_pages(seen: Any) -> dict[str, float]:
    first: dict[str, float] = {}
    one: Seen
    for one in seen:
        if "/page/" in one.topic:
            first.setdefault(one.body["endpoint"], one.at)
    return first


@contextlib.contextmanager
def _lines(folder: Path, first: str, count: int) -> Iterator[None]:
    """A pseudo-terminal for each receiver; nobody speaks on those after the first."""
    folder.mkdir(exist_ok=True)
    (folder / "receiver-01").symlink_to(first)
    ports = [os.openpty() for _ in range(1, count)]
    for number, (_, slave) in enumerate(ports, 2):
        tty.setraw(slave)
        (folder / f"receiver-{number:02}").symlink_to(os.ttyname(slave))
    try:
        yield
    finally:
        for pair in ports:
            for descriptor in pair:
                os.close(descriptor)
