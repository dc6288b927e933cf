"""What the ``recordings`` commands do: with the files, and with the running gateway."""

from __future__ import annotations

import io
import json
import shutil
import sys
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gateway.cli.live import CallError, recordings_of, socket_of
from gateway.control.client import ControlClient, call
from gateway.errors import BaiyingError
from gateway.moment import parse_timestamp, timestamp
from gateway.voice.recording import reading
from gateway.voice.recording.coding import sound
from gateway.voice.recording.facts import SUFFIX, Kept, export_name
from gateway.voice.recording.index import Query
from gateway.voice.recording.joining import Part, as_ogg, as_sound
from gateway.voice.recording.opus_file import serial_of

RATE_HZ = 48_000
"""Of WAV files: Opus's own, so nothing of it is lost."""

_OGG = frozenset({".opus", ".ogg", ".oga"})


@dataclass(frozen=True, slots=True)
class Asked:
    """Which recordings, in the words of the command line."""

    talkgroup: str | None = None
    talker: str | None = None
    since: str | None = None
    until: str | None = None
    incident: str | None = None
    last: int | None = None

    def query(self) -> Query:
        """Raises CallError: a time is none."""
        return Query(
            talkgroup=self.talkgroup,
            talker=self.talker,
            since=_time("--since", self.since),
            until=_time("--until", self.until),
            incident=self.incident,
        )


def list_(config: Path | None, asked: Asked, *, as_json: bool) -> None:
    """One line each."""
    found = reading.find(recordings_of(config), asked.query(), last=asked.last)
    if as_json:
        _print_json([_facts(recordings_of(config), kept) for kept in found])
        return
    for kept in found:
        print(_line(kept))
    if not found:
        print("no recordings")


def show(config: Path | None, name: str, *, as_json: bool) -> None:
    """All that is known of one."""
    folder = recordings_of(config)
    facts = _facts(folder, _one(folder, name))
    if as_json:
        _print_json(facts)
        return
    for key, value in facts.items():
        if value is not None:
            print(f"{key.replace('_', ' '):<10} {_word(value)}")


def play(config: Path | None, name: str | None, asked: Asked, out: Path | None) -> None:
    """On the sound device, or into ``out``."""
    folder = recordings_of(config)
    kept = _one(folder, name) if name is not None else _last(folder, asked)
    samples = sound(reading.payloads_of(folder, kept), RATE_HZ)
    if out is None:
        print(_line(kept))
        _sound_device(samples)
    elif str(out) == "-":
        whole = io.BytesIO()  # a WAV file says its length first
        _write_wav(whole, [samples])
        sys.stdout.buffer.write(whole.getvalue())
        sys.stdout.buffer.flush()
    else:
        with _opened(out) as file:
            _write_wav(file, [samples])
        print(f"written: {out}")


def export(
    config: Path | None,
    names: Sequence[str],
    asked: Asked,
    out: Path,
    *,
    wav: bool,
    longest_pause: float | None,
    as_json: bool,
) -> None:
    """Into a folder, or all in one file."""
    folder = recordings_of(config)
    found = (
        [_one(folder, name) for name in names]
        if names
        else reading.find(folder, asked.query(), last=asked.last)
    )
    if not found:
        raise BaiyingError("no recordings match")
    kind = out.suffix.lower()
    if kind == ".wav" or kind in _OGG:
        written = [_export_joined(folder, found, out, longest_pause)]
    elif kind and not out.is_dir():
        raise CallError(f"{out}: write .opus or .wav, or name a folder")
    else:
        written = _export_each(folder, found, out, wav=wav)
    if as_json:
        _print_json({"recordings": len(found), "files": [str(path) for path in written]})
    elif len(written) == 1:
        print(f"written: {written[0]}")
    else:
        print(f"written: {len(written)} files in {out}")


def replay(
    config: Path | None,
    name: str | None,
    *,
    to: str,
    source: str | None,
    endpoint: str | None,
    priority: int,
    as_json: bool,
) -> None:
    """By the running gateway; without ``name`` the last burst of ``source``, or of ``to``."""
    with ControlClient(socket_of(config)) as client:
        client.ask(
            "replay",
            id=name,
            talkgroup=to,
            endpoint=endpoint,
            priority=priority,
            **({} if source is None else {"from": source}),
        )
        for event in client.frames():
            if isinstance(event, dict) and not as_json:
                print(f"{event['event']} {event.get('recording', '')} {event['talkgroup']}")
        done = client.result
    if as_json:
        _print_json(done)
    if done["outcome"] != "spoken":
        raise BaiyingError(f"{to}: {done['text']}")
    if not as_json:
        print(f"replayed: {done['spoken_s']:.2f} s of {done['recording']} on {to}")


def status(config: Path | None, *, as_json: bool) -> None:
    """Of the folder, and of the running gateway."""
    folder = recordings_of(config)
    found = reading.find(folder, Query())
    live = call(socket_of(config), "recordings")
    facts = {
        "recordings": len(found),
        "bytes": sum(kept.size for kept in found),
        "seconds": round(sum(kept.recording.length for kept in found), 3),
        "oldest": timestamp(found[0].recording.started) if found else None,
        **live,
    }
    if as_json:
        _print_json(facts)
    else:
        print(f"recordings {facts['recordings']}, {facts['bytes'] / 1024**2:.1f} MiB")
        if found:
            print(f"oldest     {facts['oldest']}")
        for one in live["now"]:
            print(f"now        {one['talkgroup']} {one['talker']}")
    if live["fault"] is not None:
        raise BaiyingError(f"nothing is recorded: {live['fault']}")


def _export_each(folder: Path, found: Sequence[Kept], out: Path, *, wav: bool) -> list[Path]:
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for kept in found:
            path = out / export_name(kept.recording, ".wav" if wav else SUFFIX)
            if wav:
                samples = sound(reading.payloads_of(folder, kept), RATE_HZ)
                with path.open("wb") as file:
                    _write_wav(file, [samples])
            else:
                shutil.copyfile(folder / kept.file, path)
            written.append(path)
    except OSError as error:
        raise CallError(f"{error.filename or out}: {error.strerror}") from error
    return written


def _export_joined(
    folder: Path, found: Sequence[Kept], out: Path, longest_pause: float | None
) -> Path:
    ordered = sorted(found, key=lambda kept: (kept.recording.started, kept.recording.id))
    parts = [Part(kept.recording, reading.payloads_of(folder, kept)) for kept in ordered]
    with _opened(out) as file:
        if out.suffix.lower() == ".wav":
            _write_wav(file, as_sound(parts, RATE_HZ, longest_pause))
        else:
            for piece in as_ogg(parts, serial_of(parts[0].recording), longest_pause):
                file.write(piece)
    return out


def _one(folder: Path, name: str) -> Kept:
    try:
        return reading.one(folder, name)
    except reading.NoSuchRecording as error:
        raise CallError(str(error)) from error


def _last(folder: Path, asked: Asked) -> Kept:
    found = reading.find(folder, asked.query(), last=1)
    if not found:
        raise BaiyingError("no recordings match")
    return found[0]


def _opened(out: Path) -> BinaryIO:
    try:
        return out.open("wb")
    except OSError as error:
        raise CallError(f"{out}: cannot be written: {error.strerror}") from error


def _write_wav(file: BinaryIO, parts: Iterable[NDArray[np.int16]]) -> None:
    with wave.open(file, "wb") as recording:
        recording.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        for samples in parts:
            recording.writeframes(samples.astype("<i2").tobytes())


def _sound_device(samples: NDArray[np.int16]) -> None:
    try:
        import sounddevice

        sounddevice.play(samples, RATE_HZ, blocking=True)
    except Exception as error:  # PortAudio missing, no device, or a device that fails
        raise BaiyingError(f"cannot be played here: {error}; write it with -o FILE") from error


def _time(option: str, text: str | None) -> float | None:
    try:
        return None if text is None else parse_timestamp(text)
    except ValueError:
        raise CallError(f"{option}: {text!r} is no time; write 2026-11-24T05:45:00Z") from None


def _facts(folder: Path, kept: Kept) -> dict[str, Any]:
    one = kept.recording
    return {
        "id": one.id,
        "kind": one.kind,
        "talkgroup": one.talkgroup,
        "talker": one.talker,
        "gateway": one.gateway,
        "started": timestamp(one.started),
        "length_s": round(one.length, 4),
        "packets": one.packets,
        "lost": one.lost,
        "whole": one.whole,
        "incident": one.incident,
        "drill": one.drill,
        "file": str(folder / kept.file),
        "bytes": kept.size,
    }


def _line(kept: Kept) -> str:
    one = kept.recording
    words = [
        timestamp(one.started),
        one.id,
        f"{one.length:7.2f} s",
        one.talkgroup or "(before an alarm)",
        one.talker,
    ]
    if one.lost:
        words.append(f"lost {one.lost} of {one.packets + one.lost}")
    if not one.whole:
        words.append("cut")
    if one.incident is not None:
        words.append(f"{'drill' if one.drill else 'incident'} {one.incident}")
    return "  ".join(words)


def _word(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _print_json(value: Any) -> None:
    json.dump(value, sys.stdout, ensure_ascii=False)
    print(flush=True)
