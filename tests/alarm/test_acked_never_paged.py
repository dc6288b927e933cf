"""A group whose ack stands is never paged: each way to stand, by each way to page anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.alarm.incidents import snapshot
from gateway.alarm.incidents.record import STANDING, Progress
from gateway.alarm.plans.plan import Quorum
from tests.alarm.alarm_world import HOSPITAL, LEVELS, PLAN, POLICE, STREET
from tests.alarm.incidents.test_incident import Case, groups_of

EVERYONE = replace(
    PLAN,
    levels=tuple(replace(level, answered_by=Quorum(everyone=True)) for level in LEVELS),
)
"""Nothing is answered while anybody is missing, so that its timers go on beside the acks."""

WAYS = {
    Progress.ACKED: ("ack",),
    Progress.EN_ROUTE: ("en_route",),
    Progress.ON_SCENE: ("on_scene",),
    Progress.HANDLED: ("handled",),
}


def paged_in_time(case: Case) -> list[str]:
    """All that is paged while the levels widen and the last one repeats."""
    return [page.group for _, page in case.run_until(600.0)]


def paged_by_escalation(case: Case) -> list[str]:
    return groups_of(case.do("escalate", level=3))


def paged_by_decline(case: Case) -> list[str]:
    declined = groups_of(case.do("decline", STREET))
    return declined + [page.group for _, page in case.run_until(100.0)]


def paged_after_restart(case: Case) -> list[str]:
    record = snapshot.from_bytes(snapshot.to_bytes(case.record, "boot", None)).record
    numbers = iter(range(10_000))
    case.incident = type(case.incident).restored(
        record, case.now, lambda: f"page-{next(numbers)}", same_boot=True, owner="zju2", above=5
    )
    assert case.record.owner == "zju2"
    assert case.record.owner_term == 6
    return [page.group for _, page in case.run_until(600.0)]


def paged_by_a_further_alarm(case: Case) -> list[str]:
    return groups_of(case.press()) + [page.group for _, page in case.run_until(100.0)]


@pytest.mark.parametrize("far", WAYS)
@pytest.mark.parametrize(
    "paged",
    [
        paged_in_time,
        paged_by_escalation,
        paged_by_decline,
        paged_after_restart,
        paged_by_a_further_alarm,
    ],
)
def test_group_whose_ack_stands_is_not_paged_and_the_others_are(far, paged):
    assert WAYS.keys() == STANDING
    case = Case(EVERYONE)
    # Somebody works on, so that what the other has handled resolves nothing.
    case.do("on_scene", HOSPITAL)
    for what in WAYS[far]:
        case.do(what, POLICE)
    groups = paged(case)
    assert POLICE not in groups
    assert HOSPITAL not in groups
    assert groups, "others are paged meanwhile"
    assert case.progress(POLICE) is far
