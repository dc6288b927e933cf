"""``baiying listen`` and ``baiying incident show`` against a gateway of canned answers."""

from __future__ import annotations

import json
import socket
import threading
import wave

import pytest

from gateway.cli import incidents, live
from gateway.control.client import GatewayRefused
from gateway.control.protocol import AUDIO, JSON, Frame


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "baiying.yaml"
    file.write_text(f"gateway: zju1\ndata_dir: {tmp_path}\n", "utf-8")
    return file


@pytest.fixture
def gateway(config):
    """Answers one request with the frames that the test names."""
    threads = []

    def answers(*frames: Frame) -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.settimeout(10)
        listening.bind(str(live.socket_of(config)))
        listening.listen()

        def serve() -> None:
            with listening, listening.accept()[0] as caller:
                caller.recv(65_536)
                caller.sendall(b"".join(frame.to_bytes() for frame in frames))

        threads.append(threading.Thread(target=serve))
        threads[-1].start()

    yield answers
    for thread in threads:
        thread.join(10)


def said(**event) -> Frame:
    return Frame(JSON, json.dumps(event).encode())


LISTENING = said(event="listening", talkgroup="guards")


def test_listener_whose_file_cannot_be_written_is_told_why(config, gateway, tmp_path):
    gateway(LISTENING, said(done={}))
    out = tmp_path / "no-folder" / "heard.wav"
    with pytest.raises(live.CallError, match=r"heard\.wav: cannot be written: No such file"):
        live.listen(config, "guards", out, seconds=1, as_json=False)


def test_refused_listener_keeps_an_earlier_recording(config, gateway, tmp_path, capsys):
    gateway(said(error="this gateway knows no talkgroup gaurds"))
    out = tmp_path / "heard.wav"
    out.write_bytes(b"of yesterday")
    with pytest.raises(GatewayRefused, match="gaurds"):
        live.listen(config, "gaurds", out, seconds=1, as_json=False)
    assert out.read_bytes() == b"of yesterday"
    assert "recorded" not in capsys.readouterr().out


def test_listener_records_what_is_heard(config, gateway, tmp_path, capsys):
    gateway(LISTENING, Frame(AUDIO, b"\1\0" * 320), said(done={}))
    out = tmp_path / "heard.wav"
    live.listen(config, "guards", out, seconds=1, as_json=False)
    with wave.open(str(out), "rb") as recording:
        assert recording.readframes(400) == b"\1\0" * 320
    assert f"recorded: {out}" in capsys.readouterr().out


def test_shown_incident_has_no_words_of_python(config, gateway, capsys):
    gateway(said(done={"closed": None, "latched": True, "breaches": [], "groups": {}}))
    incidents.show(config, "01a2", as_json=False)
    assert capsys.readouterr().out.split() == ["closed", "-", "latched", "yes", "breaches", "[]"]


def test_talker_is_told_where_it_stands_and_when_its_time_runs_out(
    config, gateway, tmp_path, capsys
):
    gateway(
        said(event="queued", talkgroup="guards", position=2),
        said(event="granted", talkgroup="guards"),
        said(event="warning", talkgroup="guards", left_s=5.0),
        said(done={"outcome": "spoken", "text": "", "spoken_s": 0.02, "talker": "zju1/cli-1"}),
    )
    word = tmp_path / "word.wav"
    with wave.open(str(word), "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(b"\1\0" * 320)
    live.talk(config, "guards", word, priority=100, emergency=False, as_json=False)
    lines = [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == [
        "queued guards, place 2 in the queue",
        "granted guards",
        "warning guards, 5 s left to talk",
    ]
