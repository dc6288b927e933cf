"""Squelches joined in a configuration: what is taken, what is not, and where it is pointed at."""

from __future__ import annotations

import pytest

from drivers import registry
from gateway import pieces, squelches
from gateway.settings.loader import load

HEAD = """\
gateway: g
sites: {s: {name: S, class: school, street: a}}
talkgroups: {t: {}}
endpoints:
  r:
    kind: radio
    site: s
    talkgroup: t
    audio: {driver: udp, listen: "127.0.0.1:5001"}
    ptt: {driver: serial-line, port: /dev/ttyS8, line: rts}
"""
JOINED = """\
    squelch:
      all:
        - {driver: gpio, chip: gpiochip0, offset: 4}
        - {driver: serial-line, port: /dev/ttyS8, line: cts}
        - any: [{driver: vox}, {driver: pty, path: hand}]
      not: {driver: vox, threshold_dbfs: -10}
"""


def settings(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(HEAD + text)
    return load(path, registry).settings


def test_lines_and_listeners_become_one_squelch(tmp_path):
    endpoint = settings(tmp_path, JOINED).endpoints["r"]
    squelch = squelches.squelch("r", endpoint, registry)
    assert squelch.listens
    assert squelches.senses("r", endpoint) == ["r.squelch-1", "r", "r.squelch-3"]
    for number in range(3):
        assert not squelch.open
        squelch.line(number, True)
    assert squelch.open


def test_the_line_on_the_transmitters_port_is_held_with_it_and_the_others_by_themselves(tmp_path):
    held = pieces.keyed_endpoints_of(settings(tmp_path, JOINED).endpoints)
    assert [(one.endpoint, one.ptt and one.ptt.driver, one.squelch.driver) for one in held] == [
        ("r", "serial-line", "serial-line"),
        ("r.squelch-1", None, "gpio"),
        ("r.squelch-3", None, "pty"),
    ]


def test_one_line_is_held_with_the_transmitter_wherever_it_is(tmp_path):
    text = "    squelch: {driver: gpio, chip: gpiochip0, offset: 4}\n"
    (held,) = pieces.keyed_endpoints_of(settings(tmp_path, text).endpoints)
    assert (held.endpoint, held.ptt.driver, held.squelch.driver) == ("r", "serial-line", "gpio")


def test_paths_in_joined_squelches_are_relative_to_the_file(tmp_path):
    tree = settings(tmp_path, JOINED).endpoints["r"].squelch
    assert tree.all[2].any[1].options.path == tmp_path / "hand"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("    squelch: {driver: pty, path: p}\n", 0.1),
        ("    squelch: {driver: vox}\n", 0.2),
        ("    squelch: {any: [{driver: pty, path: p}, {driver: vox}]}\n", 0.2),
        ("    squelch: {driver: vox}\n    pre_roll_s: 0\n", 0.0),
    ],
)
def test_pre_roll_is_that_of_the_slowest_part(tmp_path, text, seconds):
    assert pieces.pre_roll_of(settings(tmp_path, text).endpoints["r"]) == seconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{all: []}", "11:15: endpoints.r.squelch.all: joins nothing"),
        ("{all: {driver: vox}}", "11:20: endpoints.r.squelch.all: must be a list, not a mapping"),
        (
            "{driver: vox, all: [{driver: vox}]}",
            "11:5: endpoints.r.squelch: chooses a driver and joins others; write it as one of all: [..]",
        ),
        (
            "{any: [{driver: vox}, {driver: voks}]}",
            "11:45: endpoints.r.squelch.any[1].driver: there is no squelch driver 'voks'; known: serial-line",
        ),
        (
            "{any: [{driver: vox, hang_s: 99}]}",
            "11:43: endpoints.r.squelch.any[0].hang_s: must be at most 10, not 99",
        ),
        (
            "{any: [{driver: vox}], nott: {driver: vox}}",
            "11:37: endpoints.r.squelch.nott: unknown key; did you mean not?",
        ),
        (
            "{not: {not: {not: {not: {not: {driver: vox}}}}}}",
            "11:33: endpoints.r.squelch.not.not.not.not: is joined within too many others",
        ),
        (
            f"{{any: [{', '.join(['{driver: vox}'] * 17)}]}}",
            "11:5: endpoints.r.squelch: joins more than 16 squelches",
        ),
        (
            "{any: [{driver: serial-line, port: /dev/ttyS8}, {driver: serial-line, port: /dev/ttyS8, line: dsr}]}",
            "11:90: endpoints.r.squelch.any[1].port: /dev/ttyS8 is used by endpoints.r.squelch.any.0 already",
        ),
    ],
)
def test_mistakes_are_pointed_at(bench, text, problem):
    found = bench.lines(f"{HEAD}    squelch: {text}\n")
    assert any(problem in line for line in found), found
    assert len(found) == 1
