"""A gateway dies in the middle of an incident; its standby goes on, and it takes it back."""

import time

import pytest

from tests.system import rig
from tests.system.rig import ACK, DISTRICT, contact_id

pytestmark = pytest.mark.system

OURS = DISTRICT + "standbys: {zju1: {by: [zju2], adopt_after_s: 1, give_back_after_s: 2}}\n"


@pytest.fixture
def world(tmp_path):
    with rig.Mosquitto(tmp_path) as broker, rig.Panel() as panel:
        receiver = f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
        (tmp_path / "district.yaml").write_text(OURS, "utf-8")
        for name, rest in (
            ("zju1", receiver + f"endpoints:\n{rig.button('001', 'duress')}"),
            ("zju2", "serves: [police-xiaoying]\n"),
        ):
            (tmp_path / f"{name}.yaml").write_text(
                f"gateway: {name}\ndata_dir: data-{name}\ninclude: [district.yaml]\n"
                f"mqtt: {{broker: mqtt://127.0.0.1:{broker.port}}}\n{rest}",
                "utf-8",
            )
        with (
            rig.Console(broker.port) as console,
            rig.Gateway(tmp_path / "zju2.yaml") as standby,
            rig.Gateway(tmp_path / "zju1.yaml") as home,
        ):
            yield console, panel, home, standby


def newest(console, incident):
    """The state that holds, of whoever owns it."""
    return console.state(incident)


def test_standby_escalates_on_time_pages_no_acked_group_again_and_home_takes_it_back(world):
    console, panel, home, _ = world
    assert panel.send(contact_id("001")) == ACK
    event = console.expect_event(lambda body: body["signal"] == "alarm")
    pages = console.expect_pages(count=2)
    incident = pages[0].body["incident"]
    console.applied(incident, "ack", "hospital-security")
    acked = console.mark
    raised = rig.wall(event["time"])
    home.kill()
    # `quick` widens after 2 s by any single ack it is answered; take it back, so that it goes on.
    adopted = rig.until(
        lambda: newest(console, incident)["owner"] == "zju2" and newest(console, incident),
        within=10.0,
        what="the standby",
    )
    assert adopted["owner_term"] > 1
    assert adopted["home"] == "zju1"
    assert adopted["groups"]["hospital-security"]["state"] == "acked"
    console.applied(incident, "unack", "hospital-security")
    console.expect_pages(incident, within=6.0, group="street-xiaoying", since=acked)
    assert time.time() - raised < 20
    console.applied(incident, "ack", "hospital-security")
    acked = console.mark
    home.start()
    back = rig.until(
        lambda: newest(console, incident)["owner"] == "zju1" and newest(console, incident),
        within=15.0,
        what="the home",
    )
    assert back["groups"]["hospital-security"]["state"] == "acked"
    time.sleep(2.0)
    assert console.pages(incident, group="hospital-security", since=acked) == []
    assert panel.send(contact_id("001", "R120")) == ACK
    console.expect_state(incident, lambda state: state["input"] == "restored", within=5.0)
    console.applied(incident, "reset")
    console.applied(incident, "close", disposition="handled")


def test_signals_of_the_home_reach_the_standby_that_has_its_incident(world):
    console, panel, home, standby = world
    assert panel.send(contact_id("001")) == ACK
    incident = console.expect_pages(count=2)[0].body["incident"]
    home.kill()
    rig.until(lambda: newest(console, incident)["owner"] == "zju2", within=10.0, what="the standby")
    home.start()
    assert panel.send(contact_id("001", "R120")) == ACK
    console.expect_state(incident, lambda state: state["input"] == "restored", within=5.0)
    mark = console.mark
    assert panel.send(contact_id("001", "E120")) == ACK
    console.expect_event(lambda body: body["signal"] == "alarm", since=mark)
    time.sleep(0.5)
    opened = {page["incident"] for page in console.pages()}
    assert opened == {incident}
    assert standby.running


def test_incident_that_the_standby_closed_is_not_opened_again_by_its_home(world):
    console, panel, home, _ = world
    assert panel.send(contact_id("001")) == ACK
    incident = console.expect_pages(count=2)[0].body["incident"]
    assert panel.send(contact_id("001", "R120")) == ACK
    console.expect_state(incident, lambda state: state["input"] == "restored")
    home.kill()
    rig.until(lambda: newest(console, incident)["owner"] == "zju2", within=10.0, what="the standby")
    console.applied(incident, "cancel")
    console.applied(incident, "close", disposition="handled")
    mark = console.mark
    home.start()
    time.sleep(2.0)
    assert newest(console, incident)["state"] == "closed"
    assert console.pages(incident, since=mark) == []
