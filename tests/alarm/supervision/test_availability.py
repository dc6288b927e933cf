"""One figure from button to person (`gateway.alarm.supervision.availability`)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alarm.journal.rows import Kind, Row, Stored
from gateway.alarm.supervision.availability import (
    Chain,
    LinkTimes,
    availability,
    chains_row,
    is_up,
    link_row,
)

PANEL = Chain(
    input="receiver-1", endpoint=None, groups=("police", "guards"), local=("guards",), sources=3
)
REMOTE = Chain(input="desk", endpoint="ward", groups=("police",), local=(), sources=1)


def stored(*rows: tuple[float, Row]) -> list[Stored]:
    return [
        Stored(number, wall, row.kind, row.key, row.body)
        for number, (wall, row) in enumerate(rows, 1)
    ]


def down(link: str, since: float | None = None) -> Row:
    return link_row(link, up=False, since=since)


def up(link: str) -> Row:
    return link_row(link, up=True)


def figure(*rows: tuple[float, Row], chains: tuple[Chain, ...] = (REMOTE,)) -> float | None:
    return availability(stored((0, chains_row(chains)), *rows), 0, 100).figure


def test_where_nothing_was_down_it_is_whole() -> None:
    assert figure() == 1.0


def test_without_any_source_there_is_no_figure() -> None:
    assert availability([], 0, 100).figure is None
    assert availability(stored((0, up("broker"))), 0, 100).figure is None


@pytest.mark.parametrize(
    "link", ["gateway", "journal", "broker", "input/desk", "endpoint/ward", "group/police"]
)
def test_each_link_of_the_chain_counts(link: str) -> None:
    assert figure((10, down(link)), (35, up(link))) == 0.75


def test_links_that_are_down_together_count_once() -> None:
    outages = (
        (10, down("broker")),
        (20, down("gateway")),
        (30, up("broker")),
        (35, up("gateway")),
    )
    assert figure(*outages) == 0.75


def test_other_inputs_groups_and_gateways_do_not_count() -> None:
    assert figure((10, down("input/receiver-1")), (10, down("gateway/zju2"))) == 1.0


def test_a_group_served_here_needs_no_broker() -> None:
    assert figure((10, down("broker")), chains=(PANEL,)) == 1.0
    assert figure((10, down("group/police")), chains=(PANEL,)) == 1.0


def test_one_group_of_several_is_enough_and_none_is_not() -> None:
    chain = Chain(input="desk", endpoint=None, groups=("a", "b"), local=(), sources=1)
    assert figure((0, down("group/a")), chains=(chain,)) == 1.0
    assert figure((0, down("group/a")), (50, down("group/b")), chains=(chain,)) == 0.5


def test_sources_weigh_by_their_number() -> None:
    assert figure((0, down("input/desk")), chains=(PANEL, REMOTE)) == 0.75


def test_what_was_noticed_late_counts_from_when_it_was() -> None:
    assert figure((60, down("gateway", since=35)), (60, up("gateway"))) == 0.75


def test_the_time_before_there_was_a_source_is_not_counted() -> None:
    rows = stored((60, chains_row([REMOTE])), (80, down("broker")))
    assert availability(rows, 0, 100).figure == 0.5


def test_what_was_down_before_the_period_is_down_in_it_and_no_longer_after() -> None:
    rows = stored((0, chains_row([REMOTE])), (5, down("broker")), (30, up("broker")))
    found = availability(rows, 20, 60)
    assert found.figure == 0.75
    assert found.links == {"broker": LinkTimes(down=10, outages=1, longest=10)}
    assert availability(rows, 40, 60).links == {}


def test_the_edges_of_a_period_are_since_included_and_until_not() -> None:
    rows = stored((0, chains_row([REMOTE])), (20, down("broker")))
    assert availability(rows, 10, 20).figure == 1.0
    assert availability(rows, 20, 30).figure == 0.0


def test_each_link_says_how_often_and_how_long() -> None:
    rows = stored(
        (0, chains_row([REMOTE])),
        (10, down("broker")),
        (15, up("broker")),
        (20, down("broker")),
        (21, down("broker")),  # said twice
        (30, up("broker")),
    )
    assert availability(rows, 0, 100).links == {"broker": LinkTimes(15, 2, 10)}


def test_a_group_that_nothing_speaks_of_is_named() -> None:
    rows = stored((0, chains_row([PANEL, REMOTE])))
    assert availability(rows, 0, 100).unmeasured == ("police",)
    rows += stored((5, up("group/police")))
    assert availability(rows, 0, 100).unmeasured == ()


def test_damaged_and_other_rows_say_nothing() -> None:
    rows = stored(
        (0, chains_row([REMOTE])),
        (1, Row(Kind.LINK, "broker", b"\xff")),
        (2, Row(Kind.LINK, "broker", b'{"up": 3}')),
        (3, Row(Kind.NOTE, "broker", b'{"up": false}')),
    )
    assert availability(rows, 0, 100).figure == 1.0
    assert [is_up(row) for row in rows] == [None] * 4
    assert is_up(stored((0, down("broker")))[0]) is False


def test_the_rows_are_plain_json() -> None:
    assert json.loads(down("gateway", since=5.5).body) == {"up": False, "since": 5.5}
    assert json.loads(chains_row([REMOTE]).body)["chains"][0]["groups"] == ["police"]


LINKS = ("gateway", "broker", "input/desk", "input/receiver-1", "group/police", "endpoint/ward")
CHANGES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(LINKS), st.booleans()), max_size=25
)


@settings(max_examples=60)
@given(CHANGES, st.integers(0, 20), st.integers(0, 20))
def test_the_figure_is_what_counting_second_by_second_gives(
    changes: list[tuple[int, str, bool]], since: int, lasts: int
) -> None:
    changes.sort(key=lambda change: change[0])
    rows = stored(
        (0, chains_row([PANEL, REMOTE])),
        *((float(time), link_row(link, up=state)) for time, link, state in changes),
    )
    reached = 0
    for second in range(since, since + lasts):
        state = dict.fromkeys(LINKS, True)
        for time, link, value in changes:
            if time <= second:
                state[link] = value
        if state["gateway"] and state["input/receiver-1"]:
            reached += 3
        remote = state["input/desk"] and state["endpoint/ward"] and state["group/police"]
        if state["gateway"] and remote and state["broker"]:
            reached += 1
    found = availability(rows, since, since + lasts).figure
    assert found == (pytest.approx(reached / (4 * lasts)) if lasts else None)
