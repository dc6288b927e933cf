"""What people do about an incident, over MQTT and by the command, on a real gateway."""

import contextlib
import itertools
import json
import time

import pytest

from tests.system import rig
from tests.system.rig import ACK, DISTRICT, THREE, contact_id

pytestmark = pytest.mark.system

POLICE, HOSPITAL, STREET = THREE
ALLIANCE = "alliance-wulin"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("actions")
    port = rig.free_port()
    with rig.Panel() as panel:
        (folder / "district.yaml").write_text(DISTRICT, "utf-8")
        (folder / "users").write_text("console:secret\n")
        config = folder / "zju1.yaml"
        config.write_text(
            "gateway: zju1\ndata_dir: data\ninclude: [district.yaml]\nserves: [hospital-security]\n"
            f'mqtt: {{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}\n'
            f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
            "endpoints:\n"
            + "".join(rig.button(f"{zone:03}") for zone in range(1, 40))
            + "".join(rig.button(f"{zone:03}", "duress") for zone in range(40, 60)),
            "utf-8",
        )
        with rig.Gateway(config) as gateway, rig.Console(port, password="secret") as console:
            yield World(gateway, console, panel, folder / "data")


class World:
    def __init__(self, gateway, console, panel, data):
        self.gateway, self.console, self.panel, self.data = gateway, console, panel, data
        self._zones = (f"{zone:03}" for zone in itertools.count(1))
        self._quick = (f"{zone:03}" for zone in itertools.count(40))
        self.zone = ""

    def press(self, *, quick=False):
        """A button that nobody has pressed yet; its incident."""
        self.zone = next(self._quick if quick else self._zones)
        mark = self.console.mark
        assert self.panel.send(contact_id(self.zone)) == ACK
        pages = self.console.expect_pages(
            endpoint=f"button-{self.zone}", count=2 if quick else 3, since=mark
        )
        incident = pages[0].body["incident"]
        self.console.expect_state(incident)
        return incident

    def press_and_be_signed_for(self):
        """A press of which the gateway has signed its own page: from here on only people change it.

        Changes that fall into one turn of the gateway are said once, with the number of the last of
        them. So numbers follow one another only where each change waits for the one before it.
        """
        incident = self.press()
        self.console.expect_state(
            incident, lambda one: one["groups"][HOSPITAL]["state"] == "received"
        )
        return incident

    def stored(self, incident):
        """The numbers of the incident's states in the journal, in its order."""
        with contextlib.closing(rig.journal(self.data)) as rows:
            bodies = rows.execute(
                "SELECT body FROM events WHERE kind IN ('incident', 'incident-closed') AND key = ? ORDER BY seq",
                (incident,),
            ).fetchall()
        return [json.loads(body)["state"]["seq"] for (body,) in bodies]

    def restore(self):
        assert self.panel.send(contact_id(self.zone, "R120")) == ACK

    def end(self, incident):
        """Closed as it should be, whatever it was."""
        self.restore()
        self.console.applied(incident, "reset")
        return self.console.applied(incident, "close", disposition="handled")


@pytest.fixture
def console(world):
    return world.console


def newest_page(console, incident, group):
    return console.pages(incident, group=group)[-1]["id"]


def test_the_story_from_three_pages_to_the_disposition(world, console):
    incident = world.press_and_be_signed_for()
    state = console.applied(incident, "ack", POLICE, by="officer 110")
    assert state["groups"][POLICE]["state"] == "acked"
    assert state["groups"][POLICE]["by"] == "officer 110"
    assert state["groups"][POLICE]["acked"]
    assert state["state"] == "open"  # the hospital is part of the quorum
    state = console.applied(incident, "ack", HOSPITAL)
    assert state["state"] == "answered"
    for action, shown in (("en_route", "en_route"), ("on_scene", "on_scene")):
        state = console.applied(incident, action, POLICE)
        assert state["groups"][POLICE]["state"] == shown
    assert state["groups"][POLICE]["arrived"]
    state = console.applied(incident, "handled", POLICE)
    assert state["state"] == "answered"  # the hospital still is acked
    state = console.applied(incident, "handled", HOSPITAL)
    assert state["state"] == "resolved"
    mark = console.mark
    state = console.refusal(incident, "close")
    assert "disposition" in state["refused"]["reason"]
    assert "latched" in state["refused"]["reason"]
    state = console.refusal(incident, "close", disposition="handled")
    assert "disposition" not in state["refused"]["reason"]
    assert "latched" in state["refused"]["reason"]
    state = console.refusal(incident, "reset")
    assert state["latched"] is True
    world.restore()
    state = console.expect_state(incident, lambda one: one["input"] == "restored")
    assert state["latched"] is True
    state = console.applied(incident, "reset")
    assert state["latched"] is False
    state = console.refusal(incident, "close")
    assert "disposition" in state["refused"]["reason"]
    assert "latched" not in state["refused"]["reason"]
    state = console.applied(incident, "close", disposition="false-alarm")
    assert state["state"] == "closed"
    assert state["disposition"] == "false-alarm"
    assert state["closed"]
    assert state["refused"] is None
    assert console.pages(incident, since=mark) == []
    # Each state that was stored was said, in order, and each change has a number of its own.
    numbers = [one["seq"] for one in console.states(incident)]
    assert numbers == world.stored(incident)
    assert numbers == list(range(1, len(numbers) + 1))
    closed = console.find(lambda one: one.topic[:3] == ("incident", incident, "state"))[-1]
    assert 86_300 < closed.expiry <= 86_400
    state = console.refusal(incident, "ack", STREET)
    assert state["state"] == "closed"


def test_a_press_after_the_close_opens_another_incident(world, console):
    incident = world.press()
    world.end(incident)
    mark = console.mark
    assert world.panel.send(contact_id(world.zone)) == ACK
    page = console.expect_pages(endpoint=f"button-{world.zone}", since=mark)[0].body
    assert page["incident"] != incident


def test_declined_and_called_again_at_the_next_level(world, console):
    incident = world.press()
    state = console.applied(incident, "decline", STREET)
    assert state["groups"][STREET]["state"] == "declined"
    console.applied(incident, "ack", POLICE)
    time.sleep(0.05)
    mark = console.mark
    state = console.applied(incident, "escalate")
    assert state["level"] == 2
    assert state["talkgroup"] == f"incident-{incident}"
    assert set(state["groups"]) == {*THREE, ALLIANCE}
    pages = console.expect_pages(incident, count=3, since=mark, level=2)
    assert {page.body["group"] for page in pages} == {HOSPITAL, STREET, ALLIANCE}
    assert {page.body["talkgroup"] for page in pages} == {f"incident-{incident}"}
    assert {page.body["ack_within_s"] for page in pages} == {60}
    old = {page["id"] for page in console.pages(incident, level=1)}
    assert not old & {page.body["id"] for page in pages}
    assert state["groups"][POLICE]["state"] == "acked"
    assert state["groups"][POLICE]["level"] == 1
    state = console.applied(incident, "escalate")
    assert state["level"] == 3
    state = console.refusal(incident, "escalate")
    assert state["level"] == 3
    console.applied(incident, "cancel")


def test_unack_pages_the_group_again_and_opens_what_was_answered(world, console):
    incident = world.press()
    console.applied(incident, "ack", POLICE)
    assert console.applied(incident, "ack", HOSPITAL)["state"] == "answered"
    mark = console.mark
    first = newest_page(console, incident, POLICE)
    state = console.applied(incident, "unack", POLICE)
    assert state["state"] == "open"
    assert state["groups"][POLICE]["state"] in ("paged", "received")
    assert state["groups"][POLICE]["acked"] is None
    page = console.expect_pages(incident, group=POLICE, since=mark)[0].body
    assert page["id"] != first
    assert console.refusal(incident, "unack", STREET)
    console.applied(incident, "cancel")


def test_cancel_stands_down_resolves_and_still_needs_close(world, console):
    incident = world.press()
    console.applied(incident, "ack", POLICE)
    state = console.applied(incident, "cancel")
    assert state["state"] == "resolved"
    assert {group["state"] for group in state["groups"].values()} == {"stood_down"}
    mark = console.mark
    time.sleep(1.3)
    assert console.pages(incident, since=mark) == []
    assert world.end(incident)["state"] == "closed"


def test_an_alarm_that_joins_a_resolved_incident_opens_it_again_at_level_1(world, console):
    incident = world.press()
    console.applied(incident, "escalate")
    console.applied(incident, "ack", POLICE)
    assert console.applied(incident, "handled", POLICE)["state"] == "resolved"
    mark = console.mark
    assert world.panel.send(contact_id(world.zone)) == ACK
    state = console.expect_state(incident, lambda one: one["state"] == "open", since=mark)
    assert state["level"] == 1
    pages = console.expect_pages(incident, count=3, since=mark, level=1)
    assert {page.body["group"] for page in pages} == set(THREE)
    console.applied(incident, "cancel")


def test_a_trouble_or_a_test_does_not_open_a_resolved_incident_again(world, console):
    incident = world.press_and_be_signed_for()
    state = console.applied(incident, "cancel")
    for code in ("E602", "E384"):
        assert world.panel.send(contact_id(world.zone, code)) == ACK
        console.expect_event(
            lambda one, code=code: (one["zone"], one["code"]) == (world.zone, code)
        )
    assert console.applied(incident, "note", note="x")["seq"] == state["seq"] + 1


def test_the_same_action_twice_changes_nothing(world, console):
    incident = world.press_and_be_signed_for()
    state = console.applied(incident, "ack", POLICE)
    for _ in range(3):
        console.act(incident, "ack", POLICE, action_id=state["asked"])
    refused = console.refusal(incident, "ack", "nobody")
    assert "nobody" in refused["refused"]["reason"]
    console.act(incident, "ack", "nobody", action_id=refused["asked"])
    noted = console.applied(incident, "note", note="after")
    assert noted["seq"] == refused["seq"] + 1
    assert noted["refused"] is None
    assert noted["applied"].count(state["asked"]) == 1
    console.applied(incident, "cancel")


def test_the_newest_32_applied_are_shown_and_older_repeats_still_change_nothing(world, console):
    incident = world.press()
    first = console.applied(incident, "ack", POLICE)["asked"]
    for number in range(33):
        console.act(incident, "note", note=str(number))
    state = console.expect_state(
        incident, lambda one: len(one["applied"]) == 32 and first not in one["applied"]
    )
    assert state["groups"][POLICE]["state"] == "acked"
    console.applied(incident, "unack", POLICE)
    # A late copy of the first ack must not count again.
    console.act(incident, "ack", POLICE, action_id=first)
    state = console.applied(incident, "note", note="after")
    assert state["groups"][POLICE]["state"] in ("paged", "received")
    console.applied(incident, "cancel")


def test_actions_that_cannot_be_are_refused_with_a_reason(world, console):
    incident = world.press()
    page = newest_page(console, incident, POLICE)
    for action, group, fields in (
        ("ack", None, {}),
        ("ack", ALLIANCE, {}),
        ("receipt", POLICE, {"page": rig.new_id()}),
        ("receipt", STREET, {"page": page}),
        ("receipt", POLICE, {}),
        ("note", None, {}),
        ("unack", POLICE, {}),
        ("close", None, {"disposition": ""}),
    ):
        state = console.refusal(incident, action, group, **fields)
        assert state["refused"]["reason"], action
        assert state["state"] == "open"
    console.applied(incident, "cancel")


def test_one_groups_ack_does_not_silence_anothers_page(world, console):
    incident = world.press()
    console.applied(incident, "ack", POLICE)
    page = newest_page(console, incident, STREET)
    mark = console.mark
    console.expect_pages(incident, 2.5, group=STREET, since=mark)
    assert newest_page(console, incident, STREET) == page
    assert console.pages(incident, group=POLICE, since=mark) == []
    console.applied(incident, "cancel")


def test_the_serving_gateway_signs_for_its_group_and_for_no_other(world, console):
    incident = world.press()
    state = console.expect_state(
        incident, lambda one: one["groups"][HOSPITAL]["state"] == "received"
    )
    assert state["groups"][HOSPITAL]["received"]
    assert state["groups"][POLICE]["state"] == "paged"
    assert state["groups"][POLICE]["received"] is None
    console.applied(incident, "cancel")


def test_a_timer_widens_once_and_the_last_one_breaches_and_pages_again(world, console):
    began = time.monotonic()
    incident = world.press(quick=True)
    arrival = console.expect(
        lambda one: one.topic[:3] == ("incident", incident, "state") and one.body["level"] == 2
    )[0]
    assert arrival.at - began == pytest.approx(2, abs=0.3)
    assert arrival.body["breaches"] == []
    pages = console.expect_pages(incident, count=3, level=2)
    assert {page.body["group"] for page in pages} == set(THREE)
    breached = console.expect(
        lambda one: one.topic[:3] == ("incident", incident, "state") and one.body["breaches"]
    )[0]
    assert breached.at - began == pytest.approx(4, abs=0.4)
    assert breached.body["level"] == 2
    assert len(breached.body["breaches"]) == 1
    ids = {page.body["id"] for page in pages}
    rig.until(lambda: {page["id"] for page in console.pages(incident, level=2)} - ids)
    # Any single ack answers, and stops the timer.
    assert console.applied(incident, "ack", STREET)["state"] == "answered"
    mark = console.mark
    time.sleep(2.3)
    later = console.states(incident, since=mark)  # late receipts only
    assert all(one["state"] == "answered" and len(one["breaches"]) == 1 for one in later)
    assert console.pages(incident, group=STREET, since=mark) == []
    console.applied(incident, "cancel")


def test_the_command_shows_and_acts(world, console):
    incident = world.press()
    console.expect_state(incident, lambda one: one["groups"][HOSPITAL]["state"] == "received")
    command = world.gateway.command
    listed = command("incident", "list", "--json")
    assert listed.status == 0
    assert incident in {one["id"] for one in listed.json}
    assert incident in command("incident", "list").out
    shown = command("incident", "show", incident, "--json")
    assert shown.json["groups"][STREET]["state"] == "paged"
    # The one group that is served here acts where none is named.
    acked = command("incident", "ack", incident[:30])
    assert acked.status == 0, acked.err
    state = console.expect_state(incident, lambda one: one["groups"][HOSPITAL]["state"] == "acked")
    refused = command("incident", "close", incident)
    assert refused.status == 1
    assert "latched" in refused.err
    assert command("incident", "ack", incident, "--group", POLICE).status == 0
    console.expect_state(incident, lambda one: one["state"] == "answered")
    world.restore()
    assert command("incident", "reset", incident).status == 0
    closed = command("incident", "close", incident, "--disposition", "drunk", "--json")
    assert closed.status == 0
    assert closed.json["state"] == "closed"
    state = console.expect_state(incident, lambda one: one["state"] == "closed")
    assert state["disposition"] == "drunk"
    assert incident not in command("incident", "list").out
    assert incident in command("incident", "list", "--all").out
    # They are no MQTT clients: all that was done came by the gateway itself or its journal.
    clients = {one.topic[3] for one in console.find(lambda a: a.topic[2:3] == ("action",))}
    assert clients <= {"zju1", "console"}


def test_press_by_the_command_is_a_real_alarm_and_lets_go(world, console):
    mark = console.mark
    pressed = world.gateway.command("press", "button-039", "--json")
    assert pressed.status == 0, pressed.err
    assert pressed.json["stored"] is True
    incident = pressed.json["incidents"][0]["id"]
    console.expect_pages(incident, count=3, since=mark)
    state = console.expect_state(incident, lambda one: one["input"] == "restored")
    assert state["latched"] is True
    console.applied(incident, "reset")
    console.applied(incident, "close", disposition="handled")


def test_wrong_calls_are_status_2_and_what_fails_is_status_1(world):
    command = world.gateway.command
    for words in (("press", "nosuch"), ("incident", "show", "nosuch"), ("press", "button-001", "--signal", "boo"),
                  ("incident", "explode", "x"), ("nosuch",)):  # fmt: skip
        done = command(*words)
        assert done.status == 2, (words, done)
        assert done.err.strip(), words
        assert "Traceback" not in done.err
    incident = world.press()
    done = command("incident", "unack", incident, "--group", STREET)
    assert done.status == 1
    assert "no ack" in done.err
