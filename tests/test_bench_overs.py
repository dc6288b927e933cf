"""The judge of the side-by-side run sees what is missing."""

import numpy as np
import pytest

from bench.overs import BLOCK, CLICK, OVER, RATE_HZ, WORD, Ends, OverRadio, Spoken, judge

LATE = 0.05
_CLICK_AT = np.flatnonzero(OVER[WORD.size :] != 0)[0] + WORD.size


@pytest.fixture
def far():
    return OverRadio(Ends(1, 2, None, None))


def hear(far, sound):
    """The far radio plays ``sound``, `LATE` after it was spoken; COS closed at its end."""
    began = 100.0
    for at in range(0, sound.size, BLOCK):
        far.heard.append((began + LATE + at / RATE_HZ, sound[at : at + BLOCK]))
    closed = began + OVER.size / RATE_HZ
    far.keyed += [(began + 0.01, True), (closed + 0.03, False)]
    spoken = Spoken(began, began, began + (_CLICK_AT // BLOCK) * BLOCK / RATE_HZ, closed)
    return judge(spoken, far)


def test_an_over_that_came_whole_is_whole_and_its_times_are_true(far):
    heard = hear(far, OVER)
    assert heard.first_whole
    assert heard.last_whole
    assert heard.cos_to_ptt == pytest.approx(0.01)
    assert heard.close_to_off == pytest.approx(0.03)
    assert heard.one_way == pytest.approx(LATE, abs=0.002)


@pytest.mark.parametrize("cut", [slice(0, BLOCK), slice(10 * BLOCK, 11 * BLOCK)])
def test_twenty_ms_missing_from_the_first_word_is_seen(far, cut):
    sound = OVER.copy()
    sound[cut] = 0
    heard = hear(far, sound)
    assert not heard.first_whole
    assert heard.last_whole


def test_an_end_cut_by_20_ms_is_seen(far):
    heard = hear(far, OVER[:-BLOCK])
    assert heard.first_whole
    assert not heard.last_whole


def test_silence_is_nothing(far):
    heard = hear(far, np.zeros_like(OVER))
    assert heard.one_way is None
    assert not heard.first_whole
    assert CLICK.any()
