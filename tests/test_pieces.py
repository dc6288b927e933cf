"""Which endpoints of a gateway an incident's patch joins."""

from dataclasses import replace
from pathlib import Path

import pytest

import drivers.registry as registry
from gateway.pieces import endpoint_options_of, joined_endpoints, talkgroups_of
from gateway.settings.loader import load
from tests.alarm.neighbour_world import incident_state

CONFIG = Path(__file__).parents[1] / "config" / "contract.yaml"
PLACE = ("south-gate-button", "south-gate-intercom")


@pytest.fixture(scope="module")
def settings():
    return load(CONFIG, registry).settings


def joined(settings, **changes):
    return joined_endpoints(settings, incident_state(endpoints=PLACE, **changes))


def test_place_and_called_groups_are_joined(settings):
    assert joined(settings) == {"south-gate-intercom", "police-radio"}


def test_covert_incident_opens_nothing_at_its_place(settings):
    assert joined(settings, covert=True) == {"police-radio"}


def test_drill_opens_at_its_place_only_what_is_marked_for_drills(settings):
    assert joined(settings, drill=True) == {"police-radio"}
    intercom = replace(settings.endpoints["south-gate-intercom"], drills=True)
    endpoints = {**settings.endpoints, "south-gate-intercom": intercom}
    marked = settings.model_copy(update={"endpoints": endpoints})
    assert joined(marked, drill=True) == {"south-gate-intercom", "police-radio"}


def test_place_is_where_it_was_raised_whoever_owns_it_now(settings):
    assert "south-gate-intercom" in joined(settings, owner="zju2", home="zju1")
    assert "south-gate-intercom" not in joined(settings, owner="zju1", home="zju2")


def test_nobody_called_here_and_raised_elsewhere_joins_nothing(settings):
    state = replace(incident_state(endpoints=PLACE, owner="zju2"), groups={})
    assert joined_endpoints(settings, state) == frozenset()


def test_floor_of_a_talkgroup_is_run_as_it_is_configured(settings):
    talkgroup = settings.talkgroups["police-xiaoying"]
    changes = {"queue_length": 4, "retry_after_s": 9.0, "pre_alert_s": 3.0, "priority_cap": 200}
    talkgroups = {**settings.talkgroups, "police-xiaoying": talkgroup.model_copy(update=changes)}
    options = talkgroups_of(settings.model_copy(update={"talkgroups": talkgroups}))
    mine, other = options["police-xiaoying"], options["street-xiaoying"]
    floor = mine.floor
    assert (floor.queue_length, floor.retry_after, floor.priority_cap) == (4, 9.0, 200)
    assert (floor.tot, floor.hang_time, mine.pre_alert) == (30.0, 2.0, 3.0)
    assert (other.floor.queue_length, other.floor.retry_after, other.pre_alert) == (0, 2.0, 5.0)


@pytest.mark.parametrize("tones", [True, False])
def test_endpoint_has_tones_unless_they_are_switched_off(settings, tones):
    radio = settings.endpoints["police-radio"]
    assert radio.tones
    assert endpoint_options_of("police-radio", replace(radio, tones=tones)).tones is tones
