"""Presence: who is online and which gateways stand on a talkgroup."""

import pytest

from gateway.link.messages import EndpointState, Status
from gateway.link.roster import Roster

BOOT = "0190a5c0-0000-7000-8000-000000000000"
SINCE = "2026-11-24T05:45:08.123Z"


def status(state="online"):
    return Status(state=state, boot=BOOT, version="0", since=SINCE)


def endpoint(talkgroup=None, hears=()):
    return EndpointState(
        endpoint="radio",
        kind="radio",
        site=None,
        health="ok",
        faults=(),
        talkgroup=talkgroup,
        hears=hears,
        ptt=False,
        squelch_open=False,
        input=None,
        since=SINCE,
    )


def test_gateway_is_online_from_its_status_until_another_says_otherwise():
    roster = Roster()
    assert roster.status("a", status()) is True
    assert roster.status("a", status()) is False
    assert roster.online() == {"a"}
    assert roster.status("a", status("offline")) is True
    assert roster.online() == frozenset()


@pytest.mark.parametrize("state", ["offline", "stopping"])
def test_gateway_that_stops_or_is_gone_is_not_online(state):
    roster = Roster()
    assert roster.status("a", status(state)) is False
    assert not roster.is_online("a")


def test_cleared_status_takes_a_gateway_off():
    roster = Roster()
    roster.status("a", status())
    assert roster.status("a", None) is True
    assert roster.status("a", None) is False
    assert roster.online() == frozenset()


def test_talkgroup_is_named_by_speaking_or_by_hearing():
    roster = Roster()
    for name in ("a", "b", "c"):
        roster.status(name, status())
    roster.endpoint("a", "radio", endpoint("police"))
    roster.endpoint("b", "radio", endpoint("street", hears=("police", "fire")))
    roster.endpoint("c", "radio", endpoint())
    assert roster.gateways_of("police") == {"a", "b"}
    assert roster.gateways_of("fire") == {"b"}
    assert roster.gateways_of("nobody") == frozenset()


def test_endpoints_of_an_offline_gateway_count_again_once_it_is_back():
    roster = Roster()
    roster.endpoint("a", "radio", endpoint("police"))
    assert roster.gateways_of("police") == frozenset()
    roster.status("a", status())
    assert roster.gateways_of("police") == {"a"}


def test_only_a_change_of_what_is_named_is_a_change():
    roster = Roster()
    assert roster.endpoint("a", "radio", endpoint("police")) is True
    assert roster.endpoint("a", "radio", endpoint("police")) is False
    assert roster.endpoint("a", "radio", endpoint(None, hears=("police",))) is False
    assert roster.endpoint("a", "radio", endpoint("street")) is True
    assert roster.endpoint("a", "radio", None) is True
    assert roster.endpoint("a", "radio", None) is False
    assert roster.endpoints_of("a") == ()


def test_nothing_known_outlives_the_broker():
    roster = Roster()
    roster.status("a", status())
    roster.endpoint("a", "radio", endpoint("police"))
    assert roster.clear() is True
    assert roster.clear() is False
    roster.status("a", status())
    assert roster.gateways_of("police") == frozenset()
