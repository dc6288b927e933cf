"""Brokers die, come back empty, are away, and are used by strangers."""

import os
import signal
import subprocess
import time

import pytest

from tests.system import rig
from tests.system.rig import ACK, DISTRICT, THREE, contact_id

pytestmark = pytest.mark.system

POLICE, HOSPITAL, STREET = THREE


def write(folder, mqtt, panel, *, serves="", extra=""):
    (folder / "district.yaml").write_text(DISTRICT, "utf-8")
    config = folder / "zju1.yaml"
    config.write_text(
        f"gateway: zju1\ndata_dir: data\ninclude: [district.yaml]\nserves: [{serves}]\n"
        f"mqtt: {mqtt}\n"
        f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
        "endpoints:\n"
        + "".join(rig.button(f"{zone:03}") for zone in range(1, 6))
        + "".join(rig.button(f"{zone:03}", "duress") for zone in range(6, 9))
        + extra,
        "utf-8",
    )
    return config


def press(panel, console, zone, *, count=3):
    assert panel.send(contact_id(zone)) == ACK
    pages = console.expect_pages(endpoint=f"button-{zone}", count=count)
    return pages[0].body["incident"]


def test_external_broker_restarted_empty_in_the_middle_of_an_incident(tmp_path):
    with (
        rig.Mosquitto(tmp_path) as broker,
        rig.Panel() as panel,
        rig.Gateway(
            write(tmp_path, f"{{broker: mqtt://127.0.0.1:{broker.port}}}", panel)
        ) as gateway,
        rig.Console(broker.port) as console,
    ):
        incident = press(panel, console, "001")
        console.applied(incident, "ack", POLICE)
        paged = {page["id"] for page in console.pages(incident, group=POLICE)}
        quick = press(panel, console, "006", count=2)
        pressed = time.monotonic()
        console.applied(quick, "ack", POLICE)
        console.applied(quick, "unack", POLICE)
        console.lost()
        broker.kill()
        time.sleep(0.3)
        mark = console.mark
        # A press without a broker is stored and acknowledged; pages wait.
        assert panel.send(contact_id("002")) == ACK
        with gateway.frozen():  # an event is told once: whoever is to hear it must be there
            broker.start()
            console.wait_again()
        state = console.expect_state(incident, since=mark)
        assert state["groups"][POLICE]["state"] == "acked"
        late = console.expect_pages(endpoint="button-002", count=3, since=mark)
        assert {page.body["group"] for page in late} == set(THREE)
        event = console.expect_event(lambda one: one["zone"] == "002", since=mark)
        assert event["stored"] is True
        # It goes on: the timer of the other, then an action.
        widened = console.expect(
            lambda one: one.topic[:3] == ("incident", quick, "state") and one.body["level"] == 2,
            since=mark,
        )[0]
        assert widened.at - pressed < 3
        state = console.applied(incident, "ack", HOSPITAL)
        assert state["state"] == "answered"
        time.sleep(1)
        assert console.pages(incident, group=POLICE, since=mark) == []
        assert {page["id"] for page in console.pages(incident, group=POLICE)} == paged
        # Everything retained is there again for whoever comes now.
        with rig.Console(broker.port, "late") as late_console:
            late_console.expect(
                lambda one: one.topic == ("gateway", "zju1", "status") and one.retain
            )
            late_console.expect(
                lambda one: (
                    one.topic == ("gateway", "zju1", "endpoint", "button-001") and one.retain
                )
            )
            late_console.expect(
                lambda one: one.topic == ("incident", incident, "state", "zju1") and one.retain
            )


def test_embedded_broker_killed_in_the_middle_of_an_incident(tmp_path):
    port = rig.free_port()
    (tmp_path / "users").write_text("console:secret\n")
    with rig.Panel() as panel:
        mqtt = f'{{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}'
        config = write(tmp_path, mqtt, panel, serves=HOSPITAL)
        with rig.Gateway(config) as gateway, rig.Console(port, password="secret") as console:
            incident = press(panel, console, "001")
            console.applied(incident, "ack", POLICE)
            (broker,) = gateway.children("mosquitto")
            console.lost()
            mark = console.mark
            os.kill(broker, signal.SIGKILL)
            # Away at the press: the group that is served here still gets its page and can answer.
            assert panel.send(contact_id("002")) == ACK
            gateway.expect_said(f"PAGE for {HOSPITAL}: 吹哨响应: 浙大一院 button-002")
            console.wait_again(10)
            state = console.expect_state(incident, since=mark)
            assert state["groups"][POLICE]["state"] == "acked"
            # Told once, perhaps before our console was back: what counts is the broker's PUBACK.
            (event,) = (one for one in rig.signals(tmp_path / "data") if one["zone"] == "002")
            rig.until(lambda: event["id"] in rig.published(tmp_path / "data"))
            console.expect_pages(endpoint="button-002", group=POLICE, since=mark)
            assert console.applied(incident, "ack", HOSPITAL)["state"] == "answered"
            assert console.pages(incident, group=POLICE, since=mark) == []
        rig.until(lambda: not _listens(port), 2, "the broker's end with its gateway")


def test_with_the_broker_away_one_site_answers_itself_and_all_is_told_later(tmp_path):
    with rig.Mosquitto(tmp_path) as broker, rig.Panel() as panel:
        config = write(
            tmp_path, f"{{broker: mqtt://127.0.0.1:{broker.port}}}", panel, serves=HOSPITAL
        )
        broker.kill()
        with rig.Gateway(config) as gateway:
            assert "broker not reached" in gateway.said()
            assert panel.send(contact_id("001")) == ACK
            gateway.expect_said(f"PAGE for {HOSPITAL}")
            (incident,) = gateway.command("incident", "list", "--json").json
            assert incident["groups"][HOSPITAL]["state"] == "received"
            done = gateway.command("incident", "ack", incident["id"])
            assert done.status == 0, done.err
            gateway.process.send_signal(signal.SIGSTOP)
            broker.start()
            with rig.Console(broker.port) as console:
                gateway.process.send_signal(signal.SIGCONT)
                state = console.expect_state(incident["id"])
                assert state["groups"][HOSPITAL]["state"] == "acked"
                console.expect_event(lambda one: one["zone"] == "001")
                pages = console.expect_pages(incident["id"], count=2)
                assert {page.body["group"] for page in pages} == {POLICE, STREET}
                time.sleep(0.3)
                assert console.pages(incident["id"], group=HOSPITAL) == []


def test_strangers_and_neighbours_cannot_speak_for_others_on_the_embedded_broker(tmp_path):
    port = rig.free_port()
    (tmp_path / "users").write_text("console:secret\nmallory:knows-her-own\n")
    with rig.Panel() as panel:
        mqtt = f'{{broker: embedded, listen: "127.0.0.1:{port}", users_file: users}}'
        config = write(tmp_path, mqtt, panel)
        with (
            rig.Gateway(config),
            rig.Console(port, password="secret") as console,
            rig.Console(port, "mallory", "knows-her-own") as mallory,
        ):
            for words in (
                (),
                ("-u", "zju1"),
                ("-u", "zju1", "-P", "guess"),
                ("-u", "mallory", "-P", "x"),
            ):
                done = subprocess.run(
                    ["mosquitto_pub", "-V", "5", "-p", str(port), *words, "-t", "baiying/alarm/zju1",
                     "-m", "{}", "-q", "1"],
                    capture_output=True, check=False, timeout=10,
                )  # fmt: skip
                assert done.returncode != 0, words
            incident = press(panel, console, "001")
            mark = console.mark
            page = console.pages(incident, group=POLICE)[0]
            forged = {
                f"group/{POLICE}/page/zju1": page | {"id": rig.new_id()},
                f"group/{POLICE}/page/mallory/x": page,
                "alarm/zju1": {},
                f"incident/{incident}/state/zju1": {},
                f"incident/{incident}/action/zju1": {},
                f"incident/{incident}/picture/zju1": b"x",
                f"talkgroup/{POLICE}/voice/zju1": b"x",
                f"talkgroup/{POLICE}/floor/zju1": {},
                f"talkgroup/{POLICE}/answer/console/zju1": {},
                f"talkgroup/{POLICE}/request/zju1": {},
                "gateway/zju1/status": {},
                "gateway/zju1/endpoint/button-001": {},
                "x/y": {},
            }
            for topic, body in forged.items():
                assert mallory.publish(topic, body) == 0x87, topic  # not authorized
            assert mallory.publish(f"group/{POLICE}/page/mallory", page | {"id": rig.new_id()}) == 0
            console.expect(lambda one: one.topic[-1] == "mallory", since=mark)
            assert [
                one.topic for one in console.find(lambda a: a.payload in (b"x", b"{}"), mark)
            ] == []


def test_three_gateways_share_a_district_on_a_broker_with_tls_and_passwords(tmp_path):
    make_certificate(tmp_path)
    names = {"hospital": HOSPITAL, "police": POLICE, "street": f"{STREET}, alliance-wulin"}
    port = rig.free_port()
    for name in (*names, "console"):
        subprocess.run(
            ["mosquitto_passwd", *(() if (tmp_path / "passwords").exists() else ("-c",)), "-b",
             tmp_path / "passwords", name, f"{name}-secret"],
            check=True, capture_output=True,
        )  # fmt: skip
        (tmp_path / f"{name}.password").write_text(f"{name}-secret\n")
    lines = (
        f"listener {port} 127.0.0.1", f"certfile {tmp_path}/server.pem", f"keyfile {tmp_path}/server.key",
        "allow_anonymous false", f"password_file {tmp_path}/passwords", "user root",
    )  # fmt: skip
    (tmp_path / "district.yaml").write_text(DISTRICT, "utf-8")
    with rig.Mosquitto(tmp_path, port=port, config=lines), rig.Panel() as panel:
        gateways = {}
        for name, serves in names.items():
            config = tmp_path / f"{name}.yaml"
            config.write_text(
                f"gateway: {name}\ndata_dir: {name}\ninclude: [district.yaml]\nserves: [{serves}]\n"
                f"mqtt: {{broker: mqtts://127.0.0.1:{port}, password_file: {name}.password, ca_file: ca.pem}}\n"
                + (
                    f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
                    f"endpoints:\n{rig.button('001')}"
                    if name == "hospital"
                    else ""
                ),
                "utf-8",
            )
            gateways[name] = rig.Gateway(config)
        checked = rig.baiying("check", *(gateway.config for gateway in gateways.values()))
        assert checked.status == 0, checked.err
        with (
            gateways["hospital"],
            gateways["police"],
            gateways["street"],
            rig.Console(port, password="console-secret", tls=tmp_path / "ca.pem") as console,
        ):
            incident = press(panel, console, "001")
            console.expect_state(
                incident,
                lambda one: all(group["state"] == "received" for group in one["groups"].values()),
            )
            for name in ("police", "street"):
                done = gateways[name].command("incident", "ack", incident)
                assert done.status == 0, done.err
            state = console.expect_state(
                incident,
                lambda one: (
                    {one["groups"][group]["state"] for group in (POLICE, STREET)} == {"acked"}
                ),
            )
            assert state["state"] == "open"  # the hospital is missing
            done = gateways["hospital"].command("incident", "ack", incident)
            assert done.status == 0, done.err
            assert console.expect_state(incident, lambda one: one["state"] == "answered")
            receipts = [
                one.body
                for one in console.find(lambda a: a.topic[2:3] == ("action",))
                if one.body["action"] == "receipt"
            ]
            assert {one["group"] for one in receipts} <= {POLICE, STREET}
            for one in console.find(lambda a: a.topic[2:3] == ("action",)):
                assert one.topic[3] == {POLICE: "police", STREET: "street"}[one.body["group"]]


def make_certificate(folder):
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-subj", "/CN=test authority", "-days", "2")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=127.0.0.1")  # fmt: skip
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.pem", "-days", "2", "-extfile", "san")  # fmt: skip


def _listens(port):
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
