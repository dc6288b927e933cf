"""Finding recordings and reading them, beside a running gateway or without one. Blocking."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import BaiyingError, RemoteProtocolError
from gateway.voice.recording.facts import Kept
from gateway.voice.recording.index import Index, Query, matches
from gateway.voice.recording.opus_file import content_of
from gateway.voice.recording.shelf import INDEX, files_in, read_all

_LOGGER = logging.getLogger(__name__)


class NoSuchRecording(BaiyingError):
    """What is asked for is not kept, or is not the only one of its kind."""


def find(folder: Path, query: Query, *, last: int | None = None) -> list[Kept]:
    """What matches, the oldest first; with ``last``, only so many of the newest.

    By the index; by the files themselves where it cannot be read.
    """
    index = Index(folder / INDEX)
    try:
        index.open_to_read()
        found = index.find(query)
    except sqlite3.Error as error:
        _LOGGER.debug("the index is not read: %s", error)
        files = sorted(files_in(folder)) if folder.is_dir() else []
        found = [kept for kept in read_all(folder, files) if matches(query, kept.recording)]
        found.sort(key=lambda kept: (kept.recording.started, kept.recording.id))
    finally:
        index.close()
    there = [kept for kept in found if (folder / kept.file).exists()]
    return there if last is None else there[-last:]


def one(folder: Path, name: str) -> Kept:
    """The recording of that id, or whose id begins so and no other's does.

    Raises:
        NoSuchRecording: there is none, or several.
    """
    found = find(folder, Query(id=name))
    exact = [kept for kept in found if kept.recording.id == name]
    if len(exact or found) != 1:
        what = f"{len(found)} recordings begin with" if found else "there is no recording"
        raise NoSuchRecording(f"{what} {name}")
    return (exact or found)[0]


def payloads_of(folder: Path, kept: Kept) -> Sequence[bytes]:
    """The packets of a recording, with packets of one byte where some were lost.

    Raises:
        NoSuchRecording: its file is gone, or damaged.
    """
    try:
        content = content_of((folder / kept.file).read_bytes())
    except OSError as error:
        raise NoSuchRecording(f"{kept.file}: {error.strerror}") from error
    except RemoteProtocolError as error:
        raise NoSuchRecording(f"{kept.file}: {error}") from error
    if not content.payloads:
        raise NoSuchRecording(f"{kept.file}: nothing is in it")
    return content.payloads
