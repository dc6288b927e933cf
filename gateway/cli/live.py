"""Commands that speak to a running gateway through its control socket."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.control.client import ControlClient, call
from gateway.errors import BaiyingError, ConfigError, Problem

DEFAULT_CONFIGS = (Path("baiying.yaml"), Path("/etc/baiying/baiying.yaml"))
RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


class CallError(BaiyingError):
    """The command was called with something that cannot work; exit status 2."""


def socket_of(config: Path | None) -> Path:
    """The control socket of the gateway that runs on ``config`` (default: the first that exists).

    Only ``data_dir`` is read, so that a half-edited file does not stop an operator from talking.

    Raises:
        ConfigError: the file is missing, or its ``data_dir`` cannot be read.
    """
    return _data_dir_of(_main_file(config)) / "control.sock"


def journal_of(config: Path | None) -> tuple[Path, Path]:
    """The journal of the gateway that runs on ``config``, and the folder of its archives.

    Raises:
        ConfigError: the file is missing, or does not say where they are.
    """
    path = _main_file(config)
    data_dir = _data_dir_of(path)
    folder = _path_of(path, "journal", "archive") or data_dir / "archive"
    return data_dir / "journal.db", folder


def recordings_of(config: Path | None) -> Path:
    """The folder of recordings of the gateway that runs on ``config``.

    Raises:
        ConfigError: the file is missing, or its ``data_dir`` cannot be read.
    """
    return _data_dir_of(_main_file(config)) / "recordings"


def _main_file(config: Path | None) -> Path:
    return config or next((path for path in DEFAULT_CONFIGS if path.exists()), DEFAULT_CONFIGS[0])


def _data_dir_of(path: Path) -> Path:
    return _path_of(path, "data_dir") or (path.parent / "data").absolute()


def _path_of(path: Path, *keys: str) -> Path | None:
    """The path that the configuration sets, relative to the file that does; None where none does."""
    from gateway.cli import settings_of

    found = settings_of.find(path, *keys)
    if found is None:
        return None
    file, value = found
    if not isinstance(value, str):
        raise ConfigError((Problem(str(file), 1, 1, ".".join(keys), "is no path"),))
    return (file.parent / value).absolute()


_NOT_YET = {
    "touch": "it is guarded, and raises nothing yet: hold it (--hold), or press it as often as it asks for",
    "unconfirmed": "it raises nothing until the other input confirms it",
    "test": "it is a test: it calls nobody",
}
"""What to say of a press that raised nothing, by the category that it was stored with."""


def press(
    config: Path | None,
    endpoint: str,
    *,
    signal: str,
    hold: bool,
    drill: bool,
    by: str,
    as_json: bool,
) -> None:
    """Raise ``signal`` at an endpoint; returns once the gateway has stored it."""
    done = call(
        socket_of(config),
        "press",
        endpoint=endpoint,
        signal=signal,
        hold=hold,
        drill=drill,
        by=by,
    )
    if as_json:
        _print_json(done)
        return
    if done["stored"]:
        print(f"stored: {signal} at {endpoint}, after {done['stored_ms']:.1f} ms")
        if done.get("category") in _NOT_YET:
            print(_NOT_YET[done["category"]])
    else:
        raise BaiyingError(
            f"{signal} at {endpoint} went out, but could not be stored; see the gateway's log"
        )
    for incident in done["incidents"]:
        print(f"incident {incident['id']}: {incident['state']}, level {incident['level']}")


def talk(
    config: Path | None,
    talkgroup: str,
    file: Path,
    *,
    priority: int,
    emergency: bool,
    as_json: bool,
) -> None:
    """Play a WAV file into a talkgroup, in real time, after the floor was granted."""
    rate_hz, pcm = _read_wav(file)
    size = rate_hz // 50 * 2
    with ControlClient(socket_of(config)) as client:
        client.ask(
            "talk", talkgroup=talkgroup, rate_hz=rate_hz, priority=priority, emergency=emergency
        )
        for at in range(0, len(pcm), size):
            client.send_audio(pcm[at : at + size].ljust(size, b"\0"))
        client.end_audio()
        for event in client.frames():
            if isinstance(event, dict) and not as_json:
                print(_said(event))
        done = client.result
    if as_json:
        _print_json(done)
    if done["outcome"] != "spoken":
        raise BaiyingError(f"{talkgroup}: {done['text']}")
    if not as_json:
        print(f"spoken: {done['spoken_s']:.2f} s on {talkgroup}")


def listen(
    config: Path | None, talkgroup: str, out: Path | None, *, seconds: float | None, as_json: bool
) -> None:
    """Hear a talkgroup until interrupted; say who talks; record speech to a WAV file if asked.

    The recording keeps real time: silence between bursts is silence in the file, up to the end.
    """
    rate_hz = 16_000
    until = None if seconds is None else time.monotonic() + seconds
    recording = None
    try:
        with ControlClient(socket_of(config)) as client, asked_to_stop(client.end_audio):
            client.ask("listen", talkgroup=talkgroup, rate_hz=rate_hz, seconds=seconds)
            for event in client.frames():
                # Not before the gateway listens: a refusal leaves an earlier recording alone.
                if out is not None and recording is None:
                    recording = _new_wav(out, rate_hz)
                if isinstance(event, bytes):
                    if recording is not None:
                        recording.writeframes(event)
                elif as_json:
                    _print_json(event)
                else:
                    print(_said(event), flush=True)
                if until is not None and time.monotonic() > until + 1:
                    break
    finally:
        if recording is not None:
            recording.close()
            if not as_json:
                print(f"recorded: {out}")


def _new_wav(out: Path, rate_hz: int) -> wave.Wave_write:
    """An empty recording, mono and 16 bit.

    Raises:
        CallError: the file cannot be written.
    """
    try:
        out.open("wb").close()  # where `wave` cannot, its half-made writer complains once more
    except OSError as error:
        raise CallError(f"{out}: cannot be written: {error.strerror}") from error
    recording = wave.open(str(out), "wb")  # noqa: SIM115 - closed by its user
    recording.setparams((1, 2, rate_hz, 0, "NONE", ""))
    return recording


@contextlib.contextmanager
def asked_to_stop(end: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM calls ``end``; a second one does what it always does."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(_number: int, _frame: object) -> None:
        restore()
        with contextlib.suppress(OSError):  # the gateway has hung up already
            end()

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        restore()


def _read_wav(file: Path) -> tuple[int, bytes]:
    """Rate and s16le mono PCM of a WAV file, at a rate that Opus takes."""
    import numpy as np

    try:
        with wave.open(str(file), "rb") as source:
            rate_hz, channels, width = (
                source.getframerate(),
                source.getnchannels(),
                source.getsampwidth(),
            )
            raw = source.readframes(source.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise CallError(f"{file}: no WAV file that can be read: {error}") from error
    if width != 2:
        raise CallError(f"{file}: {8 * width}-bit samples; 16-bit PCM is needed")
    samples = np.frombuffer(raw, "<i2").reshape(-1, channels).mean(axis=1).astype(np.int16)
    if rate_hz not in RATES_HZ:
        import soxr

        samples = soxr.resample(samples, rate_hz, 16_000)
        rate_hz = 16_000
    return rate_hz, samples.astype("<i2").tobytes()


def _said(event: dict[str, Any]) -> str:
    text = " ".join(
        str(event[key]) for key in ("event", "talker", "talkgroup", "text") if event.get(key)
    )
    if event.get("position"):
        text += f", place {event['position']} in the queue"
    if "left_s" in event:
        text += f", {event['left_s']:g} s left to talk"
    return f"{time.strftime('%H:%M:%S')} {text}"


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False)
    print(flush=True)
