"""What a person may ask about patches by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from gateway.control.server import Handler, RequestError, Session, WrongCall
from gateway.link.messages import PatchMembers, PatchState
from gateway.requests.words import number_of, text_of
from gateway.voice.patches.hand_patches import LONGEST
from gateway.voice.patches.patch_board import PatchBoard, Wanted

MAX_NAME = 128


class PatchRequests:
    """``patch.create``, ``patch.list``, ``patch.remove``.

    ``talkgroups`` are the configured ones; ``speaks`` says whether an endpoint, by gateway and name,
    is known to speak or listen; ``joined`` which endpoints of this gateway a patch has now.
    """

    def __init__(
        self,
        gateway: str,
        board: PatchBoard,
        talkgroups: Callable[[], Collection[str]],
        speaks: Callable[[str, str], bool],
        joined: Callable[[str], Iterable[str]],
    ) -> None:
        self._gateway = gateway
        self._board = board
        self._talkgroups = talkgroups
        self._speaks = speaks
        self._joined = joined

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "patch.create": self._create,
            "patch.list": self._list,
            "patch.remove": self._remove,
        }

    async def _create(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        name = text_of(request, "name")
        if len(name) > MAX_NAME:
            raise WrongCall(f"a name of {len(name)} characters; at most {MAX_NAME}")
        if any(state.name == name for state in self._board.all()):
            raise WrongCall(f"there is a patch {name} already; see `baiying patch list`")
        seconds = number_of(request, "seconds")
        if not 1 <= seconds <= LONGEST:
            raise WrongCall("a patch lasts from 1 second to 7 days")
        talkgroups = self._known_talkgroups(_texts(request, "talkgroups"))
        endpoints = tuple(dict.fromkeys(map(self._endpoint, _texts(request, "endpoints"))))
        if len(talkgroups) + len(endpoints) < 2:
            raise WrongCall("a patch joins at least two: talkgroups, endpoints or one of each")
        members = PatchMembers(talkgroups=talkgroups, endpoints=endpoints)
        state, stored = await self._board.make(
            Wanted(name, members, text_of(request, "by"), seconds)
        )
        return self._told(state) | {"stored": stored}

    async def _list(self, _request: dict[str, Any], _: Session) -> list[dict[str, Any]]:
        return [self._told(state) for state in self._board.all()]

    async def _remove(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        words = text_of(request, "name")
        found = self._board.find(words)
        own = [state for state in found if state.owner == self._gateway]
        if not found:
            raise WrongCall(f"there is no patch {words}; see `baiying patch list`")
        if not own:
            raise WrongCall(f"{words} was made at gateway {found[0].owner}; remove it there")
        if len(own) > 1:
            raise WrongCall(f"{words} is the beginning of {len(own)} patches' ids")
        stored = await self._board.end(own[0], text_of(request, "by"))
        return self._told(own[0]) | {"stored": stored}

    def _known_talkgroups(self, names: tuple[str, ...]) -> tuple[str, ...]:
        known = self._talkgroups()
        for name in names:
            if name not in known:
                raise WrongCall(f"this gateway knows no talkgroup {name}; it has {_some(known)}")
        return tuple(dict.fromkeys(names))

    def _endpoint(self, words: str) -> str:
        """``<gateway>/<endpoint>``; without a gateway it is this one's."""
        gateway, _, name = words.rpartition("/")
        gateway = gateway or self._gateway
        if not self._speaks(gateway, name):
            raise WrongCall(f"no endpoint {name} of gateway {gateway} that speaks is known here")
        return f"{gateway}/{name}"

    def _told(self, state: PatchState) -> dict[str, Any]:
        return {
            "id": state.id,
            "name": state.name,
            "talkgroup": state.talkgroup,
            "talkgroups": list(state.members.talkgroups),
            "endpoints": list(state.members.endpoints),
            "joined_here": sorted(self._joined(state.talkgroup)),
            "gateway": state.owner,
            "by": state.by,
            "since": state.since,
            "until": state.until,
        }


def _texts(request: dict[str, Any], key: str) -> tuple[str, ...]:
    value = request.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise RequestError(f"{key} must be a list of names")
    return tuple(value)


def _some(names: Collection[str]) -> str:
    first = sorted(names)[:12]
    more = f" and {len(names) - len(first)} more" if len(names) > len(first) else ""
    return (", ".join(first) or "none") + more
