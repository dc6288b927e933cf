"""Reading for values only: the same as with places, or nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings import document
from gateway.settings.document import Mapping, parse, plain
from gateway.settings.plain_reader import Unclear, values
from tests.settings.test_document import JSONISH, YAMLISH

CONFIGURATIONS = sorted((Path(__file__).parents[2] / "config").glob("*.yaml"))


def same_as_with_places(text: str) -> bool:
    """Whether the text was read at all; what was read is the same, and nothing was to be told."""
    try:
        value = values(text)
    except Unclear:
        return False
    tree, problems = parse(text, "f.yaml")
    assert problems == []
    assert isinstance(tree, Mapping)
    assert value == plain(tree)
    assert list(value) == list(plain(tree)), "order decides among plans"
    return True


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), YAMLISH, YAMLISH.map(lambda text: f"a: {text}")))
def test_any_text_is_read_as_with_places_or_not_at_all(text):
    same_as_with_places(text)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.text(max_size=6), JSONISH, min_size=1, max_size=4),
    st.sampled_from((None, True, False)),
)
def test_what_pyyaml_writes_is_read(data, flow):
    class Plainly(yaml.SafeDumper):
        def ignore_aliases(self, data):
            return True

    text = yaml.dump(data, Dumper=Plainly, default_flow_style=flow)
    assert same_as_with_places(text)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.name)
def test_every_shipped_configuration_is_read_fast(path):
    assert same_as_with_places(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "[a]",
        "text",
        "a: 1\n---\nb: 2\n",
        "a: [1\n",
        "a: 0123",
        "a: 2026-11-24",
        "a: .nan",
        "a: 1\na: 2\n",
        "b: {a: 1, a: 2}\n",
        "1: a",
        "{x: y}: a",
        "a: &anchor 1",
        "a: &anchor {x: 1}\nb: *anchor\n",
        "a: *nowhere",
        "a: {<<: {b: 1}}",
        "a: !!str 1",
        "a: !thing {}",
        "a: !!set {b}",
        '"\\ud800": 1',
        'a: "\\ud800"',
    ],
)
def test_what_may_have_to_be_told_is_left_to_the_reader_with_places(text):
    with pytest.raises(Unclear):
        values(text)


def test_a_quoted_merge_sign_is_a_key_like_any_other():
    assert values('a: {"<<": 1}') == {"a": {"<<": 1}}


def nested(depth: int) -> str:
    return "a: " + "[" * depth + "]" * depth


def test_nesting_is_read_up_to_one_less_than_the_bound():
    assert same_as_with_places(nested(document.MAX_DEPTH - 1))
    assert not same_as_with_places(nested(document.MAX_DEPTH))
    assert parse(nested(document.MAX_DEPTH), "f.yaml")[1] == []
    assert parse(nested(document.MAX_DEPTH + 1), "f.yaml")[1] != []


def test_more_values_than_the_bound_are_left_to_the_reader_with_places(monkeypatch):
    monkeypatch.setattr("gateway.settings.plain_reader.MAX_NODES", 10)
    assert values("a: [1, 2, 3]") == {"a": [1, 2, 3]}
    with pytest.raises(Unclear):
        values("a: [1, 2, 3, 4, 5, 6, 7, 8]")
