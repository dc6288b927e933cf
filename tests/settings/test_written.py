"""A configuration read for its values first, and for places only where something has to be told."""

from __future__ import annotations

import os
import threading

import pytest

from drivers import registry
from gateway.settings import include, loader, written
from gateway.settings.document import plain
from gateway.settings.loader import examine

MAIN = """\
gateway: g
data_dir: here
include: [sub/shared.yaml, sub/more.yaml]
sites: {a: {name: A, class: bank}}
mqtt: {listen: "127.0.0.1:1"}
"""
SHARED = """\
include: [more.yaml]
sites: {b: {name: B, class: school}}
mqtt: {users_file: users}
"""
MORE = "sites: {c: {name: C, class: mall}}\ninputs: {i: {driver: panel, port: lines/1}}\n"


@pytest.fixture
def district(bench):
    bench.write("sub/shared.yaml", SHARED)
    bench.write("sub/more.yaml", MORE)
    return bench.write("gateway.yaml", MAIN)


@pytest.fixture
def readings(monkeypatch):
    """How often the files were read with their places."""
    calls: list[str] = []

    def counted(path, files=None):
        calls.append(path)
        return read(path, files)

    read = include.read
    monkeypatch.setattr(include, "read", counted)
    monkeypatch.setattr(loader, "read", counted)
    return calls


def test_files_are_merged_as_they_are_with_places(district):
    quick = written.read(district, include.Files())
    source = include.read(district)
    assert quick is not None
    assert quick.value == plain(source.tree)
    assert list(quick.value["sites"]) == list(source.tree.entries["sites"].node.entries)
    assert list(quick.files) == source.files


def test_each_value_knows_its_file_and_a_default_belongs_to_the_main_one(district):
    quick, slow = (
        written.read(district, include.Files()),
        written.of_source(include.read(district)),
    )
    for loc, file in (
        (("data_dir",), "gateway.yaml"),
        (("mqtt", "listen"), "gateway.yaml"),
        (("mqtt", "users_file"), "shared.yaml"),
        (("inputs", "i", "port"), "more.yaml"),
        (("sites", "b", "name"), "shared.yaml"),
        (("include", 1), "gateway.yaml"),
        (("include", 2), "gateway.yaml"),
        (("mqtt", "key_file"), "gateway.yaml"),
    ):
        assert quick.file_of(loc).endswith(file), loc
        assert quick.file_of(loc) == slow.file_of(loc), loc


@pytest.mark.parametrize(
    "more",
    [
        "sites: {a: {name: twice, class: bank}}",
        "gateway: twice",
        "mqtt: {listen: twice}",
        "mqtt: flat",
        "include: [../gateway.yaml]",
        "include: [nowhere.yaml]",
        "include: nowhere.yaml",
        "include: ['']",
        "include: [1]",
        "include: ['a\\0b']",
        "- no mapping",
        "0123",
        "a: [1",
    ],
)
def test_whatever_include_would_tell_is_left_to_it(bench, district, more):
    bench.write("sub/more.yaml", more)
    assert written.read(district, include.Files()) is None
    source = include.read(district)
    assert source.problems or not source.complete


def test_bytes_that_are_no_text_are_left_to_it(bench, district):
    (bench.folder / "sub/more.yaml").write_bytes(b"a: \xff")
    assert written.read(district, include.Files()) is None


GOOD = """\
gateway: g
sites: {s: {name: S, class: school}}
inputs: {desk: {driver: virtual}}
endpoints: {b: {kind: button, site: s, input: desk, category: panic}}
talkgroups: {t: {}}
groups: {p: {name: P, party: police, talkgroup: t}, q: {name: Q, party: street, talkgroup: t}}
plans: {all: {levels: [{name: one, page: [p]}, {name: two, page: [q]}]}}
"""


def test_a_good_configuration_is_never_read_with_its_places(bench, readings):
    assert bench.lines(GOOD) == []
    assert readings == []


def test_a_warning_is_told_at_its_place(bench, readings):
    found = bench.examine(GOOD.replace("virtual}}", "virtual}, spare: {driver: virtual}}"))
    assert [(one.key, one.line, one.column) for one in found.problems] == [("inputs.spare", 3, 35)]
    assert found.settings is not None
    assert len(readings) == 1


def test_a_mistake_is_told_at_its_place(bench, readings):
    assert bench.errors(GOOD.replace("class:", "clas:")) == [
        "gateway.yaml:2:9: sites.s.class: required key is missing",
        "gateway.yaml:2:22: sites.s.clas: unknown key; did you mean class?",
    ]
    assert len(readings) == 1


def test_what_came_by_a_pipe_is_told_at_its_place_too(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(GOOD.replace("[q]", "[p]"),))
    writer.start()
    found = examine(pipe, registry)
    writer.join()
    assert [(one.key, one.line) for one in found.problems] == [("plans.all.levels[1]", 7)]


def test_an_included_file_without_anything_in_it_is_fine(bench):
    for nothing in ("", "null\n", "# to be written\n"):
        text = GOOD.replace("gateway: g", "gateway: g\ninclude: [more.yaml]")
        assert bench.lines(text, more=nothing) == []


def test_a_name_that_thousands_get_wrong_is_told_in_no_time(bench):
    sites = "".join(f"  site-{n:05}: {{name: s, class: c}}\n" for n in range(1000))
    endpoints = "".join(f"  e-{n:05}: {{kind: relay, site: sight-{n:05}}}\n" for n in range(1000))
    lines = bench.errors(f"gateway: g\nsites:\n{sites}endpoints:\n{endpoints}")
    assert len(lines) == 1000
    assert lines[0].endswith("there is no site 'sight-00000'; did you mean site-00000?")
    assert lines[-1].endswith("there is no site 'sight-00999'")
