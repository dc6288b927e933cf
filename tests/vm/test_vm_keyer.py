"""Lines that their chip holds: what becomes of them when keyer and daemon are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.vm.chips import UhidChip, wait_for
from tests.vm.test_vm_gpio import Board

pytestmark = pytest.mark.vm

CONFIG = """\
gateway: zju1
data_dir: ./data
sites: {{zju1: {{name: 浙大一院, class: hospital}}}}
talkgroups: {{police: {{}}}}
endpoints:
  radio:
    kind: radio
    site: zju1
    audio: {{driver: udp, listen: "127.0.0.1:5001"}}
    ptt: {ptt}
    talkgroup: police
"""


class GpioRadio:
    driver = "gpio"
    holds = False
    """gpio-sim falls back to its pull when nobody has the line; most real chips keep its level."""

    def __init__(self):
        self.board = Board()
        self.options = {"chip": self.board.chip, "offset": 5}

    def keyed(self):
        return self.board.level(5) == 1

    def remove(self):
        self.board.remove()


class Cm108Radio:
    driver = "cm108"
    holds = True

    def __init__(self):
        self.chip = UhidChip()
        self.options = {"device": self.chip.path}

    def keyed(self):
        return self.chip.drives(3) is True

    def remove(self):
        self.chip.remove()


@pytest.fixture(params=[GpioRadio, Cm108Radio], ids=lambda radio: radio.driver)
def radio(request):
    radio = request.param()
    try:
        yield radio
    finally:
        radio.remove()


@pytest.fixture
def daemon(radio, tmp_path):
    """A gateway that keeps it keyed, in the folder that the configuration names."""
    data = tmp_path / "data"
    data.mkdir()
    command = (sys.executable, "-m", "tests.vm.keyed", data, radio.driver)
    process = subprocess.Popen([*command, json.dumps(radio.options)])
    try:
        wait_for(radio.keyed, 150)
        yield process
    finally:
        process.kill()
        process.wait()


def keyer_of(tmp_path):
    """Its number: the first line, for a number shorter than the one before is cut after it is written."""
    return int((tmp_path / "data/keyer.lock").read_text().split()[0])


def unkey(radio, tmp_path):
    config = tmp_path / "baiying.yaml"
    ptt = json.dumps({"driver": radio.driver, **radio.options})
    config.write_text(CONFIG.format(ptt=ptt), "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "gateway", "unkey", config], check=False, timeout=120
    ).returncode


def test_killed_daemon_leaves_nothing_keyed(radio, daemon, tmp_path):
    delays = []
    began = time.monotonic()
    daemon.kill()
    wait_for(lambda: not radio.keyed())
    delays.append(time.monotonic() - began)
    print(f"{radio.driver}: released {delays[0] * 1000:.0f} ms after the daemon's death")
    assert delays[0] < 0.5  # an emulated processor is some twenty times slower


def test_killed_keyer_is_followed_by_one_that_keys_for_the_same_burst(radio, daemon, tmp_path):
    daemon.send_signal(signal.SIGSTOP)  # so that no keepalive keys it again at once
    wait_for(lambda: not radio.keyed())
    daemon.send_signal(signal.SIGCONT)
    wait_for(radio.keyed)
    old = keyer_of(tmp_path)
    os.kill(old, signal.SIGSTOP)
    os.kill(old, signal.SIGKILL)
    began = time.monotonic()
    time.sleep(0.05)
    if radio.holds:
        assert radio.keyed(), "its chip holds it"
    wait_for(lambda: keyer_of(tmp_path) != old, 60)
    print(f"{radio.driver}: a new keyer after {time.monotonic() - began:.2f} s")
    wait_for(radio.keyed)
    daemon.kill()
    wait_for(lambda: not radio.keyed())


def test_killed_both_only_its_chip_or_unkey_releases_it(radio, daemon, tmp_path):
    keyer = keyer_of(tmp_path)
    os.kill(keyer, signal.SIGSTOP)
    daemon.kill()
    os.kill(keyer, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{keyer}").exists())
    time.sleep(2)
    assert radio.keyed() is radio.holds, "nobody else is there to release it"
    began = time.monotonic()
    assert unkey(radio, tmp_path) == 0
    assert not radio.keyed()
    print(f"{radio.driver}: released by unkey after {time.monotonic() - began:.1f} s")
