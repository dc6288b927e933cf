"""Each law that holds in every scenario is seen to be broken where it is."""

from gateway.cli.scenario import laws
from gateway.cli.scenario.seen import Seen
from tests.scenario.scenario_messages import INCIDENT, PAGE, but, group, seen

ACKED = but(INCIDENT, groups={"police": group("acked")}, seq=2)


def found(*messages, **known):
    return list(laws.broken(seen(*messages), laws.Known(**known)))


def test_page_before_an_ack_is_lawful():
    assert not found(INCIDENT, PAGE, ACKED)


def test_page_while_an_ack_stands_is_told():
    after = but(ACKED, seq=3)
    assert "was paged while its ack stood" in found(INCIDENT, PAGE, ACKED, PAGE, after)[0]


def test_page_while_an_ack_stands_is_told_also_where_nothing_follows():
    assert found(INCIDENT, ACKED, PAGE)


def test_page_that_drops_an_ack_which_nobody_took_back_is_told():
    dropped = but(ACKED, groups={"police": group("paged")}, seq=3)
    assert found(ACKED, PAGE, dropped)
    assert not found(ACKED, PAGE, dropped, unacked={(INCIDENT.id, "police")})
    assert not found(ACKED, PAGE, dropped, expiring={"panic"})


def test_page_that_overtakes_the_state_of_a_reopened_incident_is_lawful():
    assert not found(but(ACKED, state="resolved"), PAGE, but(INCIDENT, seq=3))


def test_page_to_another_group_is_lawful():
    assert not found(ACKED, but(PAGE, group="street"), but(ACKED, seq=3))


def test_drill_that_pages_a_group_not_marked_for_drills_is_told():
    drill = but(PAGE, drill=True)
    assert "not marked for drills" in found(drill)[0]
    assert not found(drill, drilled={"police"})


def test_state_that_goes_back_is_told():
    assert "went back" in found(but(INCIDENT, seq=5), but(INCIDENT, seq=4))[0]


def test_states_of_two_owners_each_go_forward():
    other = but(INCIDENT, owner="zju2", owner_term=2, seq=1)
    assert not found(but(INCIDENT, seq=9), other, but(INCIDENT, seq=9))


def test_closed_incident_that_changes_is_told():
    closed = but(INCIDENT, state="closed", disposition="handled", seq=3)
    assert "open again" in found(closed, but(INCIDENT, seq=4))[0]
    assert not found(closed, closed)
    assert not found(closed, but(INCIDENT, seq=2, owner="zju2")), "an older copy of another"


def test_message_outside_the_contract_is_told():
    heard = Seen()
    heard.take("baiying/alarm/zju1", b'{"v": 1}', 0.0)
    assert "alarm/zju1" in next(iter(laws.broken(heard, laws.Known())))
