"""Who controls a talkgroup. Constants are spelled out, not imported."""

import pytest

from gateway.voice.floor.election import Election

NOBODY = frozenset()


def names(text):
    return frozenset(text.split())


def settled(me="beta", controllers=(), *, online="", named="", occupied=True, showing=""):
    """What ``me`` decides with the broker there for long."""
    one = Election(me, controllers, 0.0)
    one.connection(True, 0.0)
    one.presence(names(online), names(named))
    one.talk(occupied, names(showing))
    return one.decide(10.0)


@pytest.mark.parametrize(
    ("controllers", "online", "named", "expected"),
    [
        ((), "alpha beta gamma", "beta gamma", "beta"),  # the lowest that names the talkgroup
        ((), "alpha beta gamma", "alpha beta", "alpha"),
        ((), "beta gamma", "alpha beta gamma", "beta"),  # alpha is offline
        (("gamma", "alpha"), "alpha beta gamma", "alpha beta", "gamma"),  # the first online
        (("gamma", "alpha"), "alpha beta", "alpha beta", "alpha"),
        (("gamma", "beta", "alpha"), "alpha", "alpha", "beta"),  # we are online while connected
        (("delta",), "alpha beta", "alpha beta", "alpha"),  # none listed is online
    ],
)
def test_who_controls(controllers, online, named, expected):
    assert settled(controllers=controllers, online=online, named=named) == expected


def test_talkgroup_that_no_endpoint_names_is_controlled_by_who_has_somebody_on_it():
    assert settled(occupied=True) == "beta"
    assert settled(occupied=False) is None
    assert settled(occupied=True, online="alpha beta", showing="alpha") == "alpha"
    assert settled(occupied=True, online="beta", showing="alpha") == "beta"  # alpha is offline
    assert settled(occupied=True, online="alpha", named="alpha") == "alpha"


def test_starting_gateway_waits_half_a_second_before_it_controls():
    one = Election("beta", (), 100.0)
    one.connection(True, 100.2)
    one.presence(names("beta"), names("beta"))
    assert one.decide(100.699) is None
    assert one.deadline(100.699) == pytest.approx(100.7)
    assert one.decide(100.7) == "beta"
    assert one.deadline(100.7) is None


def test_starting_gateway_sees_another_controller_at_once():
    one = Election("beta", (), 100.0)
    one.connection(True, 100.2)
    one.presence(names("alpha beta"), names("alpha beta"))
    assert one.decide(100.21) == "alpha"


def test_gateway_without_a_broker_controls_its_own_endpoints_after_the_wait():
    one = Election("beta", ("alpha",), 100.0)
    assert one.decide(100.499) is None
    assert one.deadline(100.0) == pytest.approx(100.5)
    assert one.decide(100.5) == "beta"


def test_gateway_that_loses_the_broker_controls_its_own_endpoints_at_once():
    one = Election("beta", (), 0.0)
    one.connection(True, 0.0)
    one.presence(names("alpha beta"), names("alpha beta"))
    assert one.decide(1.0) == "alpha"
    one.connection(False, 5.0)
    one.presence(NOBODY, NOBODY)
    assert one.decide(5.0) == "beta"


def test_gateway_that_reaches_the_broker_again_goes_on_until_it_has_settled():
    one = Election("beta", (), 0.0)
    assert one.decide(1.0) == "beta"
    one.connection(True, 5.0)
    one.presence(names("alpha beta"), names("alpha beta"))
    assert one.decide(5.499) == "beta"
    assert not one.settled(5.499)
    assert one.decide(5.5) == "alpha"
    assert one.settled(5.5)


def test_stopping_controller_is_replaced_when_it_is_no_longer_online():
    one = Election("beta", (), 0.0)
    one.connection(True, 0.0)
    one.presence(names("alpha beta"), names("alpha beta"))
    assert one.decide(1.0) == "alpha"
    one.presence(names("beta"), names("beta"))
    assert one.decide(2.0) == "beta"
