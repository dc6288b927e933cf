"""A load on a district: what it does is chance with a seed; what it counts is what arrived."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from gateway.cli.simulate.district import make
from gateway.cli.simulate.field import clients_of
from gateway.cli.simulate.files import write
from gateway.cli.simulate.outcome import Outcome, spread
from gateway.cli.simulate.part import choose
from gateway.cli.simulate.people import People
from gateway.cli.simulate.stage import at_broker
from gateway.cli.simulate.strokes import What, strokes
from gateway.link.messages import AlarmEvent
from tests.link.examples import ALARM, INCIDENT, PAGE


@pytest.fixture(scope="module")
def district():
    return make(seed=7, scale=0.1)


def some(district, **wanted):
    return list(strokes(choose(district).devices, rate=20, seconds=60, seed=5, **wanted))


def test_the_same_seed_makes_the_same_strokes(district):
    assert some(district) == some(district)


def test_strokes_come_in_order_at_the_rate_and_in_the_mix_asked_for(district):
    found = some(district)
    assert [one.at for one in found] == sorted(one.at for one in found)
    counts = Counter(one.what for one in found)
    began = counts[What.ALARM] + counts[What.TROUBLE] + counts[What.TEST]
    assert 1000 < began < 1400  # 1200 on average, standard deviation 35
    assert counts[What.TEST] > counts[What.TROUBLE] > counts[What.ALARM] > 0


ENDS = {What.RESTORE: What.ALARM, What.MENDED: What.TROUBLE}


def test_every_alarm_is_restored_after_it_counts_and_every_trouble_mended(district):
    began: dict[tuple[str, What], list[float]] = {}
    ended: dict[tuple[str, What], list[float]] = {}
    holds = {device.name: device.hold for device in district.devices}
    for one in some(district, haste=50.0):
        if one.what in ENDS:
            ended.setdefault((one.device.name, ENDS[one.what]), []).append(one.at)
        elif one.what is not What.TEST:
            began.setdefault((one.device.name, one.what), []).append(one.at)
    assert {key: len(times) for key, times in began.items()} == {
        key: len(times) for key, times in ended.items()
    }
    for (name, what), times in began.items():
        least = holds[name] + 1.0 if what is What.ALARM else 0.0
        assert min(ended[name, what]) >= min(times) + least


def test_a_stroke_is_the_receivers_line(district):
    one = some(district)[0]
    site = one.device.site
    assert one.line == f"5011 18{site.account}{one.what.value}01{one.device.zone}"


def test_a_part_is_what_is_named_and_whoever_answers_there(district):
    street = district.streets[0]
    part = choose(district, grids=[street.grids[0]])
    assert {one.site.grid for one in part.devices} == {street.grids[0]}
    assert part.gateways == ("command", street.grids[0])
    assert {group.street for group in part.groups} == {street.name, None}
    single = choose(district, grids=[street.grids[0]], single=True)
    assert single.gateways == ("single",)
    assert single.receiver_of == {street.grids[0]: "receiver-01"}


def test_a_street_that_there_is_not_is_told_with_a_hint(district):
    with pytest.raises(ValueError, match="there is no street 'qinbo'; did you mean qingbo"):
        choose(district, streets=["qinbo"])


def test_every_group_has_one_client_and_only_cars_have_a_place(district):
    part = choose(district)
    clients = clients_of(part.groups)
    served = [name for client in clients for name in client.groups]
    assert sorted(served) == sorted(group.name for group in part.groups)
    assert all((client.home is not None) == ("patrol" in client.name) for client in clients)


def test_most_take_a_page_in_the_order_of_the_work_and_nobody_answers_twice():
    people = People(Random(1))
    answers = Counter()
    for number in range(1000):
        deeds = people.paged("incident", f"group-{number}")
        answers[tuple(deed.action for deed in deeds)] += 1
        assert [deed.after for deed in deeds] == sorted(deed.after for deed in deeds)
        assert people.paged("incident", f"group-{number}") == ()
    assert answers.keys() == {("decline",), ("ack", "en_route", "on_scene", "handled")}
    assert 15 < answers["decline",] < 75  # 40 on average


def test_people_in_haste_do_the_same_sooner():
    usual = People(Random(1)).paged("i", "g")
    hasty = People(Random(1), 10.0).paged("i", "g")
    assert [one.action for one in usual] == [one.action for one in hasty]
    assert [one.after / 10 for one in usual] == pytest.approx([one.after for one in hasty])


def test_a_page_counts_once_and_a_copy_is_a_resend():
    outcome = Outcome()
    page = replace(PAGE, level=1, endpoint="e")
    outcome.pressed("e", 10.0)
    assert outcome.page(page, 10.02)
    assert not outcome.page(page, 11.02)
    figures = outcome.figures()
    assert (figures["pages"], figures["pages_resent"]) == (1, 1)
    assert figures["line_to_first_page_s"]["median"] == pytest.approx(0.02)


def test_of_an_incidents_states_the_newest_counts():
    outcome = Outcome()
    first = replace(INCIDENT, state="open", owner_term=1, seq=1)
    assert outcome.state(first)
    assert outcome.state(replace(first, state="closed", owner_term=2, seq=1))
    assert not outcome.state(replace(first, state="open", seq=9))
    assert outcome.state(replace(first, id=ALARM.id))
    assert (outcome.open, outcome.figures()["closed_share"]) == (1, 0.5)


def test_a_folded_event_stands_for_all_that_it_counts():
    outcome = Outcome()
    event = ALARM
    assert isinstance(event, AlarmEvent)
    outcome.event(replace(event, signal="fault", folded=4))
    assert outcome.figures()["events"] == {"fault": 5, "all": 5}


def test_the_spread_of_a_hundred_is_read_off_them():
    assert spread([float(number) for number in range(1, 101)]) == {
        "median": 50.5,
        "p99": 99.0,
        "worst": 100.0,
    }
    assert spread([]) is None


def test_a_broker_with_tls_is_refused_in_words():
    with pytest.raises(ValueError, match="without TLS"):
        at_broker("mqtts://127.0.0.1:8883")


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "gateway", "simulate", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_that_is_no_district_is_status_2(tmp_path):
    done = command("load", tmp_path)
    assert done.returncode == 2
    assert "has no district" in done.stderr


@pytest.mark.system
def test_a_grid_cell_plays_a_minute_in_seconds_and_every_incident_is_closed(tmp_path):
    made = make(seed=7, scale=0.01)
    write(made, tmp_path)
    words = ("--rate", 6, "--seconds", 3, "--haste", 60, "--json")
    done = command("load", tmp_path, "--grid", made.gateways[0], *words)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    signals = figures["signals"]
    assert figures["acknowledged"] == signals["all"] > 10
    assert figures["events"]["all"] >= signals["all"]
    assert figures["incidents"] > 0
    assert figures["closed_share"] == 1.0
    assert figures["actions"]["receipt"] == figures["pages"]
