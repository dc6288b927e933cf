"""The incident's talkgroup: who joins it, what each then hears, and that it ends."""

import asyncio
import json
import re
import time

import pytest

from gateway.cli.demo import sound
from tests.system.rig_voice import Stage, likeness, opus_packets, until

pytestmark = [pytest.mark.system, pytest.mark.realtime]

SHARED = """\
talkgroups: {sec: {hang_time_s: 0.2}, pol: {hang_time_s: 0.2}, str: {hang_time_s: 0.2}}
groups:
  police: {name: P, party: police, street: x, talkgroup: pol}
  street: {name: S, party: street, street: x, talkgroup: str}
plans:
  minor:
    when: {category: medical}
    severity: 3
    levels: [{name: one, page: [police], patch: true, ack_within_s: 600}, {name: two, page: [street], ack_within_s: 600}]
  panic:
    when: {category: panic}
    levels:
      - {name: one, page: [police], ack_within_s: 600}
      - {name: two, page: [], patch: true, ack_within_s: 600}
      - {name: three, page: [street], ack_within_s: 600}
"""


def states(watcher):
    found = {}
    for one in watcher.find("endpoint"):
        if one.payload:
            found[one.levels[-1]] = (one.json["talkgroup"], one.json["hears"])
    return found


async def test_patch_joins_the_place_and_the_paged_groups_and_ends_with_the_incident(tmp_path):
    async with Stage(tmp_path, shared=SHARED) as stage:
        gate, guard, police, street = [
            await stage.radio(name) for name in ("gate", "guard", "police", "street")
        ]
        a = stage.configure(
            "a",
            "  button: {kind: button, site: s1, place: gate, input: keys, category: panic}\n"
            "  elsewhere: {kind: button, site: s1, place: hall, input: keys, category: medical}\n"
            + gate.yaml("sec", more="place: gate", ptt=False)
            + guard.yaml("sec"),
            more="inputs: {keys: {driver: virtual}}\n",
        )
        b = stage.configure("b", police.yaml("pol") + street.yaml("str"))
        await a.start()
        await b.start()
        watcher = await stage.client("watcher")
        foreign = await stage.client("foreign")
        for radio in (gate, guard, police, street):
            radio.plug_in()
        await asyncio.sleep(0.6)
        said = sound.recorded("Front_Center")
        packets = opus_packets(said)
        own = {
            "gate": ("sec", []),
            "guard": ("sec", []),
            "police": ("pol", []),
            "street": ("str", []),
        }
        assert {k: v for k, v in states(watcher).items() if k in own} == own

        status, out, error = await a.command("press", "button", "--json")
        assert status == 0, error
        incident = json.loads(out)["incidents"][0]["id"]
        await watcher.expect("page", group="police")
        assert {k: v for k, v in states(watcher).items() if k in own} == own, "no patch at level 1"
        status, _, error = await a.command("incident", "escalate", incident)
        assert status == 0, error
        tg = f"incident-{incident}"
        joined = own | {"gate": (tg, ["sec"]), "police": (tg, ["pol"])}
        await until(
            lambda: {k: v for k, v in states(watcher).items() if k in own} == joined,
            3,
            str(states(watcher)),
        )
        shown = await watcher.expect("state", talkgroup=None)
        shown = [one.json for one in watcher.find("state")][-1]
        assert shown["talkgroup"] == tg

        # Who is joined speaks there and nowhere else, and hears its own talkgroup as well.
        await asyncio.sleep(1)  # a burst that has just begun is played quicker, which is less alike
        began = await gate.over(said)
        await police.becomes(False, since=began)
        assert likeness(police.sound(began), said) > 0.6
        assert not guard.sound(began).any()
        await asyncio.sleep(0.6)
        began = await police.over(said)
        await asyncio.sleep(0.3)
        assert likeness(gate.sound(began), said) > 0.6
        assert not street.sound(began).any()
        await asyncio.sleep(2.5)  # the conversation's hang time; then the own talkgroup is let in
        began = await guard.over(said)
        await asyncio.sleep(0.3)
        assert likeness(gate.sound(began), said) > 0.6, "hears its own talkgroup as well"
        assert not police.sound(began).any()
        answer = (await foreign.answer(foreign.ask("pol"))).json
        began = time.monotonic()
        await foreign.speak("pol", packets, (answer["term"], answer["grant"]))
        foreign.ask("pol", op="release")
        await police.becomes(False, since=began)
        assert likeness(police.sound(began), said) > 0.6
        assert not street.sound(began).any()
        assert {one.levels[1] for one in watcher.find("voice", began)} == {"pol"}, (
            "nothing is sent twice"
        )

        # A less severe incident does not take the police away; a third level adds the street.
        status, out, error = await a.command("press", "elsewhere", "--json")
        assert status == 0, error
        other = json.loads(out)["incidents"][0]["id"]
        await asyncio.sleep(0.3)
        assert states(watcher)["police"] == (tg, ["pol"])
        await a.command("incident", "escalate", incident)
        await until(lambda: states(watcher)["street"] == (tg, ["str"]), 3, str(states(watcher)))

        # Its end gives everybody back: the police to the other incident, the rest to their own.
        for words in (("cancel", incident), ("reset", incident), ("close", incident)):
            status, _, error = await a.command("incident", *words)
            assert status == 0, (words, error)
        await until(lambda: states(watcher)["gate"] == ("sec", []), 3, str(states(watcher)))
        await until(lambda: states(watcher)["police"] == (f"incident-{other}", ["pol"]), 3)
        await until(lambda: states(watcher)["street"] == ("str", []), 3)
        for words in (("cancel", other), ("close", other)):
            status, _, error = await a.command("incident", *words)
            if status:  # medical may latch or not
                await a.command("incident", "reset", other)
                status, _, error = await a.command("incident", *words)
            assert status == 0, (words, error)
        await until(lambda: {k: v for k, v in states(watcher).items() if k in own} == own, 3)
        left = [one for one in watcher.find("floor") if re.match("incident-", one.levels[1])]
        last = {(one.levels[1], one.levels[3]): one.payload for one in left}
        await until(
            lambda: (
                not any(
                    {
                        (one.levels[1], one.levels[3]): one.payload
                        for one in watcher.find("floor")
                        if one.levels[1].startswith("incident-")
                    }.values()
                )
            ),
            5,
            f"FloorStates of incidents that are over stay retained: {last}",
        )
