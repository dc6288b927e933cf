"""Which endpoints of a gateway an incident's patch joins."""

from dataclasses import replace
from pathlib import Path

import pytest

import drivers.registry as registry
from gateway.pieces import joined_endpoints
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
