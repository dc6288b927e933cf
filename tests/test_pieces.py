"""Which endpoints of a gateway an incident's patch joins."""

from dataclasses import replace
from pathlib import Path

import pytest

import drivers.registry as registry
from gateway.pieces import (
    endpoint_options_of,
    joined_endpoints,
    occasion_of,
    recorder_options_of,
    same_devices,
    talkgroup_facts_of,
    talkgroups_of,
)
from gateway.settings.loader import load
from gateway.voice.recording.retention import Limits
from tests.alarm.neighbour_world import incident_state

CONFIG = Path(__file__).parents[1] / "config" / "contract.yaml"
PLACE = ("south-gate-button", "south-gate-intercom")


@pytest.fixture(scope="module")
def settings():
    return load(CONFIG, registry).settings


def joined(settings, **changes):
    return joined_endpoints(settings, incident_state(endpoints=PLACE, **changes))


def with_endpoint(settings, name, **changes):
    endpoints = {**settings.endpoints, name: replace(settings.endpoints[name], **changes)}
    return settings.model_copy(update={"endpoints": endpoints})


def recording(settings, *names, **recordings):
    talkgroups = {
        name: one.model_copy(update={"record": name in names})
        for name, one in settings.talkgroups.items()
    }
    return settings.model_copy(
        update={
            "talkgroups": talkgroups,
            "recordings": settings.recordings.model_copy(update=recordings),
        }
    )


def test_nothing_is_recorded_by_default(settings):
    assert not recorder_options_of(settings).anything


def test_a_talkgroup_is_recorded_where_somebody_is_on_it_or_where_it_is_asked_for(settings):
    every = recording(settings, *settings.talkgroups)
    assert recorder_options_of(every).talkgroups == {"police-xiaoying", "hospital-security"}
    hears = with_endpoint(every, "police-radio", hears=("street-xiaoying",))
    assert "street-xiaoying" in recorder_options_of(hears).talkgroups
    asked = recording(settings, talkgroups=("street-xiaoying",))
    assert recorder_options_of(asked).talkgroups == {"street-xiaoying"}
    deaf = with_endpoint(every, "police-radio", audio=None)
    assert recorder_options_of(deaf).talkgroups == {"hospital-security"}


def test_limits_are_in_seconds_and_bytes(settings):
    limits = recorder_options_of(
        recording(settings, keep_days=2, keep_incident_days=None, max_gib=0.5, keep_free_mib=64)
    ).limits
    assert limits == Limits(
        keep=172_800.0, keep_incident=None, max_bytes=2**29, keep_free=64 * 2**20
    )


def test_what_is_kept_before_an_alarm_is_kept_where_it_is_asked_for(settings):
    asked = with_endpoint(settings, "south-gate-intercom", pre_alarm_s=30.0)
    assert recorder_options_of(asked).pre_alarm == {"south-gate-intercom": 30.0}
    assert recorder_options_of(asked).anything


def test_an_incident_is_an_occasion_at_the_endpoints_of_its_place(settings):
    state = incident_state(endpoints=PLACE, home="zju1", owner="center")
    occasion, places = occasion_of(settings, state)
    assert places == set(PLACE)
    assert occasion.talkers == {f"zju1/{name}" for name in PLACE}
    assert occasion.talkgroup == state.talkgroup
    _, places = occasion_of(settings, incident_state(endpoints=PLACE, home="zju2"))
    assert places == set()
    _, places = occasion_of(settings, incident_state(endpoints=PLACE, home="zju1", drill=True))
    assert places == set(), "a drill takes nothing from what is not marked for drills"


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


@pytest.mark.parametrize("redundancy", [True, False])
def test_bursts_carry_packets_twice_where_the_talkgroup_says_so(settings, redundancy):
    assert talkgroup_facts_of(settings, "police-xiaoying").redundancy is False
    talkgroup = settings.talkgroups["police-xiaoying"].model_copy(update={"redundancy": redundancy})
    changed = settings.model_copy(update={"talkgroups": {"police-xiaoying": talkgroup}})
    assert talkgroup_facts_of(changed, "police-xiaoying").redundancy is redundancy


@pytest.mark.parametrize("tones", [True, False])
def test_endpoint_has_tones_unless_they_are_switched_off(settings, tones):
    radio = settings.endpoints["police-radio"]
    assert radio.tones
    assert endpoint_options_of("police-radio", replace(radio, tones=tones)).tones is tones


@pytest.mark.parametrize(
    ("endpoint", "mix", "mixes"),
    [
        ("police-radio", None, False),
        ("police-radio", "duck", True),
        ("south-gate-intercom", None, True),
        ("south-gate-intercom", "one", False),
    ],
)
def test_a_loudspeaker_mixes_and_a_radio_does_not_unless_told_otherwise(
    settings, endpoint, mix, mixes
):
    changed = replace(settings.endpoints[endpoint], mix=mix, ducking_db=9.0, pre_emphasis=True)
    options = endpoint_options_of(endpoint, changed)
    assert (options.mixes, options.ducking_db, options.pre_emphasis) == (mixes, 9.0, True)


@pytest.mark.parametrize("change", [{"mix": "one"}, {"ducking_db": 3.0}, {"pre_emphasis": True}])
def test_how_it_plays_is_changed_by_opening_it_anew(settings, change):
    intercom = settings.endpoints["south-gate-intercom"]
    assert not same_devices(intercom, replace(intercom, **change))
