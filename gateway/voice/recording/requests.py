"""What the command line asks of a running gateway about recordings: to speak one again, and how it goes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from gateway.control.server import Handler, RequestError, Session, WrongCall
from gateway.voice.console import Spoken, TalkingTo
from gateway.voice.recording import reading
from gateway.voice.recording.facts import Kept
from gateway.voice.recording.index import Query
from gateway.voice.recording.recorder import Recorder
from gateway.voice.recording.replay import (
    NAME,
    PRIORITY,
    Listener,
    Piece,
    Replay,
    pieces_of,
    play_to,
)


class Floor(TalkingTo, Protocol):
    """A talkgroup as a replay uses it (`gateway.voice.talkgroup.Talkgroup`)."""

    @property
    def talker(self) -> str | None: ...
    def join(self, member: Replay, *, speaks: bool) -> None: ...
    def leave(self, name: str) -> None: ...


class RecordingRequests:
    """Handlers of the control socket.

    ``known()`` are the talkgroups that there are; ``listener(endpoint, talkgroup)`` is an endpoint
    that hears a talkgroup and keys nothing, or says by WrongCall why there is none.
    """

    def __init__(
        self,
        gateway: str,
        recorder: Recorder,
        folder: Path,
        floor: Callable[[str], Floor],
        known: Callable[[], Collection[str]],
        listener: Callable[[str, str], Listener],
    ) -> None:
        self._gateway = gateway
        self._recorder = recorder
        self._folder = folder
        self._floor = floor
        self._known = known
        self._listener = listener
        self._busy: set[str] = set()

    def handlers(self) -> Mapping[str, Handler]:
        return {"replay": self._replay, "recordings": self._status}

    async def _status(self, request: dict[str, Any], session: Session) -> dict[str, Any]:
        """How recording goes."""
        del request, session
        return {
            "fault": self._recorder.fault,
            "now": [
                {"id": one.id, "talkgroup": one.talkgroup, "talker": one.talker}
                for one in self._recorder.recording_now()
            ],
        }

    async def _replay(self, request: dict[str, Any], session: Session) -> dict[str, Any]:
        """Speak one recording again."""
        talkgroup, priority = request.get("talkgroup"), request.get("priority", PRIORITY)
        endpoint = request.get("endpoint")
        if not isinstance(talkgroup, str) or talkgroup not in self._known():
            raise WrongCall(f"this gateway knows no talkgroup {talkgroup}")
        if not isinstance(priority, int) or not 0 <= priority <= 255:
            raise WrongCall(f"a priority of {priority!r} is none of 0 to 255")
        listener = None if endpoint is None else self._listener(str(endpoint), talkgroup)
        kept, pieces = await asyncio.to_thread(self._read, request)
        session.send_event(
            {"event": "replays", "talkgroup": talkgroup, "recording": kept.recording.id}
        )
        if listener is None:
            spoken = await self._on_talkgroup(talkgroup, pieces, priority, session)
        else:
            spoken = await play_to(
                listener,
                talkgroup,
                f"{self._gateway}/{NAME}",
                pieces,
                secrets.randbits,
                lambda: self._floor(talkgroup).talker,
            )
        return {
            "outcome": spoken.outcome,
            "text": spoken.text,
            "spoken_s": round(spoken.seconds, 3),
            "talker": f"{self._gateway}/{NAME}",
            "recording": kept.recording.id,
        }

    async def _on_talkgroup(
        self, talkgroup: str, pieces: list[Piece], priority: int, session: Session
    ) -> Spoken:
        if talkgroup in self._busy:
            raise RequestError(f"{talkgroup}: another recording is being replayed")
        self._busy.add(talkgroup)
        floor = self._floor(talkgroup)
        replay = Replay(pieces, secrets.randbits)
        floor.join(replay, speaks=True)
        try:
            return await replay.speak(
                floor,
                priority=priority,
                granted=lambda: session.send_event({"event": "granted", "talkgroup": talkgroup}),
            )
        finally:
            floor.leave(replay.name)
            self._busy.discard(talkgroup)

    def _read(self, request: dict[str, Any]) -> tuple[Kept, list[Piece]]:
        """Which one, and its packets; in a thread."""
        name, source = request.get("id"), request.get("from") or request.get("talkgroup")
        try:
            if isinstance(name, str):
                kept = reading.one(self._folder, name)
            else:
                found = reading.find(self._folder, Query(talkgroup=source, kind="burst"))
                spoken = [one for one in found if not one.recording.talker.endswith(f"/{NAME}")]
                if not spoken:
                    raise reading.NoSuchRecording(f"nothing of {source} is recorded")  # noqa: TRY301
                kept = spoken[-1]
            pieces = pieces_of(reading.payloads_of(self._folder, kept))
        except reading.NoSuchRecording as error:
            raise WrongCall(str(error)) from error
        if not pieces:
            raise RequestError(f"nothing of {kept.recording.id} was heard")
        return kept, pieces
