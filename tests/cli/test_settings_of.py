"""Where a gateway keeps its things, as its files say it, also those that it includes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.live import journal_of, recordings_of, socket_of
from gateway.errors import ConfigError


def files(folder: Path, **texts: str) -> Path:
    """Files of these names; the first is the main one."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / f"{next(iter(texts))}.yaml"


def test_places_are_those_of_the_main_file(tmp_path: Path):
    main = files(tmp_path, main="gateway: a\ndata_dir: d\njournal: {archive: old}\n")
    assert socket_of(main) == tmp_path / "d/control.sock"
    assert recordings_of(main) == tmp_path / "d/recordings"
    assert journal_of(main) == (tmp_path / "d/journal.db", tmp_path / "old")


def test_places_that_no_file_sets_are_the_usual_ones(tmp_path: Path):
    main = files(tmp_path, main="gateway: a\n")
    assert journal_of(main) == (tmp_path / "data/journal.db", tmp_path / "data/archive")


def test_included_file_sets_them_relative_to_itself(tmp_path: Path):
    main = files(
        tmp_path,
        main="gateway: a\ninclude: [sites.yaml, sub/places.yaml]\njournal: {keep_days: 400}\n",
        sites="sites: {s: {name: s}}\n",
        sub__places="data_dir: ../kept\ninclude: [more.yaml]\n",
        sub__more="journal: {archive: old}\n",
    )
    assert socket_of(main) == tmp_path / "sub/../kept/control.sock"
    assert journal_of(main)[1] == tmp_path / "sub/old"


def test_loop_of_includes_ends(tmp_path: Path):
    main = files(
        tmp_path, main="include: [other.yaml]\n", other="include: [main.yaml, other.yaml]\n"
    )
    assert socket_of(main) == tmp_path / "data/control.sock"


def test_half_edited_or_missing_include_stops_nobody(tmp_path: Path):
    main = files(
        tmp_path,
        main="data_dir: d\ninclude: [plans.yaml, gone.yaml]\n",
        plans="plans: {a: [\n",
    )
    assert socket_of(main) == tmp_path / "d/control.sock"
    main.write_text("include: [gone.yaml, plans.yaml]\n", "utf-8")
    assert socket_of(main) == tmp_path / "data/control.sock"


@pytest.mark.parametrize(
    ("main", "other", "problem"),
    [
        ("data_dir: [1]\n", "", "main.yaml:1:1: data_dir: is no path"),
        ("include: [other.yaml]\n", "data_dir: 7\n", "other.yaml:1:1: data_dir: is no path"),
        ("include: [other.yaml]\n", "data_dir: [\n", "other.yaml:1:1: .file.: no YAML"),
        ("a: [\n", "", "main.yaml:1:1: .file.: no YAML"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, main: str, other: str, problem: str):
    path = files(tmp_path, main=main, other=other)
    with pytest.raises(ConfigError, match=problem):
        journal_of(path)


def test_missing_main_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="--config"):
        socket_of(tmp_path / "gone.yaml")
