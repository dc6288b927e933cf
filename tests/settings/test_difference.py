"""What a reload changes."""

from __future__ import annotations

import pytest

from gateway.settings.difference import Changes, difference, sharing


@pytest.fixture
def settings_of(bench, contract):
    def make(*replacements: tuple[str, str]):
        text = contract
        for before, after in replacements:
            assert before in text
            text = text.replace(before, after)
        examined = bench.examine(text)
        assert examined.settings is not None, examined.problems
        return examined.settings

    return make


def test_a_file_that_was_only_rewritten_changes_nothing(settings_of):
    found = difference(settings_of(), settings_of(("tot_s: 30,", "tot_s: 30.0, # the same\n   ")))
    assert not found
    assert str(found) == "nothing has changed"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("tot_s: 30", "tot_s: 31", "talkgroups ~police-xiaoying"),
        ("  street-xiaoying: {}", "  street-xiaoying: {}\n  new: {}", "talkgroups +new"),
        ("threshold_dbfs: -40", "threshold_dbfs: -41", "endpoints ~south-gate-intercom"),
        ("baud_rate: 9600", "baud_rate: 1200", "inputs ~receiver-1"),
        ("name: 浙大一院", "name: 浙一", "sites ~zju1"),
        ("name: 小营派出所", "name: 派出所", "groups ~police-xiaoying"),
        ("ack_within_s: 120", "ack_within_s: 121", "plans ~hospital-panic"),
        ("mqtt:\n", "serves: []\nmqtt:\n", "serves"),
        ("mqtt:\n", "dispositions: [x]\nmqtt:\n", "dispositions"),
        ("mqtt:\n", "announcements: {times: 1}\nmqtt:\n", "announcements"),
        ("mqtt:\n", "recordings: {keep_days: 1}\nmqtt:\n", "recordings"),
        ("root: baiying", "root: other", "needs a restart: mqtt"),
        ("gateway: zju1", "gateway: zju2", "needs a restart: gateway"),
        ("./data", "./elsewhere", "needs a restart: data_dir"),
    ],
)
def test_one_change_is_told_and_nothing_else(settings_of, before, after, told):
    found = difference(settings_of(), settings_of((before, after)))
    assert found
    assert str(found) == told


def test_an_endpoint_that_was_renamed_is_one_less_and_one_more(settings_of):
    found = difference(settings_of(), settings_of(("  police-radio:\n", "  the-radio:\n")))
    assert found.endpoints == Changes(
        added=frozenset({"the-radio"}), removed=frozenset({"police-radio"})
    )
    assert str(found) == "endpoints +the-radio -police-radio"


def test_plans_in_another_order_are_a_change_of_precedence(settings_of):
    more = "plans:\n  one: {when: {category: fire}, levels: [{name: a, page: [police-xiaoying]}]}\n"
    last = "ack_within_s: 120}\n"
    plan = more.removeprefix("plans:\n")
    first, second = settings_of(("plans:\n", more)), settings_of((last, last + plan))
    found = difference(first, second)
    assert found.plan_order
    assert not found.plans
    assert str(found) == "plans in another order"
    added = difference(settings_of(), first)
    assert not added.plan_order
    assert str(added) == "plans +one"


def test_what_a_reload_did_not_change_is_the_same_object_as_before(settings_of):
    old, new = settings_of(), settings_of(("threshold_dbfs: -40", "threshold_dbfs: -41"))
    after = sharing(old, new)
    assert after == new
    changed = {name for name in old.endpoints if after.endpoints[name] is not old.endpoints[name]}
    assert changed == {"south-gate-intercom"}
    assert after.sites is old.sites
    assert after.mqtt is old.mqtt


def test_plans_in_another_order_are_not_taken_for_the_same(settings_of):
    more = "plans:\n  other:\n    levels:\n      - {name: x, page: [police-xiaoying]}\n"
    first = settings_of(("plans:\n", more))
    plans = dict(reversed(first.plans.items()))
    second = first.model_copy(update={"plans": plans})
    after = sharing(first, second)
    assert list(after.plans) == list(plans)
    assert all(after.plans[name] is first.plans[name] for name in plans)
