"""Talkgroups joined by hand: what each gateway makes of it."""

import pytest

from gateway.link.messages import PatchMembers, PatchState
from gateway.moment import timestamp
from gateway.voice.patches.hand_patches import LONGEST, MOST, HandPatches, OwnEndpoint
from gateway.voice.patches.patch import Patch, Tuning, tuning

NOW = 1_800_000_000.0
OWN = [OwnEndpoint("guard", "sec"), OwnEndpoint("gate", None), OwnEndpoint("police", "pol")]


def state(
    number=1, talkgroups=("sec", "pol"), endpoints=(), owner="a", lasts=600.0, seq=1, since=NOW
):
    patch = f"0190a5c0-0000-7000-8000-{number:012d}"
    return PatchState(
        id=patch,
        name=f"patch {number}",
        talkgroup=f"patch-{patch}",
        members=PatchMembers(talkgroups=talkgroups, endpoints=endpoints),
        owner=owner,
        by="li",
        since=timestamp(since),
        until=timestamp(NOW + lasts),
        seq=seq,
    )


def claimed(patches, own=OWN):
    return {patch.talkgroup: patch.endpoints for patch in patches.claims(own).values()}


def test_patch_claims_the_endpoints_of_its_talkgroups_and_those_it_names():
    patches = HandPatches("a")
    one = state(talkgroups=("sec",), endpoints=("a/gate", "b/police"))
    assert patches.put(one, NOW)
    assert claimed(patches) == {one.talkgroup: {"guard", "gate"}}, "police is b's, and not ours"


def test_patch_of_another_gateway_claims_ours():
    patches = HandPatches("a")
    one = state(owner="b")
    assert patches.put(one, NOW)
    assert claimed(patches) == {one.talkgroup: {"guard", "police"}}


def test_patch_without_anybody_here_claims_nothing():
    patches = HandPatches("a")
    patches.put(state(talkgroups=("fire", "street")), NOW)
    assert claimed(patches) == {}


def test_whoever_is_joined_speaks_there_and_hears_its_own():
    patches = HandPatches("a")
    one = state()
    patches.put(one, NOW)
    made = tuning("guard", "sec", (), patches.claims(OWN).values())
    assert made == Tuning(one.talkgroup, ("sec",))


def test_of_two_patches_the_newer_has_an_endpoint():
    patches = HandPatches("a")
    old, new = state(1, since=NOW - 10), state(2, talkgroups=("sec", "fire"), since=NOW - 5)
    patches.put(new, NOW)
    patches.put(old, NOW)
    assert tuning("guard", "sec", (), patches.claims(OWN).values()).speaks == new.talkgroup
    assert tuning("police", "pol", (), patches.claims(OWN).values()).speaks == old.talkgroup


@pytest.mark.parametrize("severity", [1, 4])
def test_incident_of_any_severity_has_an_endpoint_before_a_patch_by_hand(severity):
    patches = HandPatches("a")
    patches.put(state(), NOW)
    incident = Patch("i", "incident-i", severity, NOW - 1000, frozenset({"guard"}))
    claims = [*patches.claims(OWN).values(), incident]
    assert tuning("guard", "sec", (), claims).speaks == "incident-i"


@pytest.mark.parametrize(("at", "over"), [(599.999, False), (600.0, True)])
def test_patch_ends_at_its_time_on_every_gateway(at, over):
    patches = HandPatches("b")
    patches.put(state(), NOW)
    assert patches.deadline() == pytest.approx(NOW + 600, abs=0.001)
    assert (patches.tick(NOW + at) == [state()]) is over
    assert (claimed(patches) == {}) is over


@pytest.mark.parametrize("lasts", [0.0, -5.0, LONGEST + 1])
def test_patch_that_is_over_or_never_ends_is_not_taken(lasts):
    patches = HandPatches("a")
    assert not patches.put(state(owner="b", lasts=lasts), NOW)
    assert patches.all() == []


def test_older_copy_of_a_patch_changes_nothing():
    patches = HandPatches("a")
    patches.put(state(owner="b", seq=2), NOW)
    assert not patches.put(state(owner="b", seq=1, talkgroups=("fire",)), NOW)
    assert not patches.put(state(owner="b", seq=2, talkgroups=("fire",)), NOW)
    assert patches.put(state(owner="b", seq=3, talkgroups=("fire",)), NOW)
    assert claimed(patches) == {}


def test_only_its_owner_ends_a_patch():
    patches = HandPatches("a")
    one = state(owner="b")
    patches.put(one, NOW)
    assert not patches.take(one.id, "c")
    assert patches.take(one.id, "b")
    assert not patches.take(one.id, "b")


def test_thousands_of_patches_of_others_are_not_kept():
    patches = HandPatches("a")
    patches.put(state(0, lasts=1.0), NOW)
    for number in range(1, MOST + 10):
        patches.put(state(number, owner="b", lasts=600.0 + number), NOW)
    assert len(patches.all()) == MOST + 1
    assert patches.all()[0].owner == "a", "our own are never pushed out"


def test_patch_is_found_by_its_name_or_how_its_id_begins():
    patches = HandPatches("a")
    for number in (1, 2):
        patches.put(state(number), NOW)
    assert [one.name for one in patches.find("patch 2")] == ["patch 2"]
    assert len(patches.find("0190a5c0")) == 2
    assert patches.find("019") == patches.find("nobody") == []
