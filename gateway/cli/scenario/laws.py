"""What holds in every scenario, whether it expects it or not. Pure.

Law 1. Nothing is published that the contract does not allow.
Law 2. A group whose ack stands is never paged: neither anew, nor the same page once more. It stands
       until the group takes it back, it expires by its plan, or the incident was resolved.
Law 3. Of one owner's states of an incident, (owner_term, seq) never goes back.
Law 4. What is closed stays closed, and nothing of it changes.
Law 5. A drill calls only groups that are marked for drills.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gateway.cli.scenario.reader import clock
from gateway.cli.scenario.seen import Seen
from gateway.link.messages import IncidentState, Page

_STANDING = frozenset({"acked", "en_route", "on_scene"})

_Heard = tuple[float, IncidentState]
"""When, and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the laws must know of a scenario.

    Groups marked for drills, plans whose acks expire, and who has taken an ack back, as (incident,
    group).
    """

    drilled: Collection[str] = ()
    expiring: Collection[str] = ()
    unacked: Collection[tuple[str, str]] = ()


def broken(seen: Seen, known: Known) -> Iterator[str]:
    """Each law that was broken, in words."""
    yield from seen.broken
    states: dict[str, list[_Heard]] = {}
    for arrival in seen.arrivals:
        match arrival.message:
            case IncidentState() as state:
                states.setdefault(state.id, []).append((arrival.at, state))
            case Page() as page:
                if page.drill and page.group not in known.drilled:
                    words = f"a drill paged {page.group}, which is not marked for drills"
                    yield f"{clock(arrival.at)} {words}"
                if _acked(page, states.get(page.incident, []), known):
                    yield f"{clock(arrival.at)} {page.group} was paged while its ack stood"
    for one in states.values():
        yield from _in_order(one)


def _acked(page: Page, before: list[_Heard], known: Known) -> bool:
    """Whether the ack of its group stands, by the newest state before the page."""
    newest = max((state for _, state in before), key=_version, default=None)
    if newest is None or newest.state in ("resolved", "closed") or newest.plan in known.expiring:
        return False
    group = newest.groups.get(page.group)
    stands = group is not None and group.state in _STANDING
    return stands and (page.incident, page.group) not in known.unacked


def _version(state: IncidentState) -> tuple[int, int]:
    return state.owner_term, state.seq


def _in_order(states: list[_Heard]) -> Iterator[str]:
    newest: dict[str, tuple[int, int]] = {}
    closed: IncidentState | None = None
    for at, state in states:
        version = _version(state)
        if version < newest.get(state.owner, (-1, -1)):
            yield f"{clock(at)} {state.owner} went back to an older state of {state.id}"
        newest[state.owner] = max(version, newest.get(state.owner, version))
        if (
            closed is not None
            and state.state != "closed"
            and version
            > (
                closed.owner_term,
                closed.seq,
            )
        ):
            yield f"{clock(at)} the closed incident {state.id} is {state.state} again"
        if state.state == "closed":
            closed = state
