"""When announcements have their turn."""

import pytest

from gateway.voice.announcing.turns import (
    ASK_AGAIN,
    MAX_WAITING,
    Ask,
    Call,
    Dropped,
    GiveBack,
    Speak,
    Stop,
    TurnRules,
    Turns,
)

RULES = TurnRules(times=2, pause=3.0, within=30.0)
ASK, BACK = Ask(pre_empt=False), GiveBack()


def call(page="p1", incident="i1", group="police", level=1, severity=1, raised=0.0, **more):
    return Call(
        page=page, incident=incident, group=group, level=level, severity=severity, raised=raised, **more
    )  # fmt: skip


def speaking(turns, one, now=0.0):
    """Add a call and have the floor for it."""
    turns.add(one, now)
    assert turns.granted(now) == [Speak(one)]


def test_page_is_announced_as_often_as_the_rules_say_and_never_again():
    turns = Turns(RULES)
    assert turns.add(call(), 0.0) == [ASK]
    assert turns.granted(0.1) == [Speak(call())]
    assert turns.said(5.0) == [BACK]
    assert turns.deadline() == 8.0
    assert turns.tick(7.999) == []
    assert turns.tick(8.0) == [ASK]
    assert turns.granted(8.0) == [Speak(call())]
    assert turns.said(13.0) == [BACK]
    assert turns.empty
    assert turns.deadline() is None
    assert turns.add(call(), 20.0) == []


def test_nothing_is_announced_where_it_is_switched_off():
    turns = Turns(TurnRules(times=0))
    assert turns.add(call(), 0.0) == []
    assert turns.empty


def test_denied_it_asks_again_when_the_floor_is_idle():
    turns = Turns(RULES)
    turns.add(call(), 0.0)
    assert turns.refused(None, 0.1) == []
    assert turns.idle(4.0) == [ASK]
    assert turns.idle(4.1) == [], "asked once"


def test_denied_with_a_time_it_asks_again_after_that():
    turns = Turns(RULES)
    turns.add(call(), 0.0)
    turns.refused(1.5, 1.0)
    assert turns.deadline() == 2.5
    assert turns.tick(2.4) == []
    assert turns.tick(2.5) == [ASK]


def test_denied_and_never_told_of_an_idle_floor_it_asks_again_by_itself():
    turns = Turns(RULES)
    turns.add(call(), 0.0)
    turns.refused(None, 1.0)
    assert turns.tick(1.0 + ASK_AGAIN) == [ASK]


@pytest.mark.parametrize(("now", "dropped"), [(29.999, False), (30.0, True)])
def test_what_could_not_have_the_floor_in_time_is_dropped(now, dropped):
    turns = Turns(RULES)
    turns.add(call(), 0.0)
    turns.refused(100.0, 0.1)
    found = turns.tick(now)
    assert (Dropped(call(), "no_floor") in found) is dropped
    assert turns.empty is dropped


def test_request_that_is_under_way_is_taken_back_when_its_time_is_over():
    turns = Turns(RULES)
    turns.add(call(), 0.0)
    assert turns.tick(30.0) == [Dropped(call(), "no_floor"), BACK]


def test_worst_news_of_the_moment_goes_first_and_drills_last():
    turns = Turns(TurnRules(times=1))
    first = call("a", "i1", severity=3, raised=1.0)
    drill = call("b", "i2", severity=1, raised=0.0, drill=True)
    younger = call("c", "i3", severity=1, raised=5.0)
    older = call("d", "i4", severity=1, raised=4.0)
    turns.add(first, 0.0)
    turns.refused(None, 0.0)
    for one in (drill, younger, older):
        assert turns.add(one, 0.0) == []
    assert turns.idle(1.0) == [ASK]
    order = []
    now = 1.0
    while not turns.empty:
        (spoken,) = turns.granted(now)
        order.append(spoken.call.page)
        now += 5.0
        turns.said(now)
    assert order == ["d", "c", "a", "b"]


def test_what_is_being_said_is_said_to_its_end_when_worse_news_come():
    turns = Turns(TurnRules(times=1))
    speaking(turns, call("a", severity=3))
    assert turns.add(call("b", "i2", severity=1), 1.0) == []
    assert turns.said(5.0) == [BACK, ASK]
    assert turns.granted(5.0) == [Speak(call("b", "i2", severity=1))]


def test_one_that_pre_empts_asks_so_also_behind_one_that_waits():
    turns = Turns(RULES)
    turns.add(call("a"), 0.0)
    turns.refused(None, 0.1)
    assert turns.add(call("b", "i2", pre_empt=True), 1.0) == [Ask(pre_empt=True)]
    assert turns.add(call("c", "i3", pre_empt=True), 1.0) == [], "no more urgent than that"


def test_interrupted_it_begins_anew():
    turns = Turns(RULES)
    speaking(turns, call())
    assert turns.revoked(2.0) == [Stop()]
    assert turns.idle(6.0) == [ASK]
    assert turns.granted(6.0) == [Speak(call())]
    turns.said(11.0)
    turns.tick(14.0)
    assert turns.granted(14.0) == [Speak(call())], "the interrupted time does not count"


def test_interrupted_for_too_long_it_is_dropped():
    turns = Turns(RULES)
    speaking(turns, call())
    turns.revoked(2.0)
    assert Dropped(call(), "no_floor") in turns.tick(30.0)


def test_it_stops_in_the_middle_of_a_word_when_the_group_has_acked():
    turns = Turns(RULES)
    speaking(turns, call())
    assert turns.over("i1", 2.0, {"street"}) == []
    assert turns.over("i1", 2.0, {"police"}) == [Stop(), BACK, Dropped(call(), "over")]
    assert turns.empty


def test_it_stops_when_the_incident_is_over_and_says_the_next():
    turns = Turns(RULES)
    speaking(turns, call("a"))
    other = call("b", "i2", severity=2)
    turns.add(other, 1.0)
    assert turns.over("i1", 2.0) == [Stop(), BACK, Dropped(call("a"), "over"), ASK]
    assert turns.granted(2.0) == [Speak(other)]


def test_groups_of_one_talkgroup_share_an_announcement_until_each_has_acked():
    turns = Turns(RULES)
    speaking(turns, call("a", group="police"))
    assert turns.add(call("b", group="street"), 0.5) == []
    assert turns.over("i1", 1.0, {"police"}) == []
    assert Stop() in turns.over("i1", 2.0, {"police", "street"})


def test_what_another_gateway_says_is_not_said_twice():
    turns = Turns(RULES)
    turns.add(call(), 0.0)
    turns.refused(None, 0.1)
    assert turns.elsewhere("i1", 2, 0.2) == [], "another level is other news"
    assert turns.elsewhere("i1", 1, 0.2) == [Dropped(call(), "said_by_another")]
    assert turns.add(call("p2", group="street"), 1.0) == [
        Dropped(call("p2", group="street"), "said_by_another")
    ]


def test_what_it_has_begun_itself_it_says_to_the_last_time():
    turns = Turns(RULES)
    speaking(turns, call())
    assert turns.elsewhere("i1", 1, 1.0) == []
    turns.said(5.0)
    assert turns.elsewhere("i1", 1, 6.0) == []
    assert turns.tick(8.0) == [ASK]


def test_of_too_many_the_least_goes():
    turns = Turns(RULES)
    for number in range(MAX_WAITING):
        turns.add(call(f"p{number}", f"i{number}", severity=2, raised=number), 0.0)
    worse = call("worse", "j", severity=1)
    dropped = [one for one in turns.add(worse, 0.0) if isinstance(one, Dropped)]
    assert [(one.call.page, one.why) for one in dropped] == [(f"p{MAX_WAITING - 1}", "too_many")]
    assert turns.granted(0.0) == [Speak(worse)]


def test_grant_that_nobody_waits_for_is_given_back():
    turns = Turns(RULES)
    assert turns.granted(0.0) == [BACK]
    turns.add(call(), 0.0)
    turns.over("i1", 0.1)
    assert turns.granted(0.2) == [BACK]


def test_grant_said_twice_changes_nothing():
    turns = Turns(RULES)
    speaking(turns, call())
    assert turns.granted(0.1) == []
