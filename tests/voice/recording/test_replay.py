"""A recording spoken again: the same packets, numbers of its own, nothing for what was lost."""

import asyncio
import random
import time

import pytest

from gateway.voice.opus_toc import fillers
from gateway.voice.recording import replay
from gateway.voice.recording.replay import Packets, Piece, Replay, pieces_of, play_to
from gateway.voice.rtp import Packet, Token
from tests.voice.recording.rec_world import speech

PAYLOADS = [payload for payload, _ in speech(30)]


def bits(seed=1):
    return random.Random(seed).getrandbits


def sent(pieces, seed=1):
    return [
        (due, None if make is None else make(Token(3, 4), 5.0))
        for due, make in Packets(pieces, bits(seed))
    ]


def test_its_packets_are_those_of_the_recording_under_numbers_of_its_own():
    made = [packet for _, packet in sent(pieces_of(PAYLOADS))]
    assert [packet.payload for packet in made] == PAYLOADS
    assert {packet.token for packet in made} == {Token(3, 4)}
    assert len({packet.ssrc for packet in made}) == 1
    first = made[0]
    for number, packet in enumerate(made):
        assert packet.sequence == first.sequence + number & 0xFFFF
        assert packet.timestamp == first.timestamp + 960 * number & 0xFFFF_FFFF
        assert packet.marker is (number == 0)
        assert packet.flags.last is (number == len(made) - 1)
        assert not packet.flags.emergency
        assert Packet.from_bytes(packet.to_bytes()).payload == packet.payload
    assert sent(pieces_of(PAYLOADS), seed=2)[0][1].ssrc != first.ssrc


def test_its_loudness_is_that_of_what_is_heard():
    levels = [piece.level_dbov for piece in pieces_of(PAYLOADS)]
    loud = [(number, level) for number, (_, level) in enumerate(speech(30)) if level <= 24]
    assert len(loud) > 8
    for number, level in loud:
        near = levels[max(0, number - 1) : number + 2]  # the look-ahead is a third of a block
        assert min(abs(level - one) for one in near) <= 3
    assert max(levels) > 60, "silence after the word"


def test_what_was_lost_is_left_out_of_the_count():
    lossy = PAYLOADS.copy()
    lossy[10:13] = fillers(lossy[9], 3 * 960)
    found = sent(pieces_of(lossy))
    assert [number for number, (_, packet) in enumerate(found) if packet is None] == [10, 11, 12]
    assert found[13][1].sequence - found[9][1].sequence & 0xFFFF == 4
    assert found[13][1].timestamp - found[9][1].timestamp & 0xFFFF_FFFF == 4 * 960
    assert found[13][0] - found[9][0] == 4 * 960


def test_what_was_lost_at_its_ends_is_not_waited_for():
    ends = fillers(PAYLOADS[0], 2 * 960)
    pieces = pieces_of([*ends, *PAYLOADS, *ends])
    assert [piece.payload for piece in pieces] == PAYLOADS
    assert pieces_of(ends) == []


class Floor:
    """A talkgroup that answers as it is told."""

    def __init__(self, answer):
        self.answer = answer
        self.log = []
        self.packets = []
        self.replay = None

    def request(self, name, *, priority, emergency=False):
        assert name == "replay"
        self.log.append(("request", priority, emergency))
        self.answer(self.replay)

    def release(self, name):
        self.log.append(("release",))

    def send(self, name, packet):
        self.packets.append((time.monotonic(), packet))


async def spoken(answer, pieces, **options):
    floor = Floor(answer)
    floor.replay = Replay(pieces, bits())
    granted = []
    done = await floor.replay.speak(
        floor, priority=50, granted=lambda: granted.append(1), **options
    )
    assert floor.log == [("request", 50, False), ("release",)]
    return done, floor, granted


async def test_it_is_spoken_at_the_pace_of_speech_once_granted():
    done, floor, granted = await spoken(
        lambda it: it.on_granted("tg", Token(1, 2), 30.0), pieces_of(PAYLOADS)
    )
    assert (done.outcome, done.seconds) == ("spoken", pytest.approx(0.6))
    assert granted
    assert [packet.payload for _, packet in floor.packets] == PAYLOADS
    assert {packet.token for _, packet in floor.packets} == {Token(1, 2)}
    assert floor.packets[-1][0] - floor.packets[0][0] >= 29 * 0.02 - 0.01


async def test_refused_it_says_why_and_sends_nothing():
    done, floor, granted = await spoken(
        lambda it: it.on_refused("tg", 1, "another talks", None), pieces_of(PAYLOADS)
    )
    assert done.outcome == "denied"
    assert "another talks" in done.text
    assert not floor.packets
    assert not granted


async def test_revoked_it_stops_at_once():
    def answer(it):
        it.on_granted("tg", Token(1, 2), 30.0)
        loop = asyncio.get_running_loop()
        loop.call_later(0.2, it.on_revoked, "tg", 4, "pre-empted")

    done, floor, _ = await spoken(answer, pieces_of(PAYLOADS))
    assert done.outcome == "revoked"
    assert 8 <= len(floor.packets) <= 13
    assert done.seconds == pytest.approx(len(floor.packets) * 0.02)


async def test_under_another_controller_it_goes_on_with_the_new_token():
    def answer(it):
        it.on_granted("tg", Token(1, 2), 30.0)
        asyncio.get_running_loop().call_later(0.2, it.on_granted, "tg", Token(2, 1), 30.0)

    done, floor, _ = await spoken(answer, pieces_of(PAYLOADS))
    assert done.outcome == "spoken"
    assert [token.term for token in dict.fromkeys(p.token for _, p in floor.packets)] == [1, 2]


async def test_unanswered_it_gives_up(monkeypatch):
    monkeypatch.setattr(replay, "ANSWER_WITHIN", 0.05)
    done, floor, _ = await spoken(lambda _: None, pieces_of(PAYLOADS))
    assert done.outcome == "unanswered"
    assert not floor.packets


class Endpoint:
    def __init__(self):
        self.heard = []

    def on_packet(self, talkgroup, talker, packet, arrival, *, confirmed):
        assert not confirmed
        self.heard.append((talkgroup, talker, packet))


async def test_to_one_endpoint_it_is_played_until_somebody_talks():
    endpoint = Endpoint()
    pieces = pieces_of(PAYLOADS)
    done = await play_to(endpoint, "tg", "a/replay", pieces, bits(), lambda: None)
    assert done.outcome == "spoken"
    assert [packet.payload for _, _, packet in endpoint.heard] == PAYLOADS
    # The lowest token there is: whatever else comes ends it.
    assert {(tg, who, packet.token) for tg, who, packet in endpoint.heard} == {
        ("tg", "a/replay", Token(0, 0))
    }
    talker = [None] * 10 + ["b/radio"]
    endpoint = Endpoint()
    done = await play_to(endpoint, "tg", "a/replay", pieces, bits(), lambda: talker.pop(0))
    assert (done.outcome, done.text) == ("interrupted", "b/radio talks")
    assert len(endpoint.heard) == 10


def test_pieces_say_how_long_they_are():
    assert {type(piece) for piece in pieces_of(PAYLOADS)} == {Piece}
    assert {piece.ticks for piece in pieces_of(PAYLOADS)} == {960}
