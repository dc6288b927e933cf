"""One incident as its owner publishes it, for tests of what neighbours are told."""

from dataclasses import replace
from typing import Any

from gateway.link.messages import GroupState, IncidentState

AT = "2026-11-24T05:45:08.123Z"
ID = "0190a5c0-0000-7000-8000-000000000002"

_OPEN = IncidentState(
    id=ID,
    state="open",
    level=1,
    plan="hospital-panic",
    category="panic",
    severity=1,
    site="zju1",
    site_name="浙大一院",
    endpoint="south-gate-button",
    endpoints=("south-gate-button",),
    drill=False,
    raised=AT,
    latched=True,
    input="alarm",
    talkgroup=None,
    groups={
        "police-xiaoying": GroupState(
            party="police",
            state="paged",
            level=1,
            paged=AT,
            received=None,
            acked=None,
            arrived=None,
            by=None,
        )
    },
    breaches=(),
    disposition=None,
    closed=None,
    owner="zju1",
    owner_term=1,
    seq=1,
    applied=(),
    refused=None,
)


def incident_state(**changes: Any) -> IncidentState:
    """An open panic at one group, with ``changes``."""
    return replace(_OPEN, **changes)
