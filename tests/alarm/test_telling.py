"""In a storm the newest state of each incident is told, a few at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.alarm.actions import PUBLISHED_ACTIONS
from gateway.alarm.docket import Docket
from gateway.alarm.order import Order
from gateway.alarm.saying import Saying, saying_of
from gateway.alarm.telling import HANDFUL, Telling
from gateway.link.messages import IncidentState, Refusal
from gateway.ops.pacing import FEW, PAUSE
from tests.alarm.alarm_world import RULES, START, counted_ids

(INCIDENT, EFFECTS), *_ = Docket("zju1", RULES, counted_ids()).raise_by_hand(
    Order(site="zju1", category="panic"), START
)
ANY = saying_of(INCIDENT.record, EFFECTS, START, "kernel")


def saying(incident: str, seq: int, *, site: str = "s1", refused: bool = False) -> Saying:
    state = replace(
        ANY.state.message,
        id=incident,
        seq=seq,
        site=site,
        refused=Refusal(id=incident, reason="no") if refused else None,
    )
    return replace(ANY, state=replace(ANY.state, message=state))


class Listener:
    def __init__(self) -> None:
        self.busy = True
        self.told: list[IncidentState] = []
        self.telling = Telling(lambda one: self.told.append(one.state.message), lambda: self.busy)

    def put(self, incident: str, seq: int, changes: int = 1, **more) -> None:
        self.telling.put(saying(incident, seq, **more), changes)

    @property
    def heard(self) -> list[tuple[str, int]]:
        return [(one.id, one.seq) for one in self.told]

    async def all_told(self, count: int) -> None:
        async with asyncio.timeout(2):
            while len(self.told) < count:
                await asyncio.sleep(PAUSE)


@pytest.fixture
async def listener():
    made = Listener()
    yield made
    made.telling.stop()


async def test_without_a_storm_every_state_is_told_as_it_comes(listener: Listener):
    listener.busy = False
    for seq in range(1, 30):
        listener.put("a", seq)
    assert listener.heard == [("a", seq) for seq in range(1, 30)]


async def test_in_a_storm_the_newest_of_each_is_told_a_few_at_a_time(listener: Listener):
    for number in range(20):
        listener.put(f"i{number}", 1)
        listener.put(f"i{number}", 2)
    assert len(listener.told) <= max(HANDFUL // FEW, 1)
    await listener.all_told(21)  # the first took the free turn, and was told again
    assert {incident for incident, _ in listener.heard} == {f"i{number}" for number in range(20)}
    assert [seq for _, seq in listener.heard].count(2) >= 19


async def test_another_site_does_not_wait_for_a_storm_of_incidents(listener: Listener):
    for number in range(50):
        listener.put(f"i{number}", 1, site="storm")
    listener.put("calm", 1, site="calm")
    await listener.all_told(5)
    assert "calm" in {incident for incident, _ in listener.heard[:4]}


async def test_refusal_never_waits_and_nothing_older_is_told_after_it(listener: Listener):
    for number in range(10):
        listener.put(f"i{number}", 1)
    listener.put("i9", 2, refused=True)
    assert listener.heard[-1] == ("i9", 2)
    listener.put("i9", 3)
    await listener.all_told(11)
    assert [seq for incident, seq in listener.heard if incident == "i9"] == [2, 3]


async def test_state_is_told_before_an_applied_action_leaves_its_window(listener: Listener):
    listener.put("first", 1)  # takes the turn that is free
    for seq in range(1, PUBLISHED_ACTIONS - 1):
        listener.put("a", seq)
    assert "a" not in {incident for incident, _ in listener.heard}
    listener.put("a", PUBLISHED_ACTIONS - 1)
    assert listener.heard[-1] == ("a", PUBLISHED_ACTIONS - 1)


async def test_end_tells_what_still_waits(listener: Listener):
    for number in range(10):
        listener.put(f"i{number}", 1)
    listener.telling.stop()
    assert len(listener.told) == 10
