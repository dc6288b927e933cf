"""The story that the demo plays, step by step; each step is verified from what arrived.

The south-gate button is pressed; three groups are paged; police and hospital ack, the street does
not, and the call widens to a neighbouring alliance; an officer speaks and is heard at the gate's
intercom; a second speaker is refused; the guard answers; the incident is handled, reset and closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.demo import district, sound
from gateway.cli.demo.district import District
from gateway.cli.demo.gateways import GatewayProcess
from gateway.cli.demo.hardware import Panel, Radio, free_port
from gateway.cli.demo.observer import Observer, leaf, page, state
from gateway.cli.demo.timeline import Timeline
from gateway.control.client import call

GROUPS = ("police-xiaoying", "hospital-security", "street-xiaoying")
ALLIANCE = "alliance-wulin"
PRESS = "5011 181234E12001001"
RESTORE = "5011 181234R12001001"
LIKE = 0.5
"""Normalised correlation above which two signals are the same words; unrelated speech is below 0.1."""


@dataclass(slots=True)
class Stage:
    """All that stands on the stage."""

    timeline: Timeline
    out: Path
    panel: Panel
    intercom: Radio
    security: Radio
    police: Radio
    street: Radio
    gateways: dict[str, GatewayProcess]
    observer: Observer
    incident: str = ""
    pressed: float = 0.0

    async def act(
        self, gateway: str, action: str, group: str | None, by: str, **fields: Any
    ) -> Any:
        """What `baiying incident ...` does on that gateway."""
        return await asyncio.to_thread(
            call,
            self.gateways[gateway].socket,
            "incident.act",
            incident=self.incident,
            action=action,
            group=group,
            by=by,
            **fields,
        )


async def set_the_stage(stack: AsyncExitStack, out: Path, timeline: Timeline) -> Stage:
    """Start hardware, broker and gateways; everything is stopped by ``stack``."""
    began = time.monotonic()
    # Links of pseudo-terminals are looked up by the radios; short names, next to the files.
    lines = out / "lines"
    lines.mkdir(parents=True, exist_ok=True)
    (out / "recordings").mkdir(exist_ok=True)
    panel = await stack.enter_async_context(Panel())
    intercom = await stack.enter_async_context(Radio("intercom", None))
    security = await stack.enter_async_context(Radio("security", (lines / "security").absolute()))
    police = await stack.enter_async_context(Radio("police", (lines / "police").absolute()))
    street = await stack.enter_async_context(Radio("street", (lines / "street").absolute()))
    files: District = district.write(
        out / "config",
        free_port(),
        panel.path,
        intercom=intercom,
        security=security,
        police=police,
        street=street,
    )
    gateways = {
        name: GatewayProcess(name, path, out / "log" / f"{name}.log")
        for name, path in files.configs.items()
    }
    for process in gateways.values():
        await stack.enter_async_context(process)
    for process in gateways.values():
        await process.ready()
    observer = await stack.enter_async_context(Observer(files.port, files.observer_password))
    for radio in (security, police, street):
        radio.plug_in()
    online = await observer.expect(
        lambda one: (
            one.topic[0] == "gateway" and one.topic[2] == "status" and one.body["state"] == "online"
        ),
        10,
        count=3,
    )
    timeline.step(
        "gateways",
        "the embedded broker and three gateways are up",
        {one.topic[1] for one in online} == set(files.configs),
        took_s=round(time.monotonic() - began, 2),
    )
    return Stage(timeline, out, panel, intercom, security, police, street, gateways, observer)


async def play(stage: Stage) -> None:
    """The whole story. Every step is recorded; what cannot go on ends it early, and says so."""
    stage.timeline.say("\nThe south-gate button of 浙大一院 is pressed.")
    if not await press(stage):
        return
    await picture(stage)
    await acks(stage)
    stage.timeline.say("\nThe street office does not answer; the call widens.")
    await widening(stage)
    stage.timeline.say(
        "\nThe officer speaks to the gate; somebody talks into it; the guard answers."
    )
    await officer_speaks(stage)
    await guard_answers(stage)
    stage.timeline.say("\nHandled, reset, closed.")
    await closing(stage)


async def press(stage: Stage) -> bool:
    """Bytes on a serial line become three pages."""
    t = stage.timeline
    stage.pressed, acknowledged = await stage.panel.send(PRESS)
    t.start(stage.pressed)
    opened = await stage.observer.expect(state(), 5, since=stage.pressed)
    pages = await stage.observer.expect(page(level=1), 5, count=3, since=stage.pressed)
    if not t.step(
        "hospital", "the incident is open", bool(opened), opened[0].at if opened else None
    ):
        return False
    stage.incident = opened[0].body["id"]
    spread = max(one.at for one in pages) - min(one.at for one in pages) if pages else 0.0
    t.step(
        "hospital",
        "police, hospital and street are paged at once",
        {one.topic[1] for one in pages} == set(GROUPS) and spread <= 0.1,
        pages[-1].at if pages else None,
        press_to_pages_ms=ms(pages[-1].at - stage.pressed) if pages else None,
        spread_ms=ms(spread),
    )
    t.step(
        "panel",
        "the receiver has its ACK: the press is on disk",
        True,
        acknowledged,
        press_to_ack_ms=ms(acknowledged - stage.pressed),
    )
    received = await stage.observer.expect(
        state(lambda one: all(one["groups"].get(name, {}).get("received") for name in GROUPS)), 5
    )
    return t.step(
        "receivers",
        "each group's gateway has signed for its page",
        bool(received),
        received[0].at if received else None,
    )


async def picture(stage: Stage) -> None:
    """The gate's camera was looked through at once."""
    found = await stage.observer.expect(leaf("picture"), 3, since=stage.pressed)
    data = found[0].payload if found else b""
    if data:
        (stage.out / "recordings" / "south-gate.jpg").write_bytes(data)
    stage.timeline.step(
        "camera",
        "the south gate's picture is with the incident",
        data[:3] == b"\xff\xd8\xff" and found[0].at - stage.pressed <= 2.0,
        found[0].at if found else None,
        bytes=len(data),
    )


async def acks(stage: Stage) -> None:
    """Two of three parties answer."""
    for gateway, group, by in (
        ("police", "police-xiaoying", "officer-li"),
        ("hospital", "hospital-security", "guard-chen"),
    ):
        await asyncio.sleep(0.7)
        asked = time.monotonic()
        await stage.act(gateway, "ack", group, by)
        found = await stage.observer.expect(state(_acked(group)), 2, since=asked)
        stage.timeline.step(
            gateway,
            f"{by} acks for {group}",
            bool(found) and found[0].body["state"] == "open",
            found[0].at if found else None,
            ack_to_state_ms=ms(found[0].at - asked) if found else None,
        )


async def widening(stage: Stage) -> None:
    """The third party is silent: level 2 adds the alliance and leaves who acked alone."""
    wide = await stage.observer.expect(page(ALLIANCE, 2), district.ACK_WITHIN + 3)
    again = await stage.observer.expect(page("street-xiaoying", 2), 1)
    disturbed = [
        one for name in GROUPS[:2] for one in stage.observer.find(page(name, 2), stage.pressed)
    ]
    due = stage.pressed + district.ACK_WITHIN
    stage.timeline.step(
        "hospital",
        "level 2: the neighbouring alliance is paged, the street once more, nobody who acked",
        bool(wide) and bool(again) and not disturbed,
        wide[0].at if wide else None,
        timer_error_ms=ms(wide[0].at - due) if wide else None,
    )
    await stage.act("street", "ack", ALLIANCE, "keeper-wu")
    found = await stage.observer.expect(state(_acked(ALLIANCE)), 2)
    stage.timeline.step(
        "street", "keeper-wu acks for the alliance", bool(found), found[0].at if found else None
    )


async def officer_speaks(stage: Stage) -> None:
    """Speech from the police radio comes out at the gate; a second talker meanwhile is refused."""
    t = stage.timeline
    said = sound.recorded("Front_Center", "Front_Left", "Rear_Center")
    words = stage.out / "recordings" / "street-wants-to-say.wav"
    sound.write_wav(words, sound.recorded("Side_Right"))
    began = time.monotonic()
    speaking = asyncio.create_task(stage.police.talk(said))
    talkgroup = f"incident-{stage.incident}"
    refused = await stage.gateways["street"].command("talk", talkgroup, str(words))
    asked = stage.observer.find(leaf("request", lambda one: one["op"] == "request"), began)
    denied = stage.observer.find(leaf("answer", lambda one: one["op"] == "denied"), began)
    opened, _ = await speaking
    await asyncio.sleep(0.5)
    hear(stage, "officer", stage.intercom, said, opened, "intercom")
    answer = denied[0].body if denied else {}
    t.step(
        "street",
        f"a second speaker is refused: cause {answer.get('cause')}, {answer.get('cause_text')}",
        answer.get("cause") == 1
        and str(answer.get("talker", "")).startswith("street/")
        and refused != 0,
        denied[0].at if denied else None,
        asked_to_denied_ms=ms(denied[0].at - asked[-1].at) if denied and asked else None,
    )
    packets = stage.observer.find(
        lambda one: one.topic[:3] == ("talkgroup", talkgroup, "voice"), began
    )
    t.step(
        "broker",
        "the words went over the incident's talkgroup, from one talker only",
        len(packets) >= said.size * 50 // sound.RATE_HZ
        and {one.topic[3] for one in packets} == {"police"},
        packets[-1].at if packets else None,
        packets=len(packets),
    )


async def guard_answers(stage: Stage) -> None:
    """Speech into the intercom keys the officer's radio and is heard there."""
    await asyncio.sleep(1.2)  # the conversation's hang time
    said = sound.recorded("Rear_Right", "Side_Left")
    opened, _ = await stage.intercom.talk(said)
    await asyncio.sleep(1.0)  # VOX holds on for half a second
    hear(stage, "guard", stage.police, said, opened, "police radio")
    keyed = [at for at, on in stage.police.keyed if on and at >= opened]
    released = [at for at, on in stage.police.keyed if not on and at >= opened]
    stage.timeline.step(
        "police",
        "the radio was keyed for it, and is released",
        bool(keyed) and bool(released) and released[-1] > keyed[-1],
        released[-1] if released else None,
        speech_to_ptt_ms=ms(keyed[0] - opened) if keyed else None,
    )


def hear(
    stage: Stage, who: str, listener: Radio, said: sound.Samples, since: float, where: str
) -> None:
    """Look for the words in what came out since they were begun, keep both as recordings."""
    heard, times = listener.sound(since)
    found = sound.find(heard, said)
    folder = stage.out / "recordings"
    sound.write_wav(folder / f"{who}-said.wav", said)
    sound.write_wav(folder / f"{who}-heard-at-{where.replace(' ', '-')}.wav", heard)
    if found is None:
        stage.timeline.step(who, f"is heard at the {where}", False, blocks=len(times))
        return
    block, rest = divmod(found.at, sound.RATE_HZ // 50)
    # Both ends are measured where a block leaves, so that the devices' own block counts in neither.
    arrived = times[block] + rest / sound.RATE_HZ
    stage.timeline.step(
        who,
        f"is heard at the {where}, first word to last",
        found.worst >= LIKE,
        arrived,
        one_way_ms=ms(arrived - since),
        first_word=round(found.first, 2),
        last_word=round(found.last, 2),
        worst=round(found.worst, 2),
    )


async def closing(stage: Stage) -> None:
    """Every group is done, the button is reset, the incident is closed with a disposition."""
    t = stage.timeline
    for gateway, group, by in (
        ("police", "police-xiaoying", "officer-li"),
        ("hospital", "hospital-security", "guard-chen"),
        ("street", ALLIANCE, "keeper-wu"),
    ):
        await stage.act(gateway, "handled", group, by)
    resolved = await stage.observer.expect(state(lambda one: one["state"] == "resolved"), 2)
    t.step(
        "groups",
        "handled by all who came: the incident is resolved",
        bool(resolved),
        resolved[0].at if resolved else None,
    )
    refused = await stage.act("hospital", "close", None, "operator-zhou", disposition="handled")
    t.step("hospital", f"close is refused: {refused['reason']}", refused["outcome"] == "refused")
    _, acknowledged = await stage.panel.send(RESTORE)
    t.step("panel", "the button is restored", True, acknowledged)
    reset = await stage.act("hospital", "reset", None, "guard-chen")
    t.step("hospital", "the latched input is reset", reset["outcome"] == "applied")
    await stage.act("hospital", "close", None, "operator-zhou", disposition="handled")
    closed = await stage.observer.expect(state(lambda one: one["state"] == "closed"), 2)
    t.step(
        "hospital",
        "the incident is closed",
        bool(closed)
        and closed[0].body["disposition"] == "handled"
        and not closed[0].body["latched"],
        closed[0].at if closed else None,
        disposition=closed[0].body["disposition"] if closed else None,
    )
    silent = all(
        not radio.keyed or not radio.keyed[-1][1]
        for radio in (stage.police, stage.street, stage.security)
    )
    t.step("radios", "no transmitter is keyed", silent)


def _acked(group: str) -> Callable[[Any], bool]:
    """Matches an IncidentState in which a person of ``group`` has it."""
    return lambda one: one["groups"].get(group, {}).get("state") == "acked"


def ms(seconds: float) -> float:
    """Milliseconds, for people."""
    return round(seconds * 1000, 1)
