"""`baiying unkey`: the last hand on the transmitters."""

import os
import threading

import pytest

from gateway.cli import unkey as command
from gateway.keyer.lock import NAME, open_lock, try_lock
from tests.drivers.emulated_8250 import PATH, Emulated8250

CONFIG = """\
gateway: zju1
data_dir: ./data
sites:
  zju1: {{name: 浙大一院, class: hospital}}
talkgroups:
  police: {{}}
endpoints:
  radio:
    kind: radio
    site: zju1
    audio: {{driver: udp, listen: "127.0.0.1:5001"}}
    ptt: {{driver: serial-line, port: {port}}}
    talkgroup: police
  pager:
    kind: radio
    site: zju1
    audio: {{driver: udp, send: "127.0.0.1:5002"}}
    ptt: {{driver: pty, path: ./pager}}
    talkgroup: police
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "baiying.yaml"
    path.write_text(CONFIG.format(port=PATH))
    return path


@pytest.fixture
def port(monkeypatch):
    port = Emulated8250()
    port.install(monkeypatch)
    return port


def test_a_line_that_was_left_keyed_is_released(config, port, capsys):
    port.raise_line("rts")
    port.speed = 0
    assert command.unkey(config) == 0
    assert not port.is_up("rts")
    assert not port.openers
    assert "radio: released" in capsys.readouterr().out


def test_a_device_that_is_gone_is_reported_and_the_others_are_released(config, port, capsys):
    port.unplugged = True
    assert command.unkey(config) == 1
    said = capsys.readouterr()
    assert f"radio: {PATH}: No such file" in said.err
    assert "pager: released" in said.out


def test_a_running_keyer_is_left_alone(config, port, capsys, monkeypatch):
    monkeypatch.setattr(command, "WAIT", 0.1)
    lock = open_lock(config.parent / "data" / NAME)
    assert try_lock(lock)
    port.raise_line("rts")
    assert command.unkey(config) == 1
    assert port.is_up("rts")
    assert "a keyer is running" in capsys.readouterr().err
    os.close(lock)


def test_a_keyer_that_is_leaving_is_waited_for(config, port):
    lock = open_lock(config.parent / "data" / NAME)
    assert try_lock(lock)
    threading.Timer(0.2, os.close, (lock,)).start()
    assert command.unkey(config) == 0


def test_a_wrong_configuration_is_status_2_with_its_problems(config, capsys):
    config.write_text(config.read_text().replace("serial-line", "serial-lime"))
    assert command.unkey(config) == 2
    assert "serial-line" in capsys.readouterr().err
