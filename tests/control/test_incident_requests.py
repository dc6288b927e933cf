"""What the command asks about incidents, through a real socket: many of them, and all at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.alarm.incidents.wire import state_of
from gateway.alarm.responder import Outcome, OutcomeKind
from gateway.cli import incidents
from gateway.control.client import GatewayRefused, GatewayRefusedCall, call
from gateway.control.protocol import MAX_FRAME_BYTES
from gateway.control.server import ControlServer
from gateway.errors import BaiyingError
from gateway.link.messages import IncidentState, encode
from gateway.requests.alarm import AlarmRequests
from tests.alarm.alarm_world import counted_ids
from tests.alarm.incidents.test_incident import Case

COUNT = 1_500


class Owners:
    """The responder's side: incidents of several gateways, some of which do not answer."""

    def __init__(self) -> None:
        ids = counted_ids()
        one = state_of(Case().record)
        self.states = [replace(one, id=ids()) for _ in range(COUNT)]
        self.silent: set[str] = set()
        self.asked: list[tuple[str, str, dict[str, object]]] = []

    def incidents(self) -> list[IncidentState]:
        return self.states

    def find(self, beginning: str) -> list[IncidentState]:
        return [state for state in self.states if state.id.startswith(beginning)]

    async def act(self, incident, action, *, by, group=None, details):
        self.asked.append((incident, action, dict(details)))
        if incident in self.silent:
            await asyncio.sleep(0.2)
            return Outcome(OutcomeKind.UNANSWERED, "does not answer", None)
        return Outcome(OutcomeKind.APPLIED, "", self.find(incident)[0])


@pytest.fixture
def owners():
    return Owners()


@pytest.fixture
async def config(tmp_path, owners):
    handlers = AlarmRequests(None, owners).handlers()  # type: ignore[arg-type]
    serving = asyncio.create_task(ControlServer(tmp_path / "control.sock", handlers).run())
    while not (tmp_path / "control.sock").exists():
        await asyncio.sleep(0.01)
    file = tmp_path / "baiying.yaml"
    file.write_text(f"gateway: zju1\ndata_dir: {tmp_path}\n", "utf-8")
    yield file
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_list_after_a_storm_has_them_all_and_lets_the_gateway_breathe(config, owners, capsys):
    assert sum(len(encode(state)) for state in owners.states) > MAX_FRAME_BYTES
    turns = 0

    async def live():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    living = asyncio.create_task(live())
    await asyncio.to_thread(incidents.list_incidents, config, everything=False, as_json=True)
    living.cancel()
    assert capsys.readouterr().out.count('"owner_term"') == COUNT
    assert turns >= COUNT


async def test_all_are_handed_over_at_once_and_who_does_not_answer_is_named(config, owners, capsys):
    silent = owners.states[3].id, owners.states[7].id
    owners.silent.update(silent)
    with pytest.raises(BaiyingError) as missed:
        await asyncio.to_thread(
            incidents.hand_over, config, to="night", note="shift", by="li", as_json=False
        )
    assert all(name in str(missed.value) for name in silent)
    said = capsys.readouterr().out
    assert said == f"{COUNT - 2} of {COUNT} incidents handed over to night\n"
    assert owners.asked[0][1:] == ("hand_over", {"to": "night", "note": "shift"})


@pytest.mark.parametrize(
    ("op", "fields", "kind"),
    [
        ("incident.raise", {"site": "zju1", "by": "li", "code": 120}, GatewayRefused),
        ("incident.raise", {"by": "li"}, GatewayRefused),
        ("incident.hand-over", {"by": "li"}, GatewayRefused),
        ("incident.show", {"incident": "ffff"}, GatewayRefusedCall),
        ("incident.act", {"incident": "0", "action": "ack", "by": "li"}, GatewayRefusedCall),
        (
            "incident.act",
            {"incident": "00000000-0000-0000-0000-000000000001", "action": "dance", "by": "li"},
            GatewayRefusedCall,
        ),
    ],
)
async def test_request_that_says_too_little_or_nonsense_is_refused(config, op, fields, kind):
    path = config.parent / "control.sock"
    with pytest.raises(kind):
        await asyncio.to_thread(call, path, op, **fields)
