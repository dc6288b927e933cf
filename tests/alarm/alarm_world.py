"""The example district of the contract, a hand-set clock and counted ids, for tests of the alarm side."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable

from gateway.alarm.incidents.cases import Rules
from gateway.alarm.plans.plan import (
    GroupFacts,
    Level,
    Plan,
    Quorum,
    SiteFacts,
    SourceFacts,
    Targets,
    When,
    Where,
)
from gateway.link.messages import Action
from gateway.moment import Moment, timestamp

START = Moment(elapsed=1_000.0, wall=1_795_500_000.0)

POLICE, HOSPITAL, STREET = "police-xiaoying", "hospital-security", "street-xiaoying"
ALLIANCE = "alliance-xiaoying"
WHISTLE = (POLICE, HOSPITAL, STREET)

SITE = SiteFacts(
    name="zju1",
    title="浙大一院",
    class_="hospital",
    street="xiaoying",
    grid="xiaoying-03",
    tags=("riverside", "large"),
    position=(30.2573, 120.1776),
)
SOUTH_BUTTON = SourceFacts(
    endpoint="south-gate-button",
    title="南门按钮",
    site="zju1",
    place="south-gate",
    input="receiver-1",
    account="1234",
    zone="001",
    category="panic",
)
SOUTH_INTERCOM = SourceFacts(
    endpoint="south-gate-intercom", title="南门对讲", site="zju1", place="south-gate"
)
NORTH_BUTTON = SourceFacts(
    endpoint="north-gate-button",
    title="北门按钮",
    site="zju1",
    place="north-gate",
    input="gate-gpio",
    line="north-gate",
    category="panic",
)
RADIO = SourceFacts(endpoint="police-radio", title="police-radio", site="zju1")
PANEL = SourceFacts(
    endpoint="ward-panel", title="病房主机", site="zju1", input="receiver-1", account="1234"
)
SOURCES = {one.endpoint: one for one in (SOUTH_BUTTON, SOUTH_INTERCOM, NORTH_BUTTON, RADIO, PANEL)}

GROUPS = {
    name: GroupFacts(name=name, title=name, party=party, talkgroup=name, street=street)
    for name, party, street in (
        (POLICE, "police", "xiaoying"),
        (HOSPITAL, "hospital", "xiaoying"),
        (STREET, "street", "xiaoying"),
        (ALLIANCE, "alliance", "xiaoying"),
        ("police-tianshui", "police", "tianshui"),
    )
}
NO_CLOCKS = Targets(ack=None, en_route=None, on_scene=None, handled=None)
LEVELS = (
    Level(
        name="吹哨响应",
        page=WHISTLE,
        answered_by=Quorum(parties=("police", "hospital")),
        ack_within=30.0,
    ),
    Level(name="双向响应", patch=True, ack_within=60.0),
    Level(name="一呼百应", page_where=Where(street=("xiaoying",)), ack_within=120.0),
)
PLAN = Plan(
    name="hospital-panic",
    title="hospital-panic",
    when=When(class_=("hospital",), category=("panic",)),
    levels=LEVELS,
    targets=NO_CLOCKS,
)
RULES = Rules(sources=SOURCES, sites={"zju1": SITE}, groups=GROUPS, plans=(PLAN,))


def counted_ids(start: int = 1) -> Callable[[], str]:
    """UUIDs that count from ``start``: tests that fail say which."""
    numbers = itertools.count(start)
    return lambda: str(uuid.UUID(int=next(numbers)))


_NAMES = uuid.UUID(int=0xACED)


def action(
    incident: str, what: str, group: str | None = None, *, name: str = "", **more: str
) -> Action:
    """An action; the same ``name`` gives the same id, none a fresh one."""
    made = uuid.uuid5(_NAMES, name) if name else uuid.uuid4()
    return Action(
        id=str(made),
        incident=incident,
        group=group,
        by=f"{group or 'operator'}/officer",
        action=what,  # type: ignore[arg-type]
        time=timestamp(START.wall),
        **more,  # type: ignore[arg-type]
    )
