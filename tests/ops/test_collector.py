"""The collector leaves alone what lives as long as the daemon."""

import gc
import weakref

import pytest

from gateway.ops import collector


@pytest.fixture(autouse=True)
def collected():
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    gc.collect()


def full_collections() -> int:
    return gc.get_stats()[2]["collections"]


def test_storm_of_objects_makes_no_full_collection_once_it_has_settled():
    collector.settle()
    before = full_collections()
    kept = [[number] for number in range(300_000)]
    assert full_collections() == before
    assert len(kept) == 300_000


def test_few_objects_are_looked_at_and_their_cycles_are_freed():
    collector.settle()
    cycle: list[object] = []
    cycle.append(cycle)
    watched = weakref.ref(_Watched(cycle))
    before = full_collections()
    collector.look()
    assert full_collections() == before + 1
    assert watched() is None


def test_many_objects_are_taken_out_of_sight_without_looking_at_them():
    collector.settle()
    before, frozen = full_collections(), gc.get_freeze_count()
    kept = [[number] for number in range(300_000)]
    collector.look()
    assert full_collections() == before
    assert gc.get_freeze_count() - frozen > len(kept)


class _Watched(list[object]):
    """A list in a cycle that can be watched."""

    def __init__(self, inside: list[object]) -> None:
        super().__init__([inside])
        self.append(self)


def test_what_is_there_when_it_settles_is_looked_at_no_more():
    kept = [[] for _ in range(1000)]
    collector.settle()
    assert gc.get_freeze_count() > 1000
    assert gc.isenabled()
    assert kept


def test_nothing_is_collected_while_it_is_paused_and_again_after_it():
    with collector.paused():
        assert not gc.isenabled()
    assert gc.isenabled()
