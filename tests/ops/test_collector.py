"""The collector leaves alone what lives as long as the daemon."""

import gc

import pytest

from gateway.ops import collector


@pytest.fixture(autouse=True)
def collected():
    yield
    gc.unfreeze()


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
