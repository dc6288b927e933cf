"""Who is supervised and tested, as configured (`gateway.settings.supervised`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers import registry
from gateway.alarm.supervision.supervision import Name, Part
from gateway.errors import ConfigError
from gateway.settings.loader import Loaded, load
from gateway.settings.supervised import due_within, intervals_of, speaks_for_itself

BASE = """
gateway: zju1
sites: {zju1: {name: 浙大一院, class: hospital}}
inputs:
  receiver-1: {driver: panel, protocol: surgard, port: /dev/null}
  desk: {driver: virtual}
talkgroups: {hall: {}}
groups: {guards: {name: 保卫科, party: hospital, talkgroup: hall}}
plans: {all: {when: {}, levels: [{name: 吹哨响应, page: [guards]}]}}
endpoints:
  gate: {kind: button, site: zju1, input: receiver-1, account: "1234", category: panic}
  ward: {kind: button, site: zju1, input: desk, category: panic, test_every_days: 7}
  lamp: {kind: relay, site: zju1}
"""


def loaded(tmp_path: Path, more: str) -> Loaded:
    path = tmp_path / "baiying.yaml"
    path.write_text(BASE + more, encoding="utf-8")
    return load(path, registry)


def test_each_part_has_its_interval_and_the_gateway_passes_over_itself(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        """
supervision:
  inputs: {receiver-1: {heartbeat_s: 30}}
  endpoints: {gate: {heartbeat_s: 86400}}
  gateways: {zju1: {heartbeat_s: 10}, zju2: {heartbeat_s: 10}}
  responders: {car-7: {heartbeat_s: 1}}
""",
    ).settings
    assert intervals_of(settings) == {
        Name(Part.INPUT, "receiver-1"): 30,
        Name(Part.ENDPOINT, "gate"): 86400,
        Name(Part.GATEWAY, "zju2"): 10,
        Name(Part.RESPONDER, "car-7"): 1,
    }
    assert speaks_for_itself(settings, "gate")
    assert not speaks_for_itself(settings, "ward")


def test_what_raises_is_tested_monthly_or_as_it_says(tmp_path: Path) -> None:
    assert due_within(loaded(tmp_path, "").settings) == {"gate": 30 * 86400, "ward": 7 * 86400}
    never = loaded(tmp_path, "testing: {every_days: null}\n").settings
    assert due_within(never) == {"gate": None, "ward": 7 * 86400}


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("inputs: {receiver-l: {heartbeat_s: 30}}", "there is no input 'receiver-l'"),
        ("endpoints: {gates: {heartbeat_s: 30}}", "there is no endpoint 'gates'"),
        ("gateways: {zju2: {heartbeat_s: 0.5}}", "at least 1"),
        ("gateways: {zju2: {heartbeats_s: 5}}", "required key is missing"),
    ],
)
def test_a_slip_is_told_with_its_place(tmp_path: Path, section: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"supervision:\n  {section}\n")
    problem, *_ = [one for one in caught.value.problems if not one.warning]
    assert what in f"{problem.what}; {problem.hint}"
    assert problem.line == 15


def test_a_test_of_what_raises_nothing_is_warned_of(tmp_path: Path) -> None:
    found = loaded(tmp_path, "  pole: {kind: relay, site: zju1, test_every_days: 7}\n")
    assert [one.key for one in found.warnings if "pole" in one.key] == [
        "endpoints.pole.test_every_days"
    ]
