"""Every source has someone to call at every moment of the week, or `check` says when not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import registry
from gateway.alarm.incidents.cases import Rules
from gateway.alarm.incidents.docket import Docket
from gateway.alarm.plans.calendars import Calendar, Days, DayTime, Hours, Rota, Shift
from gateway.alarm.plans.choosing import Choosing
from gateway.alarm.plans.levels import Groups
from gateway.alarm.plans.nearest import Unheard
from gateway.alarm.plans.plan import GroupFacts, Level, Nearest, Plan, SiteFacts, When
from gateway.alarm.signals.contact import sighting_of
from gateway.moment import Moment
from gateway.ports import AlarmSignal, SignalKind
from gateway.settings.coverage import Outlook
from gateway.settings.facts import source_of
from gateway.settings.loader import examine
from gateway.settings.model import Endpoint
from tests.alarm.alarm_world import counted_ids

TODAY = date(2026, 11, 24)
SITE = SiteFacts(name="s", title="S", class_="school", position=(30.0, 120.0))
BUTTON = Endpoint(kind="button", site="s", input="i", category="panic")
GROUPS = {
    "a": GroupFacts(name="a", title="A", party="street", talkgroup="t"),
    "b": GroupFacts(name="b", title="B", party="police", talkgroup="t", position=(30.01, 120.0)),
    "c": GroupFacts(name="c", title="C", party="car", talkgroup="t"),
}

DAY_TIMES = st.builds(
    lambda start, length: DayTime(start, (start + length) % 1440 or 1440),
    st.sampled_from([0, 1, 480, 1080, 1200, 1439]),
    st.sampled_from([1, 239, 480, 720, 1439]),
)
DATES = st.integers(0, 12).map(lambda number: TODAY + timedelta(days=number))
SPANS = st.tuples(DATES, st.integers(0, 3)).map(
    lambda one: Days(one[0], one[0] + timedelta(days=one[1]))
)
CALENDARS = st.builds(
    Calendar,
    name=st.uuids().map(str),
    weekdays=st.frozensets(st.integers(0, 6), max_size=5),
    last=st.one_of(st.none(), DATES),
    exceptions=st.lists(SPANS, max_size=1).map(tuple),
    additional=st.lists(SPANS, max_size=1).map(tuple),
)
HOURS = st.builds(
    Hours,
    times=st.lists(DAY_TIMES, max_size=2).map(tuple),
    weekdays=st.frozensets(st.integers(0, 6), max_size=5),
    calendars=st.lists(CALENDARS, max_size=2).map(tuple),
)
SHIFTS = st.builds(Shift, group=st.sampled_from(["a", "b"]), hours=HOURS)
ROTAS = st.builds(
    Rota,
    name=st.just("duty"),
    shifts=st.lists(SHIFTS, min_size=1, max_size=2).map(tuple),
    otherwise=st.sampled_from([None, None, "a"]),
)
LEVELS = st.builds(
    Level,
    name=st.just("level"),
    page=st.sampled_from([(), (), ("a",)]),
    page_rota=st.sampled_from([(), ("duty",)]),
    nearest=st.sampled_from(
        [
            None,
            Nearest(count=1, party=("car",)),
            Nearest(count=1, party=("police",), max_distance=5000.0),
            Nearest(count=1, party=("police",), max_distance=500.0),
        ]
    ),
)
PLANS = st.lists(
    st.builds(lambda hours, levels: (When(hours=hours), tuple(levels)), HOURS, st.lists(LEVELS, min_size=1, max_size=2)),
    min_size=1,
    max_size=3,
).map(
    lambda found: tuple(
        Plan(name=f"p{number}", title="", when=when, levels=levels)
        for number, (when, levels) in enumerate(found)
    )
)  # fmt: skip


def is_called(every, rota, at):
    """Whether a press at that moment calls anybody, by the very machine; nobody says where they are."""
    rules = Rules(
        sources={"button": source_of("button", BUTTON)},
        sites={"s": SITE},
        groups=GROUPS,
        plans=every,
        zone=UTC,
    )
    choosing = Choosing(GROUPS, {"duty": rota}, Unheard(), UTC)
    docket = Docket("g", rules, counted_ids(), choosing)
    signal = AlarmSignal(signal=SignalKind.ALARM)
    now = Moment(elapsed=0.0, wall=at.replace(tzinfo=UTC).timestamp())
    ((_, effects),) = docket.signal(sighting_of(rules.sources["button"], signal), now)
    return bool(effects.pages)


@settings(max_examples=30, deadline=None)
@given(PLANS, ROTAS, st.data())
def test_a_press_calls_somebody_exactly_when_no_gap_is_told(every, rota, data):
    outlook = Outlook(every, Groups(GROUPS), {"duty": rota}, TODAY)
    takers = outlook.takers("button", BUTTON, SITE, has_codes=False)
    answers = outlook.answers(takers)
    first = TODAY + timedelta(days=data.draw(st.integers(0, 10)))
    midnight = datetime.combine(first, datetime.min.time())
    # Every minute of three days, by asking for each of them.
    for minute in range(3 * 1440):
        at = midnight + timedelta(minutes=minute)
        assert answers.at(at) == outlook.failing(takers, at)
    # And some of them by pressing.
    for minute in data.draw(st.lists(st.integers(0, 3 * 1440 - 1), min_size=20, max_size=20)):
        at = midnight + timedelta(minutes=minute)
        assert (answers.at(at) is None) == is_called(every, rota, at)
    told = list(outlook.gaps(takers))
    assert bool(told) == any(answer is not None for answer in answers.different())
    assert all(when for _, when in told)


BASE = """
gateway: g
timezone: Asia/Shanghai
sites: {{s: {{name: S, class: school, street: a, position: [30.0, 120.0]}}}}
inputs: {{hand: {{driver: virtual}}}}
endpoints:
  b1: {{kind: button, site: s, input: hand, category: panic}}
  b2: {{kind: button, site: s, input: hand, category: panic}}
talkgroups: {{t: {{}}}}
groups:
  p: {{name: P, party: police, talkgroup: t, position: [30.01, 120.0]}}
  q: {{name: Q, party: street, street: a, talkgroup: t}}
  car: {{name: C, party: car, talkgroup: t}}
calendars:
  term: {{weekdays: [mon, tue, wed, thu, fri], exceptions: ["{holiday}..{holiday_end}"]}}
rotas:
  duty: {{shifts: [{shifts}]{otherwise}}}
plans:
  panic: {{when: {{{when}}}, levels: [{levels}]}}
  {more}
"""
TWO = "{name: one, page: [p]}, {name: two, page: [q]}"


@pytest.fixture
def warnings(tmp_path):
    # Monday to Sunday, a few weeks from now: the check looks a year ahead of the day it is made.
    monday = date.today() + timedelta(days=28 - date.today().weekday())  # noqa: DTZ011
    holiday = monday + timedelta(days=7)

    def ask(**parts):
        parts = {
            "when": "", "levels": TWO, "more": "", "shifts": "{group: p}", "otherwise": "",
            "holiday": holiday, "holiday_end": holiday + timedelta(days=4), **parts,
        }  # fmt: skip
        path = tmp_path / "c.yaml"
        path.write_text(BASE.format(**parts), encoding="utf-8")
        examined = examine(path, registry)
        assert examined.settings is not None, examined.problems
        return [f"{one.key}: {one.what}" for one in examined.problems]

    ask.holiday = f"{holiday}..{holiday + timedelta(days=4)}"
    return ask


def test_plans_for_all_hours_have_nothing_to_say(warnings):
    assert warnings() == []


def test_hours_that_no_plan_is_for_are_told_once_for_all_that_are_alike(warnings):
    assert warnings(when='time: "08:00-18:00"') == [
        "endpoints.b1: no plan is for its alarms (so of b2) every day 00:00-08:00 and 18:00-24:00"
    ]


def test_weekdays_and_dates_that_no_plan_is_for_are_told(warnings):
    (told,) = warnings(when="calendar: term")
    when = f"sat, sun 00:00-24:00; {warnings.holiday} 00:00-24:00"
    assert told == f"endpoints.b1: no plan is for its alarms (so of b2) {when}"


def test_a_night_plan_of_weekdays_leaves_out_the_morning_of_monday_only(warnings):
    days = "[mon, tue, wed, thu, fri, sat]"
    night = f"night: {{when: {{time: '20:00-08:00', weekdays: {days}}}, levels: [{TWO}]}}"
    (told,) = warnings(when='time: "08:00-20:00"', more=night)
    assert told.endswith("(so of b2) mon 00:00-08:00; sun 20:00-24:00")


def test_a_plan_for_everything_as_the_last_closes_the_gap(warnings):
    assert warnings(when='time: "08:00-18:00"', more=f"rest: {{levels: [{TWO}]}}") == []


def test_rota_that_nobody_is_on_is_told_and_otherwise_closes_it(warnings):
    shifts = '{group: p, time: "08:00-20:00"}, {group: q, time: "20:00-06:00"}'
    levels = "{name: one, page_rota: duty}, {name: two, page_rota: duty, nearest: {count: 1, party: car}}"
    assert warnings(shifts=shifts, levels=levels) == [
        "endpoints.b1: its plan panic (so of b2) has nobody that is sure to be called every day 06:00-08:00",
        "rotas.duty: nobody is on duty every day 06:00-08:00",
    ]
    assert warnings(shifts=shifts, levels=levels, otherwise=", otherwise: q") == []


def test_nobody_is_sure_to_be_near_unless_a_position_is_configured(warnings):
    cars = (
        "{name: one, nearest: {count: 1, party: car}}, {name: two, nearest: {count: 2, party: car}}"
    )
    assert warnings(levels=cars) == [
        "endpoints.b1: its plan panic (so of b2) has nobody that is sure to be called at any time"
    ]
    police = cars.replace("party: car", "party: police, max_distance_m: 1200")
    assert warnings(levels=police) == []
    assert warnings(levels=police.replace("1200", "1100")) != []


def test_site_without_position_is_told_where_a_plan_calls_the_nearest(tmp_path):
    text = BASE.format(
        when="", levels=TWO.replace("page: [q]", "nearest: {count: 1}"), more="",
        shifts="{group: p}", otherwise="", holiday="2026-12-01", holiday_end="2026-12-02",
    ).replace(", position: [30.0, 120.0]", "")  # fmt: skip
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    told = [f"{one.key}: {one.what}" for one in examine(path, registry).problems]
    assert told == ["plans.panic.levels[1].nearest: nobody is near to a site without position: s"]
