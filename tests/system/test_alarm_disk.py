"""A gateway whose disk is full, read-only, failing or silent: its alarms go out all the same.

Real file systems where one can be mounted (as root), and a disk with faults of its own where not.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk import FaultyDisk
from tests.system import rig

pytestmark = pytest.mark.system

SIZE = 24 * 1024 * 1024


class Site:
    """One gateway, its panel and a console; ``data`` is the folder on the disk in question."""

    def __init__(self, folder: Path, data: Path, broker: rig.Mosquitto, panel: rig.Panel):
        self.data = data
        self.panel = panel
        self.console = rig.Console(broker.port)
        self.config = folder / "zju1.yaml"
        self.config.write_text(
            f"gateway: zju1\ndata_dir: {data}\nserves: [{', '.join(rig.THREE)}]\n"
            f"mqtt: {{broker: mqtt://127.0.0.1:{broker.port}}}\n{rig.DISTRICT}"
            f"inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
            f"endpoints:\n{rig.button('003')}{rig.button('004')}{rig.button('005')}",
            "utf-8",
        )

    def press(self, zone: str, *, stored: bool, since: int) -> None:
        """A press whose event says whether it was stored, and which is acknowledged only then."""
        self.panel.write(rig.contact_id(zone).encode() + b"\x14")
        event = self.console.expect_event(
            lambda one: one["endpoint"] == f"button-{zone}", within=4, since=since
        )
        assert event["stored"] is stored
        self.console.expect_pages(endpoint=f"button-{zone}", since=since, count=3)
        assert self.panel.answer(2.0 if stored else 0.2) == (rig.ACK if stored else b"")

    def expect_storage(self, state: str, within: float = 10.0) -> None:
        self.console.expect(
            lambda one: (
                one.topic == ("gateway", "zju1", "status")
                and one.body.get("state") == "online"
                and one.body["storage"] == state
            ),
            within,
            what=f"storage {state}",
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    data = tmp_path / "disk"
    data.mkdir()
    with rig.Mosquitto(tmp_path) as broker, rig.Panel() as panel:
        site = Site(tmp_path, data, broker, panel)
        with site.console:
            yield site


@pytest.fixture
def disk(site: Site) -> Iterator[Path]:
    """The site's data folder as a small file system."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(site.data)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield site.data
    finally:
        subprocess.run(["umount", "--lazy", str(site.data)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


def test_a_start_on_a_full_disk_raises_alarms_and_stores_again_when_there_is_room(
    site: Site, disk: Path
):
    ballast = fill(disk)
    with rig.Gateway(site.config) as gateway:
        site.expect_storage("fault")
        site.press("003", stored=False, since=0)
        ballast.unlink()
        site.expect_storage("ok")
        site.press("004", stored=True, since=site.console.mark)
        assert site.console.states(site.console.pages(endpoint="button-003")[0]["incident"])
        assert [event["endpoint"] for event in rig.signals(disk)] == ["button-004"]
        done = gateway.command("incident", "list")
        assert done.status == 0, "the control socket must come too"
        assert "button-003" in done.out


def test_open_incidents_go_on_after_a_start_on_a_disk_that_has_become_read_only(
    site: Site, disk: Path
):
    """What a kernel does to a disk with errors; the incident was acknowledged before."""
    with rig.Gateway(site.config) as gateway:
        site.press("003", stored=True, since=0)
        incident = site.console.pages(endpoint="button-003")[0]["incident"]
        site.console.applied(incident, "ack", "police-xiaoying")
        gateway.kill()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        mark = site.console.mark
        gateway.start()
        site.expect_storage("fault")
        site.press("004", stored=False, since=mark)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        site.expect_storage("ok")
        site.press("005", stored=True, since=mark)
        state = site.console.expect_state(incident, lambda one: one["owner_term"] > 1, within=10)
        assert state["groups"]["police-xiaoying"]["state"] == "acked"
        assert not site.console.pages(incident, group="police-xiaoying", since=mark)


def test_a_closed_journal_is_read_where_nothing_can_be_written(site: Site, disk: Path):
    with rig.Gateway(site.config) as gateway:
        site.press("003", stored=True, since=0)
        assert gateway.stop()[0] == 0
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        verified = gateway.command("journal", "verify")
        assert (verified.status, "as they were stored" in verified.out) == (0, True), verified.err


def test_a_disk_that_fills_up_costs_pictures_and_the_reserve_before_a_press(site: Site, disk: Path):
    with rig.Gateway(site.config):
        pictures = disk / "pictures"
        pictures.mkdir(exist_ok=True)
        for number in range(4):
            (pictures / f"incident-{number}_camera_open.jpg").write_bytes(bytes(8192))
        reserve = disk / "journal.db.reserve"
        # A disk of this size is never plenty.
        assert not reserve.exists()
        reserve.write_bytes(bytes(512 * 1024))
        fill(disk)
        site.press("003", stored=True, since=0)
        assert not list(pictures.iterdir())
        site.press("004", stored=True, since=0)
        site.press("005", stored=True, since=0)
        assert not reserve.exists()


@pytest.mark.parametrize("fault", ["fail_syncs", "silence", "fill_up"])
def test_a_start_on_a_disk_with_a_fault_raises_alarms_and_recovers(
    tmp_path: Path, site: Site, fault: str
):
    bad = FaultyDisk(tmp_path, site.data)
    if fault == "silence":
        bad.slow_down(12_000)
    else:
        getattr(bad, fault)()
    with rig.Gateway(site.config, bad.environment) as gateway:
        site.expect_storage("fault")
        site.press("003", stored=False, since=0)
        bad.mend()
        if fault != "silence":
            site.expect_storage("ok")
            site.press("004", stored=True, since=site.console.mark)
        else:
            gateway.kill()  # its thread sits in the kernel


@pytest.mark.parametrize("disk_is", ["full", "read-only"])
def test_a_start_with_the_embedded_broker_needs_no_disk(site: Site, disk: Path, disk_is: str):
    """But for the first start of all, which makes its folder."""
    port = rig.free_port()
    text = site.config.read_text("utf-8")
    external = text[text.index("mqtt:") : text.index("sites:")]
    embedded = f'mqtt: {{broker: embedded, listen: "127.0.0.1:{port}"}}\n'
    site.config.write_text(text.replace(external, embedded), "utf-8")
    with rig.Gateway(site.config) as gateway:
        assert site.panel.send(rig.contact_id("003")) == rig.ACK
        gateway.kill()
        if disk_is == "full":
            fill(disk)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        gateway.start()
        assert "broker reached" in gateway.said()
        assert "taken up from the journal" in gateway.said()
        site.panel.write(rig.contact_id("004").encode() + b"\x14")
        gateway.expect_said("PAGE for police-xiaoying")
        assert site.panel.answer(0.2) == b""
