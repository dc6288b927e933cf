"""Phrases rendered ahead, kept on disk, had at once."""

import asyncio
import os
import time

import numpy as np
import pytest

from gateway.errors import DriverIOError, DriverUnavailable
from gateway.ops.counters import Counters
from gateway.voice.announcing import stock as stock_module
from gateway.voice.announcing.rendering import Spoken
from gateway.voice.announcing.shelf import Shelf, key_of
from gateway.voice.announcing.stock import Stock, StockOptions
from gateway.voice.announcing.wording import Phrase
from tests.system.rig_voice import until


class Voice:
    """espeak-ng from outside: installed, broken, hanging; and what it was asked."""

    def __init__(self):
        self.asked = []
        self.now = 0
        self.most_at_once = 0
        self.fault = None
        self.hangs = False
        self.takes = 0.0
        self.installed_version = "1.51"

    async def version(self):
        if self.fault is not None:
            raise self.fault
        return self.installed_version

    async def render(self, text, voice, speed_wpm, *, within, gently):
        self.asked.append((text, voice, gently))
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            if self.fault is not None:
                raise self.fault
            await asyncio.sleep(within + 60 if self.hangs else self.takes)
        finally:
            self.now -= 1
        return Spoken((np.sin(np.arange(4_000) / 9) * 8_000).astype(np.int16), 16_000)


PHRASES = [Phrase("zh", "浙大一院"), Phrase("zh", "南大门"), Phrase("en", "drill")]


@pytest.fixture
async def world(tmp_path):
    class World:
        voice = Voice()
        counters = Counters()
        folder = tmp_path / "announcements"
        tasks: list = []  # noqa: RUF012 - one world a test

        def stock(self):
            made = Stock(self.folder, self.counters, self.voice)
            self.tasks.append(asyncio.create_task(made.run()))
            return made

    made = World()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_everything_is_rendered_ahead_gently_one_at_a_time(world):
    stock = world.stock()
    stock.configure(StockOptions(), PHRASES)
    await until(lambda: stock.facts.ready == 3)
    assert [(text, gently) for text, _, gently in world.voice.asked] == [
        (phrase.text, True) for phrase in PHRASES
    ]
    assert world.voice.most_at_once == 1
    assert len(list(world.folder.iterdir())) == 3


async def test_what_is_there_is_not_rendered_again_after_a_restart(world):
    first = world.stock()
    first.configure(StockOptions(), PHRASES)
    await until(lambda: first.facts.ready == 3)
    second = world.stock()
    second.configure(StockOptions(), PHRASES)
    await until(lambda: second.facts.ready == 3)
    found = await second.have(PHRASES, 1.0)
    assert all(len(one) for one in found)
    assert len(world.voice.asked) == 3


@pytest.mark.parametrize(
    "options", [StockOptions(speed_wpm=200), StockOptions(voices={"zh": "yue", "en": "en-us"})]
)
async def test_another_voice_or_speed_is_rendered_anew(world, options):
    stock = world.stock()
    stock.configure(StockOptions(), PHRASES)
    await until(lambda: stock.facts.ready == 3)
    stock.configure(options, PHRASES)
    await until(lambda: len(world.voice.asked) == 6)
    await until(lambda: stock.facts.ready == 3)


async def test_another_version_of_the_voice_is_rendered_anew(world):
    first = world.stock()
    first.configure(StockOptions(), PHRASES)
    await until(lambda: first.facts.ready == 3)
    world.voice.installed_version = "1.52"
    second = world.stock()
    second.configure(StockOptions(), PHRASES)
    await until(lambda: len(world.voice.asked) == 6)


async def test_missing_phrase_is_rendered_at_once_and_counted(world):
    stock = Stock(world.folder, world.counters, world.voice)
    (found,) = await stock.have(PHRASES[:1], 1.0)
    assert len(found)
    assert world.voice.asked == [("浙大一院", "cmn-latn-pinyin", False)]
    assert world.counters["announce.rendered_late"] == 1
    await stock.have(PHRASES[:1], 1.0)
    assert len(world.voice.asked) == 1


async def test_storm_of_pages_is_no_storm_of_processes(world):
    stock = Stock(world.folder, world.counters, world.voice)
    world.voice.takes = 0.02
    many = [Phrase("zh", f"第{number % 10}") for number in range(60)]
    found = await stock.have(many, 5.0)
    assert all(len(one) for one in found)
    assert world.voice.most_at_once <= 4
    assert len(world.voice.asked) == 10, "each once"


async def test_hanging_voice_holds_an_announcement_up_no_longer_than_it_may(world):
    stock = Stock(world.folder, world.counters, world.voice)
    await stock.have(PHRASES[:1], 1.0)
    world.voice.hangs = True
    began = time.monotonic()
    found = await stock.have(PHRASES, 0.2)
    assert time.monotonic() - began < 1.0
    assert [one is not None for one in found] == [True, False, False], "with what is there"
    assert world.counters["announce.render_failed"] == 2


async def test_voice_that_is_not_installed_is_a_fault_and_no_crash(world, monkeypatch):
    monkeypatch.setattr(stock_module, "_PAUSE_AFTER_FAULT", 0.05)
    world.voice.fault = DriverUnavailable("espeak-ng", "is not installed", package="espeak-ng")
    stock = world.stock()
    stock.configure(StockOptions(), PHRASES)
    await until(lambda: stock.facts.fault is not None)
    assert "not installed" in stock.facts.fault
    assert await stock.have(PHRASES, 0.2) == [None, None, None]
    world.voice.fault = None  # somebody installs it
    await until(lambda: stock.facts.ready == 3)
    assert stock.facts.fault is None


async def test_voice_that_fails_for_each_phrase_is_not_asked_for_thousands(world):
    world.voice.fault = None
    stock = world.stock()
    stock.configure(StockOptions(), PHRASES[:1])
    await until(lambda: stock.facts.ready == 1)
    world.voice.fault = DriverIOError("espeak-ng", "exit status 1")
    many = [Phrase("zh", f"第{number}") for number in range(100)]
    stock.configure(StockOptions(), many)
    await until(lambda: stock.facts.fault is not None)
    await asyncio.sleep(0.1)
    assert len(world.voice.asked) == 1 + 3


async def test_full_disk_takes_the_cache_away_and_not_the_voice(world):
    world.folder.write_text("a file where the folder should be")
    stock = Stock(world.folder, world.counters, world.voice)
    (found,) = await stock.have(PHRASES[:1], 1.0)
    assert len(found)
    assert world.counters["announce.not_kept"] == 1


async def test_what_fills_the_room_is_not_rendered_and_deleted_by_turns(world):
    stock = world.stock()
    options = StockOptions(most_bytes=2 * 8_100 + 100)
    many = [Phrase("zh", f"第{number}") for number in range(10)]
    stock.configure(options, many)
    await until(lambda: world.counters["announce.cache_full"] == 1)
    kept = {path.name for path in world.folder.iterdir()}
    assert stock.facts.ready == len(kept) == 3
    again = world.stock()
    again.configure(options, many)
    await until(lambda: again.facts.ready >= 2)
    await asyncio.sleep(0.1)
    assert {path.name for path in world.folder.iterdir()} <= kept, "the first ones stay"
    assert all(len(one) for one in await again.have(many, 1.0)), "the rest is rendered when needed"


async def test_what_is_no_longer_wanted_makes_room_for_what_is(world):
    stock = world.stock()
    options = StockOptions(most_bytes=3 * 8_100)
    stock.configure(options, PHRASES)
    await until(lambda: stock.facts.ready == 3)
    others = [Phrase("zh", "甲"), Phrase("zh", "乙")]
    stock.configure(options, others)
    await until(lambda: stock.facts.ready == 2)
    assert world.counters["announce.cache_full"] == 0


# The shelf


def test_damaged_file_is_taken_away(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.write("whole", np.arange(100, dtype=np.int16))
    assert list(shelf.read("whole")) == list(range(100))
    path = tmp_path / "whole.wav"
    for damaged in (path.read_bytes()[:-10], b"", b"RIFF", os.urandom(200)):
        path.write_bytes(damaged)
        assert shelf.read("whole") is None
        assert not path.exists()
        shelf.write("whole", np.arange(100, dtype=np.int16))


def test_room_is_made_by_what_is_not_wanted_and_longest_unused(tmp_path):
    shelf = Shelf(tmp_path)
    for age, key in enumerate(("new", "old", "wanted-old")):
        shelf.write(key, np.zeros(1_000, np.int16))
        os.utime(tmp_path / f"{key}.wav", (1_000 - age, 1_000 - age))
    assert shelf.make_room(5_000, {"wanted-old"}) == 1
    assert set(shelf.keys()) == {"new", "wanted-old"}
    assert shelf.make_room(2_100, {"wanted-old"}) == 1
    assert set(shelf.keys()) == {"wanted-old"}


def test_key_tells_apart_all_that_a_phrase_is_made_of():
    made = [
        key_of("a", "en", 150, -20.0, "1.51"),
        key_of("b", "en", 150, -20.0, "1.51"),
        key_of("a", "zh", 150, -20.0, "1.51"),
        key_of("a", "en", 151, -20.0, "1.51"),
        key_of("a", "en", 150, -21.0, "1.51"),
        key_of("a", "en", 150, -20.0, "1.52"),
    ]
    assert len(set(made)) == len(made)
    assert key_of("a", "en", 150, -20.0, "1.51") == made[0]
