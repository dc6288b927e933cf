"""Distances, and who may be near."""

from math import cos, pi, radians

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.alarm.plans.places import EARTH_RADIUS, FARTHEST, Places, distance

HERE = (30.2573, 120.1776)


def north(metres):
    return (HERE[0] + metres / EARTH_RADIUS * 180 / pi, HERE[1])


def test_distance_along_a_meridian_and_a_parallel():
    assert distance(HERE, north(1000.0)) == pytest.approx(1000.0, abs=0.01)
    east = (HERE[0], HERE[1] + 1.0)
    expected = radians(1.0) * EARTH_RADIUS * cos(radians(HERE[0]))
    assert distance(HERE, east) == pytest.approx(expected, rel=1e-4)
    assert distance((0.0, 0.0), (0.0, 180.0)) == pytest.approx(FARTHEST)


POSITIONS = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
CLOSE = st.tuples(st.floats(30.2, 30.3), st.floats(120.1, 120.2))
AT_THE_EDGES = st.tuples(
    st.sampled_from([-90.0, -89.999, 0.0, 0.01, 89.999, 90.0]),
    st.sampled_from([-180.0, -179.999, -0.01, 0.0, 179.999, 180.0]),
)
ANYWHERE = st.one_of(POSITIONS, CLOSE, AT_THE_EDGES)


@example({"a": (0.0, -1e-196)}, (0.0, 0.0), 0.0)  # another cell, and no distance at all
@given(
    st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), ANYWHERE, max_size=30),
    ANYWHERE,
    st.one_of(st.floats(0, 5_000), st.floats(0, FARTHEST)),
)
def test_whatever_is_within_a_circle_is_found(positions, centre, metres):
    places = Places()
    for name, position in positions.items():
        places.put(name, position)
    near = set(places.near(centre, metres))
    assert near <= positions.keys()
    within = {name for name, one in positions.items() if distance(centre, one) <= metres}
    assert within <= near


def test_what_is_far_away_is_not_looked_at():
    places = Places()
    for number in range(1000):
        places.put(str(number), (30.0 + number / 100, 120.0))
    assert len(list(places.near((30.0, 120.0), 1000.0))) <= 3


def test_what_moves_or_goes_is_where_it_is_now():
    places = Places()
    for number in range(100):
        places.put(f"other-{number}", (10.0 + number / 10, 10.0))
    places.put("car", HERE)
    places.put("car", north(50_000))
    assert list(places.near(HERE, 1000.0)) == []
    assert list(places.near(north(50_000), 1.0)) == ["car"]
    places.remove("car")
    places.remove("car")
    assert list(places.near(north(50_000), 1.0)) == []
    assert len(places) == 100


def test_circle_goes_on_beyond_the_date_line():
    places = Places()
    for number in range(1000):  # so many that not all are looked at
        places.put(str(number), (40.0 + number / 100, 0.0))
    places.put("fiji", (-17.0, 179.999))
    assert list(places.near((-17.0, -179.999), 500.0)) == ["fiji"]
    places.put("fiji", (-17.0, -179.999))
    assert list(places.near((-17.0, 179.999), 500.0)) == ["fiji"]
