"""Overs that begin with their word, between two real gateways: is its 500 ms whole?

The receiver's squelch opens 80 ms after the voice, as one that has to notice a carrier does; VOX has
nothing but the voice. Each also without pre-roll, as the control that has to lose the beginning. All
speak at the same time, each on a talkgroup of its own.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.overs import BLOCK, RATE_HZ, WORD, Ends, OverRadio, Samples, free_ports
from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import free_port

OVERS = int(os.environ.get("BAIYING_OVERS", "100"))
COS_LATE = 0.08
"""Seconds from the first sample until the squelch line opens."""

_LOUD = 3000
_WINDOW = np.hanning(128)
_HOP = 20
_FINE = 2048
_STEADY_HOPS = 2  # 2.5 ms
_NEAR_HZ = 40.0
_PITCHES_HZ = np.array(
    [
        np.abs(np.fft.rfft(tone, 8 * RATE_HZ)).argmax() / 8
        for tone in WORD.astype(float).reshape(-1, BLOCK)
    ]
)
_HEARD_WITHIN = 0.75  # seconds after a word: delay, and the hang of VOX
_STEADY = 0.015  # seconds
_REST = 0.6  # until the next: hang time, mute
_SHARED = "sites: {s: {name: S, class: school, street: x}}\n"


@dataclass(frozen=True, slots=True)
class Way:
    """How the talker's squelch notices speech, and with what pre-roll."""

    name: str
    squelch: str
    options: str = ""


WAYS = (
    Way("COS", "{{driver: pty, path: {line}}}"),
    Way("VOX", "{{driver: vox}}"),
    Way("VOX over the noise", "{{driver: vox, margin_db: 6}}"),
    Way("COS without pre-roll", "{{driver: pty, path: {line}}}", "    pre_roll_s: 0\n"),
    Way("VOX without pre-roll", "{{driver: vox}}", "    pre_roll_s: 0\n"),
)


class _Radio(OverRadio):
    """Says the word; its squelch, where it has one, opens when it has noticed the voice."""

    async def say(self) -> bool:
        """Whether it was said as planned: a radio does not stand still, this process may."""
        opened: list[float] = []

        def open_squelch() -> None:
            opened.append(time.monotonic())
            os.write(self._squelch, b"O")

        self._done.clear()
        self._sent = []
        if self._squelch >= 0:
            asyncio.get_running_loop().call_later(COS_LATE, open_squelch)
        self._queue = [WORD[at : at + BLOCK] for at in range(0, WORD.size, BLOCK)]
        await self._done.wait()
        await asyncio.sleep(BLOCK / RATE_HZ)  # a block is sent at the start of its time
        if self._squelch >= 0:
            os.write(self._squelch, b"Z")
        paces = np.diff(self._sent)
        late = opened[0] - self._sent[0] if opened else COS_LATE
        return bool(abs(paces - 0.02).max() < _STEADY and abs(late - COS_LATE + 0.01) < _STEADY)


def measure() -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="baiying-bench-") as folder:
        found = asyncio.run(_overs(Path(folder)))
    for way, heard in zip(WAYS, found, strict=True):
        lost = sorted(len(missing(sound)) for sound in heard)
        yield {
            "benchmark": f"first word after {way.name}",
            "overs": len(heard),
            "whole": lost.count(0),
            "target_whole": 0 if "without" in way.name else len(heard),
            "lost_ms_median": lost[len(lost) // 2] * 20,
            "lost_ms_worst": lost[-1] * 20,
        }


def missing(heard: Samples) -> list[int]:
    """Which of the word's 25 tones, no two of one pitch, never sound for a while in what was heard.

    By pitch and not by likeness to what was said: a buffer may play speech a little quicker, by
    periods left out in the middle of a tone.
    """
    loud = np.flatnonzero(np.abs(heard.astype(np.int32)) > _LOUD)
    if not loud.size or heard.size < _WINDOW.size:
        return list(range(_PITCHES_HZ.size))
    begin = max(0, int(loud[0]) - BLOCK)
    sound = heard[begin : begin + WORD.size * 2].astype(float)
    frames = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW.size)[::_HOP]
    spectra = np.abs(np.fft.rfft(frames * _WINDOW, _FINE, axis=1))
    tops = spectra.argmax(axis=1)
    strong = spectra[np.arange(tops.size), tops] > _LOUD / 3 * _WINDOW.sum() / 2
    pitches = np.where(strong, tops * RATE_HZ / _FINE, 0.0)
    near = np.abs(pitches[:, None] - _PITCHES_HZ[None, :]) <= _NEAR_HZ
    # Where one tone gives way to the next, every pitch between them passes for an instant.
    steady = np.lib.stride_tricks.sliding_window_view(near, _STEADY_HOPS, axis=0).all(axis=2)
    return [int(number) for number in np.flatnonzero(~steady.any(axis=0))]


async def _overs(folder: Path) -> list[list[Samples]]:
    config = folder / "config"
    config.mkdir()
    port = free_port()
    password = secrets.token_urlsafe(12)
    (config / "users").write_text(f"b:{password}\n")
    (config / "password").write_text(f"{password}\n")
    talkgroups = ", ".join(f"tg{n}: {{hang_time_s: 0}}" for n in range(len(WAYS)))
    (config / "shared.yaml").write_text(f"{_SHARED}talkgroups: {{{talkgroups}}}\n")
    ports = free_ports(4 * len(WAYS))
    near, far, written = [], [], {"a": "", "b": ""}
    for number, way in enumerate(WAYS):
        line = folder / f"line-{number}"
        mine = ports[4 * number : 4 * number + 4]
        has_line = "pty" in way.squelch
        near.append(_Radio(Ends(mine[0], mine[1], line if has_line else None, None)))
        far.append(_Radio(Ends(mine[2], mine[3], None, None)))
        squelch = f"    squelch: {way.squelch.format(line=line)}\n{way.options}"
        written["a"] += _endpoint(number, mine[0], mine[1]) + squelch
        written["b"] += _endpoint(number, mine[2], mine[3])
    brokers = {
        "a": f'{{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}',
        "b": f'{{broker: "mqtt://127.0.0.1:{port}", password_file: password}}',
    }
    for name, endpoints in written.items():
        (config / f"{name}.yaml").write_text(
            f"gateway: {name}\ndata_dir: ../{name}\ninclude: [shared.yaml]\n"
            f"mqtt: {brokers[name]}\nendpoints:\n{endpoints}"
        )
    async with AsyncExitStack() as stack:
        gateways = [
            GatewayProcess(name, config / f"{name}.yaml", folder / f"{name}.log") for name in "ab"
        ]
        for gateway in gateways:
            await stack.enter_async_context(gateway)
        for gateway in gateways:
            await gateway.ready()
        for radio in (*near, *far):
            await stack.enter_async_context(radio)
            radio.plug_in()
        pairs = zip(near, far, strict=True)
        return list(await asyncio.gather(*(_talk(one, other) for one, other in pairs)))


async def _talk(near: _Radio, far: _Radio) -> list[Samples]:
    heard = []
    for number in range(OVERS * 5 // 4 + 1):
        if len(heard) == OVERS:
            break
        await asyncio.sleep(_REST + 0.0037 * (number % 27))
        far.heard.clear()
        steady = await near.say()
        await asyncio.sleep(_HEARD_WITHIN)
        if number and steady:  # the first finds its way
            heard.append(np.concatenate([block for _, block in far.heard] or [WORD[:0]]))
    return heard


def _endpoint(number: int, listen: int, send: int) -> str:
    return (
        f"  radio-{number}:\n    kind: radio\n    site: s\n    talkgroup: tg{number}\n    tones: false\n"
        f'    audio: {{driver: udp, listen: "127.0.0.1:{listen}", send: "127.0.0.1:{send}", rate_hz: 16000}}\n'
    )
