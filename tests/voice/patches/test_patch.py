"""Where an endpoint speaks and what it hears."""

from gateway.voice.patches.patch import Patch, Tuning, tuning


def patch(incident, severity=1, raised=0.0, endpoints=("radio",)):
    return Patch(incident, f"incident-{incident}", severity, raised, frozenset(endpoints))


def test_without_incident_it_speaks_and_hears_what_is_configured():
    assert tuning("radio", "police", ("fire", "police"), []) == Tuning("police", ("fire",))
    assert tuning("loudspeaker", None, ("police",), []) == Tuning(None, ("police",))


def test_joined_endpoint_speaks_only_on_the_incident_and_hears_its_own_as_well():
    got = tuning("radio", "police", ("fire",), [patch("a")])
    assert got == Tuning("incident-a", ("police", "fire"))
    assert got.talkgroups == ("incident-a", "police", "fire")


def test_of_two_incidents_the_more_severe_then_the_newer_has_it():
    old_severe, new_mild = patch("a", 1, 10.0), patch("b", 2, 20.0)
    assert tuning("radio", "police", (), [new_mild, old_severe]).speaks == "incident-a"
    newer = patch("c", 1, 11.0)
    assert tuning("radio", "police", (), [old_severe, newer]).speaks == "incident-c"


def test_an_incident_of_other_endpoints_changes_nothing():
    assert tuning("radio", "police", (), [patch("a", endpoints=("gate",))]).speaks == "police"
