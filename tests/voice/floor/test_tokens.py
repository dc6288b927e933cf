"""The rule of the newest grant, and the relative age. Constants are spelled out, not imported."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.voice.downlink.age import Ages
from gateway.voice.floor.tokens import Gate, Verdict
from gateway.voice.rtp import Token

PLAY = Verdict.PLAY


NEWEST = Token(5, 3)


def gate(token=NEWEST, talker="alpha/radio", controller="alpha", live=True):
    one = Gate()
    assert one.confirm(token, controller, talker, 0.0, live=live)
    return one


def test_newest_grant_plays_for_as_long_as_it_lasts():
    one = gate()
    assert all(one.admit("alpha", Token(5, 3), at) is PLAY for at in (0.0, 1.0, 100.0))


@pytest.mark.parametrize("token", [Token(5, 2), Token(4, 9), Token(0, 0)])
def test_older_token_never_plays(token):
    one = gate()
    assert one.admit("alpha", token, 0.0) is Verdict.OLD
    assert one.admit("beta", token, 0.0) is Verdict.OLD


def test_newest_token_of_another_client_does_not_play():
    assert gate().admit("mallory", Token(5, 3), 0.0) is Verdict.STRANGER


def test_unknown_newer_token_plays_for_1_s_unconfirmed():
    one = gate()
    assert one.admit("beta", Token(5, 4), 10.0) is PLAY
    assert one.admit("beta", Token(5, 4), 10.999) is PLAY
    assert one.admit("beta", Token(5, 4), 11.0) is Verdict.UNCONFIRMED
    assert one.admit("beta", Token(5, 4), 20.0) is Verdict.UNCONFIRMED


def test_first_token_ever_heard_is_unconfirmed_too():
    one = Gate()
    assert one.admit("beta", Token(1, 1), 0.0) is PLAY
    assert one.admit("beta", Token(1, 1), 1.0) is Verdict.UNCONFIRMED


def test_unconfirmed_token_plays_on_once_a_controller_confirms_it():
    one = gate()
    one.admit("beta", Token(5, 4), 0.0)
    assert one.admit("beta", Token(5, 4), 1.5) is Verdict.UNCONFIRMED
    one.confirm(Token(5, 4), "alpha", "beta/radio", 1.6, live=True)
    assert one.admit("beta", Token(5, 4), 1.7) is PLAY
    assert one.admit("beta", Token(5, 4), 60.0) is PLAY


def test_newer_and_newer_tokens_buy_a_forger_no_more_than_1_s_in_5():
    one = gate()
    played = sum(one.admit("mallory", Token(6, n), n * 0.02) is PLAY for n in range(250))
    assert played == 50


def test_packet_never_moves_what_is_known_as_the_newest():
    one = gate()
    one.admit("mallory", Token(0xFFFFFFFF, 0xFFFFFFFF), 0.0)
    assert one.newest.token == Token(5, 3)
    assert one.admit("alpha", Token(5, 3), 0.2) is PLAY


def test_only_the_newer_of_two_talkers_is_heard():
    one = gate()
    assert one.admit("alpha", Token(5, 3), 0.00) is PLAY
    assert one.admit("beta", Token(6, 1), 0.01) is PLAY
    assert one.admit("alpha", Token(5, 3), 0.02) is Verdict.OLD
    assert one.admit("beta", Token(6, 1), 0.03) is PLAY
    assert one.admit("alpha", Token(5, 3), 0.129) is Verdict.OLD
    assert one.admit("alpha", Token(5, 3), 0.13) is PLAY  # the newer has been silent for 0.1 s


def test_confirmed_talker_returns_after_an_unconfirmed_one_has_had_its_second():
    one = gate()
    for n in range(50):
        assert one.admit("mallory", Token(6, 1), n * 0.02) is PLAY
    assert one.admit("mallory", Token(6, 1), 1.0) is Verdict.UNCONFIRMED
    assert one.admit("alpha", Token(5, 3), 1.08) is PLAY


def test_of_two_unconfirmed_talkers_the_newer_token_wins_then_the_greater_name():
    one = gate()
    assert one.admit("beta", Token(6, 1), 0.00) is PLAY
    assert one.admit("gamma", Token(5, 9), 0.01) is Verdict.OLD
    assert one.admit("gamma", Token(6, 1), 0.02) is PLAY
    assert one.admit("beta", Token(6, 1), 0.03) is Verdict.OLD


def test_end_of_a_burst_may_come_1_s_after_the_word_that_it_is_over():
    one = gate()
    one.confirm(Token(5, 3), "alpha", None, 10.0, live=False)
    assert one.admit("alpha", Token(5, 3), 10.999) is PLAY
    assert one.admit("alpha", Token(5, 3), 11.0) is Verdict.ENDED


def test_word_repeated_does_not_lengthen_the_end():
    one = gate()
    one.confirm(Token(5, 3), "alpha", None, 10.0, live=False)
    one.confirm(Token(5, 3), "alpha", None, 10.9, live=False)
    assert one.admit("alpha", Token(5, 3), 11.0) is Verdict.ENDED


def test_grant_of_a_controller_that_has_gone_counts_as_over():
    one = gate()
    one.retire(10.0)
    assert one.admit("alpha", Token(5, 3), 10.5) is PLAY
    assert one.admit("alpha", Token(5, 3), 11.0) is Verdict.ENDED
    one.confirm(Token(5, 3), "alpha", "alpha/radio", 12.0, live=True)  # it is back
    assert one.admit("alpha", Token(5, 3), 12.0) is PLAY


def test_older_word_changes_nothing():
    one = gate(Token(5, 3))
    assert not one.confirm(Token(5, 2), "zeta", "beta/radio", 1.0, live=True)
    assert not one.confirm(Token(4, 9), "alpha", "beta/radio", 1.0, live=True)
    assert one.newest.talker == "alpha/radio"


def test_equal_tokens_of_two_controllers_compare_by_name():
    one = gate(Token(5, 3), controller="beta", talker="beta/radio")
    assert not one.confirm(Token(5, 3), "alpha", "alpha/radio", 1.0, live=True)
    assert one.confirm(Token(5, 3), "gamma", "gamma/radio", 1.0, live=True)
    assert one.admit("gamma", Token(5, 3), 1.0) is PLAY
    assert one.admit("beta", Token(5, 3), 1.0) is Verdict.STRANGER


tokens = st.builds(Token, st.integers(0, 3), st.integers(0, 3))
words = st.tuples(
    st.sampled_from(["say", "send"]), tokens, st.sampled_from(["a", "b", "c"]), st.booleans()
)


@given(st.lists(words, max_size=60))
def test_newest_only_grows_and_older_is_never_played(steps):
    one, newest = Gate(), None
    for at, (what, token, client, live) in enumerate(steps):
        if what == "say":
            moved = one.confirm(token, client, f"{client}/x", at * 0.05, live=live)
            assert moved == (newest is None or (token, client) >= newest)
            newest = (token, client) if moved else newest
        else:
            verdict = one.admit(client, token, at * 0.05)
            if newest is not None and token < newest[0]:
                assert verdict is Verdict.OLD
        assert newest is None or (one.newest.token, one.newest.controller) == newest


# Age


def test_first_packet_of_a_client_has_no_age_whatever_the_clocks_say():
    assert Ages().age("alpha", captured=1e9, arrival=12.0) == 0.0


def test_age_is_what_a_packet_took_longer_than_the_quickest_of_its_client():
    ages = Ages()
    ages.age("alpha", 1000.00, 10.05)
    assert ages.age("alpha", 1000.02, 10.06) == 0.0  # 10 ms quicker
    assert ages.age("alpha", 1000.04, 12.08) == pytest.approx(2.0)
    assert ages.age("beta", 1000.04, 12.08) == 0.0


def test_quickest_packet_counts_for_60_s():
    for later, expected in ((60.0, 1.0), (60.001, 0.0)):
        ages = Ages()
        ages.age("alpha", 0.0, 10.0)
        assert ages.age("alpha", later - 1.0, 10.0 + later) == pytest.approx(expected)


def test_sender_whose_clock_was_set_back_an_hour_is_heard_again_after_60_s():
    ages = Ages()
    ages.age("alpha", 5000.0, 10.0)
    assert ages.age("alpha", 5000.02 - 3600, 10.02) == pytest.approx(3600.0)
    assert ages.age("alpha", 5061.0 - 3600, 71.0) == pytest.approx(0.0)


def test_memory_is_bounded_by_the_number_of_clients():
    ages = Ages()
    for n in range(3000):
        ages.age(f"client-{n}", 0.0, float(n))
    assert len(ages._clients) == 1024


def test_age_is_that_of_the_definition_for_any_traffic():
    rng = random.Random(7)
    for _ in range(20):
        ages, seen, now = Ages(), [], 0.0
        for _ in range(300):
            now += rng.expovariate(2.0)
            captured = now - rng.random() * 3 + math.sin(now / 30)
            seen = [(at, diff) for at, diff in seen if now - at <= 60.0]
            seen.append((now, now - captured))
            expected = now - captured - min(diff for _, diff in seen)
            assert ages.age("alpha", captured, now) == pytest.approx(expected)
