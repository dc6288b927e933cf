"""What an operator does by the command: raise, call the roll, merge, hand over, widen, close with a verdict."""

import pytest

from gateway.cli import live
from gateway.control.client import call
from tests.system import rig
from tests.system.rig import DISTRICT, THREE

pytestmark = pytest.mark.system

POLICE, HOSPITAL, STREET = THREE


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("by-hand")
    (folder / "district.yaml").write_text(DISTRICT, "utf-8")
    config = folder / "zju1.yaml"
    buttons = "".join(
        f"  {gate}-gate: {{kind: button, site: zju1, input: hand, category: panic}}\n"
        for gate in ("north", "south")
    )
    config.write_text(
        "gateway: zju1\ndata_dir: data\ninclude: [district.yaml]\nserves: [hospital-security]\n"
        f'mqtt: {{broker: embedded, listen: "127.0.0.1:{rig.free_port()}"}}\n'
        "inputs: {hand: {driver: virtual}}\n"
        f"endpoints:\n{buttons}"
        "  lobby-camera: {kind: camera, site: zju1}\n"
        "dispositions: {handled: 'true', drunk: 'false'}\n",
        "utf-8",
    )
    with rig.Gateway(config) as running:
        yield running


def done(gateway, *words, status=0):
    """The JSON answer of a command."""
    result = gateway.command(*words, "--json")
    assert result.status == status, result.err
    return result.json


def raised(gateway, *words):
    (state,) = done(gateway, "incident", "raise", "--site", "zju1", *words)["incidents"]
    return state


def shown(gateway, incident):
    return call(live.socket_of(gateway.config), "incident.show", incident=incident)


def test_incident_raised_at_a_camera_pages_the_plan_and_says_what_and_by_whom(gateway):
    state = raised(
        gateway, "--endpoint", "lobby-camera", "--category", "panic", "--text", "两名伤者", "--by", "li"
    )  # fmt: skip
    assert (state["endpoint"], state["endpoints"], state["plan"]) == (
        "lobby-camera", ["lobby-camera"], "hospital-panic",
    )  # fmt: skip
    assert set(state["groups"]) == set(THREE)
    assert (state["text"], state["latched"], state["severity"]) == ("两名伤者", False, 1)
    said = gateway.command("incident", "raise", "--site", "zju1", "--category", "flood")
    assert "calls nobody: no plan is for it" in said.out


def test_what_cannot_be_raised_is_status_2_with_the_reason(gateway):
    for words, why in (
        (("--site", "zju9"), "no site 'zju9'"),
        (("--site", "zju1", "--endpoint", "attic"), "no endpoint 'attic'"),
        (("--site", "zju1", "--plan", "none"), "no plan 'none'"),
    ):
        refused = gateway.command("incident", "raise", *words)
        assert refused.status == 2
        assert why in refused.err


def test_roll_call_tells_who_answered_who_has_the_page_and_who_neither(gateway):
    incident = raised(gateway, "--category", "panic")["id"]
    rig.until(lambda: shown(gateway, incident)["groups"][HOSPITAL]["state"] == "received")
    done(gateway, "incident", "ack", incident, "--group", POLICE)
    roll = done(gateway, "incident", "roll", incident, status=1)
    assert roll["answered"] == [POLICE]
    assert roll["received"] == [HOSPITAL]
    assert roll["nothing"] == [STREET]
    for group in (HOSPITAL, STREET):
        done(gateway, "incident", "ack", incident, "--group", group)
    said = gateway.command("incident", "roll", incident, "--wait", "5")
    assert said.status == 0
    assert said.out.startswith("3 of 3 groups have answered")


def test_merge_hand_over_escalate_and_close_by_the_command(gateway):
    (south,) = done(gateway, "press", "south-gate")["incidents"]
    (north,) = done(gateway, "press", "north-gate")["incidents"]
    done(gateway, "incident", "ack", north["id"], "--group", POLICE)
    done(gateway, "incident", "merge", north["id"], south["id"], "--note", "one fight")
    merged, goes_on = shown(gateway, north["id"]), shown(gateway, south["id"])
    assert (merged["state"], merged["disposition"]) == ("closed", "merged")
    assert merged["merged_into"] == south["id"]
    assert goes_on["merged"] == [north["id"]]
    assert goes_on["groups"][POLICE]["state"] == "acked"
    late = gateway.command("incident", "ack", north["id"], "--group", HOSPITAL)
    assert late.status == 1
    assert south["id"] in late.err

    gateway.kill()
    gateway.start()
    (again,) = done(gateway, "press", "north-gate")["incidents"]
    assert again["id"] == south["id"]

    done(gateway, "incident", "escalate", south["id"], "--level", "3")
    state = shown(gateway, south["id"])
    assert state["level"] == 3
    assert "alliance-wulin" in state["groups"]
    assert gateway.command("incident", "escalate", south["id"], "--level", "2").status == 1

    assert gateway.command("incident", "hand-over", "--to", "night").status == 2
    over = done(gateway, "incident", "hand-over", "--all", "--to", "night", "--note", "shift")
    assert south["id"] in over["handed_over"]
    assert over["missed"] == []
    done(gateway, "incident", "note", south["id"], "all are well")
    state = shown(gateway, south["id"])
    assert state["handler"] == "night"
    assert [note["text"] for note in state["notes"]] == ["shift", "all are well"]

    done(gateway, "incident", "reset", south["id"])
    refused = gateway.command("incident", "close", south["id"], "-d", "sober")
    assert "drunk" in refused.err
    done(gateway, "incident", "close", south["id"], "-d", "drunk", "--verdict", "test")
    state = shown(gateway, south["id"])
    assert (state["state"], state["disposition"], state["verdict"]) == ("closed", "drunk", "test")
    assert gateway.command("incident", "note", south["id"], "late").status == 1


def test_drill_raised_by_hand_pages_nobody_who_is_not_marked_for_drills(gateway):
    state = raised(gateway, "--category", "panic", "--drill")
    assert (state["drill"], state["groups"]) == (True, {})
    assert state["shortfalls"]
