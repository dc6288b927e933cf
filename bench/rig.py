"""Two gateways, a panel and two radios as real processes and devices, for the benchmarks."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.demo.district import OBSERVER
from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import Panel, Radio, free_port
from gateway.cli.demo.observer import Observer

BUTTONS = 300

_SHARED = """\
announcements: {times: 0}
sites: {s1: {name: 测试医院, class: hospital, street: x}}
talkgroups: {tg: {hang_time_s: 0}, tg2: {}, tg3: {}}
groups:
  g1: {name: 派出所, party: police, street: x, talkgroup: tg}
  g2: {name: 保卫科, party: hospital, street: x, talkgroup: tg2}
  g3: {name: 街道, party: street, street: x, talkgroup: tg3}
plans:
  panic:
    when: {category: panic}
    levels:
      - {name: 吹哨响应, page: [g1, g2, g3], ack_within_s: 600}
      - {name: 一呼百应, page_where: {street: x}, ack_within_s: 600}
"""


@dataclass(frozen=True, slots=True)
class Rig:
    """What runs."""

    panel: Panel
    left: Radio
    right: Radio
    gateways: dict[str, GatewayProcess]
    observer: Observer
    folder: Path
    port: int
    password: str


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    """Gateway ``a`` (broker, panel, radio, `BUTTONS` buttons) and ``b`` (radio, all groups)."""
    config = folder / "config"
    config.mkdir(parents=True)
    port = free_port()
    word = {name: secrets.token_urlsafe(12) for name in ("b", OBSERVER)}
    (config / "users").write_text("".join(f"{name}:{one}\n" for name, one in word.items()))
    (config / "b.password").write_text(word["b"] + "\n")
    (config / "shared.yaml").write_text(_SHARED, "utf-8")
    async with AsyncExitStack() as stack:
        panel = await stack.enter_async_context(Panel())
        left = await stack.enter_async_context(Radio("left", folder / "left"))
        right = await stack.enter_async_context(Radio("right", folder / "right"))
        buttons = "".join(
            f'  button-{n}: {{kind: button, site: s1, input: receiver, account: "1234", zone: "{n:03}", category: panic}}\n'
            for n in range(1, BUTTONS + 1)
        )
        (config / "a.yaml").write_text(
            f"gateway: a\ndata_dir: ../a\ninclude: [shared.yaml]\nserves: []\n"
            f'mqtt: {{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}\n'
            f"inputs: {{receiver: {{driver: panel, port: {panel.path}}}}}\n"
            f"endpoints:\n{_radio(left)}{buttons}"
        )
        (config / "b.yaml").write_text(
            "gateway: b\ndata_dir: ../b\ninclude: [shared.yaml]\nserves: [g1, g2, g3]\n"
            f'mqtt: {{broker: "mqtt://127.0.0.1:{port}", password_file: b.password}}\n'
            f"endpoints:\n{_radio(right)}"
        )
        gateways = {
            name: GatewayProcess(name, config / f"{name}.yaml", folder / f"{name}.log")
            for name in ("a", "b")
        }
        for process in gateways.values():
            await stack.enter_async_context(process)
        for process in gateways.values():
            await process.ready()
        observer = await stack.enter_async_context(Observer(port, word[OBSERVER]))
        left.plug_in()
        right.plug_in()
        yield Rig(panel, left, right, gateways, observer, folder, port, word[OBSERVER])


def _radio(radio: Radio) -> str:
    return (
        f"  {radio.name}:\n    kind: radio\n    site: s1\n    talkgroup: tg\n"
        f'    audio: {{driver: udp, listen: "127.0.0.1:{radio.listen_port}", send: "127.0.0.1:{radio.send_port}", rate_hz: 16000}}\n'
        f"    ptt: {{driver: pty, path: {radio.line}}}\n"
        f"    squelch: {{driver: pty, path: {radio.line}}}\n"
    )
