"""Bytes from a panel become pages, on a real gateway, a real broker and a real terminal."""

import contextlib
import itertools
import random
import sqlite3
import time

import pytest

from tests.system import rig
from tests.system.rig import ACK, DISTRICT, NAK, THREE, contact_id

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    with rig.Mosquitto(folder) as broker, rig.Panel() as panel:
        (folder / "district.yaml").write_text(DISTRICT, "utf-8")
        config = folder / "zju1.yaml"
        config.write_text(
            "gateway: zju1\ndata_dir: data\ninclude: [district.yaml]\nserves: []\n"
            f"mqtt: {{broker: mqtt://127.0.0.1:{broker.port}}}\n"
            f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
            "endpoints:\n" + "".join(rig.button(f"{zone:03}") for zone in range(1, 60)),
            "utf-8",
        )
        with rig.Gateway(config) as gateway, rig.Console(broker.port) as console:
            yield World(gateway, console, panel, folder / "data")


class World:
    def __init__(self, gateway, console, panel, data):
        self.gateway, self.console, self.panel, self.data = gateway, console, panel, data
        self._zones = (f"{zone:03}" for zone in itertools.count(1))

    def zone(self):
        """One that no test has used."""
        return next(self._zones)

    def events(self, zone, signal="alarm"):
        return [
            one for one in rig.signals(self.data) if (one["zone"], one["signal"]) == (zone, signal)
        ]

    def incidents(self, zone):
        """Incidents that were opened for a zone, once its pages have come."""
        return {
            page["incident"]
            for page in self.console.pages()
            if page["endpoint"] == f"button-{zone}"
        }


def opened(world, zone):
    return world.console.expect_pages(endpoint=f"button-{zone}", count=3)[0].body["incident"]


def test_ack_comes_only_when_the_row_is_on_disk(world):
    for _ in range(5):
        zone = world.zone()
        with contextlib.closing(rig.journal(world.data)) as ours:
            world.panel.write(contact_id(zone).encode() + b"\x14")
            answer = world.panel.answer()
            rows = ours.execute(
                "SELECT kind FROM events WHERE CAST(body AS TEXT) LIKE ?", (f'%"button-{zone}"%',)
            ).fetchall()
        assert answer == ACK
        kinds = [kind for (kind,) in rows]
        assert "signal" in kinds, "acknowledged before it was stored"
        assert "incident" in kinds, "acknowledged before its incident was stored"


def test_no_ack_comes_while_the_journal_cannot_be_written(world):
    """The control of the test above: whoever holds the database keeps the ACK back."""
    zone = world.zone()
    with contextlib.closing(
        sqlite3.connect(world.data / "journal.db", isolation_level=None)
    ) as holder:
        holder.execute("BEGIN IMMEDIATE")
        mark = world.console.mark
        world.panel.write(contact_id(zone).encode() + b"\x14")
        # The alarm goes out all the same, and says that it is not stored.
        event = world.console.expect_event(lambda one: one["zone"] == zone, since=mark)
        assert event["stored"] is False
        pages = world.console.expect_pages(endpoint=f"button-{zone}", count=3, since=mark)
        assert {page.body["group"] for page in pages} == set(THREE)
        assert world.panel.silent(0.8)
        holder.execute("ROLLBACK")
    # The panel asks again; now it is stored, and joins what is open.
    assert world.panel.send(contact_id(zone)) == ACK
    world.console.expect_event(lambda one: one["zone"] == zone and one["stored"], since=mark)
    assert len(world.incidents(zone)) == 1


def test_three_pages_leave_within_100_ms_of_each_other_and_say_what_the_contract_says(world):
    zone = world.zone()
    began = time.monotonic()
    assert world.panel.send(contact_id(zone)) == ACK
    pages = world.console.expect_pages(endpoint=f"button-{zone}", count=3)
    assert {page.topic[1] for page in pages} == set(THREE)
    assert pages[2].at - pages[0].at < 0.1
    assert pages[0].at - began < 1
    for page in pages:
        assert page.topic == ("group", page.body["group"], "page", "zju1")
        assert not page.retain
        assert 1 <= page.expiry <= 60
        body = page.body
        assert body["v"] == 1
        assert len({page.body["id"] for page in pages}) == 3
        assert body["level"] == 1
        assert body["category"] == "panic"
        assert body["severity"] == 1
        assert body["site"] == "zju1"
        assert body["site_name"] == "浙大一院"
        assert body["endpoint"] == f"button-{zone}"
        assert body["endpoints"] == [f"button-{zone}"]
        assert body["position"] == [30.2573, 120.1776]
        assert body["talkgroup"] is None
        assert body["drill"] is False
        assert body["ack_within_s"] == 30
        assert abs(rig.wall(body["sent"]) - rig.wall(body["raised"])) < 1
    event = world.console.expect_event(lambda one: one["zone"] == zone)
    assert event["signal"] == "alarm"
    assert event["stored"] is True
    assert event["code"] == "E120"
    assert event["account"] == "1234"
    assert event["endpoint"] == f"button-{zone}"
    assert event["category"] == "panic"
    state = world.console.expect_state(pages[0].body["incident"])
    assert state["state"] == "open"
    assert state["latched"] is True
    assert state["input"] == "alarm"
    assert set(state["groups"]) == set(THREE)
    assert {group["state"] for group in state["groups"].values()} == {"paged"}
    assert state["plan"] == "hospital-panic"
    assert state["owner"] == "zju1"


def test_a_second_identical_line_joins_the_incident_with_an_event_of_its_own(world):
    zone = world.zone()
    assert world.panel.send(contact_id(zone)) == ACK
    incident = opened(world, zone)
    assert world.panel.send(contact_id(zone)) == ACK
    rig.until(lambda: len(world.console.events(lambda one: one["zone"] == zone)) == 2)
    events = world.console.events(lambda one: one["zone"] == zone)
    assert events[0]["id"] != events[1]["id"]
    assert events[0]["seq"] < events[1]["seq"]
    assert world.incidents(zone) == {incident}


@pytest.mark.parametrize("spoilt", ["without its first byte", "without its last byte"])
def test_a_spoilt_line_opens_nothing_and_sent_again_opens_one_incident(world, spoilt):
    zone = world.zone()
    line = contact_id(zone)
    if spoilt == "without its first byte":
        assert world.panel.send(line[1:]) == NAK
    else:
        world.panel.write(line.encode())  # DC4 is its last byte
        assert world.panel.silent()
    assert world.events(zone) == []
    assert world.panel.send(line) == ACK
    assert world.panel.silent(0.2)
    incident = opened(world, zone)
    assert world.incidents(zone) == {incident}
    assert len(world.events(zone)) == 1


def test_two_lines_in_one_write_get_two_acks_and_open_two_incidents(world):
    one, two = world.zone(), world.zone()
    world.panel.write((contact_id(one) + "\x14" + contact_id(two) + "\x14").encode())
    assert world.panel.answer() == ACK
    assert world.panel.answer() == ACK
    assert world.panel.silent(0.2)
    assert opened(world, one) != opened(world, two)


def test_a_line_byte_by_byte_gets_one_ack(world):
    zone = world.zone()
    for byte in contact_id(zone).encode() + b"\x14":
        world.panel.write(bytes([byte]))
        time.sleep(0.002)
    assert world.panel.answer() == ACK
    assert world.panel.silent(0.2)
    assert len(world.events(zone)) == 1


def test_a_mebibyte_of_noise_costs_nothing_but_a_count(world):
    before = len(rig.signals(world.data))
    size = (world.data / "journal.db").stat().st_size
    noise = random.Random(7).randbytes(1024 * 1024).translate(None, b"\x14")
    # Terminators too: whatever stands before them is no line of 15 to 64 printable characters.
    pieces = [noise[at : at + 997] + b"\x00\x14" for at in range(0, len(noise), 997)]
    answers = []
    for piece in pieces:
        world.panel.write(piece)
    zone = world.zone()
    world.panel.write(b"\xff" + contact_id(zone).encode() + b"\x14")
    while (byte := world.panel.answer(5)) != ACK:
        answers.append(byte)
        assert byte == NAK
    assert answers == []
    after = rig.signals(world.data)
    assert [one["zone"] for one in after[before:]] == [zone]
    assert (world.data / "journal.db").stat().st_size - size < 100_000
    assert world.gateway.running


def test_noise_directly_before_a_valid_tail_is_skipped(world):
    zone = world.zone()
    world.panel.write(b"50" + contact_id(zone).encode() + b"\x14")
    assert world.panel.answer() == ACK
    assert len(world.events(zone)) == 1


def test_a_heartbeat_is_acknowledged_and_is_no_event(world):
    before = len(rig.signals(world.data))
    assert world.panel.send("1011           @    ") == ACK
    assert len(rig.signals(world.data)) == before


def test_an_unknown_account_is_stored_acknowledged_and_a_trouble_that_pages_nobody(world):
    mark = world.console.mark
    assert world.panel.send(contact_id("001", account="9999")) == ACK
    event = world.console.expect_event(lambda one: one["account"] == "9999", since=mark)
    assert event["endpoint"] is None
    assert event["site"] is None
    assert event["category"] == "trouble"
    assert event["signal"] == "fault"
    assert event["stored"] is True
    assert world.console.pages(since=mark, endpoint=None) == []


def test_the_third_identical_arrival_of_an_undecodable_line_is_a_stored_trouble(world):
    mark = world.console.mark
    line = "HELLO, THIS IS NOT A LINE"
    assert world.panel.send(line) == NAK
    assert world.panel.send(line) == NAK
    before = len(rig.signals(world.data))
    assert world.panel.send(line) == ACK
    assert len(rig.signals(world.data)) == before + 1
    event = world.console.expect_event(lambda one: line in one["text"], since=mark)
    assert event["category"] == "trouble"
    assert event["account"] is None
    assert world.console.pages(since=mark, endpoint=None) == []


@pytest.mark.parametrize("code", ["E602", "E301", "E384", "R120"])
def test_tests_troubles_and_restores_page_nobody(world, code):
    zone = world.zone()
    mark = world.console.mark
    assert world.panel.send(contact_id(zone, code)) == ACK
    event = world.console.expect_event(lambda one: one["zone"] == zone, since=mark)
    assert event["signal"] != "alarm"
    assert world.panel.send(contact_id(zone, code)) == ACK  # twice changes nothing about it
    time.sleep(0.1)
    assert world.incidents(zone) == set()
    assert f"button-{zone}" not in {
        one.body["endpoint"]
        for one in world.console.find(lambda one: one.topic[0] == "incident", mark)
    }


def test_a_previous_report_counts_as_a_new_one(world):
    zone = world.zone()
    assert world.panel.send(contact_id(zone, "P120")) == ACK
    opened(world, zone)
    event = world.console.expect_event(lambda one: one["zone"] == zone)
    assert event["signal"] == "alarm"


def test_the_category_of_the_endpoint_wins_over_the_event_code(world):
    zone = world.zone()
    assert world.panel.send(contact_id(zone, "E110")) == ACK  # a fire code on a panic button
    opened(world, zone)
    assert world.console.expect_event(lambda one: one["zone"] == zone)["category"] == "panic"


def test_a_sia_line_of_the_same_account_is_understood(world):
    """SIA accounts are six characters, padded; zone 4 digits."""
    zone = world.zone()
    assert world.panel.send(f"3011      1234PA0{zone}") == ACK
    opened(world, zone)


def test_pages_are_sent_again_after_1_2_and_5_s_until_the_receipt(world):
    zone = world.zone()
    assert world.panel.send(contact_id(zone)) == ACK
    incident = opened(world, zone)
    first = world.console.pages(incident)
    receipt = {page["group"]: page["id"] for page in first}
    world.console.applied(incident, "ack", "hospital-security")
    state = world.console.applied(
        incident, "receipt", "police-xiaoying", page=receipt["police-xiaoying"]
    )
    assert state["groups"]["police-xiaoying"]["state"] == "received"
    assert state["groups"]["police-xiaoying"]["received"]
    mark = world.console.mark
    again = world.console.expect_pages(incident, 8.0, group="street-xiaoying", count=3, since=0)
    gaps = [later.at - one.at for one, later in itertools.pairwise(again)]
    assert gaps == pytest.approx([1, 2], abs=0.3)
    assert {page.body["id"] for page in again} == {receipt["street-xiaoying"]}
    assert rig.wall(again[1].body["sent"]) > rig.wall(again[0].body["sent"])
    quiet = ("hospital-security", "police-xiaoying")
    assert [
        page for page in world.console.pages(incident, since=mark) if page["group"] in quiet
    ] == []


def test_retained_actions_change_nothing(world):
    zone = world.zone()
    assert world.panel.send(contact_id(zone)) == ACK
    incident = opened(world, zone)
    before = world.console.expect_state(incident)
    body = {"v": 1, "id": rig.new_id(), "incident": incident, "group": "police-xiaoying",
            "by": "x", "action": "ack", "time": rig.now()}  # fmt: skip
    topic = f"incident/{incident}/action/retaining"
    world.console.publish(topic, body, retain=True)
    world.console.publish(topic, b"", retain=True)
    state = world.console.applied(incident, "note", note="after it")
    assert state["seq"] == before["seq"] + 1
    assert body["id"] not in state["applied"]
    world.console.publish(topic, body)  # the same, live
    world.console.expect_state(incident, lambda one: body["id"] in one["applied"])


def test_hostile_actions_change_nothing(world):
    zone = world.zone()
    assert world.panel.send(contact_id(zone)) == ACK
    incident = opened(world, zone)
    before = world.console.expect_state(incident)
    good = {"v": 1, "id": rig.new_id(), "incident": incident, "group": "police-xiaoying",
            "by": "x", "action": "ack", "time": rig.now()}  # fmt: skip
    other = rig.new_id()
    hostile = [
        (f"incident/{other}/action/console", good),  # another incident's topic
        (f"incident/{incident}/action/console", {**good, "incident": other}),
        (f"incident/{incident}/action/console", {**good, "action": "explode"}),
        (f"incident/{incident}/action/console", {**good, "v": 2}),
        (f"incident/{incident}/action/console", {**good, "id": "1"}),
        (f"incident/{incident}/action/console", {**good, "group": ["police-xiaoying"]}),
        (f"incident/{incident}/action/console", {**good, "time": "yesterday"}),
        (f"incident/{incident}/action/console", b"\xff\xfe"),
        (f"incident/{incident}/action/console", b""),
        (f"incident/{incident}/action/console", b"[" * 100_000),
        (f"incident/{incident}/action/console", b'{"v":1,"v":1}'),
        (f"incident/{incident}/action/console", b'{"v":NaN}'),
    ]
    for topic, body in hostile:
        world.console.publish(topic, body)
    state = world.console.applied(incident, "note", note="still there")
    assert state["seq"] == before["seq"] + 1
    assert state["groups"] == before["groups"]


def test_fifteen_presses_at_once_are_all_acknowledged_in_order(world):
    zones = [world.zone() for _ in range(15)]
    world.panel.write(b"".join(contact_id(zone).encode() + b"\x14" for zone in zones))
    for _ in zones:
        assert world.panel.answer() == ACK
    stored = [one["zone"] for one in rig.signals(world.data) if one["zone"] in zones]
    assert stored == zones
    for zone in zones:
        opened(world, zone)


def test_the_journal_refuses_to_be_changed(world):
    with contextlib.closing(sqlite3.connect(world.data / "journal.db")) as rows:
        for statement in ("DELETE FROM events", "UPDATE events SET kind = 'x'"):
            with pytest.raises(sqlite3.DatabaseError):
                rows.execute(statement)
    assert (world.data / "journal.db").stat().st_mode & 0o077 == 0
