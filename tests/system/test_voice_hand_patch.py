"""Talkgroups patched by hand, on two gateways: who speaks where, and that it ends."""

import asyncio
import json

import numpy as np
import pytest

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, until

pytestmark = [pytest.mark.system, pytest.mark.realtime]

SHARED = """\
talkgroups: {sec: {hang_time_s: 0.2}, pol: {hang_time_s: 0.2}, str: {hang_time_s: 0.2}}
groups:
  police: {name: P, party: police, street: x, talkgroup: pol}
plans:
  panic:
    when: {category: panic}
    levels: [{name: one, page: [police], patch: true, ack_within_s: 600}]
"""


def tunings(watcher, *names):
    found = {}
    for one in watcher.find("endpoint"):
        if one.payload:
            found[one.levels[-1]] = (one.json["talkgroup"], one.json["hears"])
    return {name: found.get(name) for name in names}


async def hears(radio, since):
    """Wait for half a second of speech on the loudspeaker."""
    await until(
        lambda: np.count_nonzero(np.abs(radio.sound(since).astype(int)) > 500) > RATE_HZ / 10,
        3,
        f"{radio.name} hears nothing",
    )


async def test_people_join_two_talkgroups_on_two_gateways_for_a_time(tmp_path):
    async with Stage(tmp_path, shared=SHARED) as stage:
        guard, police, street = [await stage.radio(name) for name in ("guard", "police", "street")]
        button = "  button: {kind: button, site: s1, input: keys, category: panic}\n"
        a = stage.configure(
            "a", button + guard.yaml("sec"), more="inputs: {keys: {driver: virtual}}\n"
        )
        b = stage.configure("b", police.yaml("pol") + street.yaml("str"))
        await a.start()
        await b.start()
        watcher = await stage.client("watcher")
        for radio in (guard, police, street):
            radio.plug_in()
        everybody = ("guard", "police", "street")
        own = {"guard": ("sec", []), "police": ("pol", []), "street": ("str", [])}
        await until(lambda: tunings(watcher, *everybody) == own)

        status, _, error = await a.command("patch", "create", "race", "--talkgroups", "sec,poll")
        assert status == 2
        assert "no talkgroup poll" in error
        status, out, error = await a.command(
            "patch", "create", "race", "-t", "sec,pol", "--for", "10m", "--by", "li", "--json"
        )
        assert status == 0, error
        tg = json.loads(out)["talkgroup"]
        joined = {"guard": (tg, ["sec"]), "police": (tg, ["pol"]), "street": ("str", [])}
        await until(lambda: tunings(watcher, *everybody) == joined, 3, "nobody joined")

        said = sound.recorded("Front_Center")
        began = await guard.over(said)
        await hears(police, began)
        await asyncio.sleep(0.3)
        assert not street.sound(began).any()
        assert {one.levels[1] for one in watcher.find("voice", began)} == {tg}, "sent once"
        await asyncio.sleep(0.5)
        began = await police.over(said)
        await hears(guard, began)

        # Both gateways tell of it; only the one at which it was made ends it.
        status, out, _ = await b.command("patch", "list", "--json")
        assert [(one["name"], one["gateway"], one["by"]) for one in json.loads(out)] == [
            ("race", "a", "li")
        ]
        status, _, error = await b.command("patch", "remove", "race")
        assert status == 2
        assert "gateway a" in error

        # An incident has the police first, and gives it back.
        status, out, error = await a.command("press", "button", "--json")
        incident = json.loads(out)["incidents"][0]["id"]
        await until(lambda: tunings(watcher, "police")["police"][0] == f"incident-{incident}")
        for words in (("cancel", incident), ("reset", incident), ("close", incident)):
            await a.command("incident", *words)
        await until(lambda: tunings(watcher, *everybody) == joined, 5, "not given back")

        # It outlives both gateways, the broker with them.
        await b.stop()
        await a.stop()
        watcher.close()
        await a.start()
        await b.start()
        watcher = await stage.client("watcher")
        await until(
            lambda: len(watcher.find("endpoint")) >= 3 and tunings(watcher, *everybody) == joined,
            5,
            "the patch is gone after a restart",
        )
        status, _, error = await a.command("patch", "remove", "race")
        assert status == 0, error
        await until(lambda: tunings(watcher, *everybody) == own, 3, "it does not end")
        assert watcher.find("patch")[-1].payload == b"", "nothing stays retained"

        # And one that nobody ends, ends at its time.
        status, _, error = await b.command(
            "patch", "create", "short", "-t", "str", "-e", "a/guard", "--for", "2"
        )
        assert status == 0, error
        await until(lambda: tunings(watcher, "guard")["guard"][1] == ["sec"], 3)
        await until(lambda: tunings(watcher, *everybody) == own, 5, "it does not end by itself")
        status, out, _ = await a.command("patch", "list")
        assert "nothing" in out
