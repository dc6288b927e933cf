"""`baiying recordings`, as somebody with the files alone uses it."""

import json
import sys
import wave

import numpy as np
import pytest
from typer.testing import CliRunner

from gateway.cli import recordings_files as files
from gateway.cli.live import CallError
from gateway.cli.main import app
from gateway.errors import BaiyingError
from gateway.voice.recording.shelf import Shelf
from tests.voice.recording import rec_world
from tests.voice.recording.test_shelf import ANY, about, keep

INCIDENT = "0190a5c0-0000-7000-8000-000000000001"


@pytest.fixture
def config(tmp_path):
    """Three bursts of 1.2 s, two seconds apart: the second of an incident, the third with loss."""
    shelf = Shelf(tmp_path / "data" / "recordings", ANY)
    shelf.open()
    keep(shelf, about(0))
    keep(shelf, about(2, talkgroup="other", talker="zju2/gate", incident=INCIDENT))
    keep(shelf, about(4, lost=3))
    shelf.close()
    path = tmp_path / "zju1.yaml"
    path.write_text("gateway: zju1\n", "utf-8")
    return path


def run(config, *words):
    done = CliRunner().invoke(app, ["recordings", *map(str, words), "--config", str(config)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def listed(config, *words):
    return [one["id"] for one in json.loads(run(config, "list", "--json", *words).stdout)]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [0, 2, 4]),
        (("--talkgroup", "tg"), [0, 4]),
        (("--talker", "zju2/gate"), [2]),
        (("--talker", "zju1"), [0, 4]),
        (("--incident", INCIDENT), [2]),
        (("--since", "2026-11-24T05:45:10Z"), [2, 4]),
        (("--until", "2026-11-24T05:45:10Z"), [0]),
        (("--last", "1"), [4]),
        (("--last", "2", "--talkgroup", "tg"), [0, 4]),
    ],
)
def test_list_finds_what_is_asked_for(config, words, numbers):
    assert listed(config, *words) == [about(number).id for number in numbers]


def test_list_says_in_words_when_who_how_long_and_what_is_missing(config):
    lines = run(config, "list").stdout.splitlines()
    assert lines[0].split() == [
        "2026-11-24T05:45:08.000Z", about(0).id, "1.19", "s", "tg", "zju1/radio",
    ]  # fmt: skip
    assert lines[1].endswith(f"incident {INCIDENT}")
    assert lines[2].endswith("lost 3 of 60")
    assert run(config, "list", "--talkgroup", "none").stdout == "no recordings\n"


def test_show_says_all_of_one(config):
    shown = json.loads(run(config, "show", about(4).id, "--json").stdout)
    assert shown["started"] == "2026-11-24T05:45:12.000Z"
    assert (shown["lost"], shown["packets"], shown["whole"]) == (3, 57, True)
    assert shown["length_s"] == pytest.approx(1.2 - 0.0065)
    assert shown["file"].endswith("_zju1.radio_lost-3.opus")
    assert "talker     zju1/radio" in run(config, "show", "20261124T054504").stdout


def test_what_there_is_not_is_a_wrong_call(config):
    for words in (("show", "nothing"), ("show", "2026"), ("play", "nothing", "-o", "x.wav")):
        with pytest.raises(CallError):
            run(config, *words)
    with pytest.raises(CallError):
        run(config, "list", "--since", "yesterday")
    with pytest.raises(BaiyingError):
        run(config, "export", "-o", "x.opus", "--talkgroup", "none")
    assert run(config, "play").exit_code == 2
    assert run(config, "play", about(0).id, "--last").exit_code == 2


def test_play_writes_a_wav_of_what_was_said(config, tmp_path):
    out = tmp_path / "one.wav"
    run(config, "play", about(0).id, "-o", out)
    with wave.open(str(out), "rb") as file:
        assert file.getparams()[:3] == (1, 2, 48_000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(samples) == 60 * 960 - 312
    kept = json.loads(run(config, "show", about(0).id, "--json").stdout)["file"]
    heard, _ = rec_world.ffmpeg(kept, "libopus")
    assert rec_world.likeness(samples, heard) > 0.99


def test_play_to_standard_output_is_the_same_wav(config, tmp_path):
    out = tmp_path / "one.wav"
    run(config, "play", "--last", "--talkgroup", "other", "-o", out)
    done = run(config, "play", "--last", "--talkgroup", "other", "-o", "-")
    assert done.stdout_bytes == out.read_bytes()


def test_play_goes_to_the_sound_device(config, monkeypatch):
    played = []

    class Sounddevice:
        @staticmethod
        def play(samples, rate_hz, *, blocking):
            played.append((len(samples), rate_hz, blocking))

    monkeypatch.setitem(sys.modules, "sounddevice", Sounddevice)
    assert about(4).id in run(config, "play", "--last").stdout
    assert played == [(60 * 960 - 312, 48_000, True)]
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(BaiyingError, match="-o FILE"):
        run(config, "play", "--last")


def test_export_into_a_folder_is_one_file_each_named_by_time(config, tmp_path):
    out = tmp_path / "out"
    run(config, "export", "-o", out)
    assert sorted(path.name for path in out.iterdir()) == [
        "20261124T054508.000Z_tg_zju1.radio.opus",
        f"20261124T054510.000Z_other_zju2.gate_incident-{INCIDENT}.opus",
        "20261124T054512.000Z_tg_zju1.radio_lost-3.opus",
    ]
    for path in out.iterdir():
        assert rec_world.ffmpeg(path)[1] == ""
    done = json.loads(run(config, "export", "-t", "tg", "-o", out, "--wav", "--json").stdout)
    assert done["recordings"] == 2
    assert all(path.endswith(".wav") for path in done["files"])


@pytest.mark.parametrize("suffix", [".opus", ".ogg", ".wav"])
def test_export_into_one_file_keeps_the_pauses(config, tmp_path, suffix):
    out = tmp_path / f"all{suffix}"
    run(config, "export", "-o", out)
    samples, said = rec_world.ffmpeg(out) if suffix != ".wav" else wav(out)
    assert said == ""
    assert len(samples) / 48_000 == pytest.approx(4 + 1.2, abs=0.02)
    assert np.abs(samples[int(1.4 * 48_000) : int(1.9 * 48_000)]).max() < 50


def wav(path):
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), ""


def test_export_cuts_pauses_and_takes_ids(config, tmp_path):
    out = tmp_path / "all.opus"
    run(config, "export", about(0).id, about(4).id, "-o", out, "--longest-pause", "0.5s")
    samples, said = rec_world.ffmpeg(out)
    assert said == ""
    assert len(samples) / 48_000 == pytest.approx(1.2 + 0.5 + 1.2, abs=0.02)


def test_export_to_what_it_cannot_write_is_a_wrong_call(config, tmp_path):
    for out in (tmp_path / "none" / "all.opus", tmp_path / "all.mp3"):
        with pytest.raises(CallError):
            run(config, "export", "-o", out)


def test_without_any_recordings_there_is_nothing_to_list(tmp_path):
    path = tmp_path / "zju1.yaml"
    path.write_text("gateway: zju1\n", "utf-8")
    assert listed(path) == []


def test_a_damaged_file_is_named(config):
    kept = json.loads(run(config, "show", about(0).id, "--json").stdout)["file"]
    with open(kept, "r+b") as file:  # noqa: PTH123
        file.truncate(10)
    with pytest.raises(BaiyingError, match="no Ogg Opus"):
        run(config, "play", about(0).id, "-o", "x.wav")
    assert files.Asked().query().id is None
