"""``baiying check`` and ``baiying explain`` as they are called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
DISTRICT = ["hospital.yaml", "school.yaml", "mall.yaml", "command-centre.yaml"]


class Call:
    """One call of the command, in this process: exit status and what it printed."""

    def __init__(self, capsys, monkeypatch, cwd: Path, words: tuple[str, ...]) -> None:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["baiying", *words])
        with pytest.raises(SystemExit) as ended:
            main.main()
        self.returncode = ended.value.code or 0
        self.stdout, self.stderr = capsys.readouterr()


@pytest.fixture
def baiying(capsys, monkeypatch):
    return lambda *words, cwd=CONFIG: Call(capsys, monkeypatch, cwd, words)


@pytest.fixture
def explain(baiying):
    def ask(*words: str) -> dict:
        done = baiying("explain", *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def test_check_is_a_command_of_the_shell():
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "check", "contract.yaml"],
        cwd=CONFIG,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("contract.yaml: ok: gateway zju1")


def test_check_of_a_good_file_ends_with_0_and_warns_on_standard_error(baiying):
    done = baiying("check", "contract.yaml")
    assert done.returncode == 0
    assert done.stdout.startswith("contract.yaml: ok: gateway zju1, 1 site, 2 inputs, 4 endpoints")
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("warning: contract.yaml:") for line in lines)
    assert "groups.street-xiaoying: no gateway of the files given serves group" in done.stderr


def test_check_of_a_district_knows_who_serves_whom_and_takes_the_shared_file_as_a_part(baiying):
    done = baiying("check", *DISTRICT, "district.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 4
    alone = baiying("check", "hospital.yaml")
    assert alone.returncode == 0
    assert "warning: district.yaml:" in alone.stderr
    assert "serves group police-xiaoying" in alone.stderr


def test_check_of_bad_files_prints_each_problem_once_as_a_line(baiying, tmp_path):
    (tmp_path / "shared.yaml").write_text("talkgroups: {t: {tot: 1}}\n")
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"gateway: {name}\ninclude: [shared.yaml]\nx: 1\n")
    done = baiying("check", "a.yaml", "b.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.split("; ")[0] for line in done.stderr.splitlines()] == [
        "a.yaml:3:1: x: unknown key",
        "shared.yaml:1:18: talkgroups.t.tot: unknown key",
        "b.yaml:3:1: x: unknown key",
    ]


def test_check_prints_machine_readable_problems(baiying, tmp_path):
    (tmp_path / "a.yaml").write_text("gateway: A\n")
    done = baiying("check", "--json", "a.yaml", "none.yaml", cwd=tmp_path)
    assert done.returncode == 2
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert found["problems"][0] | {"hint": ""} == {
        "file": "a.yaml",
        "line": 1,
        "column": 10,
        "key": "gateway",
        "what": "'A' is no name",
        "hint": "",
        "warning": False,
    }
    assert "none.yaml:0:0: file: cannot be read" in done.stderr


def test_two_gateways_of_one_name_are_an_error(baiying, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("gateway: same\n")
    done = baiying("check", "a.yaml", "b.yaml", cwd=tmp_path)
    assert done.returncode == 2
    told = "b.yaml:1:10: gateway: gateway 'same' is also in another file; see a.yaml:1:10\n"
    assert done.stderr == told


def test_files_that_include_one_another_are_an_error(baiying, tmp_path):
    (tmp_path / "a.yaml").write_text("gateway: a\ninclude: [b.yaml]\n")
    (tmp_path / "b.yaml").write_text("include: [a.yaml]\n")
    assert baiying("check", "a.yaml", "b.yaml", cwd=tmp_path).returncode == 2


def test_explain_says_who_is_called_by_whom_when_at_which_level_and_where(explain):
    found = explain(
        "contract.yaml", "--endpoint", "south-gate-button", "--at", "2026-11-24T05:45:00+08:00"
    )
    assert (found["gateway"], found["category"], found["severity"]) == ("zju1", "panic", 1)
    assert found["plan"]["name"] == "hospital-panic"
    assert found["latches"] is True
    assert found["endpoints"] == ["south-gate-button", "south-gate-intercom"]
    assert found["cameras"] == ["south-gate-intercom"]
    one, two, three = found["levels"]
    assert [level["after_s"] for level in (one, two, three)] == [0, 30, 90]
    assert [level["at"] for level in (one, two)] == [
        "2026-11-23T21:45:00.000Z",
        "2026-11-23T21:45:30.000Z",
    ]
    assert [(group["group"], group["party"], group["talkgroup"]) for group in one["groups"]] == [
        ("police-xiaoying", "police", "police-xiaoying"),
        ("hospital-security", "hospital", "hospital-security"),
        ("street-xiaoying", "street", "street-xiaoying"),
    ]
    assert all(group["added"] for group in one["groups"])
    assert not any(group["added"] for group in two["groups"])
    assert one["answered_by"] == three["answered_by"] == ["police", "hospital"]
    assert (one["talkgroup"], two["talkgroup"]) == (None, "incident-<id>")
    assert two["joined"] == ["south-gate-intercom"]
    assert three["then"] == "breach"
    assert [level["announce"] for level in (one, two, three)] == ["wait"] * 3
    assert (one["hot_mics"], two["hot_mics"]) == ([], ["south-gate-intercom"])
    assert two["hot_mic_s"] == 30


def test_explain_in_words_has_the_same_facts(baiying):
    done = baiying(
        "explain", "contract.yaml", "-e", "south-gate-button", "--at", "2026-11-24T05:45:00+08:00"
    )
    assert done.returncode == 0
    for part in (
        "浙大一院",
        "plan hospital-panic; gateway zju1 calls",
        "level 1 吹哨响应: at once (05:45:00)",
        "calls police-xiaoying 小营派出所 (party police) on talkgroup police-xiaoying",
        "level 2 双向响应: after 30 s (05:45:30)",
        "answered once police and hospital have acked; if not within 30 s, level 2 follows",
        "is announced on their talkgroups once nobody talks",
        "opens the microphone of south-gate-intercom for 30 s",
    ):
        assert part in done.stdout


@pytest.mark.parametrize(
    ("words", "category", "plan"),
    [
        (["mall.yaml", "-e", "shop-204", "--code", "E110"], "fire", "fire"),
        (["mall.yaml", "-e", "shop-204", "--code", "P110"], "fire", "fire"),
        (["mall.yaml", "-e", "shop-101", "--code", "E130"], "panic", "mall-panic"),
        (["mall.yaml", "-e", "shop-204", "--code", "E130"], "burglary", "other"),
        (["mall.yaml", "-e", "shop-101", "--code", "E301"], "trouble", "trouble"),
        (["mall.yaml", "-e", "shop-101", "--signal", "battery"], "trouble", "trouble"),
        (["mall.yaml", "-e", "shop-101", "--signal", "test"], "test", None),
        (["mall.yaml", "-e", "shop-101", "--code", "E602"], "test", None),
        (["mall.yaml", "-e", "shop-101", "--signal", "restore"], "panic", None),
        (["school.yaml", "-e", "office-button"], "duress", "school-panic"),
    ],
)  # fmt: skip
def test_explain_decides_as_the_desk_does(explain, words, category, plan):
    found = explain(*words)
    assert found["category"] == category
    assert (found["plan"] or {}).get("name") == plan
    assert bool(found["levels"]) == bool(plan)
    assert bool(found["why"]) != bool(plan)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-e", "south-gate-buton"], "did you mean south-gate-button?"),
        (["-e", "south-gate-button", "--signal", "alarum"], "did you mean alarm?"),
        (["-e", "south-gate-button", "--code", "hello"], "no event code"),
        (["-e", "south-gate-button", "--at", "noon"], "no RFC 3339 time"),
        (["-e", "south-gate-button", "--at", "2026-11-24T05:45:00"], "no RFC 3339 time"),
        ([], "--endpoint"),
    ],
)
def test_a_wrong_question_ends_with_2(baiying, words, told):
    done = baiying("explain", "contract.yaml", *words)
    assert done.returncode == 2
    assert told in done.stderr


def test_explain_of_a_wrong_file_prints_its_problems_and_ends_with_2(baiying, tmp_path):
    (tmp_path / "a.yaml").write_text("gateway: a\nx: 1\n")
    done = baiying("explain", "a.yaml", "-e", "b", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("a.yaml:2:1: x: unknown key")


def test_the_alliance_is_fine_with_the_rest_of_the_district(baiying):
    done = baiying("check", *DISTRICT, "alliance.yaml")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("at", "plan", "on_duty", "called"),
    [
        ("2026-11-27T12:00:00+08:00", "market-panic", "street-hubin", "street-hubin"),
        ("2026-11-27T17:59:59+08:00", "market-panic", "street-hubin", "street-hubin"),
        ("2026-11-27T18:00:00+08:00", "market-panic", "hubin-night-duty", "hubin-night-duty"),
        # The night of Friday ends on Saturday morning, in the configured zone wherever it is asked.
        ("2026-11-27T23:59:59+00:00", "market-panic", "hubin-night-duty", "hubin-night-duty"),
        ("2026-11-28T00:00:00+00:00", "market-panic", "hubin-weekend-duty", "hubin-weekend-duty"),
        ("2026-10-10T12:00:00+08:00", "market-panic", "street-hubin", "hubin-weekend-duty"),
        ("2026-10-01T12:00:00+08:00", "market-panic", None, "hubin-night-duty"),
        ("2027-02-05T08:59:59+08:00", "market-panic", None, "hubin-night-duty"),
        ("2027-02-05T09:00:00+08:00", "festival-panic", None, "street-hubin"),
        ("2027-02-11T22:00:00+08:00", "market-panic", "hubin-night-duty", "hubin-night-duty"),
    ],
)  # fmt: skip
def test_explain_goes_by_hours_calendars_and_rotas(explain, at, plan, on_duty, called):
    found = explain("alliance.yaml", "-e", "jewellery-button", "--at", at)
    assert found["plan"]["name"] == plan
    first = found["levels"][0]
    assert called in {group["group"] for group in first["groups"]}
    if first["rotas"]:
        (rota,) = first["rotas"]
        assert (on_duty in rota["on_duty"]) if on_duty else rota["on_duty"] == []
        falls_short = [words for words in first["shortfalls"] if "nobody is on duty" in words]
        assert bool(falls_short) == (on_duty is None)


def test_explain_shows_who_is_near_and_who_falls_short(explain, baiying):
    found = explain("alliance.yaml", "-e", "jewellery-button", "--at", "2026-11-27T12:00:00+08:00")
    nearest = found["levels"][0]["nearest"]
    assert (nearest["count"], nearest["max_distance_m"]) == (2, 1500.0)
    assert [(one["group"], one["called"]) for one in nearest["candidates"][:2]] == [
        ("wulin-security", True), ("silk-security", True),
    ]  # fmt: skip
    assert nearest["candidates"][0]["distance_m"] == pytest.approx(36, abs=2)
    assert nearest["candidates"][2]["why_not"] == "is 1978 m away (limit 1500)"
    assert (
        "patrol-1 has no known position"
        in baiying("explain", "alliance.yaml", "-e", "jewellery-button").stdout
    )
    alone = explain("alliance.yaml", "-e", "vault-button", "--at", "2026-11-27T12:00:00+08:00")
    assert alone["covert"] is True
    assert alone["levels"][0]["shortfalls"][0].startswith("1 of 2 security or patrol nearby: ")


def test_explain_of_what_a_person_raises_at_a_site(explain, baiying):
    general = explain("alliance.yaml", "--site", "service-hall", "--category", "dispute")
    assert (general["by_hand"], general["endpoint"], general["latches"]) == (True, None, False)
    assert general["plan"]["name"] == "dispute"
    assert [group["group"] for group in general["levels"][0]["groups"]] == ["hubin-mediators"]
    professional = explain(
        "alliance.yaml", "--site", "service-hall", "--category", "professional-dispute"
    )
    assert professional["levels"][0]["answered_by"] == "all"
    assist = explain("alliance.yaml", "-e", "advice-button")
    assert (assist["severity"], assist["latches"], assist["by_hand"]) == (3, False, False)
    named = explain("alliance.yaml", "--site", "command", "--plan", "roll-call")
    assert named["plan"]["name"] == "roll-call"
    assert named["targets"] == dict.fromkeys(("ack_s", "en_route_s", "on_scene_s", "handled_s"))
    for words, told in (
        (["--site", "servicehall"], "did you mean service-hall?"),
        (["--site", "command", "--plan", "rollcall"], "did you mean roll-call?"),
        (["--site", "command", "-e", "vault-button"], "is at site bank-hubin, not command"),
    ):
        done = baiying("explain", "alliance.yaml", *words)
        assert done.returncode == 2
        assert told in done.stderr


def test_explain_of_a_drill_calls_only_whom_drills_may_call(explain):
    found = explain(
        "alliance.yaml", "-e", "silk-button", "--drill", "--at", "2026-11-27T12:00:00+08:00"
    )
    called = [group["group"] for group in found["levels"][2]["groups"]]
    assert called == ["silk-security", "wulin-security"]
    assert "takes part in no drill: police-hubin" in found["levels"][0]["shortfalls"]


def test_explain_says_which_levels_are_passed_over_at_once(explain, baiying, tmp_path):
    (tmp_path / "g.yaml").write_text(
        """
gateway: g
sites: {s: {name: S, class: school, position: [30.0, 120.0]}}
inputs: {hand: {driver: virtual}}
endpoints: {b: {kind: button, site: s, input: hand, category: panic, hold_s: 2, confirm_by: [c]},
            c: {kind: button, site: s, input: hand, category: panic}}
talkgroups: {t: {}}
groups: {p: {name: P, party: police, talkgroup: t}, car: {name: C, party: car, talkgroup: t}}
plans:
  all:
    levels:
      - {name: cars, nearest: {count: 1, party: car}, ack_within_s: 30}
      - {name: police, page: [p], ack_within_s: 60}
      - {name: again, nearest: {count: 1, party: car}, ack_within_s: 60}
"""
    )
    found = explain(str(tmp_path / "g.yaml"), "-e", "b")
    assert [(one["after_s"], one["passed_over"]) for one in found["levels"]] == [
        (0, True), (0, False), (60, False),
    ]  # fmt: skip
    assert found["guard"] == ["held for 2 s", "confirmed by c within 30 s"]
    said = baiying("explain", str(tmp_path / "g.yaml"), "-e", "b").stdout
    assert "leaves nobody called, so level 2 follows at once" in said
    assert "falls short: 0 of 1 car nearby: car has no known position" in said
    assert "counts once held for 2 s, confirmed by c within 30 s" in said


def test_names_in_chinese_do_not_stop_a_terminal_that_cannot_show_them():
    words = ["explain", str(CONFIG / "hospital.yaml"), "--endpoint", "south-gate-button"]
    done = subprocess.run(
        [sys.executable, "-c", "from gateway.cli.main import main; main()", *words],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u6d59" in done.stdout
