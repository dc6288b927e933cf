"""What the schema refuses, in which words and where."""

from __future__ import annotations

import pytest

from drivers import registry
from gateway.errors import DriverUnavailable
from gateway.settings.document import parse
from gateway.settings.loader import examine
from gateway.settings.validate import validate

HEAD = "gateway: g\n"


def test_the_contract_file_loads_and_warns_of_the_levels_that_add_nobody(bench, contract):
    assert bench.lines(contract) == [
        (
            "warning: gateway.yaml:43:9: plans.hospital-panic.levels[1]: level 双向响应 adds nobody;"
            " add page: or page_where:"
        ),
        (
            "warning: gateway.yaml:44:9: plans.hospital-panic.levels[2]: level 一呼百应 adds nobody;"
            " add page: or page_where:"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", "1:1: gateway: required key is missing"),
        ("", "1:1: gateway: required key is missing"),
        ("[]", "1:1: file: must be a mapping of sections, not a list"),
        ("hello", "1:1: file: must be a mapping of sections, not text"),
        ("gateway: Zju1", "1:10: gateway: 'Zju1' is no name; a name has small letters"),
        ("gateway: 'a/b'", "1:10: gateway: 'a/b' is no name"),
        ("gateway: 12", '1:10: gateway: must be text, not a number; quote it: "12"'),
        ("gateway: yes", '1:10: gateway: must be text, not a boolean; quote it: "yes"'),
        ("gateway:", "1:9: gateway: must be text, not empty (null); write a value"),
        (HEAD + "gatway: x", "2:1: gatway: unknown key; did you mean gateway?"),
        (HEAD + "site: {}", "2:1: site: unknown key; did you mean sites?"),
        (HEAD + "sites: []", "2:8: sites: must be a mapping, not a list"),
        (HEAD + "sites:\n", "2:7: sites: must be a mapping, not empty (null); write {}"),
        (HEAD + "sites: {Zju: {name: a, class: b}}", "2:9: sites.Zju: 'Zju' is no name"),
        (HEAD + "sites: {a: {name: x}}", "2:9: sites.a.class: required key is missing"),
        (HEAD + "sites: {a: {name: x, class_: b}}", "2:9: sites.a.class: required key is missing"),
        (HEAD + "sites: {a: {name: x, class_: b}}", "2:22: sites.a.class_: unknown key; did you"),
        (HEAD + "sites: {a: {name: x, class: b, tags: t}}", "2:38: sites.a.tags: must be a list"),
        (
            HEAD + "sites: {a: {name: x, class: b, position: [91, 0]}}",
            "2:43: sites.a.position[0]: must be at most 90, not 91",
        ),
        (
            HEAD + "sites: {a: {name: x, class: b, position: [9]}}",
            "2:32: sites.a.position[1]: required key is missing",
        ),
        (HEAD + "talkgroups: {t: {tot_s: 0}}", "2:25: talkgroups.t.tot_s: must be more than 0"),
        (HEAD + "talkgroups: {t: {tot_s: '30'}}", "must be a number, not text; remove the quotes"),
        (HEAD + "talkgroups: {t: {tot_s: true}}", "must be a number, not a boolean"),
        (HEAD + "talkgroups: {t: {bitrate_bps: 24000.0}}", "must be a whole number, not a number"),
        (HEAD + "talkgroups: {t: {tot_s: .inf}}", ".inf is no number that can be used here"),
        (HEAD + "mqtt: {broker: http://x}", "2:16: mqtt.broker: 'http://x' is no broker address"),
        (HEAD + "mqtt: {broker: 'mqtt://u:p@x'}", "a broker address holds no user or password"),
        (HEAD + "mqtt: {listen: '1883'}", "2:16: mqtt.listen: '1883' is no host:port; write"),
        (HEAD + "mqtt: {listen: 'h:99999'}", "mqtt.listen: 'h:99999' is no host:port"),
        (HEAD + "plans: {p: {levels: []}}", "plans.p.levels: must have at least 1 entry"),
        (HEAD + "plans: {p: {severity: 5, levels: [{name: x}]}}", "must be at most 4, not 5"),
        (HEAD + "inputs: {i: panel}", "2:13: inputs.i: must be a mapping with a driver, not text"),
        (HEAD + "inputs: {i: {}}", "2:10: inputs.i.driver: required key is missing"),
        (HEAD + "inputs: {i: {driver: 1}}", "2:22: inputs.i.driver: must be text, not a number"),
        (
            HEAD + "inputs: {i: {driver: pannel}}",
            "2:22: inputs.i.driver: there is no input driver 'pannel'; did you mean panel?",
        ),
        (
            HEAD + "inputs: {i: {driver: vox}}",
            "there is no input driver 'vox'; vox is for squelch; known here: panel, gpio, virtual",
        ),
        (HEAD + "inputs: {i: {driver: panel}}", "2:10: inputs.i.port: required key is missing"),
        (
            HEAD + "inputs: {i: {driver: panel, port: /dev/x, baudrate: 1}}",
            "2:43: inputs.i.baudrate: unknown key; did you mean baud_rate?",
        ),
        (
            HEAD + "inputs: {i: {driver: panel, port: /dev/x, required: 1}}",
            "2:53: inputs.i.required: must be true or false, not a number",
        ),
        (
            HEAD + "inputs: {i: {driver: gpio, chip: c, lines: {l: {offset: 1, active: Low}}}}",
            "2:68: inputs.i.lines.l.active: 'Low' is not one of low, high; did you mean low?",
        ),
        (
            HEAD + "endpoints: {e: {kind: radio, site: s, audio: {driver: udp}}}",
            "2:39: endpoints.e.audio: neither listen nor send; give at least one address",
        ),
        (
            HEAD + "inputs: {i: {driver: gpio, chip: c, lines: {}}}",
            "inputs.i.lines: must have at least 1 entry",
        ),
        (HEAD + "account: 0123", "begins with a zero, which may mean octal"),
        (HEAD + '"a\\nb\\e[31m": 1', "2:1: a\\nb\\x1b[31m: unknown key"),
    ],
)
def test_mistake_is_told_at_its_place(bench, text, line):
    errors = bench.errors(text)
    assert any(line in error for error in errors), "\n".join(errors)


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ('account: "1234"', "account: 1234", "21:85: endpoints.south-gate-button.account: must"),
        (
            "kind: button, site: zju1, place: south",
            "kind: buton, site: zju1, place: south",
            "21:29",
        ),
        ("driver: vox,", "driver: vx,", "28:23: endpoints.south-gate-intercom.squelch.driver"),
    ],
)
def test_one_mistake_in_the_contract_file_is_one_error(bench, contract, before, after, line):
    text = contract.replace(before, after)
    assert text != contract
    assert len(bench.errors(text)) == 1


def test_ten_planted_mistakes_print_ten_lines_each_at_its_place(bench, contract):
    """Schema, driver options, references and cross-checks together, and no mistake told twice."""
    planted = contract
    for before, after in (
        ("root: baiying", "rooot: baiying"),
        ("baud_rate: 9600", 'baud_rate: "9600"'),
        ("active: low", "active: lo"),
        ("kind: button, site: zju1, place: north", "kind: button, site: zju2, place: north"),
        ("threshold_dbfs: -40", "threshold_dbfs: -400"),
        ("talkgroup: hospital-security\n  police", "talkgroup: hospital-securty\n  police"),
        (
            "ptt: {driver: serial-line, port: /dev/ttyUSB1",
            "ptt: {driver: serial-line, port: /dev/ttyUSB0",
        ),
        ("tot_s: 30", "tot_s: 0"),
        ("page: [police-xiaoying", "page: [polce-xiaoying"),
        ("answered_by: [police, hospital]", "answered_by: [police, hospitl]"),
    ):
        assert planted.count(before) == 1, before
        planted = planted.replace(before, after)
    errors = bench.errors(planted)
    assert [error.split(": ")[0:2] for error in errors] == [
        ["gateway.yaml:6:3", "mqtt.rooot"],
        ["gateway.yaml:10:81", "inputs.receiver-1.baud_rate"],
        ["gateway.yaml:11:88", "inputs.gate-gpio.lines.north-gate.active"],
        ["gateway.yaml:14:43", "endpoints.north-gate-button.site"],
        ["gateway.yaml:20:44", "endpoints.south-gate-intercom.squelch.threshold_dbfs"],
        ["gateway.yaml:22:16", "endpoints.south-gate-intercom.talkgroup"],
        ["gateway.yaml:27:38", "endpoints.police-radio.ptt.port"],
        ["gateway.yaml:31:28", "talkgroups.police-xiaoying.tot_s"],
        ["gateway.yaml:42:29", "plans.hospital-panic.levels[0].page[0]"],
        ["gateway.yaml:42:104", "plans.hospital-panic.levels[0].answered_by[1]"],
    ]


def test_reference_problems_are_reported_beside_schema_problems_of_the_same_entry(bench, contract):
    text = contract.replace("kind: radio\n    site: zju1", "kind: rado\n    site: zju9")
    keys = [error.split(": ")[1] for error in bench.errors(text)]
    assert keys == ["endpoints.police-radio.kind", "endpoints.police-radio.site"]


def test_a_damaged_section_does_not_make_its_names_unknown(bench, contract):
    (error,) = bench.errors(contract.replace("party: police,", "partie: police,"))[:1]
    assert "groups.police-xiaoying.party" in error
    assert not any(
        "there is no" in error for error in bench.errors(contract.replace("party", "prty"))
    )


def test_a_list_is_not_too_short_as_well_because_its_only_item_is_wrong(bench):
    text = (
        HEAD
        + "talkgroups: {t: {}}\ngroups: {g: {name: G, party: police, talkgroup: t}}\n"
        + "plans: {p: {levels: [{name: x, page: [g], hot_mic_s: -1}]}}"
    )
    told = [line for line in bench.lines(text) if not line.startswith("warning:")]
    assert len(told) == 1, told
    assert "plans.p.levels[0].hot_mic_s: must be at least 0" in told[0]


def test_a_misspelt_driver_is_pointed_at(bench, contract):
    (error,) = bench.errors(contract.replace("squelch: {driver: vox", "squelch: {drivr: vox"))
    assert error.endswith("squelch.driver: required key is missing; is drivr meant for driver?")


def test_a_misspelt_section_is_one_mistake(bench, contract):
    errors = bench.errors(contract.replace("\ngroups:", "\ngruops:"))
    assert [error.split(": ", 1)[1] for error in errors] == [
        "gruops: unknown key; did you mean groups?"
    ]


def test_repair_leaves_out_just_the_wrong_items_of_a_list():
    text = "gateway: g\nserves: [A, good, 1, fine, B]\n"
    tree, _ = parse(text, "f.yaml")
    validated = validate(tree, registry)
    assert validated.settings.serves == ("good", "fine")
    assert sorted(validated.damaged) == [("serves", 0), ("serves", 2), ("serves", 4)]
    assert not validated.sound("serves")
    assert validated.sound("mqtt")


class Catalogue:
    """One audio driver, whose options are as bad as the test wants."""

    def __init__(self, options) -> None:
        self._options = options

    def families(self):
        return ("audio",)

    def names(self, family):
        return ("odd",) if family == "audio" else ()

    def options(self, family, name):
        if isinstance(self._options, Exception):
            raise self._options
        return self._options


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (DriverUnavailable("odd", "odd.module: No module named 'x'"), "No module named 'x'"),
        (type("Odd", (), {}), "its options are none"),
    ],
)
def test_a_driver_whose_options_cannot_be_had_is_an_error_at_its_place(bench, options, told):
    sites = "sites: {s: {name: S, class: c}}\n"
    audio = "endpoints: {e: {kind: radio, site: s, audio: {driver: odd, x: 1}}}\n"
    path = bench.write("c.yaml", f"gateway: g\n{sites}{audio}")
    (problem,) = examine(path, Catalogue(options)).problems
    assert (problem.line, problem.column) == (3, 55)
    assert told in str(problem)
