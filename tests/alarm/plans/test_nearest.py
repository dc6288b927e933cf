"""Who is nearest, in a party so large that not everybody is looked at."""

from math import pi

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.alarm.plans.choice import Fix
from gateway.alarm.plans.levels import Groups
from gateway.alarm.plans.nearest import FEW, Search, Surroundings, Unheard
from gateway.alarm.plans.places import EARTH_RADIUS, Places, distance
from gateway.alarm.plans.plan import GroupFacts, Nearest
from gateway.moment import Moment

NOW = Moment(elapsed=1000.0, wall=1_795_500_000.0)
HERE = (30.2573, 120.1776)
MANY = FEW + 36


def group(number, **more):
    name = f"g{number:03d}"
    return GroupFacts(name=name, title=name, party="guard", talkgroup="t", **more)


def north(metres):
    return (HERE[0] + metres / EARTH_RADIUS * 180 / pi, HERE[1])


class Heard:
    """Clients as `Presences` has them: one fix of each group that is heard of."""

    def __init__(self, fixes):
        self.of = fixes
        self.places = Places()
        for name, fix in fixes.items():
            self.places.put(name, fix.position)

    def fixes(self, name, _now):
        return (self.of[name],) if name in self.of else ()

    def near(self, position, metres):
        return self.places.near(position, metres)


METRES = st.one_of(st.floats(-3_000, 3_000), st.floats(-80_000, 80_000))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), METRES), min_size=MANY, max_size=MANY),
    st.dictionaries(
        st.integers(0, MANY - 1), st.tuples(METRES, st.floats(0, 240), st.booleans()), max_size=40
    ),
    st.one_of(st.none(), st.floats(1, 60_000)),
    st.integers(1, 20),
    st.booleans(),
)
def test_those_found_in_circles_are_those_that_looking_at_everybody_finds(
    positions, clients, limit, wanted, drill
):
    groups = [
        group(number, position=None if at is None else north(at), drills=number % 2 == 0)
        for number, at in enumerate(positions)
    ]
    heard = Heard(
        {
            groups[number].name: Fix("client", north(at), age, on_duty)
            for number, (at, age, on_duty) in clients.items()
        }
    )
    search = Search(
        nearest=Nearest(count=wanted, party=("guard",), max_distance=limit), site=HERE, drill=drill
    )
    expected = []
    for one in groups:
        fix = heard.of.get(one.name)
        if fix is not None and fix.age <= 120:
            at = fix.position if fix.on_duty else None
        else:
            at = one.position
        if at is None or (drill and not one.drills):
            continue
        metres = distance(HERE, at)
        if limit is None or metres <= limit:
            expected.append((metres, one.name))
    expected = [name for _, name in sorted(expected)]
    surroundings = Surroundings(Groups({one.name: one for one in groups}), heard)
    assert surroundings.able(search, wanted, NOW)[:wanted] == expected[:wanted]
    assert surroundings.able(search, 1, NOW, but=set(expected[:3]))[:1] == expected[3:4]
    survey = surroundings.survey(search, 12, NOW)
    able = [one.group for one in survey.shown if one.why_not is None]
    assert len(survey.shown) == 12
    assert survey.more == MANY - 12
    assert able == expected[: len(able)]
    if len(expected) < wanted:  # what a shortfall says
        short = surroundings.survey(search, len(expected) + 6, NOW)
        assert sum(1 for one in short.shown if one.why_not is not None) >= 6


def test_in_a_large_party_only_those_around_are_looked_at():
    asked = []

    class Counting(Unheard):
        def fixes(self, name, _now):
            asked.append(name)
            return ()

    groups = Groups(
        {one.name: one for one in (group(n, position=north(n * 400.0)) for n in range(500))}
    )
    surroundings = Surroundings(groups, Counting())
    search = Search(nearest=Nearest(count=2, party=("guard",), max_distance=5_000.0), site=HERE)
    assert surroundings.able(search, 2, NOW)[:2] == ["g000", "g001"]
    assert len(asked) < 20
