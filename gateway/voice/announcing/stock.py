"""The phrases that announcements are put together from: rendered ahead, kept on disk, had at once.

In the background everything that may be needed is rendered, one phrase at a time, below the priority
of everything else, with as long a pause after each as it took. What is missing when a page comes is
rendered then, within a time; what is not there by then is left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from gateway.errors import DriverError, DriverUnavailable
from gateway.ops.counters import Counters
from gateway.voice.announcing.rendering import VOICES, Espeak
from gateway.voice.announcing.shelf import Shelf, key_of
from gateway.voice.announcing.sound import fragment
from gateway.voice.announcing.wording import Phrase
from gateway.voice.dsp import Samples

_LOGGER = logging.getLogger(__name__)

RENDER_AHEAD_WITHIN = 20.0
"""Seconds for a phrase in the background, where it gets what others leave of the machine."""

MAX_AHEAD = 20_000
"""Phrases rendered ahead: a district's 2,878 sites with a few places each."""

_AT_ONCE = 4
"""Processes for phrases that were not rendered ahead: a storm of pages must not be one of processes."""

_PAUSE_AFTER_FAULT = 60.0
_FAULTS_IN_A_ROW = 3
_IN_MEMORY = 64
"""Phrases, 75 KB each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StockOptions:
    """How phrases are rendered, and how much room they have."""

    voices: Mapping[str, str] = field(default_factory=dict)
    speed_wpm: int = 150
    level_dbfs: float = -20.0
    most_bytes: int = 300_000_000

    def voice(self, language: str) -> str:
        return self.voices.get(language) or VOICES[language]


@dataclass(frozen=True, slots=True)
class StockFacts:
    """How far it is, for people; ``fault`` is None where all is well."""

    wanted: int
    ready: int
    fault: str | None


class Stock:
    """Used from the event loop; what blocks is done in threads."""

    def __init__(self, folder: Path, counters: Counters, espeak: Espeak | None = None) -> None:
        self._shelf = Shelf(folder)
        self._counters = counters
        self._espeak = espeak or Espeak()
        self._options = StockOptions()
        self._wanted: tuple[Phrase, ...] = ()
        self._version: str | None = None
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        # Who wants a phrase that is being rendered waits for that.
        self._making: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._changed = asyncio.Event()
        self._memory: OrderedDict[str, Samples] = OrderedDict()
        self._ready = 0
        self._fault: str | None = None

    @property
    def facts(self) -> StockFacts:
        return StockFacts(len(self._wanted), self._ready, self._fault)

    def configure(self, options: StockOptions, wanted: Sequence[Phrase]) -> None:
        """Have these ready from now on; the first of them first."""
        wanted = tuple(dict.fromkeys(wanted))
        if len(wanted) > MAX_AHEAD:
            _LOGGER.warning(
                "announcements: %d phrases may be needed; the first %d are rendered ahead",
                len(wanted),
                MAX_AHEAD,
            )
        if (options, wanted[:MAX_AHEAD]) != (self._options, self._wanted):
            self._options = options
            self._wanted = wanted[:MAX_AHEAD]
            self._ready = 0
            self._changed.set()

    async def run(self) -> None:
        """Render ahead what is wanted, until cancelled."""
        while True:
            self._changed.clear()
            if self._wanted and not await self._rendered():
                # Asked again in a while: somebody may have installed it meanwhile.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PAUSE_AFTER_FAULT):
                        await self._changed.wait()
                continue
            await self._changed.wait()

    async def have(self, phrases: Sequence[Phrase], within: float) -> list[Samples | None]:
        """Each phrase, or None where it could not be had within ``within`` seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        tasks = [asyncio.ensure_future(self._one(phrase, until)) for phrase in phrases]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _one(self, phrase: Phrase, until: float) -> Samples | None:
        left = until - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(left):
                key = await self._key(phrase)
                found = await self._read(key)
                if found is not None:
                    return found
                making = self._making.setdefault(key, asyncio.Lock())
                async with making, self._at_once:
                    found = self._memory.get(key)  # who asked for it before may have made it
                    if found is not None:
                        return found
                    self._counters.add("announce.rendered_late")
                    return await self._render(phrase, key, within=left, gently=False)
        except (DriverError, TimeoutError) as error:
            self._failed(error)
            return None

    async def _rendered(self) -> bool:
        """As `_render_all`; a defect of it is the announcements' alone."""
        try:
            return await self._render_all()
        except Exception as error:
            self._counters.add("announce.render_failed")
            self._fault = repr(error)
            _LOGGER.exception("announcements: nothing more is rendered ahead for now")
            return False

    async def _render_all(self) -> bool:
        """Whether all of it is there, or the voice at least works."""
        try:
            keys = {phrase: await self._key(phrase) for phrase in self._wanted}
        except DriverError as error:
            self._failed(error)
            return False
        wanted = frozenset(keys.values())
        await asyncio.to_thread(self._shelf.make_room, self._options.most_bytes, wanted)
        there = await asyncio.to_thread(self._shelf.keys)
        self._ready = sum(key in there for key in wanted)
        used = sum(size for _, size in there.values())
        in_a_row = 0
        loop = asyncio.get_running_loop()
        for phrase, key in keys.items():
            if self._changed.is_set():
                return True
            if key in there:
                continue
            if used >= self._options.most_bytes:
                used -= await asyncio.to_thread(self._shelf.drop_others, wanted)
            if used >= self._options.most_bytes:
                self._counters.add("announce.cache_full")
                _LOGGER.warning(
                    "announcements: %d of %d phrases fill cache_mb; the rest is rendered when a page comes",
                    self._ready,
                    len(keys),
                )
                return True
            began = loop.time()
            try:
                made = await self._render(phrase, key, within=RENDER_AHEAD_WITHIN, gently=True)
            except DriverError as error:
                self._failed(error)
                in_a_row += 1
                if isinstance(error, DriverUnavailable) or in_a_row >= _FAULTS_IN_A_ROW:
                    return False
                continue
            in_a_row = 0
            self._ready += 1
            used += made.nbytes
            await asyncio.sleep(loop.time() - began)
        if self._fault is None:
            _LOGGER.info("announcements: %d phrases are ready", self._ready)
        return in_a_row == 0

    async def _key(self, phrase: Phrase) -> str:
        if self._version is None:
            self._version = await self._espeak.version()
        options = self._options
        voice = options.voice(phrase.language)
        return key_of(phrase.text, voice, options.speed_wpm, options.level_dbfs, self._version)

    async def _read(self, key: str) -> Samples | None:
        kept = self._memory.get(key)
        if kept is None:
            kept = await asyncio.to_thread(self._shelf.read, key)
            if kept is not None:
                self._keep(key, kept)
        else:
            self._memory.move_to_end(key)
        return kept

    async def _render(self, phrase: Phrase, key: str, *, within: float, gently: bool) -> Samples:
        options = self._options
        spoken = await self._espeak.render(
            phrase.text,
            options.voice(phrase.language),
            options.speed_wpm,
            within=within,
            gently=gently,
        )
        made = await asyncio.to_thread(fragment, spoken.samples, spoken.rate_hz, options.level_dbfs)
        try:
            await asyncio.to_thread(self._shelf.write, key, made)
        except OSError as error:  # a full disk takes away the cache, not the voice
            self._counters.add("announce.not_kept")
            _LOGGER.debug("announcements: %r is not kept: %s", phrase.text, error)
        if not gently:
            self._keep(key, made)
        self._well()
        return made

    def _keep(self, key: str, samples: Samples) -> None:
        self._memory[key] = samples
        self._memory.move_to_end(key)
        if len(self._memory) > _IN_MEMORY:
            self._memory.popitem(last=False)

    def _failed(self, error: Exception) -> None:
        self._counters.add("announce.render_failed")
        what = str(error) or "a phrase was not there in time"
        if self._fault is None:
            _LOGGER.warning("announcements: %s", what)
        else:
            _LOGGER.debug("announcements: %s", what)
        if isinstance(error, DriverError):
            self._fault = what

    def _well(self) -> None:
        if self._fault is not None:
            _LOGGER.info("announcements: the voice is well again")
            self._fault = None
