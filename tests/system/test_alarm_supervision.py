"""Silence, walk tests and shelves, with real gateways, a real broker and a client that is not ours."""

import contextlib
import signal
import subprocess
import time

import pytest

from tests.system import rig

pytestmark = [pytest.mark.system, pytest.mark.realtime]

CONFIG = """\
gateway: {name}
data_dir: ./{name}
mqtt: {{broker: "mqtt://127.0.0.1:{port}"}}
sites:
  zju1: {{name: 浙大一院, class: hospital, street: xiaoying, position: [30.2573, 120.1776]}}
inputs:
  receiver-1: {{driver: panel, protocol: surgard, port: {panel}}}
  desk: {{driver: virtual}}
endpoints:
  gate: {{kind: button, site: zju1, input: receiver-1, account: "1234", zone: "001", category: panic}}
  ward: {{kind: button, site: zju1, input: desk, category: panic}}
  hall: {{kind: button, site: zju1, input: desk, line: hall, category: panic}}
talkgroups: {{police: {{}}}}
groups: {{police: {{name: 派出所, party: police, talkgroup: police}}}}
plans:
  troubles:
    when: {{category: [trouble, test, supervision]}}
    levels: [{{name: 维修, page: [police], ack_within_s: 600}}]
  panics:
    when: {{}}
    levels: [{{name: 吹哨响应, page: [police], ack_within_s: 600}}]
serves: []
supervision:
{supervision}
"""
PRESS, RESTORE = "5011 181234E12001001", "5011 181234R12001001"
PRESENCE = {"v": 1, "groups": ["police"], "on_duty": True, "position": None, "fixed": None}


class Place:
    """Two gateways on a broker, the first of which supervises."""

    def __init__(self, folder, broker, panel):
        self.folder, self.broker, self.panel = folder, broker, panel

    def gateway(self, name, supervision="  {}"):
        config = self.folder / f"{name}.yaml"
        config.write_text(
            CONFIG.format(
                name=name,
                port=self.broker.port,
                panel=self.panel.path if name == "zju1" else "/dev/null",
                supervision=supervision,
            ),
            "utf-8",
        )
        return rig.Gateway(config)


@pytest.fixture
def place(tmp_path):
    with rig.Mosquitto(tmp_path) as broker, rig.Panel() as panel:
        yield Place(tmp_path, broker, panel)


def lost(console, text, since=0, within=5.0):
    """The event that says somebody is silent, and when it arrived."""
    wanted = lambda one: (  # noqa: E731
        one.topic[0] == "alarm" and one.body["signal"] == "lost" and text in one.body["text"]
    )
    (arrival,) = console.expect(wanted, within, since=since, what=f"silence of {text}")
    assert arrival.body["category"] == "supervision"
    return arrival


def heard_again(console, text, since=0, within=5.0):
    return console.expect_event(
        lambda one: one["signal"] == "restore" and f"{text} is heard again" in one["text"],
        within,
        since=since,
    )


def supervision_incidents(console):
    states = {one.body["id"]: one.body for one in console.find(lambda a: a.topic[0] == "incident")}
    return [one for one in states.values() if one["category"] == "supervision"]


def test_gateway_that_hangs_is_an_incident_within_two_and_a_half_intervals(place):
    watching = place.gateway("zju1", "  gateways: {zju1: {heartbeat_s: 1}, zju2: {heartbeat_s: 1}}")
    with (
        rig.Console(place.broker.port) as console,
        place.gateway("zju2") as other,
        watching,
    ):
        time.sleep(3)
        assert not console.events(lambda one: one["signal"] == "lost")
        with other.frozen():
            stopped = time.monotonic()
            silence = lost(console, "gateway zju2")
            # Its last answer may have been given just before.
            assert silence.at - stopped <= 2.5
            (incident,) = console.expect(
                lambda a: a.topic[0] == "incident" and a.body["category"] == "supervision"
            )
            assert incident.body["input"] == "alarm"
            assert (
                console.expect_pages(incident.body["id"])[0]
                .body["text"]
                .startswith("gateway zju2 is silent: not heard for 2.")
            )
        heard_again(console, "gateway zju2")
        restored = console.expect_state(incident.body["id"], lambda one: one["input"] == "restored")
        assert restored["state"] == "resolved"
        closed = console.applied(incident.body["id"], "close", disposition="handled")
        assert closed["state"] == "closed"
        assert console.events(lambda one: one["gateway"] == "zju2") == []


def test_who_is_never_heard_is_silent_and_a_restart_tells_it_once(place):
    supervision = """\
  inputs: {receiver-1: {heartbeat_s: 1}, desk: {heartbeat_s: 1}}
  gateways: {zju9: {heartbeat_s: 1}}
  responders: {car-7: {heartbeat_s: 1}}"""
    with rig.Console(place.broker.port, "car-7") as car, place.gateway("zju1", supervision) as zju1:
        for text in ("input receiver-1", "gateway zju9", "responder car-7"):
            assert "never heard" in lost(car, text, within=3.0).body["text"]
        zju1.kill()
        mark, known = car.mark, {one["id"] for one in car.events()}
        zju1.start()
        time.sleep(2.6)
        # What was not known to be published is published again, under its old id.
        again = car.events(lambda one: one["id"] not in known, mark)
        assert [one["text"] for one in again] == []
        place.panel.write(b"1011           @    \x14")
        heard_again(car, "input receiver-1", mark)
        presence = PRESENCE | {"client": "car-7", "interval_s": 1, "time": rig.now()}
        car.publish("presence/car-7", presence, retain=True, expiry=3)
        heard_again(car, "responder car-7", mark)
        car.expect_event(
            lambda one: "responder car-7 is silent: not heard" in one["text"], since=mark
        )
        assert not car.events(lambda one: "input desk" in one["text"])
        assert len(supervision_incidents(car)) == 3
        zju1.stop()
    with contextlib.closing(rig.journal(place.folder / "zju1")) as rows:
        links = rows.execute(
            "SELECT key, CAST(body AS TEXT) FROM events WHERE kind='link' ORDER BY seq"
        ).fetchall()
    said = [(key, '"up":true' in body) for key, body in links if key != "chains"]
    assert [up for key, up in said if key == "gateway"] == [True, False, True, False]
    assert [up for key, up in said if key == "group/police"] == [True, False]
    assert [up for key, up in said if key == "responder/car-7"] == [False, True, False]
    assert any('"since":' in body for key, body in links if key == "gateway")
    (chains,) = [body for key, body in links if key == "chains"]
    assert '"groups":["police"]' in chains


class Walk:
    """`baiying test walk` that runs beside the test; its events as they come."""

    def __init__(self, gateway, *words):
        self.process = subprocess.Popen(
            [*rig.BAIYING, "test", "walk", *words, "--json", "--config", str(gateway.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self):
        import json

        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def end(self):
        return self.process.wait(5)


def test_walk_pages_nobody_and_the_second_press_does_whatever_becomes_of_its_caller(place):
    with rig.Console(place.broker.port) as console, place.gateway("zju1") as zju1:
        walk = Walk(zju1, "gate", "hall", "ward", "--for", "1m")
        assert walk.next()["endpoints"] == ["gate", "hall", "ward"]
        assert place.panel.send(PRESS) == rig.ACK
        seen = walk.next()
        assert (seen["endpoint"], seen["stored"], seen["missing"]) == ("gate", True, 2)
        test = console.expect_event(lambda one: one["endpoint"] == "gate")
        assert (test["signal"], test["category"], test["stored"]) == ("test", "test", True)
        place.panel.send(RESTORE)
        assert console.pages() == []
        assert place.panel.send(PRESS) == rig.ACK
        console.expect_pages(endpoint="gate")
        walk.process.send_signal(signal.SIGINT)
        assert walk.next()["missing"] == ["hall", "ward"]
        assert walk.end() == 1
        for how in ("killed", "restart"):
            walk = Walk(zju1, "hall" if how == "killed" else "ward")
            walk.next()
            if how == "killed":
                walk.process.kill()
                walk.process.wait()
            else:
                zju1.kill()
                zju1.start()
        assert zju1.command("press", "hall").status == 0
        console.expect_pages(endpoint="hall")
        assert zju1.command("press", "ward").status == 0
        console.expect_pages(endpoint="ward")
        listed = {one["endpoint"]: one for one in zju1.command("test", "list", "--json").json}
        assert listed["gate"]["walk"]
        assert listed["ward"]["overdue"]


def test_shelved_trouble_raises_nothing_over_a_restart_and_what_stands_comes_out(place):
    with rig.Console(place.broker.port) as console, place.gateway("zju1") as zju1:
        assert zju1.command("shelve", "add", "gate", "--for", "4s", "--by", "li").status == 0
        ended = time.monotonic() + 4
        assert place.panel.send("5011 181234E30201001") == rig.ACK
        battery = console.expect_event(lambda one: one["shelved"])
        assert (battery["signal"], battery["code"]) == ("battery", "E302")
        zju1.kill()
        mark = console.mark
        zju1.start()
        console.expect(
            lambda a: (
                (a.topic == ("gateway", "zju1", "endpoint", "gate") and a.body.get("shelved_until"))
                or time.monotonic() > ended
            ),
            since=mark,
        )
        assert console.find(lambda a: a.topic[0] == "incident") == []
        again = console.expect_event(
            lambda one: one["code"] == "E302" and not one["shelved"], since=mark
        )
        assert again["id"] != battery["id"]
        console.expect(lambda a: a.topic[0] == "incident" and a.body["category"] == "trouble")
        assert zju1.command("shelve", "list").out == "nothing is shelved\n"
        assert zju1.command("shelve", "remove", "gate").status == 2
