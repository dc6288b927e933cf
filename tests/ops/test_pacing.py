"""What can wait is done a handful at a time."""

import asyncio
import time

import pytest

from gateway.ops import pacing
from gateway.ops.pacing import Pace


class Heap:
    """So many things to do; how many each call did, and when."""

    def __init__(self, left: int, handful: int = 8) -> None:
        self.left = left
        self.calls: list[tuple[float, int]] = []
        self.pace = Pace(self.work, handful)

    def work(self, most: int) -> bool:
        done = min(most, self.left)
        self.left -= done
        self.calls.append((time.monotonic(), done))
        return self.left > 0

    async def emptied(self) -> None:
        async with asyncio.timeout(3):
            while self.left:
                await asyncio.sleep(0.001)


async def test_first_handful_is_at_once_and_the_others_follow_by_themselves():
    heap = Heap(20)
    heap.pace.go()
    assert [done for _, done in heap.calls] == [8]
    await heap.emptied()
    assert sum(done for _, done in heap.calls) == 20
    assert all(done <= 8 for _, done in heap.calls)


async def test_asking_often_shortens_no_pause():
    heap = Heap(1000)
    began = time.monotonic()
    for _ in range(50):
        heap.pace.go()
        await asyncio.sleep(0)
    assert sum(done for _, done in heap.calls) <= 8 * (
        1 + (time.monotonic() - began) / pacing.PAUSE
    )


async def test_handful_is_small_on_a_loop_that_is_late():
    heap = Heap(1000)
    heap.pace.go()
    for _ in range(5):
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251  # somebody works
        await asyncio.sleep(0)
    late = [done for _, done in heap.calls[1:4]]
    assert late
    assert set(late) == {8 // pacing.FEW}


async def test_stopped_pace_does_nothing_until_it_is_asked():
    heap = Heap(100)
    heap.pace.go()
    heap.pace.stop()
    await asyncio.sleep(3 * pacing.PAUSE)
    assert len(heap.calls) == 1
    heap.pace.go()
    assert len(heap.calls) == 2
    heap.pace.stop()


async def test_work_that_asks_for_itself_is_not_done_twice():
    calls = []

    def work(most: int) -> bool:
        calls.append(most)
        pace.go()
        return False

    pace = Pace(work, 1)
    pace.go()
    assert calls == [1]
    pace.stop()


@pytest.mark.parametrize("handful", [1, 2, 3])
async def test_handful_is_never_nothing(handful: int):
    heap = Heap(5, handful)
    heap.pace.go()
    await heap.emptied()
