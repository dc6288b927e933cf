"""YAML into a tree with places."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.settings import document
from gateway.settings.document import Mapping, Scalar, dotted, lookup, parse, plain


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "f.yaml")[1]]


def value(text: str) -> object:
    tree, found = parse(text, "f.yaml")
    assert found == []
    assert tree is not None
    return plain(tree)


def test_every_value_and_key_knows_its_place_in_characters():
    tree, found = parse("城市: {x: [1, 二]}\nb:\n  - c: d\n", "f.yaml")
    assert found == []
    places = {
        dotted(loc): (lookup(tree, loc)[1].place[1:], lookup(tree, loc)[1].node.place[1:])
        for loc in [("城市",), ("城市", "x"), ("城市", "x", 1), ("b", 0, "c")]
    }
    assert places == {
        "城市": ((1, 1), (1, 5)),
        "城市.x": ((1, 6), (1, 9)),
        "城市.x[1]": ((1, 13), (1, 13)),
        "b[0].c": ((3, 5), (3, 8)),
    }


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("", None),
        ("17", 17),
        ("-0x1F", -31),
        ("1_000", 1000),
        ("1e3", "1e3"),
        ("1.0e+3", 1000.0),
        (".5", 0.5),
        ("12:30", "12:30"),
        ("127.0.0.1:1883", "127.0.0.1:1883"),
        ("y", "y"),
        ("nothing", "nothing"),
        ("+86 571", "+86 571"),
        ("'0123'", "0123"),
        ("!!str 12", "12"),
        ("!!int 12", 12),
        ("0", 0),
    ],
)
def test_plain_scalar_means(text, meant):
    found = value(f"a: {text}")
    assert found == {"a": meant}
    assert type(found["a"]) is type(meant)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("0123", "f.yaml:1:4: a: 0123 begins with a zero, which may mean octal"),
        ("0899", "f.yaml:1:4: a: 0899 begins with a zero"),
        ("2026-11-24", "f.yaml:1:4: a: 2026-11-24 is a date"),
        (".nan", "f.yaml:1:4: a: .nan is no number"),
        ("-.inf", "f.yaml:1:4: a: -.inf is no number"),
        ("1.e+999", "f.yaml:1:4: a: 1.e+999 is no number"),
        ("9" * 5000, "f.yaml:1:4: a: is a number with too many digits"),
        ("!!python/object:os.system x", "f.yaml:1:4: a: the tag tag:yaml.org,2002:python/object"),
        ("!secret x", "f.yaml:1:4: a: the tag !secret is not understood"),
        ("!!int x", "f.yaml:1:4: a: the tag"),
        ("*nobody", "f.yaml:1:4: a: there is no anchor &nobody"),
    ],
)
def test_surprising_scalar_is_a_problem_at_its_place(text, what):
    (found,) = problems(f"a: {text}\nb: 1")
    assert found.startswith(what)


def test_a_key_set_twice_names_both_places_and_the_first_stands():
    tree, found = parse("a: 1\nb: {c: 1,\n  c: 2}\na: 3\n", "f.yaml")
    assert [str(problem) for problem in found] == [
        "f.yaml:3:3: b.c: is set twice; first at f.yaml:2:5",
        "f.yaml:4:1: a: is set twice; first at f.yaml:1:1",
    ]
    assert plain(tree) == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize("key", ["12", "true", "~", "1.5", "on"])
def test_a_key_that_is_no_text_is_a_problem(key):
    (found,) = problems(f"a: {{{key}: 1}}")
    assert found.startswith("f.yaml:1:5: a: the key")


def test_a_mapping_as_a_key_is_a_problem():
    assert problems("? {a: 1}\n: 2\n") == ["f.yaml:1:3: file: a key must be text"]


def test_merge_keys_add_what_is_not_set_beside_them():
    text = "d: &d {x: 1, y: 2}\ne: &e {z: 3}\na: {<<: *d, y: 5}\nb: {y: 6, <<: [*d, *e]}\n"
    found = value(text)
    assert found["a"] == {"x": 1, "y": 5}
    assert found["b"] == {"x": 1, "y": 6, "z": 3}


def test_merging_a_list_of_words_is_a_problem():
    assert problems("a: {<<: [x]}")[0].startswith("f.yaml:1:10: a.<<")


def test_an_alias_inside_its_own_anchor_is_a_problem_and_ends():
    assert "there is no anchor &a" in problems("a: &a [*a]")[0]


def test_an_alias_bomb_is_refused_in_no_time():
    text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    (found,) = problems(text)
    assert "aliases expanded" in found


def test_deep_nesting_is_refused_before_it_costs():
    (found,) = problems("[" * 100_000)
    assert "nested deeper than" in found
    assert value("a: " + "[" * (document.MAX_DEPTH - 1) + "]" * (document.MAX_DEPTH - 1))
    (found,) = problems("a: " + "[" * (document.MAX_DEPTH + 1) + "]" * (document.MAX_DEPTH + 1))
    assert "nested deeper than" in found


def test_a_second_document_is_a_problem():
    assert "more than one document" in problems("a: 1\n---\nb: 2\n")[0]


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: [1, 2\nb: 3\n", "f.yaml:2:2"), ("a: 'x\n", "f.yaml:2:1"), ("\ta: 1", "f.yaml:1:1")],
)
def test_what_is_no_yaml_is_one_problem_with_its_place(text, place):
    tree, found = parse(text, "f.yaml")
    assert tree is None
    assert [str(problem).startswith(f"{place}: file: is no YAML: ") for problem in found] == [True]


def test_an_empty_document_is_an_empty_mapping():
    assert value("") == {}
    assert isinstance(parse("# nothing\n", "f.yaml")[0], Mapping)


def test_broken_values_are_marked_so_that_they_are_reported_once():
    tree, _ = parse("a: 0123", "f.yaml")
    node = lookup(tree, ("a",))[1].node
    assert isinstance(node, Scalar)
    assert node.broken


YAMLISH = st.text(alphabet=" \n\t:-[]{},&*!|>'\"%@`#?~<.0aé城\x00\x85\u2028\ud800", max_size=60)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=80), YAMLISH))
def test_any_text_gives_a_tree_or_problems(text):
    tree, found = parse(text, "f.yaml")
    assert tree is not None or found
    for problem in found:
        assert problem.line >= 0
        assert problem.what


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=6), JSONISH, max_size=4))
def test_what_pyyaml_writes_reads_back_the_same(data):
    import yaml

    text = yaml.safe_dump(data)
    tree, found = parse(text, "f.yaml")
    assert found == []
    assert plain(tree) == data
