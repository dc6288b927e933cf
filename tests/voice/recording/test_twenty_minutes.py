"""Twenty minutes of a talkgroup on a virtual clock: pauses, hand-overs, loss, disorder, doubles, pre-roll.

Every recording, and all of them as one file, decode with ffmpeg without a warning, and their lengths
are true to 20 ms; what was said is where it was said.
"""

import random
from itertools import pairwise

import numpy as np
import pytest

from gateway.voice.opus_toc import ticks_of
from gateway.voice.recording import reading
from gateway.voice.recording.bursts import Begin, Bursts, Finish, Write
from gateway.voice.recording.coding import sound
from gateway.voice.recording.incidents import Occasions
from gateway.voice.recording.index import Query
from gateway.voice.recording.joining import Part, as_ogg, as_sound, placed
from gateway.voice.recording.retention import Limits
from gateway.voice.recording.shelf import Shelf
from tests.voice.recording import rec_world

LENGTH = 20 * 60.0
WALL = 1_795_499_108.0
TALKERS = ("zju1/gate", "zju1/radio", "police/car-1", "police/car-2", "street/desk")
TRUE_TO = 0.02


class Over:
    """One over as it was spoken: when, by whom, how long; and its packets as they arrive."""

    def __init__(self, number, source, at, blocks):
        self.began = at
        self.blocks = blocks
        self.talker = source.choice(TALKERS)
        self.packets = rec_world.burst(
            blocks,
            ssrc=source.getrandbits(32),
            sequence=source.getrandbits(16),
            timestamp=source.getrandbits(32),
            seed=number % 2,
            token=(1, number),
            captured=1e6 + at,  # by a clock of its own
        )
        self.ended = at + blocks * 0.02
        self.gone = set()
        # Half of a word at most: when one began that comes as a whole, after a minute of silence, nobody can know.
        pre_roll = min(source.choice((0, 0, 10, 40)), blocks // 2)
        loss = source.choice((0.0, 0.0, 0.01, 0.05))
        self.arrivals = []
        hole = 0
        for n, packet in enumerate(self.packets):
            spoken = at + (n + 1) * 0.02
            if n < pre_roll:
                spoken = at + pre_roll * 0.02  # comes at once, when the floor is granted
            hole = hole - 1 if hole else (source.randrange(1, 12) if source.random() < loss else 0)
            if hole and 0 < n < blocks - 1:
                self.gone.add(n)
                continue
            delay = 0.02 + source.expovariate(100)
            if source.random() < 0.01:
                delay += 0.15  # seven overtake it
            self.arrivals.append((spoken + delay, packet))
            if source.random() < 0.01:
                self.arrivals.append((spoken + delay + 0.03, packet))


def spoken(seed):
    source = random.Random(seed)
    overs = []
    at = 0.5
    while True:
        blocks = source.choice((25, 150, 400, 900, 1490))
        if at + blocks * 0.02 > LENGTH:
            blocks = int((LENGTH - at) / 0.02)
        overs.append(Over(len(overs) + 1, source, at, blocks))
        at += blocks * 0.02
        if at > LENGTH - 2.0:
            return overs
        # At once (out of the queue), in hang time, or after a while.
        at += source.choice((0.02, 0.3, 1.5, 12.0))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """The overs, and the folder with what was recorded of them."""
    overs = spoken(4)
    folder = tmp_path_factory.mktemp("twenty") / "recordings"
    shelf = Shelf(folder, Limits(keep=None, max_bytes=None, keep_free=0))
    shelf.open()
    bursts = Bursts("center", Occasions())

    def do(actions):
        for action in actions:
            match action:
                case Begin(recording):
                    assert shelf.begin(recording)
                case Write(name, payloads):
                    shelf.write(name, payloads)
                case Finish(recording, payloads):
                    assert shelf.finish(recording, payloads)

    arrivals = sorted(
        ((at, over.talker, packet) for over in overs for at, packet in over.arrivals),
        key=lambda one: one[0],
    )
    for at, talker, packet in arrivals:
        while (deadline := bursts.deadline()) is not None and deadline <= at:
            do(bursts.tick(deadline))
        do(bursts.packet("tg", talker, packet, ticks_of(packet.payload), at, WALL + at))
    while (deadline := bursts.deadline()) is not None:
        do(bursts.tick(deadline))
    shelf.close()
    return overs, folder


def recorded(folder):
    return reading.find(folder, Query())


def parts_of(folder):
    return [Part(kept.recording, reading.payloads_of(folder, kept)) for kept in recorded(folder)]


def test_the_scenario_is_what_it_says(scene):
    overs, _ = scene
    assert overs[-1].ended == pytest.approx(LENGTH, abs=2.0)
    assert sum(bool(over.gone) for over in overs) > 10
    assert sum(later.began - earlier.ended < 0.1 for earlier, later in pairwise(overs)) > 10


def test_every_over_is_one_recording_with_its_loss_and_its_time(scene):
    overs, folder = scene
    found = recorded(folder)
    assert len(found) == len(overs)
    for kept, over in zip(found, overs, strict=True):
        one = kept.recording
        assert one.talker == over.talker
        assert one.lost == len(over.gone)
        assert one.packets == over.blocks - len(over.gone)
        assert one.whole
        assert one.length == pytest.approx(over.blocks * 0.02, abs=TRUE_TO)
        # 40 ms from the capture of a block to its arrival.
        assert one.started == pytest.approx(WALL + over.began + 0.04, abs=TRUE_TO)


def test_every_recording_decodes_without_a_warning_and_is_as_long_as_what_was_said(scene, tmp_path):
    overs, folder = scene
    found, said = rec_world.lengths([folder / kept.file for kept in recorded(folder)], tmp_path)
    assert said == ""
    for samples, over in zip(found, overs, strict=True):
        assert samples / 16_000 == pytest.approx(over.blocks * 0.02, abs=TRUE_TO)


@pytest.mark.parametrize("decoder", ["opus", "libopus"])
def test_as_one_file_it_is_twenty_minutes_long_and_everything_is_where_it_was_said(
    scene, tmp_path, decoder
):
    overs, folder = scene
    parts = parts_of(folder)
    path = tmp_path / "all.opus"
    path.write_bytes(b"".join(as_ogg(parts, 7, None)))
    samples, said = rec_world.ffmpeg(path, decoder, rate_hz=16_000)
    assert said == ""
    assert len(samples) / 16_000 == pytest.approx(overs[-1].ended - overs[0].began, abs=TRUE_TO)
    for part, over, place in zip(parts, overs, placed(parts, None), strict=True):
        assert place.at / 48_000 == pytest.approx(over.began - overs[0].began, abs=TRUE_TO)
        if not over.gone and decoder == "libopus" and 100 < over.blocks < 500:
            alone = sound(part.payloads, 16_000)
            at = place.at // 3
            # The coder begins anew with each burst, the decoder goes on: the first word settles it.
            settled = min(len(alone) // 2, 8_000)
            heard = samples[at : at + len(alone)]
            assert rec_world.likeness(alone[settled:], heard[settled:]) > 0.9
    status, said = rec_world.opusinfo(path)
    assert status == 0
    assert "WARNING" not in said.upper()


def test_its_chapters_are_the_talkers(scene, tmp_path):
    overs, folder = scene
    path = tmp_path / "all.opus"
    path.write_bytes(b"".join(as_ogg(parts_of(folder), 7, None)))
    _, said = rec_world.opusinfo(path)
    assert said.count("NAME=2026-11-24T05:4") + said.count("NAME=2026-11-24T05:5") > 5
    assert f"tg {overs[0].talker}" in said


def test_as_sound_it_is_as_long(scene):
    overs, folder = scene
    whole = np.concatenate(list(as_sound(parts_of(folder), 16_000, None)))
    assert len(whole) / 16_000 == pytest.approx(overs[-1].ended - overs[0].began, abs=TRUE_TO)


def test_pauses_can_be_cut(scene):
    overs, folder = scene
    parts = parts_of(folder)
    places = list(placed(parts, 1.0))
    assert max(place.pause for place in places) <= 48_000
    pauses = [later.began - earlier.ended for earlier, later in pairwise(overs)]
    cut = sum(max(0.0, pause - 1.0) for pause in pauses)
    length = (places[-1].at + sum(map(ticks_of, parts[-1].payloads))) / 48_000
    assert length == pytest.approx(overs[-1].ended - overs[0].began - cut, abs=0.2)
    assert places[0].pause == 0
