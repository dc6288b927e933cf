"""What a scenario file may say, and each thing it may not at its line and column."""

import pytest

from drivers import registry
from gateway.cli.scenario.language import read
from gateway.cli.scenario.reader import clock, seconds_of
from gateway.errors import ConfigError

HEAD = """\
name: one
config:
  gateway: zju1
  sites: {zju1: {name: 浙大一院, class: hospital}}
  inputs: {buttons: {driver: virtual}}
  endpoints: {gate: {kind: button, site: zju1, input: buttons, line: gate, category: panic}}
  talkgroups: {main: {}}
  groups: {police: {name: 派出所, party: police, talkgroup: main}}
  plans: {panic: {when: {category: panic}, levels: [{name: a, page: [police]}, {name: b, page: [police]}]}}
steps:
"""
FIRST = HEAD.count("\n") + 1
"""The line of the first step."""


def scenario(steps, head=HEAD):
    return read(head + steps, "s.yaml", registry)


def problems(steps, head=HEAD):
    with pytest.raises(ConfigError) as caught:
        scenario(steps, head)
    return [str(problem) for problem in caught.value.problems]


def test_times_are_absolute_relative_or_left_out():
    steps = scenario("""\
  - press: gate
  - at: 00:30
    ack: police
  - at: +1.5 min
    unack: police
  - escalate:
  - at: 01:00:00
    expect: {raised: 1}
""").steps
    assert [step.at for step in steps] == [0, 30, 120, 120, 3600]
    assert steps[-1].details["within"] == 1.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90 s", 90),
        ("250ms", 0.25),
        ("1.5 min", 90),
        ("2 h", 7200),
        ("1 d", 86_400),
        ("01:30", 90),
        ("1:00:00.5", 3600.5),
        ("1 week", None),
        ("1:5", None),
        ("-3", None),
        ("", None),
    ],
)
def test_duration_is_read_as_people_write_it(text, seconds):
    assert seconds_of(text) == seconds


def test_clock_writes_minutes_and_milliseconds():
    assert clock(59.9996) == "01:00.000"
    assert clock(3600.25) == "60:00.250"


@pytest.mark.parametrize(
    ("steps", "place", "words"),
    [
        ("  - pres: gate\n", "0:5", "has no verb; did you mean press?"),
        ("  - press: gat\n", "0:12", "there is no endpoint 'gat'; did you mean gate?"),
        ("  - ack: [police, fire]\n", "0:19", "there is no group 'fire'"),
        ("  - press: gate\n    ack: police\n", "0:5", "more than one verb: press, ack"),
        ("  - press: gate\n    hodl: true\n", "1:5", "unknown key"),
        (
            "  - at: 5\n    press: gate\n  - at: 4\n    press: gate\n",
            "2:9",
            "before the step above",
        ),
        ("  - at: soon\n    press: gate\n", "0:9", "is no time"),
        ("  - press: gate\n    drill: 1\n", "1:12", "must be true or false, not a number"),
        ("  - kill: zju2\n", "0:11", "there is no gateway 'zju2'; did you mean zju1?"),
        ("  - broker: gone\n", "0:13", "there is no broker state 'gone'"),
        ("  - clock: late\n", "0:12", "is no duration"),
        ("  - reset: gate\n", "0:12", "takes no value; name the incident with of:"),
        ("  - presence: car\n    position: [30]\n", "1:15", "is no position"),
        ("  - expect: {page: [police]}\n", "0:14", "unknown key; did you mean pages?"),
        ("  - expect: {}\n", "0:13", "expects nothing"),
        ("  - expect: {pages: [fire]}\n", "0:22", "there is no group 'fire'"),
        ("  - expect: {pages: [{grp: police}]}\n", "0:23", "unknown key; did you mean group?"),
        ("  - expect: {incident: {stat: open}}\n", "0:25", "unknown key; did you mean state?"),
        ("  - expect: {incident: {groups: {fire: acked}}}\n", "0:34", "unknown key"),
        ("  - expect: {events: [{singal: alarm}]}\n", "0:24", "did you mean signal?"),
        ("  - expect: {endpoints: {gat: alarm}}\n", "0:26", "did you mean gate?"),
        ("  - expect: {messages: [{contains: x}]}\n", "0:25", "has no topic"),
        ("  - expect: {raised: one}\n", "0:22", "must be a whole number, not text"),
        ("  - never: {incident: {}}\n", "0:13", "unknown key"),
        ("  - raise: zju9\n", "0:12", "there is no site 'zju9'"),
        ("  - reload:\n    with: {endpoints: {gate: {site: zju9}}}\n", "1:37", "zju9"),
        ("  - close: handled\n    verdict: maybe\n", "1:14", "there is no verdict 'maybe'"),
        ("  - 5\n", "0:5", "must be a mapping, not a number"),
    ],
)
def test_problem_in_a_step_is_told_with_line_and_column(steps, place, words):
    line, column = place.split(":")
    where = f"s.yaml:{FIRST + int(line)}:{column}: "
    found = problems(steps)
    assert any(one.startswith(where) and words in one for one in found), found


def test_every_problem_is_told_at_once():
    assert len(problems("  - press: gat\n  - ack: fire\n  - expect: {stat: 1}\n")) == 3


def test_problem_in_the_configuration_is_told_where_it_is_written():
    found = problems("  - press: gate\n", HEAD.replace("class: hospital", "clas: hospital"))
    assert found[0].startswith("s.yaml:4:"), found


def test_configuration_may_be_a_file_and_gateways_add_to_it(tmp_path):
    (tmp_path / "shared.yaml").write_text(HEAD.partition("config:\n")[2].partition("steps:")[0])
    text = """\
name: two
config: shared.yaml
gateways:
  zju1: {endpoints: {gate: {hold_s: 2}}}
  zju2: {endpoints: {gate: null}}
steps: [{press: gate}]
"""
    parts = read(text, str(tmp_path / "two.yaml"), registry).gateways
    assert parts["zju1"].settings.endpoints["gate"].hold_s == 2
    assert not parts["zju2"].settings.endpoints
    assert set(parts["zju2"].settings.groups) == {"police"}


def test_file_of_the_configuration_that_is_missing_is_one_problem(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read("name: x\nconfig: gone.yaml\nsteps: []\n", str(tmp_path / "x.yaml"), registry)


@pytest.mark.parametrize("text", ["", "- 1\n", "name: x\n", "name: [\n", "steps: []\n"])
def test_what_is_no_scenario_is_refused(text):
    with pytest.raises(ConfigError):
        read(text, "s.yaml", registry)


def test_scenario_that_sets_the_clock_needs_the_virtual_one():
    assert scenario("  - press: gate\n").virtual_only is None
    assert scenario("  - clock: -60\n").virtual_only
    head = 'start: "2026-11-24T08:00:00+08:00"\n' + HEAD
    assert scenario("  - press: gate\n", head).virtual_only
