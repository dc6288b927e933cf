"""Side by side with Debian's SvxLink in one run: two nodes and a reflector, two gateways and a broker.

The same radios speak the same overs to both (UDP sound at 16 kHz, COS and PTT by pseudo-terminals),
turn and turn about, so that whatever else the machine does meets both alike. Needs the packages
svxlink-server and svxreflector.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import spread_ms
from bench.overs import Ends, Heard, OverRadio, free_ports, judge
from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import free_port

OVERS = int(os.environ.get("BAIYING_OVERS", "100"))
WARM_UP = 2
_GAP = 0.35
_READY_WITHIN = 10.0

System = tuple[OverRadio, OverRadio]
"""The radio that speaks, and the one that is keyed."""


def measure() -> Iterator[dict[str, Any]]:
    if shutil.which("svxlink") is None or shutil.which("svxreflector") is None:
        yield {"benchmark": "side by side with SvxLink", "skipped": "svxlink is not installed"}
        return
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        yield asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> dict[str, Any]:
    for name in ("baiying", "svxlink"):
        (folder / name / "config").mkdir(parents=True)
    async with AsyncExitStack() as stack:
        systems = {
            "baiying": await stack.enter_async_context(_gateways(folder / "baiying")),
            "svxlink": await stack.enter_async_context(_svxlink(folder / "svxlink")),
        }
        heard: dict[str, list[Heard]] = {name: [] for name in systems}
        for number in range(OVERS + WARM_UP):
            for name, (near, far) in systems.items():
                # Away from the 20 ms beat of the devices, as a real COS is.
                await asyncio.sleep(_GAP + 0.0037 * (number % 20))
                spoken = await near.speak()
                await asyncio.sleep(_GAP)
                result = judge(spoken, far)
                if number >= WARM_UP:
                    heard[name].append(result)
    ours, theirs = (_figures(heard[name]) for name in ("baiying", "svxlink"))
    return {
        "benchmark": "side by side with SvxLink",
        "baiying": ours,
        "svxlink": theirs,
        "cos_to_ptt_ratio": _ratio(heard, "cos_to_ptt"),
        "cos_to_ptt_ratio_target": 0.25,
        "one_way_ratio": _ratio(heard, "one_way"),
        "one_way_ratio_target": 0.65,
        "close_to_off_ratio": _ratio(heard, "close_to_off"),
    }


def _figures(heard: list[Heard]) -> dict[str, Any]:
    return {
        "overs": len(heard),
        "cos_to_ptt": spread_ms([one.cos_to_ptt for one in heard if one.cos_to_ptt is not None]),
        "one_way": spread_ms([one.one_way for one in heard if one.one_way is not None]),
        "close_to_off": spread_ms(
            [one.close_to_off for one in heard if one.close_to_off is not None]
        ),
        "first_500_ms_whole": sum(one.first_whole for one in heard),
        "last_500_ms_whole": sum(one.last_whole for one in heard),
        "not_whole": [
            number for number, one in enumerate(heard) if not (one.first_whole and one.last_whole)
        ],
    }


def _ratio(heard: dict[str, list[Heard]], figure: str) -> float:
    ours, theirs = (
        median(one for over in heard[name] if (one := getattr(over, figure)) is not None)
        for name in ("baiying", "svxlink")
    )
    return round(float(ours / theirs), 3)


@asynccontextmanager
async def _gateways(folder: Path) -> AsyncIterator[System]:
    """Two gateways on the broker that the first one starts (mosquitto), options as they come."""
    config = folder / "config"
    port = free_port()
    ports = free_ports(4)
    ends = [
        Ends(ports[2 * n], ports[2 * n + 1], folder / f"line-{name}", folder / f"line-{name}")
        for n, name in enumerate("ab")
    ]
    (config / "users").write_text("b:word\n")
    (config / "password").write_text("word\n")
    shared = "sites: {s: {name: 台, class: radio}}\ntalkgroups: {tg: {hang_time_s: 0}}\n"
    mqtt = {
        "a": f'{{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}',
        "b": f'{{broker: "mqtt://127.0.0.1:{port}", password_file: password}}',
    }
    async with AsyncExitStack() as stack:
        for name, end in zip("ab", ends, strict=True):
            (config / f"{name}.yaml").write_text(
                f"gateway: {name}\ndata_dir: ../{name}\nmqtt: {mqtt[name]}\n{shared}"
                f"endpoints:\n  radio-{name}:\n    kind: radio\n    site: s\n    talkgroup: tg\n"
                f'    audio: {{driver: udp, listen: "127.0.0.1:{end.listen_port}", send: "127.0.0.1:{end.send_port}", rate_hz: 16000}}\n'
                f"    ptt: {{driver: pty, path: {end.ptt}}}\n"
                f"    squelch: {{driver: pty, path: {end.squelch}}}\n",
                "utf-8",
            )
            process = GatewayProcess(name, config / f"{name}.yaml", folder / f"{name}.log")
            await stack.enter_async_context(process)
            await process.ready()
        yield await _radios(stack, ends)


@asynccontextmanager
async def _svxlink(folder: Path) -> AsyncIterator[System]:
    """Two nodes and a reflector, tuned for delay; SvxLink's UDP sound has two channels."""
    port = free_port()
    ports = free_ports(4)
    ends = [
        Ends(ports[2 * n], ports[2 * n + 1], folder / f"squelch-{n}", folder / f"ptt-{n}", 2)
        for n in range(2)
    ]
    reflector = (
        f'[GLOBAL]\nTIMESTAMP_FORMAT="%c"\nLISTEN_PORT={port}\n'
        '[USERS]\nN0=P\nN1=P\n[PASSWORDS]\nP="x"\n'
    )
    (folder / "reflector.conf").write_text(reflector)
    async with AsyncExitStack() as stack:
        await _program(stack, folder, "svxreflector", "reflector.conf")
        await asyncio.sleep(0.5)
        for number, end in enumerate(ends):
            (folder / f"node-{number}.conf").write_text(_node(number, port, end))
            await _program(stack, folder, "svxlink", f"node-{number}.conf")
        until = time.monotonic() + _READY_WITHIN
        while not all(path and path.exists() for end in ends for path in (end.squelch, end.ptt)):
            if time.monotonic() > until:
                raise RuntimeError((folder / "node-0.conf.log").read_text("utf-8", "replace"))
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)  # both have joined the reflector
        yield await _radios(stack, ends)


def _node(number: int, port: int, ends: Ends) -> str:
    return f"""\
[GLOBAL]
LOGICS=SimplexLogic,ReflectorLogic
LINKS=L1
CARD_SAMPLE_RATE=16000
CARD_CHANNELS=2
[SimplexLogic]
TYPE=Simplex
RX=Rx1
TX=Tx1
CALLSIGN=N{number}
EVENT_HANDLER=/usr/share/svxlink/events.tcl
MUTE_RX_ON_TX=0
MUTE_TX_ON_RX=0
RGR_SOUND_DELAY=-1
SHORT_IDENT_INTERVAL=0
LONG_IDENT_INTERVAL=0
[ReflectorLogic]
TYPE=Reflector
HOST=127.0.0.1
PORT={port}
CALLSIGN="N{number}"
AUTH_KEY="x"
AUDIO_CODEC=OPUS
JITTER_BUFFER_DELAY=0
[L1]
CONNECT_LOGICS=SimplexLogic:9:N,ReflectorLogic
DEFAULT_ACTIVE=1
[Rx1]
TYPE=Local
AUDIO_DEV=udp:127.0.0.1:{ends.listen_port}
AUDIO_CHANNEL=0
SQL_DET=PTY
PTY_PATH={ends.squelch}
SQL_START_DELAY=0
SQL_DELAY=0
SQL_HANGTIME=0
SIGLEV_DET=NONE
DTMF_DEC_TYPE=NONE
DTMF_MUTING=0
[Tx1]
TYPE=Local
AUDIO_DEV=udp:127.0.0.1:{ends.send_port}
AUDIO_CHANNEL=0
PTT_TYPE=PTY
PTT_PTY={ends.ptt}
TX_DELAY=0
"""


async def _program(stack: AsyncExitStack, folder: Path, name: str, config: str) -> None:
    with (folder / f"{config}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            name,
            f"--config={folder / config}",
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    async def stop() -> None:
        process.terminate()
        try:
            async with asyncio.timeout(3):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    stack.push_async_callback(stop)


async def _radios(stack: AsyncExitStack, ends: list[Ends]) -> System:
    near, far = [await stack.enter_async_context(OverRadio(end)) for end in ends]
    near.plug_in()
    far.plug_in()
    return near, far
