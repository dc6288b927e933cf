"""Which bursts there are, when they go to the disk, when they are over."""

from dataclasses import replace

import pytest

from gateway.voice.opus_toc import is_filler, ticks_of
from gateway.voice.recording.bursts import MAX_BURSTS, PAGE, SILENT, Begin, Bursts, Finish, Write
from gateway.voice.recording.incidents import Occasion, Occasions
from tests.voice.recording.rec_world import burst

WALL = 1_795_499_108.0
INCIDENT = "0190a5c0-0000-7000-8000-000000000001"


class Ear:
    """A recorder's machine, fed by hand; what it writes is kept by id."""

    def __init__(self):
        self.occasions = Occasions()
        self.bursts = Bursts("center", self.occasions)
        self.began = {}
        self.written = {}
        self.finished = {}
        self.accepts = True

    def hear(self, packets, *, talkgroup="tg", talker="zju1/radio", at=0.0, pace=0.02):
        for number, packet in enumerate(packets):
            now = at + number * pace
            self.do(
                self.bursts.packet(
                    talkgroup, talker, packet, ticks_of(packet.payload), now, WALL + now,
                    accepts=self.accepts,
                )
            )  # fmt: skip
        return self

    def do(self, actions):
        for action in actions:
            match action:
                case Begin(recording):
                    assert recording.id not in self.began
                    self.began[recording.id] = recording
                    self.written[recording.id] = []
                case Write(name, payloads):
                    assert name in self.began
                    assert name not in self.finished
                    self.written[name] += payloads
                case Finish(recording, payloads):
                    assert payloads
                    self.written[recording.id] += payloads
                    self.finished[recording.id] = recording

    @property
    def one(self):
        assert len(self.finished) == 1
        return next(iter(self.finished.values()))

    @property
    def ticks(self):
        return sum(map(ticks_of, self.written[self.one.id]))


def test_a_burst_is_one_recording_and_ends_with_its_last_packet():
    packets = burst(130)
    ear = Ear().hear(packets)
    assert ear.one.talkgroup == "tg"
    assert ear.one.talker == "zju1/radio"
    assert ear.one.gateway == "center"
    assert (ear.one.packets, ear.one.lost, ear.one.whole) == (130, 0, True)
    assert ear.written[ear.one.id] == [packet.payload for packet in packets]
    assert len(ear.bursts) == 0
    assert ear.bursts.deadline() is None


@pytest.mark.parametrize(
    ("sent", "on_disk"), [(PAGE, 0), (PAGE + 1, PAGE), (2 * PAGE + 1, 2 * PAGE)]
)
def test_a_page_goes_to_the_disk_each_second_and_one_packet_is_held_back(sent, on_disk):
    ear = Ear().hear(burst(130)[:sent])
    (written,) = ear.written.values()
    assert len(written) == on_disk


def test_without_a_last_packet_it_ends_after_silence_and_not_before():
    ear = Ear().hear(burst(60)[:50])
    ends = 49 * 0.02 + SILENT
    assert ear.bursts.deadline() == pytest.approx(ends)
    ear.do(ear.bursts.tick(ends - 0.001))
    assert not ear.finished
    ear.do(ear.bursts.tick(ends))
    assert not ear.one.whole
    assert ear.one.lost == 0
    assert ear.ticks == 50 * 960


def test_a_last_packet_waits_for_those_missing_before_it():
    packets = burst(60)
    late = packets.pop(58)
    ear = Ear().hear(packets)
    assert not ear.finished
    ear.hear([late], at=1.3)
    assert ear.one.whole
    assert ear.one.lost == 0


def test_what_comes_after_the_end_is_dropped():
    packets = burst(60)
    ear = Ear().hear(packets).hear(packets[10:12], at=2.0)
    assert ear.one.packets == 60
    assert ear.bursts.counts["late"] == 2


def test_a_burst_that_was_cut_by_a_lost_broker_goes_on_as_another_recording():
    packets = burst(400)
    ear = Ear().hear(packets[:100])
    ear.do(ear.bursts.tick(2.0 + SILENT))
    ear.hear(packets[300:], at=6.0)
    assert [one.packets for one in ear.finished.values()] == [100, 100]
    assert [one.whole for one in ear.finished.values()] == [False, False]


def test_two_talkgroups_and_two_talkers_are_kept_apart():
    ear = Ear()
    for number in range(60):
        ear.hear([burst(60)[number]], at=number * 0.02)
        ear.hear([burst(60)[number]], talkgroup="other", at=number * 0.02)
        ear.hear([burst(60, seed=1)[number]], talker="zju2/radio", at=number * 0.02)
    found = {(one.talkgroup, one.talker, one.packets) for one in ear.finished.values()}
    assert found == {
        ("tg", "zju1/radio", 60),
        ("tg", "zju2/radio", 60),
        ("other", "zju1/radio", 60),
    }


def test_a_talker_that_is_known_later_by_its_full_name_has_it():
    packets = burst(60)
    ear = Ear().hear(packets[:5], talker="zju1").hear(packets[5:], at=0.1)
    assert ear.one.talker == "zju1/radio"


def test_it_began_when_its_first_sample_was_heard_also_with_pre_roll_and_late_packets():
    """A second of pre-roll comes at once; some packets are held up on their way."""
    packets = burst(150)
    ear = Ear()
    ear.hear(packets[:50], at=1.0, pace=0.0)
    for number in range(50, 150):
        held_up = 0.3 if number % 7 else 0.0
        ear.hear([packets[number]], at=number * 0.02 + held_up)
    assert ear.one.started == pytest.approx(WALL + 0.0, abs=0.02)


def test_a_word_that_waited_for_the_floor_began_when_it_was_spoken():
    """It comes as a whole, 0.8 s late; how far its clock is off is known from the burst before."""
    ear = Ear().hear(burst(60, captured=5.0))
    ear.hear(burst(25, ssrc=2, captured=5.0 + 10.0), at=10.8, pace=0.0)
    second = list(ear.finished.values())[1]
    assert second.started == pytest.approx(WALL + 10.0, abs=0.001)


def test_a_talker_whose_clock_is_mad_began_when_it_was_heard_or_little_before():
    ear = Ear().hear(burst(60, captured=5.0)).hear(burst(25, ssrc=2, captured=-1e9), at=10.0)
    second = list(ear.finished.values())[1]
    assert WALL + 7.0 <= second.started <= WALL + 10.0


def test_nobody_listens_any_more():
    ear = Ear().hear(burst(60)[:20]).hear(burst(60)[:20], talkgroup="other")
    ear.do(ear.bursts.leave("tg"))
    assert ear.one.talkgroup == "tg"
    assert ear.one.packets == 20
    ear.do(ear.bursts.close())
    assert len(ear.finished) == 2


def test_where_the_disk_takes_no_more_no_burst_begins_and_one_begun_keeps_its_length():
    packets = burst(400)
    ear = Ear().hear(packets[:120])
    ear.accepts = False
    ear.hear(packets[120:330], at=2.4)
    ear.hear(burst(60, ssrc=2), at=3.0)
    assert len(ear.began) == 1
    ear.accepts = True
    ear.hear(packets[330:], at=6.6)
    assert ear.ticks == 400 * 960
    empty = sum(map(is_filler, ear.written[ear.one.id]))
    assert 190 <= empty <= 210 + PAGE
    assert (ear.one.lost, ear.one.packets) == (empty, 400 - empty)
    assert ear.bursts.counts["dropped"] == empty
    assert ear.bursts.counts["refused"] == 1


def test_a_refused_burst_begins_late_once_the_disk_takes_more():
    packets = burst(100)
    ear = Ear()
    ear.accepts = False
    ear.hear(packets[:50])
    ear.accepts = True
    ear.hear(packets[50:], at=1.0)
    assert ear.one.packets == 50
    assert not ear.one.whole


def test_a_client_that_changes_its_ssrc_with_each_packet_makes_few_files():
    ear = Ear()
    for ssrc in range(100):
        ear.hear([burst(2, ssrc=ssrc)[0]], at=ssrc * 0.02)
    assert len(ear.began) == MAX_BURSTS


def occasion(**changes):
    plain = Occasion(
        incident=INCIDENT,
        talkgroup=f"incident-{INCIDENT}",
        talkers=frozenset({"zju1/gate"}),
        severity=1,
        raised=WALL,
        drill=False,
    )
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("talkgroup", "talker", "marked"),
    [
        (f"incident-{INCIDENT}", "zju2/radio", True),
        ("tg", "zju1/gate", True),
        ("tg", "zju1/radio", False),
        ("tg", "zju2/gate", False),
    ],
)
def test_what_belongs_to_an_incident_is_marked(talkgroup, talker, marked):
    ear = Ear()
    ear.occasions.begin(occasion(drill=True))
    ear.hear(burst(60), talkgroup=talkgroup, talker=talker)
    assert ear.one.incident == (INCIDENT if marked else None)
    assert ear.one.drill is marked


def test_an_incident_that_opens_or_closes_in_the_middle_of_a_burst_marks_it():
    ear = Ear().hear(burst(60)[:30], talker="zju1/gate")
    ear.occasions.begin(occasion())
    ear.hear(burst(60)[30:], talker="zju1/gate", at=0.6)
    assert ear.one.incident == INCIDENT
    other = Ear()
    other.occasions.begin(occasion())
    other.hear(burst(60)[:30], talker="zju1/gate")
    other.occasions.end(INCIDENT)
    other.hear(burst(60)[30:], talker="zju1/gate", at=0.6)
    assert other.one.incident == INCIDENT


def test_of_two_incidents_the_more_severe_then_the_newer_has_it():
    occasions = Occasions()
    occasions.begin(occasion(incident="b", severity=2, raised=5.0))
    occasions.begin(occasion(incident="a", severity=1, raised=1.0))
    occasions.begin(occasion(incident="c", severity=1, raised=2.0))
    assert occasions.of("tg", "zju1/gate").incident == "c"
    assert occasions.end("c").incident == "c"
    assert occasions.of("tg", "zju1/gate").incident == "a"
    assert occasions.end("c") is None
