"""A level that patches opens the intercom at the place: heard without anybody pressing, and undone."""

import asyncio
import json
import time

import numpy as np
import pytest

from gateway.cli.demo import sound
from tests.system.rig_voice import RATE_HZ, Stage, opus_packets, until

pytestmark = [pytest.mark.system, pytest.mark.realtime]

SHARED = """\
talkgroups: {sec: {hang_time_s: 0.5}, pol: {hang_time_s: 0.5}}
groups:
  police: {name: P, party: police, street: x, talkgroup: pol}
plans:
  panic:
    when: {category: panic}
    levels:
      - {name: one, page: [police], patch: true, hot_mic_s: 60, ack_within_s: 600}
  short:
    when: {category: duress}
    levels:
      - {name: one, page: [police], patch: true, hot_mic_s: 2, ack_within_s: 600}
"""


def loud(samples):
    return np.count_nonzero(np.abs(samples.astype(int)) > 500)


async def hears(radio, since, within=4):
    """Wait for a word on the loudspeaker."""
    await until(lambda: loud(radio.sound(since)) > RATE_HZ / 10, within, f"{radio.name} is silent")


def floors(watcher, talkgroup, since=0.0):
    """Who had the floor, and with which priority, in order."""
    found = []
    for one in watcher.find("floor", since):
        said = one.json
        if one.levels[1] == talkgroup and said.get("talker"):
            entry = (said["talker"], said["priority"])
            if entry not in found[-1:]:
                found.append(entry)
    return found


async def keep_talking(radio, words):
    """Somebody near the microphone, who presses nothing, until cancelled."""
    while True:
        await radio.say(words)


async def test_responders_hear_the_place_without_anybody_pressing_and_may_speak_over_it(tmp_path):
    async with Stage(tmp_path, shared=SHARED) as stage:
        gate, police = await stage.radio("gate"), await stage.radio("police")
        intercom = gate.yaml("sec", more="place: gate", ptt=False).replace(
            "kind: radio", "kind: intercom"
        )
        a = stage.configure(
            "a",
            "  button: {kind: button, site: s1, place: gate, input: keys, category: panic}\n"
            "  secret: {kind: button, site: s1, place: gate, input: keys, category: panic, covert: true}\n"
            "  quick: {kind: button, site: s1, place: gate, input: keys, category: duress}\n"
            + intercom,
            more="inputs: {keys: {driver: virtual}}\n",
        )
        b = stage.configure("b", police.yaml("pol"))
        await a.start()
        await b.start()
        watcher, foreign = await stage.client("watcher"), await stage.client("foreign")
        for radio in (gate, police):
            radio.plug_in()
        await asyncio.sleep(0.5)
        words = sound.recorded("Front_Center", "Rear_Left")
        talking = asyncio.create_task(keep_talking(gate, words))

        async def press(name):
            status, out, error = await a.command("press", name, "--json")
            assert status == 0, error
            return json.loads(out)["incidents"][0]["id"]

        async def close(incident):
            for step in (("cancel", incident), ("reset", incident), ("close", incident)):
                status, _, error = await a.command("incident", *step)
                assert status == 0 or step[0] == "reset", (step, error)

        # A covert press opens nothing.
        secret = await press("secret")
        await asyncio.sleep(1.0)
        assert not any(one.levels[1].startswith("incident-") for one in watcher.find("voice"))
        await close(secret)

        began = time.monotonic()
        incident = await press("button")
        tg = f"incident-{incident}"
        await hears(police, began)
        assert floors(watcher, tg) == [("a/gate", 0)]
        assert not loud(gate.sound(began)), "nothing sounds at the place"

        # Whoever presses pre-empts it; when he has spoken it goes on by itself.
        spoke = time.monotonic()
        answer = (await foreign.answer(foreign.ask(tg), op="granted")).json
        packets = opus_packets(sound.recorded("Side_Left"))
        await foreign.speak(tg, packets, (answer["term"], answer["grant"]))
        foreign.ask(tg, op="release")
        await hears(gate, spoke)
        over = time.monotonic()
        await until(
            lambda: floors(watcher, tg, spoke)[-2:] == [("foreign/radio", 100), ("a/gate", 0)], 6
        )
        await hears(police, over, within=6)

        # Who presses the intercom's key speaks at its own priority.
        spoke = time.monotonic()
        gate.squelch(True)
        await until(lambda: ("a/gate", 100) in floors(watcher, tg, spoke), 3)
        gate.squelch(False)
        await until(lambda: floors(watcher, tg, spoke)[-1] == ("a/gate", 0), 6)

        # The gateway dies in the middle, and comes back with what is left of the time.
        await a.stop()
        gate.unplug()
        watcher.close()
        await a.start()
        gate.plug_in()
        watcher = await stage.client("watcher")
        began = time.monotonic()
        await hears(police, began, within=8)

        # The end of the incident is its end, and everything is as it was.
        await close(incident)
        ended = time.monotonic()
        await until(
            lambda: (
                [one.json["talkgroup"] for one in watcher.find("endpoint", endpoint="gate")][-1]
                == "sec"
            ),
            3,
        )
        await asyncio.sleep(0.5)
        assert not watcher.find("voice", ended + 0.5)

        # So is its time, while the incident goes on.
        began = time.monotonic()
        incident = await press("quick")
        await hears(police, began)
        await asyncio.sleep(max(0.0, began + 4.0 - time.monotonic()))
        assert not watcher.find("voice", began + 3.5)
        assert [one.json["state"] for one in watcher.find("state")][-1] == "open"
        talking.cancel()
