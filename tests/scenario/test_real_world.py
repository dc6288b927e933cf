"""The same files against real processes and a real broker."""

import json

import pytest

from tests.scenario.test_scenario_language import HEAD
from tests.system.rig import baiying

pytestmark = pytest.mark.system

STEPS = """\
  - press: gate
  - expect: {paged: [police], incident: {groups: {police: received}}, raised: 1}
  - at: 2
    ack: police
  - expect: {incident: {state: answered}}
  - kill:
  - broker: down
  - broker: up
  - start:
  - expect: {incident: {state: answered}, gateways: {zju1: online}}
    within: 5 s
  - cancel:
    via: zju1
  - reset:
  - close: handled
  - expect: {incident: {state: closed}}
  - request: incident.show
    with: {incident: "0"}
  - expect: {answer: {state: closed}}
"""


def test_scenario_plays_against_real_processes(tmp_path):
    (tmp_path / "real.yaml").write_text(HEAD + STEPS)
    done = baiying("scenario", "--real-time", "--json", "real.yaml", cwd=tmp_path, within=60)
    (result,) = json.loads(done.out)
    assert (done.status, result["failures"]) == (0, []), result["timeline"]


def test_scenario_that_sets_the_clock_is_refused_in_real_time(tmp_path):
    (tmp_path / "clock.yaml").write_text(HEAD + "  - clock: 60\n")
    done = baiying("scenario", "--real-time", "clock.yaml", cwd=tmp_path)
    assert done.status == 2
    assert "needs the virtual clock: it sets the clock" in done.err


def test_failed_scenario_is_status_1_and_a_wrong_file_is_status_2(tmp_path):
    (tmp_path / "failed.yaml").write_text(HEAD + "  - ack: police\n")
    (tmp_path / "wrong.yaml").write_text(HEAD + "  - press: gat\n")
    failed = baiying("scenario", "failed.yaml", cwd=tmp_path)
    assert (failed.status, "FAILED" in failed.out) == (1, True)
    wrong = baiying("scenario", "failed.yaml", "wrong.yaml", cwd=tmp_path)
    assert (wrong.status, "wrong.yaml:11:12: " in wrong.err) == (2, True)
