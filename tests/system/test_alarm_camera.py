"""The picture of a press, from a camera that is not ours; and cameras that are slow, dead or lie."""

import contextlib
import http.server
import itertools
import os
import select
import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.system import rig
from tests.system.rig import ACK, DISTRICT, contact_id

pytestmark = pytest.mark.system

RTSP_SERVER = Path(__file__).parents[1] / "drivers" / "gst_rtsp_server.py"


@contextlib.contextmanager
def rtsp_server():
    """GStreamer's, in its own process: its pid and port."""
    with subprocess.Popen(
        ["/usr/bin/python3", RTSP_SERVER, "25"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            ready, _, _ = select.select([process.stdout], [], [], 10)
            assert ready, "no RTSP server"
            yield process, int(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


class Liar(http.server.BaseHTTPRequestHandler):
    """Says that it sends a JPEG."""

    def do_GET(self):
        body = b"<html>login</html>"
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("camera")
    with (
        rig.Mosquitto(folder) as broker,
        rig.Panel() as panel,
        rtsp_server() as (server, rtsp),
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Liar) as liar,
    ):
        threading.Thread(target=liar.serve_forever, daemon=True).start()
        (folder / "district.yaml").write_text(DISTRICT, "utf-8")
        config = folder / "zju1.yaml"

        def gate(name, camera, zones):
            buttons = "".join(
                rig.button(f"{zone:03}").replace(
                    "site: zju1,", f"site: zju1, place: {name}-{zone},"
                )
                for zone in zones
            )
            return buttons + "".join(
                f"  {name}-camera-{zone}: {{kind: intercom, site: zju1, place: {name}-{zone}, camera: {camera}}}\n"
                for zone in zones
            )

        config.write_text(
            "gateway: zju1\ndata_dir: data\ninclude: [district.yaml]\nserves: []\n"
            f"mqtt: {{broker: mqtt://127.0.0.1:{broker.port}}}\n"
            f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
            "endpoints:\n"
            + gate(
                "good", f'{{driver: rtsp, url: "rtsp://127.0.0.1:{rtsp}/stream"}}', range(51, 55)
            )
            + gate(
                "lying",
                f'{{driver: http, url: "http://127.0.0.1:{liar.server_address[1]}/"}}',
                range(2, 3),
            )
            + gate("dead", '{driver: rtsp, url: "rtsp://127.0.0.1:9/stream"}', range(3, 4))
            + "".join(rig.button(f"{zone:03}") for zone in range(4, 50)),
            "utf-8",
        )
        with rig.Gateway(config) as gateway, rig.Console(broker.port) as console:
            yield World(gateway, console, panel, server)
        liar.shutdown()


class World:
    def __init__(self, gateway, console, panel, server):
        self.gateway, self.console, self.panel, self.server = gateway, console, panel, server
        self.plain = (f"{zone:03}" for zone in itertools.count(4))

    def press(self, zone):
        """Seconds from the line to its third page, and the incident."""
        mark = self.console.mark
        began = time.monotonic()
        assert self.panel.send(contact_id(zone)) == ACK
        pages = self.console.expect_pages(endpoint=f"button-{zone}", count=3, since=mark)
        return pages[2].at - began, pages[0].body["incident"]

    def picture(self, incident, within=2.5, since=0):
        return self.console.expect(
            lambda one: one.topic == ("incident", incident, "picture", "zju1") and one.payload,
            within,
            since=since,
            what="picture",
        )[0]

    def ready(self, endpoint):
        self.console.expect(
            lambda one: (
                one.topic == ("gateway", "zju1", "endpoint", endpoint)
                and one.body["health"] == "ok"
            ),
            10,
        )


def test_a_picture_of_a_foreign_camera_is_in_the_incident_within_2_s(world):
    world.ready("good-camera-51")
    began = time.monotonic()
    wall = time.time()
    _, incident = world.press("051")
    picture = world.picture(incident)
    assert picture.at - began < 2
    assert picture.payload[:2] == b"\xff\xd8"
    assert picture.payload[-2:] == b"\xff\xd9"
    assert len(picture.payload) <= 512 * 1024
    assert wall - 2 < rig.wall(picture.properties["taken"]) < wall + 2
    page = world.console.pages(incident)[0]
    assert page["endpoints"] == ["button-051", "good-camera-51"]
    # It is retained, for whoever comes later.
    with rig.Console(world.console.port, "late") as late:
        late.expect(
            lambda one: one.topic == ("incident", incident, "picture", "zju1") and one.retain
        )
    # It goes with its state.
    world.console.applied(incident, "cancel")
    assert world.panel.send(contact_id("051", "R120")) == ACK
    world.console.applied(incident, "reset")
    mark = world.console.mark
    world.console.applied(incident, "close", disposition="handled")
    closing = world.picture(incident, since=mark)
    assert 86_000 < closing.expiry <= 86_400


@pytest.mark.parametrize(("zone", "camera"), [("002", "lying"), ("003", "dead")])
def test_a_camera_that_lies_or_is_dead_is_a_degraded_endpoint_and_no_picture(world, zone, camera):
    took, incident = world.press(zone)
    assert took < 0.5
    time.sleep(0.3)
    assert world.console.find(lambda one: one.topic[1:3] == (incident, "picture")) == []
    if camera == "dead":
        world.console.expect(
            lambda one: (
                one.topic[1:] == ("zju1", "endpoint", "dead-camera-3")
                and one.body["health"] == "degraded"
            ),
            10,
        )
    assert world.console.applied(incident, "ack", "police-xiaoying")


@pytest.mark.parametrize(
    ("stopped", "zone"), [("the camera", "052"), ("our own camera process", "053")]
)
def test_pages_are_as_fast_with_a_camera_that_stands_still(world, stopped, zone):
    usual = [world.press(zone)[0] for zone in itertools.islice(world.plain, 6)]
    if stopped == "the camera":
        pids = [world.server.pid]
    else:
        pids = world.gateway.children("picture_child") or world.gateway.children("camera")
        assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with_camera, _ = world.press(zone)
        slowed = [with_camera, *(world.press(zone)[0] for zone in itertools.islice(world.plain, 5))]
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert statistics.median(slowed) < max(2 * statistics.median(usual), 0.05)
    assert with_camera < 0.5


def test_a_killed_camera_process_is_replaced_and_pictures_come_again(world):
    for pid in world.gateway.children("picture_child"):
        os.kill(pid, signal.SIGKILL)
    mark = world.console.mark
    rig.until(lambda: world.gateway.children("picture_child"), 10)
    deadline = time.monotonic() + 15
    _, incident = world.press("054")
    while True:
        assert world.panel.send(contact_id("054")) == ACK  # joins, and asks for a picture
        with contextlib.suppress(AssertionError):
            world.picture(incident, since=mark)
            break
        assert time.monotonic() < deadline
