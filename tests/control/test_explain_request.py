"""``baiying explain --live``: the running gateway answers, and knows where people are."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from drivers import registry
from gateway.alarm.plans.choosing import Choosing
from gateway.alarm.supervision.presence import Presences
from gateway.alarm_pieces import rules_of
from gateway.cli.explain import explain
from gateway.control.client import GatewayRefusedCall
from gateway.control.server import ControlServer
from gateway.link.messages import Presence
from gateway.moment import timestamp
from gateway.ops.clock import SystemClock
from gateway.requests.explain import ExplainRequests
from gateway.settings import explanation, facts
from gateway.settings.loader import load

ALLIANCE = Path(__file__).parents[2] / "config" / "alliance.yaml"
ASKED = {
    "site": None,
    "category": None,
    "signal": "alarm",
    "code": None,
    "plan": None,
    "drill": False,
}


@pytest.fixture
async def config(tmp_path):
    """A file beside which a gateway answers; what is asked is not in the file but in that gateway."""
    settings, presences, clock = load(ALLIANCE, registry).settings, Presences(), SystemClock()
    now = clock.now()
    here = Presence(
        client="unit-1", groups=("patrol-1",), position=(30.2715, 120.1633), on_duty=True,
        fixed=timestamp(now.wall), interval_s=30.0, time=timestamp(now.wall),
    )  # fmt: skip
    presences.heard(here, now)
    rules = rules_of(settings)
    choosing = Choosing(rules.groups, facts.rotas_of(settings), presences, rules.zone)
    requests = ExplainRequests(
        lambda question: explanation.explain(settings, rules, choosing, question), clock
    )
    server = ControlServer(tmp_path / "control.sock", requests.handlers())
    serving = asyncio.create_task(server.run())
    while not (tmp_path / "control.sock").exists():
        await asyncio.sleep(0.01)
    file = tmp_path / "baiying.yaml"
    file.write_text("data_dir: .\n", "utf-8")
    yield file
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_patrol_that_says_where_it_is_is_called_by_its_distance(config, capsys):
    asked = {"endpoint": "jewellery-button", **ASKED}
    status = await asyncio.to_thread(explain, config, at=None, live=True, as_json=True, **asked)
    assert status == 0
    answer = json.loads(capsys.readouterr().out)
    nearest = answer["levels"][0]["nearest"]
    assert [(one["group"], one["called"]) for one in nearest["candidates"][:3]] == [
        ("patrol-1", True), ("wulin-security", True), ("silk-security", False),
    ]  # fmt: skip
    assert nearest["candidates"][0]["distance_m"] == pytest.approx(33, abs=2)


async def test_what_the_running_gateway_does_not_have_is_a_wrong_call(config):
    asked = {"endpoint": "no-button", **ASKED}
    with pytest.raises(GatewayRefusedCall, match="there is no endpoint 'no-button'"):
        await asyncio.to_thread(explain, config, at=None, live=True, as_json=True, **asked)
