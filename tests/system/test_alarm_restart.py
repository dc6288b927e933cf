"""A gateway is stopped, killed, hung and reloaded in the middle of incidents and of their timers."""

import itertools
import os
import signal
import time

import pytest

from tests.system import rig
from tests.system.rig import ACK, DISTRICT, THREE, contact_id

pytestmark = pytest.mark.system

POLICE, HOSPITAL, STREET = THREE
PANIC, QUICK, SLOW = range(3)
SLOWER = """\
  slower:
    when: {class: hospital, category: medical}
    levels:
      - {name: 吹哨响应, page: [police-xiaoying, hospital-security], ack_within_s: 4}
      - {name: 一呼百应, page: [street-xiaoying], ack_within_s: 2}
"""
"""``quick`` with a level 1 of 4 s: a restart on a busy machine must fit into it."""
OURS = DISTRICT.replace("plans:\n", "plans:\n" + SLOWER)
BUTTONS = "".join(
    rig.button(f"{first}{zone:02}", category)
    for first, category in ((0, "panic"), (1, "duress"), (2, "medical"))
    for zone in range(1, 20)
)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("restart")
    with rig.Mosquitto(folder) as broker, rig.Panel() as panel:
        world = World(folder, broker, panel)
        world.write()
        with rig.Gateway(folder / "zju1.yaml") as gateway, rig.Console(broker.port) as console:
            world.gateway, world.console = gateway, console
            yield world


@pytest.fixture
def world(running):
    yield running
    if not running.gateway.running:
        running.gateway.start()
    if running.write():
        running.gateway.hang_up()


class World:
    def __init__(self, folder, broker, panel):
        self.folder, self.broker, self.panel = folder, broker, panel
        self.config = folder / "zju1.yaml"
        self._zones = {kind: itertools.count(1) for kind in (PANIC, QUICK, SLOW)}

    def write(self, *, district=OURS, buttons=BUTTONS, port=None, serves=""):
        """The files; whether they have changed."""
        text = (
            f"gateway: zju1\ndata_dir: data\ninclude: [district.yaml]\nserves: [{serves}]\n"
            f"mqtt: {{broker: mqtt://127.0.0.1:{self.broker.port}}}\n"
            f"inputs: {{receiver-1: {{driver: panel, port: {port or self.panel.path}}}}}\n"
            f"endpoints:\n{buttons}"
        )
        both = {self.config: text, self.folder / "district.yaml": district}
        before = {path: path.read_text("utf-8") if path.exists() else "" for path in both}
        for path, words in both.items():
            path.write_text(words, "utf-8")
        return before != both

    def zone(self, kind=0):
        """A button that no test has pressed, of a kind."""
        return f"{kind}{next(self._zones[kind]):02}"

    def press(self, kind=0):
        """Press it; its zone and its incident."""
        zone = self.zone(kind)
        mark = self.console.mark
        assert self.panel.send(contact_id(zone), 6) == ACK
        pages = self.console.expect_pages(
            endpoint=f"button-{zone}", count=3 if kind == PANIC else 2, since=mark
        )
        self.console.expect_state(pages[0].body["incident"])
        return zone, pages[0].body["incident"]

    def sign(self, incident):
        """Receipts for everything, so that what is paged afterwards is paged anew."""
        for page in {page["id"]: page for page in self.console.pages(incident)}.values():
            self.console.applied(incident, "receipt", page["group"], page=page["id"])

    def widened(self, incident, within=8.0, since=0):
        return self.console.expect(
            lambda one: one.topic[:3] == ("incident", incident, "state") and one.body["level"] == 2,
            within,
            since=since,
            what="widening",
        )[0]


@pytest.mark.parametrize("how", ["SIGTERM", "kill -9"])
def test_a_restart_loses_neither_incident_nor_timer_and_pages_nobody_twice(world, how):
    console = world.console
    _, quick = world.press(SLOW)
    pressed = time.monotonic()
    zone, incident = world.press()
    world.sign(quick)
    world.sign(incident)
    acked = console.applied(incident, "ack", POLICE)
    term = acked["owner_term"]
    mark = console.mark
    if how == "SIGTERM":
        status, took = world.gateway.stop()
        assert status == 0
        assert took < 5
        console.expect(lambda one: _status(one) == "offline", since=mark)
    else:
        world.gateway.kill()
        console.expect(lambda one: _status(one) == "offline", since=mark)  # the will
    world.gateway.start()
    console.expect(lambda one: _status(one) == "online", since=mark)
    state = console.expect_state(incident, lambda one: one["owner_term"] > term)
    assert {one: group["state"] for one, group in state["groups"].items()} == {
        POLICE: "acked",
        HOSPITAL: "received",
        STREET: "received",
    }
    assert acked["asked"] in state["applied"]
    assert state["latched"] is True
    arrival = world.widened(quick)
    assert arrival.at - pressed == pytest.approx(4, abs=0.5)
    pages = console.expect_pages(quick, count=3, level=2, since=mark)
    assert {page.body["group"] for page in pages} == set(THREE)
    time.sleep(0.3)
    levels = [one["level"] for one in console.states(quick)]
    assert sorted(levels) == levels
    assert max(levels) == 2
    assert len({page["id"] for page in console.pages(quick, level=2)}) == 3
    assert console.pages(incident, since=mark) == [], "all had signed, and one had acked"
    # It goes on as before.
    assert console.applied(incident, "ack", HOSPITAL)["state"] == "answered"
    console.act(incident, "ack", POLICE, action_id=acked["asked"])  # an old action, again
    assert world.panel.send(contact_id(zone, "R120")) == ACK
    console.applied(incident, "reset")
    assert console.applied(incident, "close", disposition="handled")["state"] == "closed"
    # EndpointState follows the latch.
    newest = console.find(
        lambda one: one.topic == ("gateway", "zju1", "endpoint", f"button-{zone}")
    )[-1]
    assert newest.body["input"] == "normal"


def test_a_timer_that_ran_out_while_the_gateway_was_down_fires_once_at_the_start(world):
    console = world.console
    _, quick = world.press(QUICK)
    world.sign(quick)
    world.gateway.kill()
    time.sleep(2.1)
    mark = console.mark
    world.gateway.start()
    first = world.widened(quick, since=mark)
    pages = console.expect_pages(quick, count=3, level=2, since=mark)
    assert {page.body["group"] for page in pages} == set(THREE)
    # The next level has its whole time.
    breached = console.expect(
        lambda one: one.topic[:3] == ("incident", quick, "state") and one.body["breaches"]
    )[0]
    assert breached.at - first.at == pytest.approx(2, abs=0.4)


def test_pages_without_a_receipt_keep_their_ids_through_a_kill(world):
    console = world.console
    _, incident = world.press()
    before = {page["group"]: page["id"] for page in console.pages(incident)}
    world.gateway.kill()
    mark = console.mark
    world.gateway.start()
    pages = console.expect_pages(incident, count=3, since=mark)
    assert {page.body["group"]: page.body["id"] for page in pages} == before


def test_a_press_whose_event_the_broker_never_had_is_told_after_a_kill(world):
    zone = world.zone()
    world.console.lost()
    world.broker.kill()
    assert world.panel.send(contact_id(zone)) == ACK
    world.gateway.kill()
    world.broker.start()
    world.console.wait_again()
    mark = world.console.mark
    world.gateway.start()
    world.console.expect_event(lambda one: one["zone"] == zone, since=mark)
    pages = world.console.expect_pages(endpoint=f"button-{zone}", count=3, since=mark)
    assert {page.body["group"] for page in pages} == set(THREE)


def test_a_reload_in_the_middle_of_an_incident_loses_neither_page_nor_timer(world):
    console, gateway = world.console, world.gateway
    _, incident = world.press()
    _, quick = world.press(QUICK)
    pressed = time.monotonic()
    world.sign(quick)
    changed = OURS.replace("ack_within_s: 2}", "ack_within_s: 600}").replace("小营派出所", "新名")
    many = "".join(rig.button(f"{zone:03}") for zone in range(300, 900))
    world.write(district=changed, buttons=BUTTONS + many)
    mark = console.mark
    gateway.hang_up()
    assert "reload: done" in gateway.said()
    assert world.widened(quick).at - pressed == pytest.approx(2, abs=0.4)
    # Pages without a receipt go on with their ids; the endpoint that came with the reload works.
    again = console.expect_pages(incident, group=STREET, since=mark)[0].body
    assert again["id"] in {page["id"] for page in console.pages(incident, group=STREET)[:1]}
    assert console.applied(incident, "ack", POLICE)["groups"][POLICE]["state"] == "acked"
    assert world.panel.send(contact_id("777")) == ACK
    console.expect_pages(endpoint="button-777", count=3)
    state = console.expect(lambda one: one.topic == ("gateway", "zju1", "endpoint", "button-777"))
    assert state[0].body["health"] == "ok"


def test_a_bad_reload_keeps_the_old_and_prints_every_problem(world):
    console, gateway = world.console, world.gateway
    _, incident = world.press()
    good = world.config.read_text("utf-8")
    world.config.write_text(
        good.replace("gateway: zju1", "gateway: zju1\nbogus: 1").replace("driver: panel", "driver: pannel")
        .replace('zone: "002"', "zone: 2"),
        "utf-8",
    )  # fmt: skip
    gateway.hang_up()
    said = gateway.said()
    assert "reload: refused" in said
    for place in ("zju1.yaml:2:1: bogus", "did you mean panel", "endpoints.button-002.zone"):
        assert place in said, place
    assert console.applied(incident, "ack", POLICE)
    world.press()
    world.config.write_text(good, "utf-8")
    gateway.hang_up()
    assert "reload: done" in gateway.said()


def test_a_button_taken_out_while_its_incident_runs_can_still_be_closed(world):
    console = world.console
    zone, incident = world.press()
    world.write(buttons=BUTTONS.replace(rig.button(zone), ""))
    world.gateway.hang_up()
    console.expect_state(incident, lambda one: one["input"] == "restored")
    console.expect(
        lambda one: (
            one.topic == ("gateway", "zju1", "endpoint", f"button-{zone}") and not one.payload
        )
    )
    console.applied(incident, "reset")
    assert console.applied(incident, "close", disposition="x")["state"] == "closed"
    # Its address is unknown now: a trouble, and no page.
    mark = console.mark
    assert world.panel.send(contact_id(zone)) == ACK
    event = console.expect_event(lambda one: one["zone"] == zone, since=mark)
    assert event["category"] == "trouble"


def test_an_endpoint_taken_out_while_the_gateway_was_down_leaves_no_state_behind(world):
    zone = world.zone()
    world.gateway.stop()
    world.write(buttons=BUTTONS.replace(rig.button(zone), ""))
    mark = world.console.mark
    world.gateway.start()
    world.console.expect(
        lambda one: (
            one.topic == ("gateway", "zju1", "endpoint", f"button-{zone}") and not one.payload
        ),
        since=mark,
    )


def test_groups_served_change_with_a_reload(world):
    console = world.console
    world.write(serves=STREET)
    _, incident = world.press()
    assert console.state(incident)["groups"][STREET]["state"] == "paged"
    world.gateway.hang_up()
    console.expect_state(incident, lambda one: one["groups"][STREET]["state"] == "received")


def test_a_hung_gateway_goes_on_where_time_is(world):
    """SIGSTOP through a level's end, as a suspended machine would: the timer fires once."""
    _, quick = world.press(QUICK)
    world.sign(quick)
    with world.gateway.frozen():
        time.sleep(2.1)
        mark = world.console.mark
    world.widened(quick, since=mark)
    time.sleep(0.5)
    assert len({page["id"] for page in world.console.pages(quick, level=2)}) == 3


def test_the_panel_unplugged_and_plugged_in_again(world):
    """A vanished device is a fault within a second, and is used again when it is back."""
    link = world.folder / "port"
    first = rig.Panel()
    link.symlink_to(first.path)
    world.write(port=link)
    world.gateway.hang_up()
    assert first.send(contact_id(world.zone())) == ACK
    mark = world.console.mark
    first.__exit__()
    began = time.monotonic()
    fault = world.console.expect(
        lambda one: (
            one.topic == ("gateway", "zju1", "endpoint", "button-001")
            and one.body["health"] == "fault"
        ),
        since=mark,
    )[0]
    assert fault.at - began < 1
    assert fault.body["input"] == "fault"
    with rig.Panel() as second:
        link.unlink()
        link.symlink_to(second.path)
        world.console.expect(
            lambda one: (
                one.topic == ("gateway", "zju1", "endpoint", "button-001")
                and one.body["health"] == "ok"
            ),
            8,
            since=mark,
        )
        assert second.send(contact_id(world.zone())) == ACK


def test_a_stopped_broker_does_not_hold_the_end_back(world):
    os.kill(world.broker.process.pid, signal.SIGSTOP)
    try:
        status, took = world.gateway.stop()
    finally:
        os.kill(world.broker.process.pid, signal.SIGCONT)
    assert status == 0
    assert took < 5


def _status(arrival):
    return arrival.body["state"] if arrival.topic == ("gateway", "zju1", "status") else None
