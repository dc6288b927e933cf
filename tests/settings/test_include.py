"""Several files as one configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from drivers import registry
from gateway.errors import ConfigError
from gateway.settings import include
from gateway.settings.loader import examine, load

SHARED = """
sites: {s: {name: S, class: school}}
talkgroups: {t: {}}
groups: {p: {name: P, party: police, talkgroup: t}}
plans: {b: {levels: [{name: n, page: [p]}]}}
mqtt: {root: district}
dispositions: [handled]
"""


def test_a_gateway_of_its_own_and_the_districts_file_are_one_configuration(bench):
    own = "gateway: g\ninclude: [shared.yaml]\nsites: {mine: {name: M, class: bank}}\nmqtt: {listen: '127.0.0.1:1'}\n"
    found = bench.examine(own + "plans: {a: {levels: [{name: n, page: [p]}]}}\n", shared=SHARED)
    assert found.problems == () or all(problem.warning for problem in found.problems)
    assert list(found.settings.sites) == ["mine", "s"]
    assert list(found.settings.plans) == ["a", "b"], "the gateway's own plans come first"
    assert (found.settings.mqtt.root, found.settings.mqtt.listen) == ("district", "127.0.0.1:1")
    assert found.settings.dispositions == ("handled",)
    assert [Path(name).name for name in found.files] == ["gateway.yaml", "shared.yaml"]


@pytest.mark.parametrize(
    ("own", "line"),
    [
        ("sites: {s: {name: X, class: y}}", "shared.yaml:2:9: sites.s: is set twice; first at gateway.yaml:3:9"),
        ("mqtt: {root: r}", "shared.yaml:6:8: mqtt.root: is set twice; first at gateway.yaml:3:8"),
        ("dispositions: [x]", "shared.yaml:7:1: dispositions: is set twice; first at gateway.yaml:3:1"),
    ],
)  # fmt: skip
def test_a_key_set_in_two_files_names_both_places(bench, own, line):
    assert bench.errors(f"gateway: g\ninclude: [shared.yaml]\n{own}\n", shared=SHARED) == [line]


def test_problems_of_an_included_file_are_told_at_their_place_after_the_main_files(bench):
    text = "gateway: g\nincluded: 1\ninclude: [sub/a.yaml]\n"
    lines = bench.errors(text, **{"sub/a": "sites:\n  s: {name: x, clas: y}\n", "b": ""})
    assert lines == [
        "gateway.yaml:2:1: included: unknown key; did you mean include?",
        "sub/a.yaml:2:3: sites.s.class: required key is missing",
        "sub/a.yaml:2:16: sites.s.clas: unknown key; did you mean class?",
    ]


def test_include_is_relative_to_its_own_file_and_each_file_is_read_once(bench):
    found = bench.examine(
        "gateway: g\ninclude: [sub/a.yaml, sub/b.yaml]\n",
        **{
            "sub/a": "include: [c.yaml]\nsites: {a: {name: A, class: x}}\n",
            "sub/b": "include: [../sub/c.yaml]\nsites: {b: {name: B, class: x}}\n",
            "sub/c": "sites: {c: {name: C, class: x}}\n",
        },
    )
    assert found.problems == ()
    assert list(found.settings.sites) == ["a", "c", "b"]


def test_a_cycle_of_includes_is_a_problem_and_ends(bench):
    lines = bench.errors(
        "gateway: g\ninclude: [a.yaml]\n", a="include: [b.yaml]\n", b="include: [./gateway.yaml]\n"
    )
    assert lines == [
        "b.yaml:1:11: include[0]: gateway.yaml includes itself; a chain of includes must end"
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "include: [no.yaml]",
            "gateway.yaml:2:11: include[0]: no.yaml cannot be read: No such file",
        ),
        ("include: ['.']", "cannot be read: Is a directory"),
        ("include: a.yaml", "gateway.yaml:2:10: include: must be a list, not text; write [a.yaml]"),
        ("include: [1]", "gateway.yaml:2:11: include[0]: must be text, not a number"),
        ("include: ['a\\0b']", "include[0]"),
        ('include: ["a\\0b"]', "cannot be read"),
        ("include: [bad.yaml]", "bad.yaml:1:1: file: is no YAML"),
        ("include: [list.yaml]", "list.yaml:1:1: file: must be a mapping of sections, not a list"),
        ("include: [inner.yaml]", "inner.yaml:1:1: include: must be a list of paths"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_problem(bench, text, line):
    errors = bench.errors(f"gateway: g\n{text}\n", bad="][", list="[]", inner="include: x\n")
    assert any(line in error for error in errors), errors


def test_names_of_a_file_that_cannot_be_read_are_not_called_unknown(bench):
    text = "gateway: g\ninclude: [no.yaml]\ngroups: {p: {name: P, party: q, talkgroup: t}}\ntalkgroups: []\n"
    lines = bench.errors(text)
    assert len(lines) == 2
    assert not any("there is no" in line for line in lines)


def test_bytes_that_are_no_utf8_are_told_at_their_place(bench):
    path = bench.folder / "c.yaml"
    path.write_bytes("gateway: g\n# 城 ".encode() + b"\xff\n")
    (problem,) = examine(path, registry).problems
    assert (problem.line, problem.column, problem.what) == (2, 5, "is no UTF-8 text")


def test_a_byte_order_mark_is_no_problem(bench):
    path = bench.folder / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfgateway: g\n")
    assert examine(path, registry).problems == ()


def test_a_file_without_end_is_refused():
    (problem,) = examine("/dev/zero", registry).problems
    assert problem.what == "is larger than 16 MiB"


def test_load_raises_with_every_problem_as_a_line(bench):
    path = bench.write("c.yaml", "gateway: G\nx: 1\n")
    with pytest.raises(ConfigError) as caught:
        load(path, registry)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    assert len(caught.value.problems) == 2


def test_relative_paths_start_at_the_file_they_stand_in(bench, monkeypatch):
    own = """
gateway: g
include: [sub/more.yaml]
mqtt: {password_file: secrets/password}
"""
    more = """
data_dir: state
endpoints:
  e:
    kind: radio
    site: s
    audio: {driver: file, play: in.wav, record: /abs/out.wav}
    camera: {driver: http, url: "http://x", password_file: pw}
    talkgroup: t
sites: {s: {name: S, class: x}}
talkgroups: {t: {}}
"""
    bench.write("sub/more.yaml", more)
    path = bench.write("gateway.yaml", own)
    monkeypatch.chdir(bench.folder)
    for given in (path, Path("gateway.yaml"), Path("./sub/../gateway.yaml")):
        settings = load(given, registry).settings
        assert settings.mqtt.password_file.resolve() == bench.folder / "secrets/password"
        assert settings.data_dir.resolve() == bench.folder / "sub/state"
        endpoint = settings.endpoints["e"]
        assert endpoint.audio.options.play.resolve() == bench.folder / "sub/in.wav"
        assert endpoint.audio.options.record == Path("/abs/out.wav")
        assert endpoint.camera.options.password_file.resolve() == bench.folder / "sub/pw"
        assert settings.data_dir.is_absolute()


def test_the_default_data_dir_is_beside_the_main_file(bench):
    found = bench.examine("gateway: g\n")
    assert found.settings.data_dir == bench.folder / "data"


def test_too_many_files_are_refused(bench):
    for number in range(include.MAX_FILES + 5):
        bench.write(f"f{number}.yaml", "")
    names = ", ".join(f"f{number}.yaml" for number in range(include.MAX_FILES + 5))
    assert any(
        "files are included" in line for line in bench.errors(f"gateway: g\ninclude: [{names}]")
    )


def test_a_pipe_can_be_a_configuration(tmp_path):
    read, write = os.pipe()
    os.write(write, b"gateway: g\n")
    os.close(write)
    assert examine(f"/dev/fd/{read}", registry).settings.gateway == "g"
    os.close(read)
