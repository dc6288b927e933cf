"""What an incident says of how it is spoken: its pages, and how long the place's microphones are open."""

from dataclasses import replace

import pytest

from gateway.alarm.incidents import snapshot
from gateway.alarm.incidents.incident import Incident
from gateway.alarm.incidents.record import Progress
from gateway.alarm.incidents.wire import pages_of, state_of
from gateway.alarm.plans.plan import Level
from gateway.link.messages import IncidentState, Page, decode, encode
from gateway.moment import timestamp
from tests.alarm.alarm_world import PLAN, POLICE, RULES, SITE, SOUTH_BUTTON, START, counted_ids
from tests.alarm.incidents.test_incident import Case

LEVELS = (
    Level(name="one", page=(POLICE,), ack_within=30.0, announce="pre-empt"),
    Level(name="two", patch=True, hot_mic=20.0, ack_within=60.0),
    Level(name="three", ack_within=120.0, announce="off"),
)
SPOKEN = replace(PLAN, levels=LEVELS)


def until(case):
    wall = case.record.hot_mic_until
    return None if wall is None else wall - START.wall


def test_start_of_a_level_that_patches_opens_the_microphones_for_its_time():
    case = Case(SPOKEN)
    assert until(case) is None
    case.at(30.0)
    assert until(case) == 50.0
    case.at(90.0)
    assert until(case) == 50.0, "the next level opens none, and the time stays what it was"
    said = decode(IncidentState, encode(state_of(case.record)))
    assert said.hot_mic_until == timestamp(START.wall + 50.0)


def test_each_start_of_it_opens_them_again():
    case = Case(replace(PLAN, levels=LEVELS[:2]))
    case.at(30.0)
    case.at(90.0)  # the last level's pages are repeated
    assert until(case) == 110.0


@pytest.mark.parametrize("what", ["cancel", "handled"])
def test_resolved_it_closes_them(what):
    case = Case(SPOKEN)
    case.at(30.0)
    if what == "handled":
        case.do("ack", POLICE)
        assert case.progress(POLICE) is Progress.ACKED
        assert until(case) == 50.0, "whoever comes listens on"
    case.do(what, POLICE if what == "handled" else None)
    assert until(case) is None


def test_covert_incident_opens_none():
    covert = replace(SOUTH_BUTTON, guard=replace(SOUTH_BUTTON.guard, covert=True))
    rules = replace(RULES, sources={**RULES.sources, covert.endpoint: covert})
    case = Case(SPOKEN, rules)
    if not case.record.case.covert:
        case.incident.update(case=replace(case.record.case, covert=True))
    case.at(30.0)
    assert case.record.talkgroup is not None
    assert until(case) is None


def test_restart_keeps_what_is_left_of_the_time():
    case = Case(SPOKEN)
    case.at(30.0)
    body = snapshot.to_bytes(case.record, "boot", None)
    kept = snapshot.from_bytes(body).record
    restored = Incident.restored(kept, START.later(40.0), counted_ids(), same_boot=False)
    assert restored.record.hot_mic_until == START.wall + 50.0


def test_page_says_how_it_is_to_be_spoken_and_where_it_is():
    case = Case(SPOKEN)
    (page,) = pages_of(case.record, case.effects.pages, START.wall)
    assert decode(Page, encode(page)) == page
    assert (page.level_name, page.announce) == ("one", "pre-empt")
    assert page.place == SOUTH_BUTTON.title
    page = list(pages_of(case.record, case.at(30.0).pages, START.wall + 30.0))[-1]
    assert (page.level_name, page.announce) == ("two", "wait")


@pytest.mark.parametrize(
    ("title", "places", "place"),
    [
        ("south-gate-button", {"south-gate": "南大门"}, "南大门"),
        ("护士站按钮", {"south-gate": "南大门"}, "南大门"),
        ("护士站按钮", {}, "护士站按钮"),
        ("south-gate-button", {}, "south-gate"),
    ],
)
def test_place_is_called_by_its_name_else_the_endpoints_else_its_key(title, places, place):
    button = replace(SOUTH_BUTTON, title=title, endpoint="south-gate-button")
    rules = replace(
        RULES,
        sources={**RULES.sources, button.endpoint: button},
        sites={"zju1": replace(SITE, places=places)},
    )
    import tests.alarm.incidents.test_incident as incidents

    before, incidents.SOUTH_BUTTON = incidents.SOUTH_BUTTON, button
    try:
        case = Case(SPOKEN, rules)
    finally:
        incidents.SOUTH_BUTTON = before
    assert case.record.case.place == place


def test_page_of_another_program_that_does_not_say_is_announced_all_the_same():
    case = Case(SPOKEN)
    (page,) = pages_of(case.record, case.effects.pages, START.wall)
    import json

    body = json.loads(encode(page))
    for name in ("announce", "level_name", "place"):
        del body[name]
    read = decode(Page, json.dumps(body).encode())
    assert (read.announce, read.level_name, read.place) == ("wait", None, None)
