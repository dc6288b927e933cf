"""A reload of a large configuration in the middle of a burst."""

import asyncio
import itertools
import time

import numpy as np
import pytest

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, likeness, read_rtp, until

pytestmark = [pytest.mark.system, pytest.mark.realtime]

BUTTONS = 400
PLANS = 150


def shared(ack):
    lines = ["talkgroups: {tg: {hang_time_s: 0.2}, other: {}}", "groups:"]
    lines += [
        f"  g{n}: {{name: G{n}, party: p{n % 3}, street: x, talkgroup: {'tg' if n % 2 else 'other'}}}"
        for n in range(60)
    ]
    lines += ["plans:"]
    for n in range(PLANS):
        lines += [
            f"  p{n}:",
            f"    when: {{class: hospital, category: c{n}}}",
            "    levels:",
            f"      - {{name: one, page: [g{n % 60}, g{(n + 1) % 60}], ack_within_s: {ack}}}",
            f"      - {{name: two, page_where: {{street: x}}, ack_within_s: {ack}}}",
        ]
    return "\n".join(lines) + "\n"


def buttons(count):
    return "".join(
        f"  button-{n}: {{kind: button, site: s1, input: keys, category: c{n % PLANS}}}\n"
        for n in range(count)
    )


async def test_reload_in_the_middle_of_a_burst_drops_neither_ptt_nor_a_packet(tmp_path):
    keys = "inputs: {keys: {driver: virtual}}\n"
    async with Stage(tmp_path, shared=shared(30)) as stage:
        left, right, new, old = [
            await stage.radio(name) for name in ("left", "right", "new", "old")
        ]
        a = stage.configure("a", left.yaml() + buttons(BUTTONS), more=keys)
        b = stage.configure(
            "b", right.yaml() + old.yaml() + buttons(BUTTONS), more=keys + "serves: []\n"
        )
        await a.start()
        await b.start()
        watcher = await stage.client("watcher")
        left.plug_in()
        right.plug_in()
        await asyncio.sleep(0.6)
        said = sound.recorded("Front_Center", "Front_Left", "Rear_Right")
        tone = (8000 * np.sin(np.arange(RATE_HZ * 5) * 2 * np.pi * 300 / RATE_HZ)).astype(np.int16)

        opened = time.monotonic()
        over = asyncio.create_task(left.over(tone))
        await right.becomes(True, since=opened)
        await asyncio.sleep(0.3)
        # Everything is read again; plans, a talkgroup and endpoints differ.
        changed = shared(45).replace("hang_time_s: 0.2", "hang_time_s: 0.4")
        (stage.folder / "shared.yaml").write_text(
            "sites: {s1: {name: Clinic, class: hospital, street: x}}\n" + changed, "utf-8"
        )
        stage.configure("a", left.yaml() + buttons(BUTTONS + 20), more=keys)
        stage.configure(
            "b",
            right.yaml() + new.yaml("other") + buttons(BUTTONS - 20),
            more=keys + "serves: []\n",
        )
        await asyncio.gather(a.reload(), b.reload())
        # And once more, with a mistake: the old stays.
        broken = b.config.read_text()
        b.config.write_text(broken.replace("driver: udp", "driver: upd", 1), "utf-8")
        await b.reload()
        b.config.write_text(broken, "utf-8")
        reloaded = time.monotonic()
        began = await over
        assert reloaded < began + 5, "the burst was over before the reload"
        released = await right.becomes(False, since=opened)
        packets = [read_rtp(one.payload) for one in watcher.find("voice", opened)]
        assert len({packet.ssrc for packet in packets}) == 1
        numbers = [packet.sequence for packet in packets]
        assert all(b - a & 0xFFFF == 1 for a, b in itertools.pairwise(numbers))
        assert len(packets) >= 5 * 50
        assert [on for at, on in right.ptt if at >= opened] == [True, False]
        times = [at for at, _ in right.heard if opened <= at <= released]
        assert 5 * 50 <= len(times) <= 5 * 50 + 12
        assert max(np.diff(times)) < 0.1, "a hole in what is heard"
        for gateway, text in ((a, "reload: done"), (b, "reload: refused"), (b, "upd")):
            assert text in gateway.said()
        # What was added speaks, what was taken away is gone; both after the burst.
        await until(new.line.exists, 3)
        await until(lambda: not old.line.exists(), 3)
        gone = [one for one in watcher.find("endpoint") if one.levels[-1] == "old"]
        assert gone[-1].payload == b""
        opened = await left.over(said)
        await right.becomes(False, since=opened)
        assert likeness(right.sound(opened), said) > 0.6


async def test_endpoint_that_changes_changes_after_its_burst(tmp_path):
    async with Stage(tmp_path, shared="talkgroups: {tg: {hang_time_s: 0.2}, other: {}}\n") as stage:
        left, near, right = [await stage.radio(name) for name in ("left", "near", "right")]
        a = stage.configure("a", left.yaml() + near.yaml() + right.yaml("other"))
        await a.start()
        for radio in (left, near, right):
            radio.plug_in()
        watcher = await stage.client("watcher")
        await asyncio.sleep(0.5)
        said = sound.recorded("Front_Center")
        opened = time.monotonic()
        over = asyncio.create_task(left.over(said))
        await near.becomes(True, since=opened)
        stage.configure("a", left.yaml("other") + near.yaml("other") + right.yaml("other"))
        await a.reload()
        began = await over
        await near.becomes(False, since=opened)
        assert likeness(near.sound(began), said) > 0.6
        assert not right.keyed
        await until(
            lambda: (
                {
                    one.levels[-1]: one.json["talkgroup"]
                    for one in watcher.find("endpoint")
                    if one.payload
                }
                == {"left": "other", "near": "other", "right": "other"}
            ),
            3,
        )
        await asyncio.sleep(0.4)
        began = await left.over(said)
        for radio in (near, right):
            await radio.becomes(False, since=began)
            assert likeness(radio.sound(began), said) > 0.6
