"""What does not fit together, though each part is valid."""

from __future__ import annotations

import copy
import random

import pytest
import yaml

from drivers import registry
from gateway.settings.loader import examine

BASE = """
gateway: g
sites: {s: {name: S, class: school, street: a}}
inputs:
  panel: {driver: panel, port: /dev/ttyP0}
  gpio: {driver: gpio, chip: gpiochip0, lines: {one: {offset: 1}, two: {offset: 2}}}
  hand: {driver: virtual}
endpoints:
  b1: {kind: button, site: s, input: panel, account: "1", zone: "001", category: panic}
  b2: {kind: button, site: s, input: gpio, line: one, category: panic}
  b3: {kind: button, site: s, input: gpio, line: two, category: panic}
  b4: {kind: button, site: s, input: hand, category: panic}
  r1:
    kind: radio
    site: s
    audio: {driver: udp, listen: "127.0.0.1:5001"}
    ptt: {driver: pty, path: r1.pty}
    squelch: {driver: pty, path: r1.pty}
    talkgroup: t
talkgroups: {t: {}}
groups: {p: {name: P, party: police, talkgroup: t}, q: {name: Q, party: street, street: a, talkgroup: t}}
plans:
  panic:
    when: {category: panic}
    levels:
      - {name: one, page: [p], answered_by: [police]}
      - {name: two, page_where: {party: street}}
"""


def test_the_base_has_nothing_to_say(bench):
    assert bench.lines(BASE) == []


def changed(change) -> str:
    data = yaml.safe_load(BASE)
    change(data)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


def set_at(*path_and_value):
    *path, last, value = path_and_value

    def change(data):
        for key in path:
            data = data[key]
        if value is None:
            del data[last]
        else:
            data[last] = value

    return change


def add_endpoint(**fields):
    return set_at("endpoints", "x", {"site": "s", **fields})


UDP = {"driver": "udp", "listen": "127.0.0.1:5002"}
ERRORS = {
    "unknown site": (
        set_at("endpoints", "b1", "site", "z"),
        "endpoints.b1.site: there is no site 'z'",
    ),
    "unknown input": (set_at("endpoints", "b1", "input", "panl"), "did you mean panel?"),
    "unknown talkgroup": (
        set_at("endpoints", "r1", "talkgroup", "tt"),
        "no talkgroup 'tt'; did you mean t?",
    ),
    "unknown heard talkgroup": (
        set_at("endpoints", "r1", "hears", ["t", "u"]),
        "endpoints.r1.hears[1]",
    ),
    "unknown talkgroup of a group": (set_at("groups", "p", "talkgroup", "u"), "groups.p.talkgroup"),
    "unknown talkgroup to record": (
        set_at("recordings", {"talkgroups": ["t", "u"]}),
        "recordings.talkgroups[1]",
    ),
    "before an alarm without a microphone": (
        set_at("endpoints", "b1", "pre_alarm_s", 30.0),
        "endpoints.b1.pre_alarm_s: pre_alarm_s without audio",
    ),
    "unknown group": (
        set_at("plans", "panic", "levels", 0, "page", ["p", "pp"]),
        "levels[0].page[1]",
    ),
    "unknown site in when": (
        set_at("plans", "panic", "when", "site", "z"),
        "plans.panic.when.site",
    ),
    "unknown group served": (
        set_at("serves", ["p", "x"]),
        "serves[1]: there is no group 'x'; known: p, q",
    ),
    "unknown line": (
        set_at("endpoints", "b2", "line", "onee"),
        "has no line 'onee'; did you mean one?",
    ),
    "line missing": (
        set_at("endpoints", "b2", "line", None),
        "endpoints.b2: input gpio (gpio) tells endpoints by line; add line: one or two",
    ),
    "account missing": (
        lambda data: [data["endpoints"]["b1"].pop(key) for key in ("account", "zone")],
        "endpoints.b1: input panel (panel) tells endpoints by account; add account:",
    ),
    "zone without account": (
        set_at("endpoints", "b1", "account", None),
        "endpoints.b1.zone: a zone without an account",
    ),
    "line on a panel": (
        set_at("endpoints", "b1", "line", "one"),
        "endpoints.b1.line: input panel (panel) has no lines",
    ),
    "account on gpio": (
        set_at("endpoints", "b2", "account", "1"),
        "endpoints.b2.account: input gpio (gpio) knows no accounts",
    ),
    "account without input": (
        add_endpoint(kind="button", account="9"),
        "endpoints.x.account: account without an input",
    ),
    "line without input": (
        add_endpoint(kind="button", line="one"),
        "endpoints.x.line: line without an input",
    ),
    "account and zone twice": (
        add_endpoint(kind="button", input="panel", account="1", zone="001", category="panic"),
        "endpoints.x.zone: endpoint b1 has the same account and zone on input panel",
    ),
    "account and zone twice but for zeros": (
        add_endpoint(kind="button", input="panel", account="0001", zone="1", category="panic"),
        "endpoints.x.zone: endpoint b1 has the same account and zone on input panel",
    ),
    "line twice": (
        add_endpoint(kind="button", input="gpio", line="one", category="panic"),
        "endpoints.x.line: endpoint b2 has the same line on input gpio",
    ),
    "port of two radios": (
        add_endpoint(kind="radio", audio=UDP, ptt={"driver": "pty", "path": "./r1.pty"}),
        "endpoints.x.ptt.path: ",
    ),
    "port of a panel and a radio": (
        add_endpoint(kind="radio", audio=UDP, ptt={"driver": "serial-line", "port": "/dev/ttyP0"}),
        "endpoints.x.ptt.port: /dev/ttyP0 is used by inputs.panel already",
    ),
    "port of two panels": (
        set_at("inputs", "panel-2", {"driver": "panel", "port": "/dev/ttyP0"}),
        "inputs.panel-2.port: /dev/ttyP0 is used by inputs.panel already",
    ),
    "udp port twice": (
        add_endpoint(kind="radio", audio={"driver": "udp", "listen": "localhost:5001"}),
        "endpoints.x.audio.listen: udp localhost:5001 is used by endpoints.r1.audio already",
    ),
    "offset twice on one input": (
        set_at("inputs", "gpio", "lines", "two", "offset", 1),
        "inputs.gpio.lines.two.offset: /dev/gpiochip0 line 1 is used twice here",
    ),
    "offset of an input and a PTT": (
        add_endpoint(
            kind="radio", audio=UDP, ptt={"driver": "gpio", "chip": "/dev/gpiochip0", "offset": 2}
        ),
        "endpoints.x.ptt.offset: /dev/gpiochip0 line 2 is used by inputs.gpio already",
    ),
    "one line for PTT and squelch": (
        add_endpoint(
            kind="radio",
            audio=UDP,
            ptt={"driver": "gpio", "chip": "gpiochip1", "offset": 2},
            squelch={"driver": "gpio", "chip": "gpiochip1", "offset": 2},
        ),
        "endpoints.x.squelch.offset: /dev/gpiochip1 line 2 is used by endpoints.x.ptt already",
    ),
    "ptt without audio": (
        set_at("endpoints", "b1", "ptt", {"driver": "pty", "path": "x"}),
        "endpoints.b1.ptt: ptt without audio",
    ),
    "squelch without audio": (
        set_at("endpoints", "b1", "squelch", {"driver": "vox"}),
        "endpoints.b1.squelch: squelch without audio",
    ),
    "quorum nobody can meet": (
        set_at("plans", "panic", "levels", 0, "answered_by", ["police", "street"]),
        "plans.panic.levels[0].answered_by[1]: no group that this level calls is of party 'street'",
    ),
    "more groups than can be called": (
        set_at("plans", "panic", "levels", 1, "answered_by", 3),
        "levels[1].answered_by: it asks for 3 groups and at most 2 can be called, so it is never",
    ),
    "party that only a rota could bring": (
        lambda data: (
            data.update({"rotas": {"duty": {"shifts": [{"group": "p"}]}}}),
            data["plans"]["panic"]["levels"].append(
                {"name": "three", "page_rota": "duty", "answered_by": ["fire"]}
            ),
        ),
        "levels[2].answered_by[0]: no group that this level calls is of party 'fire'",
    ),
    "rota that is not there": (
        set_at("plans", "panic", "levels", 1, "page_rota", "dutty"),
        "plans.panic.levels[1].page_rota: there is no rota 'dutty'",
    ),
    "calendar that is not there": (
        set_at("plans", "panic", "when", "calendar", "term"),
        "plans.panic.when.calendar: there is no calendar 'term'",
    ),
    "source no plan covers": (
        set_at("endpoints", "b4", "category", "fire"),
        "endpoints.b4: no plan covers its alarms of category fire at site s (class school)",
    ),
    "source of a class no plan covers": (
        set_at("plans", "panic", "when", {"class": "school", "street": "b"}),
        "endpoints.b1: no plan covers its alarms",
    ),
    "plan that calls nobody": (
        set_at("plans", "idle", {"when": {"category": "fire"}, "levels": [{"name": "n"}]}),
        "plans.idle: this plan calls nobody",
    ),
    "open broker": (
        set_at("mqtt", {"listen": "0.0.0.0:1883"}),
        "mqtt.listen: 0.0.0.0:1883 is open to the network",
    ),
    "open broker with TLS only": (
        set_at("mqtt", {"listen": "10.0.0.1:8883", "cert_file": "c", "key_file": "k"}),
        "add users_file, or listen on 127.0.0.1",
    ),
    "certificate without key": (
        set_at("mqtt", {"cert_file": "c"}),
        "mqtt.cert_file: cert_file needs a key_file",
    ),
    "talkgroup of an incident": (
        set_at("talkgroups", "incident-1", {}),
        "talkgroups.incident-1: names that begin",
    ),
    "no disposition": (set_at("dispositions", []), "dispositions: no disposition is valid"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_can_never_work_is_one_error(bench, case):
    change, line = ERRORS[case]
    text = changed(change)
    errors = bench.errors(text)
    assert line in "\n".join(errors)
    each_source = "class no plan" in case  # one line for each of the four buttons
    assert len(errors) == (4 if each_source else 1)


WARNINGS = {
    "level adds nobody": (set_at("plans", "panic", "levels", 1, "page_where", {"party": "police"}), "levels[1]: level two adds nobody"),
    "no second level": (set_at("plans", "panic", "levels", [{"name": "n", "page": ["p"]}]), "endpoints.b1: its plan panic has no second level"),
    "button without input": (add_endpoint(kind="button"), "endpoints.x: a button without an input"),
    "radio without audio": (add_endpoint(kind="radio"), "endpoints.x: radio without audio"),
    "camera without camera": (add_endpoint(kind="camera"), "endpoints.x: a camera without camera:"),
    "idle input": (set_at("inputs", "other", {"driver": "virtual"}), "inputs.other: no endpoint uses this input"),
    "idle line": (set_at("endpoints", "b3", None), "inputs.gpio.lines.two: no endpoint uses this line"),
    "unknown endpoint in when": (set_at("plans", "x", {"when": {"endpoint": ["b1", "bb"]}, "levels": [{"name": "n", "page": ["p"]}, {"name": "m", "page": ["q"]}]}), "there is no endpoint 'bb' in this gateway's"),
    "class nobody has": (set_at("plans", "x", {"when": {"class": "schol", "category": "fire"}, "levels": [{"name": "n", "page": ["p"]}, {"name": "m", "page": ["q"]}]}), "plans.x.when.class: no site has the class 'schol'; did you mean school?"),
    "party nobody has": (set_at("plans", "panic", "levels", 1, "page_where", {"party": ["street", "polic"]}), "page_where.party: no group has the party 'polic'"),
    "category nobody has": (set_at("plans", "panic", "when", {"category": ["panic", "panik"]}), "did you mean panic?"),
    "party near that nobody has": (set_at("plans", "panic", "levels", 1, "nearest", {"count": 1, "party": "polic"}), "levels[1].nearest.party: no group has the party 'polic'; did you mean police?"),
    "quiet category nobody has": (set_at("plans", "x", {"when": {"category": "suppervision"}, "levels": [{"name": "n", "page": ["p"]}, {"name": "m", "page": ["q"]}]}), "did you mean supervision?"),
    "hidden plan": (set_at("plans", "late", {"when": {"category": "panic", "street": "a"}, "levels": [{"name": "n", "page": ["p"]}, {"name": "m", "page": ["q"]}]}), "plans.late: this plan is never used: panic before it"),
    "listen beside an external broker": (set_at("mqtt", {"broker": "mqtt://h", "listen": "127.0.0.1:1"}), "mqtt.listen: listen is for the embedded"),
    "TLS file without TLS": (set_at("mqtt", {"broker": "mqtt://h", "ca_file": "x"}), "mqtt.ca_file: ca_file does nothing without TLS"),
    "password for the embedded broker": (set_at("mqtt", {"password_file": "x"}), "mqtt.password_file: password_file is for an external"),
}  # fmt: skip


@pytest.mark.parametrize("case", WARNINGS)
def test_what_is_odd_is_a_warning_and_loads(bench, case):
    change, line = WARNINGS[case]
    examined = bench.examine(changed(change))
    assert examined.settings is not None, examined.problems
    found = [str(problem) for problem in examined.problems]
    assert line in "\n".join(found)
    assert all(text.startswith("warning: ") for text in found)


def test_one_port_for_ptt_and_squelch_of_one_endpoint_is_fine(bench):
    serial = {"driver": "serial-line", "port": "/dev/ttyX"}
    text = changed(add_endpoint(kind="radio", audio=UDP, ptt=serial, squelch=serial))
    assert bench.lines(text) == []


def test_a_radio_on_the_port_of_another_is_one_mistake_though_ptt_and_squelch_share_it(bench):
    pty = {"driver": "pty", "path": "r1.pty"}
    text = changed(add_endpoint(kind="radio", audio=UDP, ptt=pty, squelch=pty))
    (error,) = bench.errors(text)
    assert "r1.pty is used by endpoints.r1.ptt already" in error


def test_a_port_by_two_names_is_one_port(bench, tmp_path):
    device = tmp_path / "tty"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    inputs = {
        "i": {"driver": "panel", "port": str(device)},
        "j": {"driver": "panel", "port": str(tmp_path / "by-id")},
    }
    text = changed(lambda data: data["inputs"].update(inputs))
    assert any("is used by inputs.i already" in line for line in bench.errors(text))


def test_the_sites_own_street_is_whatever_street_it_has(bench):
    def change(data):
        data["plans"]["panic"]["levels"][1]["page_where"] = {"street": "@site"}

    assert bench.lines(changed(change)) == []
    change_site = set_at("sites", "s", "street", None)

    def both(data):
        change(data)
        change_site(data)

    (warning,) = bench.lines(changed(both))
    assert "plans.panic.levels[1]: level two adds nobody" in warning


def test_levels_that_call_by_rota_or_by_nearness_add_somebody(bench):
    def change(data):
        data["sites"]["s"]["position"] = [30.0, 120.0]
        data["rotas"] = {"duty": {"shifts": [{"group": "q"}]}}
        data["plans"]["panic"]["levels"][1] = {
            "name": "two",
            "page_rota": "duty",
            "answered_by": ["street"],
        }
        data["plans"]["panic"]["levels"].append(
            {"name": "three", "nearest": {"count": 1}, "answered_by": 2}
        )

    assert bench.lines(changed(change)) == []


@pytest.mark.parametrize("category", ["trouble", "test"])
def test_a_plan_for_everything_covers_no_trouble_and_hides_no_plan_of_it(bench, category):
    plan = {"when": {"category": category}, "levels": [{"name": "n", "page": ["p"]}]}

    def change(data):
        data["plans"]["panic"]["when"] = {}
        data["plans"]["quiet"] = plan

    assert bench.lines(changed(change)) == []


def test_an_event_code_decides_only_at_a_panel(bench):
    def change(data):
        for endpoint in data["endpoints"].values():
            endpoint.pop("category", None)
        data["plans"]["panic"]["when"] = {"code": ["E120"]}

    errors = bench.errors(changed(change))
    assert [error.split(": ")[1] for error in errors] == [f"endpoints.b{n}" for n in (2, 3, 4)]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_the_embedded_broker_on_loopback_needs_nothing(bench, host):
    assert bench.lines(changed(set_at("mqtt", {"listen": f"{host}:1883"}))) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.1.2.3", "broker.example"])
def test_the_embedded_broker_beyond_loopback_needs_users_and_tls(bench, host):
    whole = {"users_file": "u", "cert_file": "c", "key_file": "k"}
    assert bench.lines(changed(set_at("mqtt", {"listen": f"{host}:1883", **whole}))) == []
    for key in whole:
        rest = {other: value for other, value in whole.items() if other != key}
        assert bench.errors(changed(set_at("mqtt", {"listen": f"{host}:1883", **rest})))


@pytest.mark.parametrize("seed", range(150))
def test_any_damage_gives_problems_with_places_and_never_a_crash(tmp_path, seed):
    """Values replaced, keys dropped, renamed and moved at random, several at a time."""
    chance = random.Random(seed)
    data = yaml.safe_load(BASE)
    for _ in range(chance.randint(1, 6)):
        _damage(data, chance)
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    examined = examine(path, registry)
    errors = [problem for problem in examined.problems if not problem.warning]
    assert (examined.settings is None) == bool(errors)
    for problem in examined.problems:
        assert problem.line > 0
        assert problem.column > 0
        assert "\n" not in str(problem)


def _damage(data, chance: random.Random) -> None:
    parent = data
    while True:
        keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
        if not keys:
            return
        key = chance.choice(keys)
        child = parent[key]
        if isinstance(child, dict | list) and child and chance.random() < 0.8:
            parent = child
            continue
        match chance.randint(0, 3):
            case 0:
                del parent[key]
            case 1:
                junk = [None, True, 7, -1.5, "", "x", "12", [], {}, ["a"], {"a": 1}, "r1", "p"]
                parent[key] = copy.deepcopy(chance.choice(junk))
            case 2 if isinstance(parent, dict):
                parent[str(key) + chance.choice("sx-_ A")] = parent.pop(key)
            case _ if isinstance(parent, dict):
                parent[chance.choice(["driver", "levels", "zone", "q", "1"])] = copy.deepcopy(child)
        return
