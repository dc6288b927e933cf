"""A page is heard: in words, on the group's talkgroup, on another gateway."""

import asyncio
import json
import subprocess
import time

import numpy as np
import pytest
import soxr

from tests.system.rig_voice import RATE_HZ, Stage, likeness, until

pytestmark = [pytest.mark.system, pytest.mark.realtime]

SHARED = """\
announcements: {times: 1}
talkgroups: {sec: {hang_time_s: 0.2}, pol: {hang_time_s: 0.2}, str: {hang_time_s: 0.2}}
groups:
  police: {name: 小营派出所, party: police, street: x, talkgroup: pol}
  street: {name: Street office, party: street, street: x, talkgroup: str}
plans:
  panic:
    when: {category: panic}
    levels:
      - {name: 吹哨响应, page: [police, street], ack_within_s: 600}
      - {name: 双向响应, page: [police, street], ack_within_s: 600}
"""


LIKE = 0.35
"""Of the worst 300 ms of a phrase, over Opus on a busy machine; other words are below 0.1."""


def spoken(text, voice):
    """``text`` as espeak-ng says it by itself, without the silence around it."""
    wav = subprocess.run(
        ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text], capture_output=True, check=True
    ).stdout
    samples = np.frombuffer(wav[44:], "<i2")
    samples = soxr.resample(samples, 22_050, RATE_HZ)
    loud = np.flatnonzero(np.abs(samples.astype(int)) > 300)
    return samples[loud[0] : loud[-1]]


async def stand(stage):
    """A button at gateway a; police and street listen at gateway b, and police at a too."""
    police, street = await stage.radio("police"), await stage.radio("street")
    station = await stage.radio("station")
    button = "  button: {kind: button, site: s1, place: south-gate, input: keys, category: panic}\n"
    a = stage.configure(
        "a", button + station.yaml("pol"), more="inputs: {keys: {driver: virtual}}\n"
    )
    b = stage.configure("b", police.yaml("pol") + street.yaml("str"))
    await a.start()
    await b.start()
    watcher = await stage.client("watcher")
    for radio in (police, street, station):
        radio.plug_in()
    return a, b, police, street, station, watcher


def loud(samples):
    return np.count_nonzero(np.abs(samples.astype(int)) > 500) > RATE_HZ


async def falls_silent(radio, within=15):
    """Wait for its last release: a busy machine may let go in between."""
    await until(
        lambda: not radio.keyed and time.monotonic() - radio.ptt[-1][0] > 0.8,
        within,
        f"{radio.name} stays keyed",
    )


async def press(gateway, *words):
    status, out, error = await gateway.command("press", "button", "--json", *words)
    assert status == 0, error
    return json.loads(out)["incidents"][0]["id"]


async def rendered_ahead(gateway):
    async def facts():
        _, out, _ = await gateway.command("announcements", "--json")
        return json.loads(out)

    deadline = time.monotonic() + 20
    while (now := await facts())["ready"] < 14:  # of two languages all that the test needs
        assert time.monotonic() < deadline, now
    return now


async def test_page_is_spoken_to_each_group_in_its_language_and_an_ack_stops_it(tmp_path):
    async with Stage(tmp_path, shared=SHARED, quiet=False) as stage:
        a, b, police, street, station, watcher = await stand(stage)
        await rendered_ahead(a)
        facts = await rendered_ahead(b)
        assert facts["fault"] is None
        assert facts["wanted"] > 20
        began = time.monotonic()
        incident = await press(a)
        paged = (await watcher.expect("page", group="police")).at
        keyed = await police.becomes(True, since=began, within=4)
        assert keyed - paged < 0.5, "nothing is rendered first"
        await street.becomes(True, since=began)
        await falls_silent(police)
        await falls_silent(street)
        heard = police.sound(began)
        for text in ("紧急报警", "吹哨响应"):
            assert likeness(heard, spoken(text, "cmn-latn-pinyin")) > LIKE, text
        for text in ("Hospital", "south gate"):  # names in Latin letters, by the English voice
            assert likeness(heard, spoken(text, "en-gb")) > LIKE, text
        assert likeness(heard, spoken("panic alarm", "en-gb")) < LIKE, "not what the street hears"
        heard = street.sound(began)
        for text in ("Hospital", "south gate", "panic alarm"):
            assert likeness(heard, spoken(text, "en-gb")) > LIKE, text
        assert loud(station.sound(began)), "both gateways' radios hear it"
        said = [one.json for one in watcher.find("announced", began)]
        assert sorted(one["talkgroup"] for one in said) == ["pol", "str"], "and one speaks"
        assert {one["incident"] for one in said} == {incident}
        talkers = {
            (one.levels[1], one.json["talker"])
            for one in watcher.find("floor", began)
            if one.json.get("talker")
        }
        assert talkers == {(one["talkgroup"], f"{one['by']}/announcer") for one in said}

        # The next level's is cut short by an ack of the police; the street's goes on.
        began = time.monotonic()
        status, _, error = await a.command("incident", "escalate", incident)
        assert status == 0, error
        keyed = await police.becomes(True, since=began, within=4)
        await asyncio.sleep(0.5)
        status, _, error = await b.command("incident", "ack", incident, "--group", "police")
        assert status == 0, error
        acked = time.monotonic()
        await falls_silent(police)
        assert police.ptt[-1][0] < acked + 0.5
        await falls_silent(street)
        assert street.ptt[-1][0] > acked + 1.0


async def test_broker_that_is_away_takes_no_announcement_of_the_own_site_away(tmp_path):
    async with Stage(tmp_path, shared=SHARED, quiet=False) as stage:
        guard = await stage.radio("guard")
        button = (
            "  button: {kind: button, site: s1, place: south-gate, input: keys, category: panic}\n"
        )
        nowhere = "inputs: {keys: {driver: virtual}}\n"
        a = stage.configure("a", button + guard.yaml("pol"), more=nowhere)
        text = a.config.read_text("utf-8").replace(
            f'broker: embedded, listen: "127.0.0.1:{stage.port}", users_file: users',
            'broker: "mqtt://127.0.0.1:1"',
        )
        a.config.write_text(text, "utf-8")
        await a.start()
        guard.plug_in()
        await rendered_ahead(a)
        began = time.monotonic()
        await press(a)
        said = spoken("紧急报警", "cmn-latn-pinyin")
        await until(lambda: loud(guard.sound(began)), 5, "nothing is announced")
        await asyncio.sleep(6.0)
        assert likeness(guard.sound(began), said) > LIKE
