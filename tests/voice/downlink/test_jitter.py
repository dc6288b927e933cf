"""The jitter buffer, tick by tick, on a clock of the test's own. Times are seconds."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.voice.downlink.jitter import Jitter, Kind
from gateway.voice.downlink.lateness import Lateness
from gateway.voice.downlink.pace import Speed
from tests.voice.downlink.jitter_world import (
    PAUSE,
    SILENCE,
    SPEECH,
    TICK,
    Listener,
    Player,
    number_of,
    packet,
    stream,
    used_to_a_good_network,
)

# Order and loss


def test_a_burst_in_time_is_played_whole_and_in_order():
    listener = Listener()
    assert listener.run(stream(50)) == list(range(50))
    assert listener.jitter.finished
    assert listener.jitter.counts == {}


def test_the_first_frame_of_an_unknown_client_is_played_30_ms_after_its_first_packet():
    jitter = Jitter(Lateness())
    assert jitter.pull(10.0) is None
    jitter.put(packet(0), 960, 10.0)
    assert jitter.starts_at == pytest.approx(10.03)
    assert jitter.pull(10.029) is None
    assert jitter.pull(10.03).packet == packet(0)


def test_after_the_last_packet_nothing_more_is_given():
    jitter = Jitter(Lateness())
    jitter.put(packet(0, last=True), 960, 0.0)
    assert jitter.complete
    assert not jitter.finished
    assert jitter.pull(0.03).packet == packet(0, last=True)
    assert jitter.finished
    assert jitter.pull(0.05) is None
    assert not jitter.put(packet(1), 960, 0.03)
    assert jitter.counts == {"beyond": 1}


def test_sequence_numbers_wrap_within_a_burst():
    listener = Listener()
    assert listener.run(stream(10, first=65_531)) == list(range(65_531, 65_541))


def test_packets_that_changed_places_before_the_start_are_played_in_order():
    jitter = Jitter(Lateness())
    for number in (6, 5, 7):
        jitter.put(packet(number), 960, 0.0)
    assert [number_of(jitter.pull(0.03 + n * TICK).packet) for n in range(3)] == [5, 6, 7]


def test_a_lost_packet_is_recovered_from_the_next_one():
    listener = Listener()
    arrivals = [arrival for n, arrival in enumerate(stream(6)) if n != 2]
    # The next one must be here when the lost one is due, so the burst is heard 20 ms later.
    assert listener.run(arrivals, first_tick=0.025) == [0, 1, "fec<3", 3, 4, 5]
    assert listener.jitter.counts["lost"] == 1


def test_of_two_lost_packets_the_first_is_concealed_and_the_second_recovered():
    lateness = Lateness()
    for _ in range(100):
        lateness.add(0.06)
    listener = Listener(lateness)
    arrivals = [arrival for n, arrival in enumerate(stream(7)) if n not in (2, 3)]
    assert listener.run(arrivals) == [0, 1, "plc", "fec<4", 4, 5, 6]


def test_after_two_seconds_were_lost_speech_goes_on_at_once():
    jitter = Jitter(Lateness())
    jitter.put(packet(0), 960, 0.0)
    assert jitter.pull(0.03).kind is Kind.PLAY
    assert jitter.pull(0.05).kind is Kind.CONCEAL
    for number in (100, 101):
        jitter.put(packet(number), 960, number * TICK)
    assert number_of(jitter.pull(2.03).packet) in (99, 100)
    assert number_of(jitter.pull(2.05).packet) in (100, 101)


def test_a_packet_that_comes_after_its_place_was_recovered_is_late():
    jitter = Jitter(Lateness())
    jitter.put(packet(0), 960, 0.0)
    jitter.put(packet(2), 960, 0.04)
    assert jitter.pull(0.05).kind is Kind.PLAY
    assert jitter.pull(0.07).kind is Kind.RECOVER
    assert not jitter.put(packet(1), 960, 0.075)
    assert (jitter.counts["lost"], jitter.counts["late"]) == (1, 1)


def test_a_packet_that_comes_twice_is_played_once():
    listener = Listener()
    twice = [arrival for arrival in stream(10) for _ in range(2)]
    assert listener.run(twice) == list(range(10))
    assert listener.jitter.counts == {"duplicate": 10}


def test_a_replay_of_what_was_played_changes_neither_playback_nor_delay():
    lateness = Lateness()
    listener = Listener(lateness)
    replayed = [(at + 0.5, item) for at, item in stream(50)]
    assert listener.run(stream(50) + replayed, until=3.0) == list(range(50))
    assert lateness.target == 0.03


def test_a_late_joiner_begins_with_the_packet_that_it_hears_first():
    listener = Listener()
    assert listener.run(stream(20, first=700)[10:]) == list(range(710, 720))


def test_a_jump_of_the_sequence_is_a_new_beginning_and_no_loss():
    listener = Listener()
    played = listener.run(stream(5)[:4] + stream(3, start=0.1, first=20_000))
    assert played == [0, 1, 2, 3, 20_000, 20_001, 20_002]
    assert listener.jitter.counts["jumped"] == 1


def test_the_boundary_between_a_loss_and_a_jump_is_150_packets():
    for ahead, jumped in ((150, 0), (151, 1)):
        jitter = Jitter(Lateness())
        jitter.put(packet(0), 960, 0.0)
        jitter.pull(0.01)
        jitter.put(packet(ahead), 960, 0.02)
        assert jitter.counts["jumped"] == jumped


def test_more_than_three_seconds_waiting_drops_the_oldest():
    jitter = Jitter(Lateness())
    for number in range(151):
        jitter.put(packet(number), 960, 0.0)
    assert jitter.depth == 150
    assert jitter.counts == {"overflow": 1}
    assert number_of(jitter.pull(1.0).packet) == 1


# Lateness


def test_packets_held_up_together_are_played_later_and_whole():
    listener = Listener()
    held = {n: 0.2 - (n - 10) * TICK for n in range(10, 20)}  # all at 0.4 instead of 0.2 ...
    played = listener.run(stream(60, late=held))
    assert [item for item in played if item != "plc"] == list(range(60))
    assert 9 <= played.count("plc") <= 11
    assert listener.jitter.counts["lost"] == 0


def test_after_a_hold_up_silence_is_skipped_until_playback_has_caught_up():
    levels = [SPEECH] * 40 + [SILENCE] * 40 + [SPEECH] * 40
    held = {n: 0.2 - (n - 10) * TICK for n in range(10, 20)}
    lateness = used_to_a_good_network()
    listener = Listener(lateness)
    listener.run(stream(120, levels=levels, late=held))
    spoken = [n for n in range(120) if levels[n] == SPEECH]
    assert [n for n in listener.played if isinstance(n, int) and levels[n] == SPEECH] == spoken
    delay = {n: listener.when[n] - n * TICK for n in (39, 119)}
    assert delay[39] > 0.19
    assert lateness.target == 0.02
    assert delay[119] < 0.02 + TICK


def test_a_mere_pause_is_played_quicker_and_no_word_is_touched():
    levels = [SPEECH] * 30 + [PAUSE] * 30 + [SPEECH] * 30
    held = {n: 0.2 - (n - 10) * TICK for n in range(10, 20)}
    listener = Listener(used_to_a_good_network())
    played = listener.run(stream(90, levels=levels, late=held))
    merged = [item for item in played if isinstance(item, tuple)]
    assert merged
    assert all(levels[a] == levels[b] == PAUSE for a, b in merged)
    assert {60, 89} <= set(played)
    pause = [n for n in played if isinstance(n, tuple) or (isinstance(n, int) and 30 <= n < 60)]
    assert not any(
        isinstance(a, tuple) and isinstance(b, tuple) for a, b in itertools.pairwise(pause)
    )


@pytest.mark.parametrize("level", [SILENCE, PAUSE])
@pytest.mark.parametrize(("pause", "untouched"), [(24, True), (40, False)])
def test_the_first_half_second_of_a_pause_stays_as_it_was_said(level, pause, untouched):
    levels = [SPEECH] * 30 + [level] * pause + [SPEECH] * 30
    held = {n: 0.2 - (n - 10) * TICK for n in range(10, 20)}
    listener = Listener(used_to_a_good_network())
    played = listener.run(stream(60 + pause, levels=levels, late=held))
    assert set(range(30 + 24)) <= set(played)
    assert (set(range(60 + pause)) <= set(played)) is untouched


@pytest.mark.parametrize(("late", "cut"), [(0.28, 0), (0.3, 1)])
def test_a_third_of_a_second_late_even_a_short_pause_is_cut(late, cut):
    levels = [SPEECH] * 5 + [SILENCE] * 5
    jitter = Jitter(used_to_a_good_network())
    for number, level in enumerate(levels):
        jitter.put(packet(number, level=level), 960, number * TICK)
    # The target is 0.02: what is played at 0.02 is in time.
    for number in range(8):
        jitter.pull(0.02 + late + number * TICK)
    assert jitter.counts["skipped"] == cut


def test_the_pause_before_an_onset_stays_whole():
    levels = [SPEECH] * 3 + [PAUSE] + [SPEECH] * 3
    jitter = Jitter(Lateness())
    for number, level in enumerate(levels):
        jitter.put(packet(number, level=level), 960, 0.0)
    kinds = [jitter.pull(1.0 + n * TICK).kind for n in range(7)]
    assert kinds == [Kind.PLAY] * 7


def test_soft_sound_before_anything_loud_was_heard_is_no_pause():
    jitter = Jitter(Lateness())
    for number in range(10):  # a soft consonant in the pre-roll, long before its vowel
        jitter.put(packet(number, level=PAUSE, pre_roll=True), 960, 0.0)
    assert [number_of(jitter.pull(0.5 + n * TICK).packet) for n in range(10)] == list(range(10))


@pytest.mark.parametrize(("level", "skipped"), [(64, 0), (65, 1)])
def test_silence_begins_at_65_db_below_overload(level, skipped):
    jitter = Jitter(Lateness())
    jitter.put(packet(0, level=level), 960, 0.0)
    jitter.put(packet(1), 960, 0.0)
    jitter.pull(0.5)
    assert jitter.counts["skipped"] == skipped


def test_silent_pre_roll_costs_no_delay():
    levels = [SILENCE] * 10 + [SPEECH] * 40
    listener = Listener()
    listener.run(stream(50, levels=levels, pre_roll=10))
    assert listener.when[10] - 0.0 < 0.03 + TICK
    assert listener.jitter.counts["skipped"] >= 9


def test_spoken_pre_roll_is_played_whole_and_its_delay_goes_in_the_first_long_silence():
    levels = [SPEECH] * 30 + [SILENCE] * 40 + [SPEECH] * 15
    listener = Listener()
    played = listener.run(stream(85, levels=levels, pre_roll=10))
    assert played[:30] == list(range(30))
    assert listener.when[84] - 74 * TICK < 0.03 + TICK


def test_pre_roll_is_not_taken_for_lateness():
    lateness = Lateness()
    Listener(lateness).run(stream(125, pre_roll=10))
    assert lateness.target == 0.02


def test_a_talker_whose_packets_come_late_is_buffered_more_in_the_next_burst():
    lateness = Lateness()
    rng = random.Random(3)
    late = {n: rng.choice([0.0, 0.0, 0.0, 0.055]) for n in range(300)}
    Listener(lateness).run(stream(300, late=late))
    assert 0.055 <= lateness.target <= 0.065
    listener = Listener(lateness)
    played = listener.run(stream(300, late=late, start=10.0))
    assert played == list(range(300))


def test_a_hold_up_of_many_packets_counts_as_one():
    lateness = used_to_a_good_network()
    held = {n: 0.2 - (n - 10) * TICK for n in range(10, 20)}
    Listener(lateness).run(stream(60, late=held))
    assert lateness.target == 0.02


def test_packets_of_60_ms_are_timed_by_their_own_length():
    jitter = Jitter(Lateness())
    for n in range(20):
        jitter.put(packet(n), 2880, n * 0.06)
        frame = jitter.pull(n * 0.06 + 0.031)
        assert (frame.kind, frame.ticks) == (Kind.PLAY, 2880)
    assert jitter.lateness.target == 0.03


# Speed


def test_speech_is_played_quicker_until_the_delay_of_its_pre_roll_is_gone():
    player = Player(used_to_a_good_network())
    played = player.run(stream(500, pre_roll=50))
    assert played == list(range(500))
    assert player.delays[0][1] == pytest.approx(0.02)  # number 0 was captured a second sooner
    begun = 1.0 + 0.02
    late = {round(at, 3): at - (n - 50) * TICK for n, (at, _) in enumerate(player.delays)}
    assert next(iter(late.values())) == pytest.approx(begun)
    caught_up = next(at for at, seconds in late.items() if seconds < 0.04)
    assert 3.0 < caught_up < 8.0
    assert list(late.values())[-1] < 0.02 + TICK


def test_never_more_than_a_third_of_the_time_is_taken_nor_an_eighth_when_nearly_in_time():
    player = Player(used_to_a_good_network())
    player.run(stream(500, pre_roll=50))
    quick = player.changes(Speed.QUICKER)
    gaps = [b - a for a, b in itertools.pairwise(quick)]
    assert min(gaps) >= Player.PERIOD / (1 / 3) - 1e-6
    last = [b - a for a, b in itertools.pairwise(quick[-5:])]
    assert min(last) >= Player.PERIOD / (1 / 8) - 1e-6


def test_speech_in_time_is_played_as_it_was_said():
    player = Player(used_to_a_good_network())
    player.run(stream(300))
    assert {speed for _, speed in player.speeds} == {Speed.EVEN}


def test_when_a_hold_up_is_seen_what_is_left_is_played_slower():
    lateness = used_to_a_good_network()
    lateness.add(0.3)
    lateness.add(0.099)
    held = {n: 0.135 - (n - 30) * TICK for n in range(30, 35)}  # 29 was in time
    player = Player(lateness)
    played = player.run(stream(60, late=held))
    slow = player.changes(Speed.SLOWER)
    assert slow
    assert all(0.6 + 0.03 <= at < 0.74 for at in slow)
    assert played.count("plc") == 1  # 135 ms less the target's 100 is more than one frame


def test_the_end_of_a_burst_is_not_taken_for_a_hold_up():
    player = Player()
    player.run(stream(30))
    assert player.changes(Speed.SLOWER) == []


@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_talker_whose_sound_card_is_fast_or_slow_is_followed_for_ten_minutes(ppm):
    player = Player(used_to_a_good_network())
    count = 30_000
    arrivals = [(n * TICK * (1 + ppm / 1e6), packet(n, last=n == count - 1)) for n in range(count)]
    played = player.run(arrivals)
    assert played == list(range(count))
    behind = [at - n * TICK * (1 + ppm / 1e6) for n, (at, _) in enumerate(player.delays)]
    assert min(behind) > 0.0
    assert max(behind) < 0.02 + 2 * TICK
    changes = len(player.changes(Speed.QUICKER)) + len(player.changes(Speed.SLOWER))
    assert changes < 20  # 120 ms in periods of 8


# Whatever arrives


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_over_tcp_every_spoken_packet_is_played_once_and_in_order(data):
    count = data.draw(st.integers(1, 80))
    levels = data.draw(
        st.lists(st.sampled_from([SPEECH, PAUSE, SILENCE]), min_size=count, max_size=count)
    )
    at, arrivals = 0.0, []
    for n in range(count):  # TCP keeps the order and loses nothing, but holds back
        at = max(at, n * TICK + data.draw(st.sampled_from([0.0, 0.001, 0.03, 0.35])))
        arrivals.append((at, packet(n, level=levels[n], last=n == count - 1)))
    listener = Listener()
    listener.run(arrivals, until=at + 5.0)
    played = []
    for item in listener.played:
        played += [item] if isinstance(item, int) else item if isinstance(item, tuple) else []
    assert played == sorted(set(played))
    assert [n for n in range(count) if levels[n] == SPEECH and n not in played] == []
    skipped = [n for n in range(count) if n not in played]
    assert all(levels[n] == SILENCE for n in skipped)
    assert listener.jitter.finished


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_arrives_frames_are_given_in_order_at_most_once(data):
    arrivals = data.draw(
        st.lists(
            st.tuples(
                st.floats(0, 3),
                st.builds(
                    packet,
                    # Not half a circle apart, where before and after mean nothing.
                    st.integers(0, 2_000) | st.integers(65_500, 65_535) | st.integers(0, 60),
                    level=st.integers(0, 127),
                    last=st.sampled_from([False] * 9 + [True]),
                    pre_roll=st.booleans(),
                ),
            ),
            min_size=1,
            max_size=120,
        )
    )
    listener = Listener()
    listener.run(arrivals, until=4.0)
    numbers = []
    for item in listener.played:
        numbers += [item] if isinstance(item, int) else item if isinstance(item, tuple) else []
    steps = [(b - a) & 0xFFFF for a, b in itertools.pairwise(numbers)]
    assert all(0 < step < 0x8000 for step in steps)
    assert listener.jitter.depth <= 150


def ended(*levels):
    """A burst of packets with these levels, all here, of which all but the last two were played."""
    jitter = Jitter(used_to_a_good_network())
    for number, level in enumerate(levels):
        jitter.put(packet(number, level=level, last=number == len(levels) - 1), 960, number * TICK)
    for number in range(len(levels) - 2):
        jitter.pull(jitter.starts_at + number * TICK)
    return jitter


@pytest.mark.parametrize(
    ("levels", "spent"),
    [
        ((SPEECH, SILENCE, SILENCE, SILENCE), True),
        ((SPEECH, 65, 65, 127), True),
        ((SPEECH, SPEECH, SILENCE, SILENCE), False),  # the coder still says the end of the word
        ((SPEECH, SILENCE, SPEECH, SILENCE), False),
        ((SPEECH, SILENCE, SILENCE, 64), False),
    ],
)
def test_a_burst_of_which_only_silence_after_silence_is_left_is_spent(levels, spent):
    assert ended(*levels).spent is spent


def test_while_a_packet_may_still_come_a_burst_is_not_spent():
    jitter = Jitter(used_to_a_good_network())
    for number in (0, 1, 2, 4):
        level = SPEECH if number == 0 else SILENCE
        jitter.put(packet(number, level=level, last=number == 4), 960, number * TICK)
    for number in range(2):
        jitter.pull(jitter.starts_at + number * TICK)
    assert not jitter.spent
    jitter.put(packet(3, level=SILENCE), 960, 0.1)
    assert jitter.spent


# What is carried once more


def redundant(count, lost):
    """``count`` packets in time less those of ``lost``, each with what was five before it."""
    arrivals = []
    for n in range(count):
        earlier = packet(n - 5).payload if n >= 5 else b""
        item = replace(packet(n, last=n == count - 1), earlier=earlier)
        if n not in lost:
            arrivals.append((n * TICK, item))
    return arrivals


def test_five_lost_in_a_row_are_whole_again_once_the_link_is_known():
    lateness = used_to_a_good_network()
    lost = {20, 40, 41, 42, 43, 44, 60, 61, 62, 80, 82}
    Listener(lateness).run(redundant(100, lost))
    assert lateness.target == pytest.approx(0.105)  # five packets, and a little
    again = Listener(lateness)
    assert again.run(redundant(100, lost)) == list(range(100))
    assert again.jitter.counts["repeated"] == len(lost)
    assert again.jitter.counts["lost"] == 0


def test_a_copy_of_what_is_here_or_was_played_changes_nothing():
    listener = Listener(used_to_a_good_network())
    assert listener.run(redundant(50, set())) == list(range(50))
    assert listener.jitter.counts == {}


def test_a_late_joiner_does_not_begin_with_copies():
    listener = Listener()
    assert listener.run(redundant(50, set(range(30)))) == list(range(30, 50))
