"""The command's checks and exit statuses, and how a gateway starts and ends."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.system import rig
from tests.system.rig import DISTRICT

pytestmark = pytest.mark.system

TEN_MISTAKES = """\
gateway: Zju1
data_dir: ./data
bogus_key: 1
mqtt: {broker: embedded, listen: "127.0.0.1:70000"}
sites:
  zju1: {name: 浙大一院, class: hospital, positon: [30.2, 120.1]}
inputs:
  receiver-1: {driver: pannel, port: /dev/ttyUSB0}
  receiver-2: {driver: panel, port: /dev/ttyUSB1, baud_rate: "9600"}
endpoints:
  button-1: {kind: buton, site: zju1, input: receiver-1, account: "1234", zone: "001", category: panic}
  button-2: {kind: button, site: zju2, input: receiver-2, account: "1234", zone: "002", category: panic}
  button-3: {kind: button, site: zju1, input: receiver-2, account: 1234, zone: "003", category: panic}
talkgroups:
  police-xiaoying: {}
groups:
  police-xiaoying: {name: 小营派出所, party: police, talkgroup: police-xiaoying}
plans:
  hospital-panic:
    when: {class: hospital, category: panic}
    levels:
      - {name: 吹哨响应, page: [police-xiaoyin], ack_within_s: 30}
      - {name: 二, page: [police-xiaoying], ack_within_s: 30}
"""
WRONG = {
    "gateway": "Zju1",
    "bogus_key": "bogus_key",
    "mqtt.listen": '"127.0.0.1:70000"',
    "sites.zju1.positon": "positon",
    "inputs.receiver-1.driver": "pannel",
    "inputs.receiver-2.baud_rate": '"9600"',
    "endpoints.button-1.kind": "buton",
    "endpoints.button-2.site": "zju2",
    "endpoints.button-3.account": "1234, zone",
    "plans.hospital-panic.levels[0].page[0]": "police-xiaoyin]",
}
"""Key, and what stands at its place in the text, as an editor finds it."""


def found(wrong):
    """``line:column`` of a text in `TEN_MISTAKES`."""
    number, line = next(
        (number, line) for number, line in enumerate(TEN_MISTAKES.splitlines(), 1) if wrong in line
    )
    return f"{number}:{line.index(wrong) + 1}"


PLACES = {f"{found(wrong)}: {key}" for key, wrong in WRONG.items()}


def place(line):
    """``line:column: key`` of a problem."""
    _, number, column, key, *_ = line.split(":")
    return f"{number}:{column}:{key}"


def test_ten_planted_mistakes_are_all_reported_at_their_places_with_status_2(tmp_path):
    config = tmp_path / "bad.yaml"
    config.write_text(TEN_MISTAKES, "utf-8")
    for words in (("check",), ("run",)):
        done = rig.baiying(*words, config)
        assert done.status == 2
        lines = [line for line in done.err.splitlines() if not line.startswith("warning:")]
        assert all(line.startswith(f"{config}:") for line in lines), done.err
        assert {place(line.removeprefix(str(tmp_path) + "/")) for line in lines} == PLACES
        assert len(lines) == 10
        assert done.out == ""
    said = done.err
    for hint in ("did you mean panel", "did you mean button", "did you mean position",
                 "did you mean zju1", "did you mean police-xiaoying"):  # fmt: skip
        assert hint in said, hint
    assert not (tmp_path / "data").exists()


def test_a_good_configuration_is_status_0_and_says_warnings_as_such(tmp_path):
    config = write(tmp_path, "zju1")
    done = rig.baiying("check", config)
    assert done.status == 0, done.err
    lines = done.err.splitlines()
    assert lines  # level 3 adds nobody; nobody serves three of the groups
    assert all(line.startswith("warning:") for line in lines)


def test_what_is_no_configuration_at_all_is_status_2_with_a_place(tmp_path):
    (tmp_path / "tab.yaml").write_text("gateway: x\n\tdata_dir: y\n")
    (tmp_path / "list.yaml").write_text("- a\n- b\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bomb.yaml").write_text(
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n"
            for n in range(9)
        )
    )
    for name in ("tab", "list", "empty", "binary", "bomb", "missing"):
        done = rig.baiying("check", tmp_path / f"{name}.yaml", within=10)
        assert done.status == 2, name
        assert done.err.startswith(str(tmp_path / name)), done.err
        assert "Traceback" not in done.err


def test_ready_comes_without_a_broker_within_about_two_seconds_and_once(tmp_path):
    config = write(tmp_path, "zju1", f"{{broker: mqtt://127.0.0.1:{rig.free_port()}}}")
    notify = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(notify))
        systemd.settimeout(10)
        gateway = rig.Gateway(config)
        before = dict(os.environ)
        os.environ["NOTIFY_SOCKET"] = str(notify)
        try:
            began = time.monotonic()
            gateway.start(ready=False)
        finally:
            os.environ.clear()
            os.environ.update(before)
        try:
            while (told := systemd.recv(1000).decode()) == "WATCHDOG=1":
                pass
            took = time.monotonic() - began
            assert "READY=1" in told
            assert 1.9 < took < 6, took  # 2 s after the start of Python
            gateway.ready()
            time.sleep(0.2)
            assert gateway.said().count(" ready") == 1
            status, took = gateway.stop()
            assert status == 0
            assert took < 5
            while "STOPPING=1" not in systemd.recv(1000).decode():
                pass
        finally:
            gateway.__exit__()


def test_a_taken_port_names_who_holds_it(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = rig.baiying(
            "run", write(tmp_path, "zju1", f'{{broker: embedded, listen: "127.0.0.1:{port}"}}')
        )
    assert done.status == 1
    assert str(port) in done.err
    assert str(os.getpid()) in done.err
    assert "Traceback" not in done.err


def test_a_second_gateway_on_the_same_folder_is_refused(tmp_path):
    config = write(tmp_path, "zju1", f"{{broker: mqtt://127.0.0.1:{rig.free_port()}}}")
    with rig.Gateway(config) as gateway:
        done = rig.baiying("run", config)
        assert done.status == 1
        assert str(gateway.process.pid) in done.err
        assert "Traceback" not in done.err
        assert gateway.running
        assert gateway.command("incident", "list").status == 0
        control = tmp_path / "zju1" / "control.sock"
        assert stat.S_IMODE(control.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_used_is_status_1(tmp_path):
    (tmp_path / "zju1").write_text("a file, no folder")
    done = rig.baiying("run", write(tmp_path, "zju1"))
    assert done.status == 1
    assert "Traceback" not in done.err
    (tmp_path / "zju1").unlink()
    (tmp_path / "zju1").mkdir()
    (tmp_path / "zju1" / "journal.db").write_bytes(b"no database at all" * 1000)
    done = rig.baiying("run", tmp_path / "zju1.yaml")
    assert done.status == 1
    assert "journal" in done.err
    assert "Traceback" not in done.err


def test_an_external_broker_that_refuses_the_password_stops_nothing_and_is_said(tmp_path):
    subprocess.run(
        ["mosquitto_passwd", "-c", "-b", tmp_path / "passwords", "zju1", "right"], check=True
    )
    (tmp_path / "password").write_text("wrong\n")
    port = rig.free_port()
    lines = (f"listener {port} 127.0.0.1", "allow_anonymous false", "user root",
             f"password_file {tmp_path}/passwords")  # fmt: skip
    with rig.Mosquitto(tmp_path, port=port, config=lines):
        config = write(
            tmp_path, "zju1", f"{{broker: mqtt://127.0.0.1:{port}, password_file: password}}"
        )
        with rig.Gateway(config) as gateway:
            assert "broker not reached" in gateway.said()
            assert "not authori" in gateway.said().lower() or "password" in gateway.said()
            pressed = gateway.command("press", "button-v", "--json")
            assert pressed.status == 0
            assert pressed.json["stored"] is True


def test_calls_to_a_gateway_that_does_not_run_are_status_1(tmp_path):
    config = write(tmp_path, "zju1")
    for words in (("press", "button-v"), ("incident", "list"), ("incident", "ack", "x"),
                  ("listen", "police-xiaoying")):  # fmt: skip
        done = rig.baiying(*words, "--config", config)
        assert done.status == 1, words
        assert "no gateway is running" in done.err
    missing = rig.baiying("press", "button-v", cwd=tmp_path)  # no baiying.yaml here
    assert missing.status == 2
    assert missing.err.startswith("baiying.yaml:")


def test_a_gateway_stops_in_the_middle_of_its_start(tmp_path):
    """SIGTERM 0 to 1.5 s after exec; whatever it had started goes with it."""
    port = rig.free_port()
    config = write(tmp_path, "zju1", f'{{broker: embedded, listen: "127.0.0.1:{port}"}}')
    for after in (0.5, 0.9, 1.3):
        gateway = rig.Gateway(config)
        gateway.start(ready=False)
        try:
            time.sleep(after)
            status, took = gateway.stop()
            assert took < 5
            assert status in (0, -signal.SIGTERM), gateway.said()
            assert "Traceback" not in gateway.said()
        finally:
            gateway.__exit__()
    with rig.Gateway(config):
        pass


def test_the_installed_command_is_the_module(tmp_path):
    script = Path(sys.executable).parent / "baiying"
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == rig.baiying("--version").out


def test_explain_says_what_a_press_then_does(tmp_path):
    config = write(tmp_path, "zju1")
    said = rig.baiying("explain", config, "--endpoint", "button-v", "--json")
    assert said.status == 0
    levels = said.json["levels"]
    assert [group["group"] for group in levels[0]["groups"]] == list(rig.THREE)
    unknown = rig.baiying("explain", config, "--endpoint", "button-w")
    assert unknown.status == 2
    assert "did you mean button-v" in unknown.err


def write(folder, name, mqtt="{broker: embedded}"):
    (folder / "district.yaml").write_text(DISTRICT, "utf-8")
    config = folder / f"{name}.yaml"
    config.write_text(
        f"gateway: {name}\ndata_dir: {name}\ninclude: [district.yaml]\nserves: []\nmqtt: {mqtt}\n"
        "inputs: {hand: {driver: virtual}}\n"
        "endpoints: {button-v: {kind: button, site: zju1, input: hand, category: panic}}\n",
        "utf-8",
    )
    return config
