"""What is expected and seen passes; what is not is told in words."""

import pytest
import yaml

from gateway.cli.scenario import judge
from gateway.cli.scenario.expectation import Expect, IncidentMatch, Match
from tests.scenario.scenario_messages import EVENT, ID, INCIDENT, PAGE, but, group, seen

SEEN = (EVENT, PAGE, INCIDENT)


def incident(text, of=None):
    return Expect(incidents=(IncidentMatch(of=of, wanted=yaml.safe_load(text)),))


@pytest.mark.parametrize(
    "expect",
    [
        Expect(pages=(Match(wanted={"group": "police"}),)),
        Expect(pages=(Match(wanted={"title": "gate", "severity": 1}, count=1),)),
        Expect(paged=frozenset({"police"}), not_paged=("street",)),
        Expect(events=(Match(wanted={"signal": "alarm", "text": "press"}),)),
        Expect(no_events=(Match(wanted={"signal": "restore"}),)),
        Expect(raised=1, standing=1),
        Expect(messages=(Match(wanted={}, topic="alarm/+", contains="pressed", count=1),)),
        Expect(messages=(Match(wanted={"stored": True}, topic="#"),)),
        incident("{state: open, latched: true, plan: panic, talkgroup: false}"),
        incident("{groups: {police: paged, street: {state: acked}, clinic: null}}"),
        incident("{breaches: [ack], notes: [烟], shortfalls: [car-a]}", of="gate"),
        incident("{level: 1}", of="panic#1"),
    ],
)
def test_what_was_seen_passes(expect):
    assert not list(judge.misses(expect, seen(*SEEN), 0))


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        (Expect(pages=(Match(wanted={"group": "street"}),)), "no pages {group: street}"),
        (Expect(pages=(Match(wanted={"group": "police"}, count=2),)), "expected 2, seen 1"),
        (Expect(pages=(Match(wanted={}, sends=2),)), "sent 2 times"),
        (Expect(paged=frozenset()), "groups paged: expected [], seen [police]"),
        (Expect(paged=frozenset({"police", "street"})), "seen [police]"),
        (Expect(not_paged=("police",)), "police was paged"),
        (Expect(events=(Match(wanted={"signal": "alarm"}, count=0),)), "expected 0, seen 1"),
        (Expect(no_events=(Match(wanted={"signal": "alarm"}),)), "expected none, seen 1"),
        (Expect(raised=2), "incidents raised: expected 2, seen 1"),
        (Expect(standing=0), "not closed: expected 0, seen 1"),
        (Expect(messages=(Match(wanted={}, topic="cap/+"),)), "no messages on cap/+"),
        (Expect(messages=(Match(wanted={}, topic="#", contains="xyz"),)), "with 'xyz'"),
        (Expect(endpoints={"gate": {"input": "alarm"}}), "endpoint gate: nothing is known"),
        (Expect(gateways={"zju1": {"state": "online"}}), "gateway zju1: nothing is known"),
        (Expect(answer={"ended": "time"}), "answer"),
        (incident("{state: closed}"), "incident gate: state: expected closed, seen open"),
        (incident("{groups: {police: acked}}"), "groups.police: expected acked, seen paged"),
        (incident("{groups: {street: null}}"), "groups.street: expected nothing, seen acked"),
        (incident("{breaches: []}"), "breaches: expected [], seen [ack]"),
        (incident("{shortfalls: [car-b]}"), "expected 'car-b' in one of"),
        (incident("{talkgroup: true}"), "talkgroup: expected true, seen false"),
        (incident("{level: 1}", of="fire"), "there is no incident fire"),
        (incident("{level: 1}", of="gate#2"), "there is no incident gate#2"),
    ],
)
def test_what_was_not_seen_is_told(expect, words):
    found = list(judge.misses(expect, seen(*SEEN), 0))
    assert any(words in one for one in found), found


def test_a_page_sent_again_is_one_page_and_counts_from_its_first_sending():
    heard = seen(PAGE, PAGE, but(PAGE, id=ID.format(51), level=2))
    again = Expect(pages=(Match(wanted={"level": 1}, count=1, sends=2),))
    assert not list(judge.misses(again, heard, 0))
    assert list(judge.misses(again, heard, 1)), "its first sending was before"
    assert not list(judge.misses(Expect(pages=(Match(wanted={"level": 2}),)), heard, 1))


def test_an_event_told_again_after_a_restart_is_no_new_one():
    heard = seen(EVENT, EVENT)
    assert not list(judge.misses(Expect(no_events=(Match(wanted={}),)), heard, 1))
    assert not list(judge.misses(Expect(events=(Match(wanted={}, count=1),)), heard, 0))


def test_since_looks_back_before_the_last_deed():
    expect = Expect(paged=frozenset({"police"}), since=0.5)
    assert not list(judge.misses(expect, seen(EVENT, PAGE), 2))
    assert list(judge.misses(Expect(paged=frozenset({"police"})), seen(EVENT, PAGE), 2))


def test_never_is_broken_by_one_within_its_time_only():
    heard = seen(PAGE, EVENT)
    never = Expect(events=(Match(wanted={"signal": "alarm"}),))
    assert list(judge.breaks(never, heard, 0, 2))
    assert not list(judge.breaks(never, heard, 0, 1))


def test_newest_incident_is_meant_where_none_is_named():
    later = but(INCIDENT, id=ID.format(2), endpoint="north", groups={"police": group("received")})
    expect = Expect(incidents=(IncidentMatch(of=None, wanted={"endpoint": "north"}),))
    assert not list(judge.misses(expect, seen(INCIDENT, later), 0))
    assert seen(INCIDENT, later).find("panic#1") == INCIDENT


def test_older_state_never_replaces_a_newer_one():
    heard = seen(but(INCIDENT, seq=5, level=2), but(INCIDENT, seq=4), but(INCIDENT, seq=9, level=3))
    assert heard.find(None).level == 3
