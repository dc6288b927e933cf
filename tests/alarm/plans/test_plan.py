from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.alarm.plans.plan import Level, Plan, When, latches, place_mates, select, severity_of
from tests.alarm.alarm_world import PLAN, RADIO, SITE, SOURCES, SOUTH_BUTTON, SOUTH_INTERCOM

ANY = Plan(name="any", title="any", when=When(), levels=(Level(name="one"),))


def named(name: str, **when: tuple[str, ...]) -> Plan:
    return replace(ANY, name=name, when=When(**when))


def test_first_plan_that_matches_is_used():
    first, second = named("first", category=("panic",)), named("second", category=("panic",))
    assert select((first, second), SOUTH_BUTTON, SITE, "panic") is first
    assert select((second, first), SOUTH_BUTTON, SITE, "panic") is second


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("endpoint", "south-gate-button", "north-gate-button"),
        ("site", "zju1", "zju2"),
        ("class_", "hospital", "school"),
        ("street", "xiaoying", "tianshui"),
        ("grid", "xiaoying-03", "xiaoying-04"),
        ("tag", "large", "small"),
        ("category", "panic", "fire"),
        ("code", "E120", "E130"),
    ],
)
def test_every_key_given_must_match_and_a_list_matches_any(key, right, wrong):
    def found(*values: str) -> bool:
        return (
            select((named("it", **{key: values}),), SOUTH_BUTTON, SITE, "panic", "E120") is not None
        )

    assert found(right)
    assert found(wrong, right)
    assert not found(wrong)
    both = named("it", category=("panic",), **({key: (wrong,)} if key != "category" else {}))
    if key != "category":
        assert select((both,), SOUTH_BUTTON, SITE, "panic", "E120") is None


def test_signal_without_category_matches_only_plans_that_ask_for_none():
    assert select((PLAN, ANY), SOUTH_BUTTON, SITE, None) is ANY


@pytest.mark.parametrize("category", ["trouble", "test", "access", "bypass", "log"])
def test_troubles_and_tests_need_a_plan_that_names_them(category):
    here = named("here", site=("zju1",))
    assert select((ANY, here), SOUTH_BUTTON, SITE, category, "E999") is None
    by_category, by_code = named("a", category=(category,)), named("b", code=("E999",))
    assert select((ANY, by_category), SOUTH_BUTTON, SITE, category) is by_category
    assert select((ANY, by_code), SOUTH_BUTTON, SITE, category, "E999") is by_code
    assert select((ANY, by_code), SOUTH_BUTTON, SITE, category, None) is None


def test_trouble_without_an_endpoint_matches_no_plan_that_asks_for_a_place():
    trouble = named("trouble", category=("trouble",))
    there = named("there", category=("trouble",), site=("zju1",))
    assert select((there, trouble), None, None, "trouble") is trouble


def test_previous_report_counts_as_new():
    plan = named("it", code=("E120",))
    assert select((plan,), SOUTH_BUTTON, SITE, "panic", "P120") is plan
    assert select((plan,), SOUTH_BUTTON, SITE, "panic", "R120") is None
    assert select((named("sia", code=("PA",)),), SOUTH_BUTTON, SITE, "panic", "PA") is not None


def test_severity_comes_from_the_plan_and_else_from_the_category():
    assert severity_of(replace(PLAN, severity=3), "panic") == 3
    assert severity_of(PLAN, "panic") == 1
    assert severity_of(PLAN, "fire") == 2
    assert severity_of(None, "panic") == 1
    assert severity_of(None, None) == 2


@pytest.mark.parametrize(
    ("category", "latch", "expected"),
    [
        ("panic", None, True),
        ("fire", None, False),
        (None, None, False),
        ("panic", False, False),
        ("fire", True, True),
        ("trouble", True, False),
        ("test", True, False),
    ],
)
def test_panic_latches_unless_told_otherwise(category, latch, expected):
    assert latches(replace(SOUTH_BUTTON, latch=latch), category) is expected


def test_endpoints_share_a_place_at_one_site_only():
    elsewhere = replace(SOUTH_INTERCOM, endpoint="elsewhere", site="zju2")
    sources = (*SOURCES.values(), elsewhere)
    assert place_mates(SOUTH_BUTTON, sources) == ("south-gate-button", "south-gate-intercom")
    assert place_mates(SOUTH_INTERCOM, sources) == ("south-gate-intercom", "south-gate-button")
    assert place_mates(RADIO, sources) == ("police-radio",)  # no place is no shared place
