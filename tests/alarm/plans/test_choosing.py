"""Whom rotas and ``nearest`` call, and what is said of whom they could not."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.alarm.incidents.docket import Docket
from gateway.alarm.incidents.record import Progress
from gateway.alarm.plans.calendars import Calendar, Hours, Rota, Shift, parse_day_time
from gateway.alarm.plans.choice import Fix
from gateway.alarm.plans.choosing import Choosing
from gateway.alarm.plans.nearest import Unheard
from gateway.alarm.plans.places import EARTH_RADIUS, distance
from gateway.alarm.plans.plan import GroupFacts, Level, Nearest, Plan, When
from gateway.alarm.signals.contact import sighting_of
from gateway.moment import Moment
from gateway.ports import AlarmSignal, SignalKind
from tests.alarm.alarm_world import (
    GROUPS,
    NO_CLOCKS,
    POLICE,
    RULES,
    SITE,
    SOUTH_BUTTON,
    START,
    action,
    counted_ids,
)

HERE = SITE.position
assert HERE is not None


def north(metres):
    """A position so many metres north of the site."""
    return (HERE[0] + metres / EARTH_RADIUS * 180 / 3.141592653589793, HERE[1])


def mediator(name, **more):
    return GroupFacts(name=name, title=name, party="mediator", talkgroup=name, **more)


MEDIATORS = {name: mediator(name) for name in ("car-1", "car-2", "car-3", "car-4")}
NEAREST = Nearest(count=2, party=("mediator",), max_distance=3000.0, max_age=120.0)


class Seen:
    """What clients said, by group."""

    def __init__(self, **fixes):
        self.by_group = {name.replace("_", "-"): found for name, found in fixes.items()}

    def fixes(self, group, _now):
        return tuple(self.by_group.get(group, ()))

    def near(self, _position, _metres):
        return self.by_group


def fix(metres, age=10.0, on_duty=True):
    return Fix("client", north(metres), age, on_duty)


def opened(whereabouts=None, groups=MEDIATORS, rotas=(), level=None, drill=False, levels=None):
    """An incident of a plan whose level 1 has a ``nearest`` (or ``level``)."""
    level = level or Level(name="调解", nearest=NEAREST)
    plan = Plan(name="p", title="p", when=When(), levels=levels or (level,), targets=NO_CLOCKS)
    rules = replace(RULES, plans=(plan,), groups={**GROUPS, **groups})
    choosing = Choosing(rules.groups, {rota.name: rota for rota in rotas}, whereabouts or Unheard())
    docket = Docket("zju1", rules, counted_ids(), choosing)
    signal = AlarmSignal(signal=SignalKind.ALARM, zone="001", category="panic")
    ((incident, effects),) = docket.signal(sighting_of(SOUTH_BUTTON, signal), START, drill=drill)
    return docket, incident, sorted(page.group for page in effects.pages)


def test_the_two_nearest_are_called():
    seen = Seen(car_1=[fix(2000)], car_2=[fix(100)], car_3=[fix(900)], car_4=[fix(2999)])
    _, incident, paged = opened(seen)
    assert paged == ["car-2", "car-3"]
    assert incident.record.shortfalls == ()


@pytest.mark.parametrize(
    ("fixes", "why"),
    [
        ([fix(3001)], "is 3001 m away (limit 3000)"),
        ([fix(100, age=120.5)], "was not heard of for 120 s (limit 120)"),
        ([fix(100, on_duty=False)], "is not on duty"),
        ([], "has no known position"),
    ],
)
def test_who_cannot_be_called_is_a_shortfall_in_words(fixes, why):
    groups = {name: MEDIATORS[name] for name in ("car-1", "car-2")}
    _, incident, paged = opened(Seen(car_1=fixes, car_2=[fix(50)]), groups)
    assert paged == ["car-2"]
    assert incident.record.shortfalls == (f"调解: 1 of 2 mediator nearby: car-1 {why}",)


def test_limits_are_included():
    groups = {"car-1": MEDIATORS["car-1"], "car-2": MEDIATORS["car-2"]}
    _, _, paged = opened(Seen(car_1=[fix(2999.99)], car_2=[fix(10, age=120.0)]), groups)
    assert paged == ["car-1", "car-2"]


def test_freshest_of_a_groups_clients_counts_and_a_configured_position_does_not_age():
    groups = {
        "car-1": MEDIATORS["car-1"],
        "office": mediator("office", position=north(200)),
        "far": mediator("far", position=north(5000)),
    }
    _, _, paged = opened(Seen(car_1=[fix(2500), fix(400), fix(1, age=900)]), groups)
    assert paged == ["car-1", "office"]


def test_site_without_a_position_is_a_shortfall():
    plan = Plan(name="p", title="p", when=When(), levels=(Level(name="x", nearest=NEAREST),))
    site = replace(SITE, position=None)
    rules = replace(RULES, sites={"zju1": site}, plans=(plan,), groups=MEDIATORS)
    docket = Docket("zju1", rules, counted_ids(), Choosing(MEDIATORS, {}, Seen(car_1=[fix(1)])))
    signal = AlarmSignal(signal=SignalKind.ALARM, zone="001")
    ((incident, effects),) = docket.signal(sighting_of(SOUTH_BUTTON, signal), START)
    assert effects.pages == ()
    assert "no site position" in incident.record.shortfalls[0]


def test_group_that_is_called_already_counts_and_is_not_called_twice():
    level = Level(name="x", page=("car-1",), nearest=NEAREST)
    _, incident, paged = opened(
        Seen(car_1=[fix(10)], car_2=[fix(20)], car_3=[fix(30)]), level=level
    )
    assert paged == ["car-1", "car-2"]
    assert len(incident.record.pages) == 2


def test_decline_calls_the_next_nearest_at_once():
    seen = Seen(car_1=[fix(10)], car_2=[fix(20)], car_3=[fix(30)], car_4=[fix(40)])
    docket, incident, _ = opened(seen)
    for declined, next_one in (("car-1", "car-3"), ("car-3", "car-4")):
        (change,), answer = docket.act(action(incident.id, "decline", declined), START)
        assert answer.reason is None
        assert [page.group for page in change[1].pages] == [next_one]
    (change,), _ = docket.act(action(incident.id, "decline", "car-4"), START)
    assert change[1].pages == ()
    assert "car-4 declined, and nobody else is near enough" in incident.record.shortfalls[-1]


def test_everybody_declined_starts_the_next_level_at_once():
    levels = (Level(name="one", page=("car-1", "car-2")), Level(name="two", page=("car-3",)))
    docket, incident, _ = opened(levels=levels)
    docket.act(action(incident.id, "decline", "car-1"), START)
    assert incident.record.level == 1
    (change,), _ = docket.act(action(incident.id, "decline", "car-2"), START)
    assert incident.record.level == 2
    # Widening adds: who declined is called again with the new level.
    assert sorted(page.group for page in change[1].pages) == ["car-1", "car-2", "car-3"]


DAY = Hours(times=(parse_day_time("08:00-20:00"),))
NIGHT = Hours(times=(parse_day_time("20:00-08:00"),))


NEVER = Calendar(name="never", last=date(2000, 1, 1))


def rota(**more):
    shifts = (Shift(group="car-1", hours=DAY), Shift(group="car-2", hours=NIGHT))
    return Rota(name="duty", shifts=shifts, **more)


def test_rota_calls_whoever_is_on_duty():
    _, _, paged = opened(rotas=(rota(),), level=Level(name="x", page_rota=("duty",)))
    assert paged in (["car-1"], ["car-2"])


def test_nobody_on_duty_calls_otherwise_and_says_so():
    never = Rota(
        name="duty",
        shifts=(Shift(group="car-1", hours=Hours(times=(), calendars=(NEVER,))),),
        otherwise="car-4",
    )
    _, incident, paged = opened(rotas=(never,), level=Level(name="x", page_rota=("duty",)))
    assert paged == ["car-4"]
    assert incident.record.shortfalls == (
        "x: rota duty: nobody is on duty; car-4 is called instead",
    )


def test_whoever_is_on_duty_declines_and_otherwise_is_called():
    always = Rota(name="duty", shifts=(Shift(group="car-1"),), otherwise="car-4")
    docket, incident, paged = opened(rotas=(always,), level=Level(name="x", page_rota=("duty",)))
    assert paged == ["car-1"]
    (change,), _ = docket.act(action(incident.id, "decline", "car-1"), START)
    assert [page.group for page in change[1].pages] == ["car-4"]
    assert incident.record.groups["car-4"].state is Progress.PAGED


def test_drill_chooses_only_whom_drills_may_call():
    groups = {"car-1": MEDIATORS["car-1"], "car-2": replace(MEDIATORS["car-2"], drills=True)}
    always = Rota(name="duty", shifts=(Shift(group="car-1"),))
    level = Level(name="x", page=("car-1",), page_rota=("duty",), nearest=NEAREST)
    seen = Seen(car_1=[fix(1)], car_2=[fix(2)])
    _, incident, paged = opened(seen, groups, rotas=(always,), level=level, drill=True)
    assert paged == ["car-2"]
    assert "x: rota duty: car-1 takes part in no drill" in incident.record.shortfalls
    assert "x: takes part in no drill: car-1" in incident.record.shortfalls


def test_group_whose_clients_are_off_duty_is_not_called_by_its_configured_position():
    groups = {"office": mediator("office", position=north(200))}
    for fixes, expected in (
        ([fix(900, on_duty=False)], []),
        ([fix(900, on_duty=False, age=121.0)], ["office"]),  # long ago: nobody knows
        ([fix(900, age=121.0)], ["office"]),
    ):
        _, incident, paged = opened(Seen(office=fixes), groups)
        assert paged == expected
        assert ("office is not on duty" in incident.record.shortfalls[0]) is not bool(expected)


def test_decline_at_a_later_level_calls_the_next_nearest_of_the_earlier_one():
    seen = Seen(car_1=[fix(10)], car_2=[fix(20)], car_3=[fix(30)])
    levels = (Level(name="one", nearest=NEAREST), Level(name="two", page=(POLICE,)))
    docket, incident, _ = opened(seen, levels=levels)
    docket.act(action(incident.id, "escalate"), START)
    assert incident.record.level == 2
    (change,), _ = docket.act(action(incident.id, "decline", "car-1"), START)
    assert [page.group for page in change[1].pages] == ["car-3"]


def test_shortfall_names_a_few_and_counts_the_rest():
    groups = {f"car-{number:02d}": mediator(f"car-{number:02d}") for number in range(20)}
    _, incident, _ = opened(groups=groups)
    (words,) = incident.record.shortfalls
    assert words.endswith("car-05 has no known position and 14 more")


def test_new_configuration_holds_for_what_is_chosen_from_then_on():
    moment = Moment(START.elapsed, START.wall)
    choosing = Choosing(MEDIATORS, {}, Seen(car_1=[fix(10)]))
    assert choosing.on_duty("duty", moment) == ()
    choosing.reload(MEDIATORS, {"duty": Rota(name="duty", shifts=(Shift(group="car-4"),))}, None)
    assert choosing.on_duty("duty", moment) == ("car-4",)
    choosing.reload(MEDIATORS, {}, None)
    assert choosing.on_duty("duty", moment) == ()


@given(
    st.dictionaries(
        st.sampled_from(sorted(MEDIATORS)),
        st.tuples(st.floats(0, 6000), st.floats(0, 300), st.booleans()),
    ),
    st.integers(1, 4),
)
def test_chosen_are_the_nearest_that_can_and_the_rest_is_explained(people, count):
    seen = Seen(**{name.replace("-", "_"): [fix(*found)] for name, found in people.items()})
    level = Level(name="x", nearest=replace(NEAREST, count=count))
    _, incident, paged = opened(seen, level=level)
    able = sorted(
        (metres, name)
        for name, (metres, age, on_duty) in people.items()
        if on_duty and age <= 120.0 and distance(HERE, north(metres)) <= 3000.0
    )
    assert {name for _, name in able[:count]} == set(paged) or len(able) > count
    assert len(paged) == min(count, len(able))
    assert bool(incident.record.shortfalls) == (len(able) < count)


def test_level_that_finds_nobody_is_passed_over_at_once_and_only_where_nobody_was_called():
    levels = (
        Level(name="one", nearest=NEAREST),
        Level(name="two", page_rota=("duty",)),
        Level(name="three", page=("car-4",)),
        Level(name="four", nearest=NEAREST),
        Level(name="five", page=("car-3",)),
    )
    docket, incident, paged = opened(levels=levels)
    assert (paged, incident.record.level) == (["car-4"], 3)
    docket.act(action(incident.id, "escalate"), START)
    assert incident.record.level == 4  # car-4 is called: its time is waited for
    nobody = (Level(name="one", nearest=NEAREST), Level(name="two", nearest=NEAREST))
    _, incident, paged = opened(levels=nobody)
    assert (paged, incident.record.level) == ([], 2)
