"""The receiving side, played against by an owner that is not ours; and every message's fields."""

import subprocess
import time

import pytest

from tests.system import rig
from tests.system.rig import ACK, DISTRICT, THREE, contact_id

pytestmark = pytest.mark.system

POLICE, HOSPITAL, STREET = THREE
TROUBLES = """\
  troubles:
    when: {category: trouble}
    severity: 3
    levels:
      - {name: 设备故障, page: [hospital-security], ack_within_s: 600}
      - {name: 设备故障升级, page: [street-xiaoying], ack_within_s: 600}
  forgetful:
    when: {class: hospital, category: medical}
    ack_expires_s: 1
    levels:
      - {name: 吹哨响应, page: [police-xiaoying], ack_within_s: 600}
      - {name: 一呼百应, page: [street-xiaoying], ack_within_s: 600}
"""
FIELDS = {
    "status": "v state boot version since",
    "endpoint": "v endpoint kind site health faults talkgroup hears ptt squelch_open input since",
    "event": "v id gateway site endpoint signal category code account zone text time seq boot drill stored",
    "page": "v id incident group level title category severity site site_name endpoint endpoints position "
    "talkgroup drill raised sent ack_within_s",
    "action": "v id incident group by action time",
    "state": "v id state level plan category severity site site_name endpoint endpoints drill raised latched "
    "input talkgroup groups breaches disposition closed owner owner_term seq applied refused",
    "group": "party state level paged received acked arrived by",
}
"""Fields that must be there (contract, section 2)."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("receiver")
    with rig.Mosquitto(folder) as broker, rig.Panel() as panel:
        (folder / "district.yaml").write_text(DISTRICT + TROUBLES, "utf-8")
        config = folder / "zju1.yaml"
        config.write_text(
            # `serves` is left out: it follows from the endpoint on a group's talkgroup.
            "gateway: zju1\ndata_dir: data\ninclude: [district.yaml]\n"
            f"mqtt: {{broker: mqtt://127.0.0.1:{broker.port}}}\n"
            f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
            "endpoints:\n"
            + "".join(rig.button(f"{zone:03}") for zone in range(1, 10))
            + "".join(rig.button(f"{zone:03}", "medical") for zone in range(10, 20))
            + rig.button("020").replace("category: panic", "category: panic, latch: false")
            + "  desk: {kind: intercom, site: zju1, talkgroup: hospital-security, audio: "
            f"{{driver: udp, listen: '127.0.0.1:{rig.free_port(rig.socket.SOCK_DGRAM)}', send: '127.0.0.1:9'}}}}\n",
            "utf-8",
        )
        with rig.Gateway(config) as gateway, rig.Console(broker.port) as console:
            yield World(gateway, console, panel, broker)


class World:
    def __init__(self, gateway, console, panel, broker):
        self.gateway, self.console, self.panel, self.broker = gateway, console, panel, broker


def page_of(incident, group=HOSPITAL):
    """A page by another owner, with a field that we do not know."""
    return {
        "v": 1, "id": rig.new_id(), "incident": incident, "group": group, "level": 1,
        "title": "演习", "category": "panic", "severity": 1, "site": None, "site_name": None,
        "endpoint": None, "endpoints": [], "position": None, "talkgroup": None, "drill": False,
        "raised": rig.now(), "sent": rig.now(), "ack_within_s": 30, "from_the_future": {"a": [1]},
    }  # fmt: skip


def state_of(incident, *, seq=1, applied=(), state="open", refused=None, owner="console"):
    group = {"party": "hospital", "state": "paged", "level": 1, "paged": rig.now(), "received": None,
             "acked": None, "arrived": None, "by": None}  # fmt: skip
    return {
        "v": 1, "id": incident, "state": state, "level": 1, "plan": None, "category": "panic",
        "severity": 1, "site": None, "site_name": None, "endpoint": None, "endpoints": [],
        "drill": False, "raised": rig.now(), "latched": False, "input": "restored", "talkgroup": None,
        "groups": {HOSPITAL: group}, "breaches": [], "disposition": None, "closed": None,
        "owner": owner, "owner_term": 1, "seq": seq, "applied": list(applied), "refused": refused,
    }  # fmt: skip


def receipts(console, incident, since=0):
    return [
        one.body
        for one in console.find(lambda a: a.topic[:3] == ("incident", incident, "action"), since)
        if one.body["action"] == "receipt"
    ]


def test_a_receipt_is_repeated_each_second_until_it_is_in_applied(world):
    console, incident = world.console, rig.new_id()
    page = page_of(incident)
    began = time.monotonic()
    console.publish(f"group/{HOSPITAL}/page/console", page, expiry=60)
    came = console.expect(lambda one: one.topic[:3] == ("incident", incident, "action"), 4, count=3)
    assert {one.body["page"] for one in came} == {page["id"]}
    assert {one.body["action"] for one in came} == {"receipt"}
    assert len({one.body["id"] for one in came}) == 1
    assert {one.topic[3] for one in came} == {"zju1"}
    assert came[0].at - began < 0.5
    assert came[2].at - came[0].at == pytest.approx(2, abs=0.3)
    world.gateway.expect_said(f"PAGE for {HOSPITAL}: 演习")
    state = state_of(incident, applied=[came[0].body["id"]])
    console.publish(f"incident/{incident}/state/console", state, retain=True)
    time.sleep(0.1)
    mark = console.mark
    time.sleep(1.2)
    assert receipts(console, incident, mark) == []
    # The same page again asks only for its receipt, and only until it is seen that it was applied.
    said = world.gateway.said().count("PAGE for")
    console.publish(f"group/{HOSPITAL}/page/console", page, expiry=60)
    time.sleep(0.2)
    assert world.gateway.said().count("PAGE for") == said


def test_pages_that_are_not_for_here_or_not_live_are_not_announced(world):
    console = world.console
    said = world.gateway.said().count("PAGE for")
    foreign, retained, wrong = (rig.new_id() for _ in range(3))
    console.publish(f"group/{POLICE}/page/console", page_of(foreign, POLICE))
    console.publish(f"group/{HOSPITAL}/page/console", page_of(retained), retain=True)
    console.publish(f"group/{HOSPITAL}/page/console", b"", retain=True)
    console.publish(f"group/{HOSPITAL}/page/console", page_of(wrong, POLICE))
    for bad in (b"{", b"\xff", b"null", b"[" * 5000, b'{"v":1}', b'{"v":1,"v":1}'):
        console.publish(f"group/{HOSPITAL}/page/console", bad)
    live = rig.new_id()
    console.publish(f"group/{HOSPITAL}/page/console", page_of(live))
    console.expect(lambda one: one.topic[:3] == ("incident", live, "action"))
    for incident in (foreign, retained, wrong):
        assert receipts(console, incident) == [], incident
    assert world.gateway.said().count("PAGE for") == said + 1
    console.publish(f"incident/{live}/state/console", state_of(live, state="closed"), expiry=60)


def test_a_page_known_before_a_kill_is_signed_again_and_not_announced_again(world):
    console, incident = world.console, rig.new_id()
    page = page_of(incident)
    console.publish(f"group/{HOSPITAL}/page/console", page)
    console.expect(lambda one: one.topic[:3] == ("incident", incident, "action"))
    world.gateway.kill()
    world.gateway.start()
    mark = console.mark
    console.publish(f"group/{HOSPITAL}/page/console", page)
    again = console.expect(
        lambda one: one.topic[:3] == ("incident", incident, "action"), since=mark
    )[0]
    assert again.body["id"] == receipts(console, incident)[0]["id"]
    assert "PAGE for" not in world.gateway.said()
    console.publish(f"incident/{incident}/state/console", state_of(incident, state="closed"))


def test_an_act_on_anothers_incident_waits_for_its_owner_and_tells_a_refusal(world):
    console, incident = world.console, rig.new_id()
    console.publish(f"incident/{incident}/state/console", state_of(incident, seq=2), retain=True)
    command = [*rig.BAIYING, "incident", "ack", incident, "--config", world.gateway.config]
    rig.until(lambda: world.gateway.command("incident", "show", incident).status == 0)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as asking:
        action = console.expect(
            lambda one: (
                one.topic[:3] == ("incident", incident, "action") and one.body["action"] == "ack"
            )
        )[0].body
        assert action["group"] == HOSPITAL
        # An older copy, and one by somebody whose topic it is not, do not count.
        refused = {"id": action["id"], "reason": "not by you"}
        console.publish(
            f"incident/{incident}/state/console", state_of(incident, seq=1, refused=refused)
        )
        console.publish(f"incident/{incident}/state/console",
                        state_of(incident, seq=9, refused=refused, owner="other"))  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(0.5)
        console.publish(
            f"incident/{incident}/state/console",
            state_of(incident, seq=3, refused={"id": action["id"], "reason": "没有这个组"}),
            retain=True,
        )
        assert asking.wait(3) == 1
        assert "没有这个组" in asking.stderr.read()
    console.publish(f"incident/{incident}/state/console", b"", retain=True)
    rig.until(lambda: world.gateway.command("incident", "show", incident).status == 2)


def test_a_plan_for_troubles_pages_for_an_unknown_account_without_latch(world):
    console, mark = world.console, world.console.mark
    assert world.panel.send(contact_id("001", account="9999")) == ACK
    page = console.expect_pages(endpoint=None, since=mark, category="trouble")[0].body
    assert page["group"] == HOSPITAL
    assert page["severity"] == 3
    assert page["site"] is None
    state = console.expect_state(page["incident"])
    assert state["latched"] is False
    assert state["endpoint"] is None
    # A second one opens no second incident; an alarm does not join it.
    assert world.panel.send(contact_id("001", account="9999")) == ACK
    time.sleep(0.2)
    ids = {one["incident"] for one in console.pages(since=mark, category="trouble")}
    assert ids == {page["incident"]}
    closed = console.applied(page["incident"], "close", disposition="repaired")
    assert closed["state"] == "closed"


def test_a_trouble_of_a_button_and_its_alarm_are_two_incidents(world):
    console, mark = world.console, world.console.mark
    assert world.panel.send(contact_id("002", "E384")) == ACK
    trouble = console.expect_pages(endpoint="button-002", since=mark, category="trouble")[0].body
    assert world.panel.send(contact_id("002")) == ACK
    alarm = console.expect_pages(endpoint="button-002", since=mark, category="panic")[0].body
    assert trouble["incident"] != alarm["incident"]
    # The battery's restore restores no panic.
    assert world.panel.send(contact_id("002", "R384")) == ACK
    state = console.expect_state(trouble["incident"], lambda one: one["input"] == "restored")
    assert console.state(alarm["incident"])["input"] == "alarm"
    assert state["latched"] is False
    for one in (trouble, alarm):
        console.applied(one["incident"], "cancel")


def test_an_ack_that_expires_is_a_breach_and_the_group_is_paged_again(world):
    console = world.console
    assert world.panel.send(contact_id("010")) == ACK
    first = console.expect_pages(endpoint="button-010")[0].body
    incident = first["incident"]
    assert console.applied(incident, "ack", POLICE)["state"] == "answered"
    mark = console.mark
    page = console.expect_pages(incident, 3, since=mark)[0].body
    assert page["id"] != first["id"]
    state = console.expect_state(incident, lambda one: one["breaches"])
    assert state["state"] == "open"
    console.applied(incident, "ack", POLICE)
    console.applied(incident, "en_route", POLICE)  # something followed: it stands
    time.sleep(1.3)
    assert console.state(incident)["groups"][POLICE]["state"] == "en_route"
    console.applied(incident, "cancel")


def test_what_does_not_latch_can_be_closed_at_once(world):
    console = world.console
    assert world.panel.send(contact_id("020")) == ACK
    incident = console.expect_pages(endpoint="button-020", count=3)[0].body["incident"]
    assert console.expect_state(incident)["latched"] is False
    assert console.applied(incident, "close", disposition="handled")["state"] == "closed"


def test_a_3_1_1_client_may_join(world):
    with subprocess.Popen(
        ["mosquitto_sub", "-V", "mqttv311", "-p", str(world.broker.port), "-t",
         "baiying/group/+/page/+", "-C", "1", "-W", "5"],
        stdout=subprocess.PIPE, text=True,
    ) as joined:  # fmt: skip
        time.sleep(0.3)
        assert world.panel.send(contact_id("003")) == ACK
        assert '"button-003"' in joined.communicate(timeout=6)[0]


def test_a_clean_stop_is_told_as_stopping_and_then_offline(world):
    mark = world.console.mark
    assert world.gateway.stop()[0] == 0
    world.console.expect(
        lambda one: one.topic == ("gateway", "zju1", "status") and one.body["state"] == "offline",
        since=mark,
    )
    said = [
        one.body["state"] for one in world.console.find(lambda a: a.topic[-1] == "status", mark)
    ]
    # The will may say it once more, where the broker saw the connection end before the goodbye.
    assert said[0] == "stopping"
    assert set(said[1:]) == {"offline"}
    # The journal alone counts what happened.
    report = world.gateway.command("report", "--json")
    assert report.status == 0, report.err
    assert '"panic"' in report.out or report.json
    world.gateway.start()


def test_every_message_has_every_field_of_the_contract(world):
    kinds = {"status": 0, "endpoint": 0, "event": 0, "page": 0, "action": 0, "state": 0}
    for one in world.console.find(lambda a: a.topic[-1] == "zju1" or a.topic[0] == "gateway"):
        if not one.payload or one.topic[0] == "talkgroup":
            continue
        match one.topic:
            case ("gateway", _, "figures" | "journal" | "handover", *_):
                continue  # added to the contract's, and tried where they are made
            case ("gateway", _, kind, *_):
                pass
            case ("alarm", _):
                kind = "event"
            case (_, _, kind, _):
                pass
        kinds[kind] += 1
        missing = set(FIELDS[kind].split()) - one.body.keys()
        assert not missing, (kind, missing)
        assert one.body["v"] == 1
        if kind == "state":
            for group in one.body["groups"].values():
                assert set(FIELDS["group"].split()) <= group.keys()
        assert one.retain is False or kind in ("status", "endpoint", "state")
    assert all(kinds.values()), kinds
