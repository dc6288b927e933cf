"""What a person may ask about patches by hand, and how it is refused."""

import pytest

from gateway.control.server import RequestError, WrongCall
from gateway.link.messages import PatchState
from gateway.moment import timestamp
from gateway.requests.patches import PatchRequests

PATCH = "0190a5c0-0000-7000-8000-000000000001"


class Board:
    """Keeps what was asked."""

    def __init__(self):
        self.made = []
        self.stores = True

    async def make(self, wanted):
        state = PatchState(
            id=PATCH, name=wanted.name, talkgroup=f"patch-{PATCH}", members=wanted.members, owner="a", by=wanted.by,
            since=timestamp(0.0), until=timestamp(wanted.seconds), seq=1,
        )  # fmt: skip
        self.made.append(state)
        return state, self.stores

    async def end(self, state, by):
        self.made.remove(state)
        return self.stores

    def all(self):
        return self.made

    def find(self, words):
        return [state for state in self.made if state.name == words or state.id.startswith(words)]


@pytest.fixture
def board():
    return Board()


@pytest.fixture
def ask(board):
    speaks = {("a", "gate"), ("b", "police")}
    requests = PatchRequests(
        "a", board, lambda: {"sec", "pol"}, lambda *one: one in speaks, lambda talkgroup: ["gate"]
    )

    async def ask(op, **request):
        return await requests.handlers()[op](request, None)

    return ask


def create(ask, **request):
    fields = {"name": "race", "talkgroups": ["sec", "pol"], "seconds": 600.0, "by": "li"}
    return ask("patch.create", **(fields | request))


async def test_patch_is_made_of_talkgroups_and_endpoints_of_any_gateway(ask, board):
    done = await create(ask, talkgroups=["sec", "sec"], endpoints=["gate", "b/police", "a/gate"])
    assert done["talkgroups"] == ["sec"]
    assert done["endpoints"] == ["a/gate", "b/police"]
    assert (done["by"], done["gateway"], done["joined_here"], done["stored"]) == (
        "li",
        "a",
        ["gate"],
        True,
    )
    assert await ask("patch.list") == [{key: done[key] for key in done if key != "stored"}]


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"talkgroups": ["sec", "poll"]}, "no talkgroup poll; it has pol, sec"),
        ({"talkgroups": ["sec"]}, "at least two"),
        ({"talkgroups": []}, "at least two"),
        ({"endpoints": ["nobody"]}, "no endpoint nobody of gateway a"),
        ({"endpoints": ["c/police"]}, "no endpoint police of gateway c"),
        ({"seconds": 0.5}, "from 1 second to 7 days"),
        ({"seconds": 8 * 86_400.0}, "from 1 second to 7 days"),
        ({"name": "x" * 129}, "at most 128"),
    ],
)
async def test_what_cannot_be_patched_is_a_wrong_call(ask, board, request_, words):
    with pytest.raises(WrongCall, match=words):
        await create(ask, **request_)
    assert board.made == []


@pytest.mark.parametrize(
    "request_", [{"name": ""}, {"talkgroups": "sec,pol"}, {"endpoints": [1]}, {"by": None}]
)
async def test_request_that_is_none_is_refused(ask, request_):
    with pytest.raises(RequestError):
        await create(ask, **request_)


async def test_name_that_there_is_already_is_refused(ask):
    await create(ask)
    with pytest.raises(WrongCall, match="already"):
        await create(ask)


async def test_patch_is_removed_by_its_name_or_id(ask, board):
    await create(ask)
    done = await ask("patch.remove", name="race", by="wu")
    assert done["name"] == "race"
    await create(ask)
    await ask("patch.remove", name=PATCH[:8], by="wu")
    with pytest.raises(WrongCall, match="there is no patch race"):
        await ask("patch.remove", name="race", by="wu")


async def test_patch_of_another_gateway_is_removed_there(ask, board):
    await create(ask)
    from dataclasses import replace

    board.made[0] = replace(board.made[0], owner="b")
    with pytest.raises(WrongCall, match="made at gateway b"):
        await ask("patch.remove", name="race", by="wu")


async def test_patch_that_could_not_be_stored_says_so(ask, board):
    board.stores = False
    assert (await create(ask))["stored"] is False
