"""What holds in every scenario, whether it expects it or not. Pure.

Law 1. Nothing is published that the contract does not allow.
Law 2. A group whose ack stands is never paged: neither anew, nor the same page once more.
Law 3. Of one owner's states of an incident, (owner_term, seq) never goes back.
Law 4. What is closed stays closed, and nothing of it changes.
Law 5. A drill calls only groups that are marked for drills.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.cli.scenario.reader import clock
from gateway.cli.scenario.seen import Arrival, Seen
from gateway.link.messages import GroupState, IncidentState, Page

_STANDING = frozenset({"acked", "en_route", "on_scene"})


def broken(seen: Seen, drilled: Collection[str]) -> Iterator[str]:
    """Each law that was broken, in words; ``drilled`` are the groups marked for drills."""
    yield from seen.broken
    states: dict[str, list[tuple[int, Arrival, IncidentState]]] = {}
    for index, arrival in enumerate(seen.arrivals):
        if isinstance(arrival.message, IncidentState):
            states.setdefault(arrival.message.id, []).append((index, arrival, arrival.message))
    for index, arrival in enumerate(seen.arrivals):
        if isinstance(arrival.message, Page):
            yield from _paged(index, arrival, arrival.message, states, drilled)
    for one in states.values():
        yield from _in_order(one)


def _paged(
    index: int,
    arrival: Arrival,
    page: Page,
    states: dict[str, list[tuple[int, Arrival, IncidentState]]],
    drilled: Collection[str],
) -> Iterator[str]:
    if page.drill and page.group not in drilled:
        yield f"{clock(arrival.at)} a drill paged {page.group}, which is not marked for drills"
    of = states.get(page.incident, [])
    before = max((one for one in of if one[0] < index), key=_version, default=None)
    after = next((one for one in of if one[0] > index and _version(one) > _version(before)), before)
    # A page overtakes the state that says why it was sent: the ack must stand in both.
    first, second = _standing(before, page.group), _standing(after, page.group)
    if first is not None and second is not None and first.acked == second.acked:
        yield f"{clock(arrival.at)} {page.group} was paged while its ack stood"


def _version(one: tuple[int, Arrival, IncidentState] | None) -> tuple[int, int]:
    return (-1, -1) if one is None else (one[2].owner_term, one[2].seq)


def _standing(one: tuple[int, Arrival, IncidentState] | None, group: str) -> GroupState | None:
    known = None if one is None else one[2].groups.get(group)
    return known if known is not None and known.state in _STANDING else None


def _in_order(states: list[tuple[int, Arrival, IncidentState]]) -> Iterator[str]:
    newest: dict[str, tuple[int, int]] = {}
    closed: IncidentState | None = None
    for _, arrival, state in states:
        version = state.owner_term, state.seq
        if version < newest.get(state.owner, (-1, -1)):
            yield f"{clock(arrival.at)} {state.owner} went back to an older state of {state.id}"
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
            yield f"{clock(arrival.at)} the closed incident {state.id} is {state.state} again"
        if state.state == "closed":
            closed = state
