"""Speech over bad links, replayed: how late packets really came, through the jitter buffer.

`lateness/N.txt` has it for N % loss each way on both hops (talker to broker, broker to listener) of
20 ms one way, TCP with cubic, in milliseconds for each of 3,000 packets; recorded with the world of
`bench.links`, which measures the same with the devices of the kernel.
"""

from pathlib import Path
from statistics import mean

import pytest

from gateway.voice.downlink.lateness import Lateness
from tests.voice.downlink.jitter_world import PAUSE, SPEECH, TICK, Player, packet

FOLDER = Path(__file__).parent / "lateness"
QUIET = 1_000  # packets in time before the loss and after it


class Deaf(Lateness):
    """The control: it never learns."""

    def add(self, seconds):
        pass


def replayed(percent, lateness):
    """The player after a quiet time, the recorded minute, and a quiet time again."""
    late = [int(word) / 1000 for word in (FOLDER / f"{percent}.txt").read_text().split()]
    late = [0.0] * QUIET + late + [0.0] * QUIET
    arrivals, at = [], 0.0
    for n, seconds in enumerate(late):
        at = max(at, n * TICK + seconds)  # TCP keeps the order
        level = PAUSE if n // 25 % 8 == 7 else SPEECH  # half a second of pause in each four
        arrivals.append((at, packet(n, level=level, last=n == len(late) - 1)))
    player = Player(lateness)
    player.run(arrivals)
    return player


def figures(player):
    """Percent concealed, mean delay before, meanwhile, and seconds until it was as before."""
    begin, end = QUIET * TICK, (QUIET + 3_000) * TICK
    before = mean(delay for at, delay in player.delays if at < begin)
    meanwhile = mean(delay for at, delay in player.delays if begin <= at < end)
    late = [at for at, delay in player.delays if at >= end and delay > before + 0.02]
    concealed = 100 * player.played.count("plc") / 3_000
    return concealed, before, meanwhile - before, max(late, default=end) - end


@pytest.mark.parametrize(
    ("percent", "most_concealed", "most_added"),
    [(0, 0.0, 0.001), (1, 0.5, 0.08), (2, 1.2, 0.12), (5, 3.0, 0.16)],
)
def test_speech_over_a_link_with_loss_is_hardly_concealed_nor_much_later(
    percent, most_concealed, most_added
):
    concealed, before, added, back = figures(replayed(percent, Lateness()))
    assert before <= 0.03 + 1e-9
    assert concealed <= most_concealed
    assert added <= most_added
    assert back <= 15.0


def test_a_buffer_that_does_not_learn_conceals_many_times_as_much():
    learnt, *_ = figures(replayed(1, Lateness()))
    deaf, *_ = figures(replayed(1, Deaf()))
    assert deaf > 3 * max(learnt, 0.3)


def test_the_next_burst_begins_with_what_the_link_has_taught():
    lateness = Lateness()
    late = [int(word) / 1000 for word in (FOLDER / "1.txt").read_text().split()][:1_000]
    for seconds in late:
        lateness.add(seconds)
    assert 0.06 <= lateness.target <= 0.12
