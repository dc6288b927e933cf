"""What the command line may ask about recordings, and what it is told where that cannot be."""

import asyncio
import contextlib

import pytest

from gateway.control.server import RequestError, WrongCall
from gateway.voice.recording import replay
from gateway.voice.recording.requests import RecordingRequests
from gateway.voice.recording.shelf import Shelf
from gateway.voice.rtp import Token
from tests.voice.recording.test_shelf import ANY, about, keep


class Session:
    def __init__(self):
        self.events = []

    def send_event(self, event):
        self.events.append(event)


class Recorder:
    fault = None

    def recording_now(self):
        return [about(9)]


class Floor:
    """A talkgroup that grants at once, unless told otherwise."""

    def __init__(self):
        self.talker = None
        self.asked = []
        self.packets = []
        self.member = None
        self.left = 0

    def join(self, member, *, speaks):
        assert speaks
        self.member = member

    def leave(self, name):
        assert name == "replay"
        self.left += 1

    def request(self, name, *, priority, emergency=False):
        self.asked.append((name, priority, emergency))
        self.member.on_granted("tg", Token(1, 1), 30.0)

    def release(self, name):
        pass

    def send(self, name, packet):
        self.packets.append(packet)


class Endpoint:
    def __init__(self):
        self.heard = []

    def on_packet(self, talkgroup, talker, packet, arrival, *, confirmed):
        self.heard.append((talkgroup, talker))


class Bench:
    def __init__(self, folder):
        self.floors = {"tg": Floor(), "other": Floor()}
        self.endpoint = Endpoint()
        self.session = Session()
        requests = RecordingRequests(
            "a", Recorder(), folder, self.floors.__getitem__, lambda: {"tg", "other"}, self.listener
        )
        self.handlers = requests.handlers()
        shelf = Shelf(folder, ANY)
        shelf.open()
        self.kept = [
            keep(shelf, about(1)),
            keep(shelf, about(2, talkgroup="other")),
            keep(shelf, about(3, talker="a/replay")),
        ]
        shelf.close()

    def listener(self, name, talkgroup):
        if name != "desk":
            raise WrongCall(f"no {name}")
        return self.endpoint

    async def replay(self, **request):
        return await self.handlers["replay"]({"op": "replay", **request}, self.session)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "CLOCK_HZ", 48_000_000)  # a thousand times as fast
    return Bench(tmp_path / "recordings")


async def test_one_is_replayed_by_its_id(bench):
    done = await bench.replay(talkgroup="tg", id=about(2).id)
    assert (done["outcome"], done["recording"]) == ("spoken", about(2).id)
    assert done["talker"] == "a/replay"
    assert bench.floors["tg"].asked == [("replay", 50, False)]
    assert len(bench.floors["tg"].packets) == 60
    assert bench.floors["tg"].left == 1
    assert [event["event"] for event in bench.session.events] == ["replays", "granted"]


async def test_the_last_burst_is_that_of_a_person_on_the_same_talkgroup(bench):
    assert (await bench.replay(talkgroup="tg"))["recording"] == about(1).id
    done = await bench.replay(talkgroup="tg", **{"from": "other"}, priority=200)
    assert done["recording"] == about(2).id
    assert bench.floors["tg"].asked[-1] == ("replay", 200, False)


async def test_one_endpoint_alone_hears_what_it_missed(bench):
    done = await bench.replay(talkgroup="tg", endpoint="desk")
    assert done["outcome"] == "spoken"
    assert bench.endpoint.heard == [("tg", "a/replay")] * 60
    assert bench.floors["tg"].asked == []


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        ({"talkgroup": "unknown"}, "no talkgroup"),
        ({"talkgroup": None}, "no talkgroup"),
        ({"talkgroup": "tg", "priority": 256}, "priority"),
        ({"talkgroup": "tg", "priority": "high"}, "priority"),
        ({"talkgroup": "tg", "id": "nothing"}, "no recording"),
        ({"talkgroup": "tg", "id": "2026"}, "begin with"),
        ({"talkgroup": "tg", "endpoint": "radio"}, "no radio"),
        ({"talkgroup": "tg", "from": "silent"}, "nothing of silent"),
    ],
)
async def test_what_cannot_be_is_a_wrong_call(bench, request_, what):
    with pytest.raises(WrongCall, match=what):
        await bench.replay(**request_)
    assert bench.floors["tg"].member is None


async def test_two_replays_on_one_talkgroup_do_not_meet(bench, monkeypatch):
    floor = bench.floors["tg"]
    monkeypatch.setattr(floor, "request", lambda *_, **__: None)  # nobody answers
    first = asyncio.create_task(bench.replay(talkgroup="tg"))
    while floor.member is None:
        await asyncio.sleep(0.001)
    with pytest.raises(RequestError, match="another"):
        await bench.replay(talkgroup="tg")
    assert (await bench.replay(talkgroup="other", id=about(1).id))["outcome"] == "spoken"
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    assert floor.left == 1


async def test_the_status_says_what_is_recorded_now(bench):
    found = await bench.handlers["recordings"]({}, bench.session)
    assert found["fault"] is None
    assert found["now"] == [{"id": about(9).id, "talkgroup": "tg", "talker": "zju1/radio"}]
