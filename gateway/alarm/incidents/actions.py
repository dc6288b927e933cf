"""What people, and receiving machines, do about an incident. Pure.

Rules (contract, section 2: Action, and "Alarms and incidents"):

Rule 1. The same action id twice changes nothing. If the published window no longer shows what
        became of it, that is published again, since its sender repeats it until it sees that.
Rule 2. An action is applied or refused; a refusal says why and changes nothing else.
Rule 3. A group goes only forward from acked by en route and on scene to handled: a late repeat
        of an earlier step is applied and changes nothing. Each of these implies the ack.
Rule 4. ``unack`` takes back an ack that stands, and the group is paged again; ``decline`` ends its
        pages of this level. What a group has handled it cannot take back.
Rule 5. A resolved incident takes ``receipt``, ``handled``, ``reset``, ``note``, ``hand_over``, ``merge`` and
        ``close``, a closed one nothing.
Rule 6. ``escalate`` starts the next level now, or the later one that it names. ``reset`` clears the
        latch once nothing is in alarm.
Rule 7. ``close`` needs a disposition (of the configured list, if there is one) and no latched input,
        and is refused with what is missing. The disposition says what the alarm itself was (its
        verdict: true, false, test, unknown), unless the action says otherwise.
Rule 8. A group that declines is passed over: whoever comes next is called at once. Declining twice
        calls nobody more.
Rule 9. ``hand_over`` names who has the incident from now on, or, with a group, who has it there. Any
        action may carry a note, which is kept.
Rule 10. ``merge`` closes the incident into another one of the same owner, which goes on for both
        (`gateway.alarm.incidents.merging`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from gateway.alarm.incidents import delivery, merging
from gateway.alarm.incidents.incident import MAX_APPLIED, NOTHING, Effects, Incident
from gateway.alarm.incidents.record import (
    CALLED,
    MAX_NAME,
    STANDING,
    WORKING,
    IncidentRecord,
    Progress,
    State,
    cut,
)
from gateway.link.messages import Action
from gateway.moment import Moment

MERGED = "merged"
"""Disposition of an incident that goes on in another."""

VERDICTS = {"handled": "true", "false-alarm": "false", "test": "test", MERGED: "unknown"}
"""What the usual dispositions say, where the configuration does not list its own."""

PUBLISHED_ACTIONS = 32
"""How many of the newest applied ids an IncidentState shows (contract)."""


class Outcome(StrEnum):
    """What became of an action."""

    APPLIED = "applied"
    REFUSED = "refused"
    REPEATED = "repeated"
    """Its id was known. ``reason`` tells whether it had been applied (None) or refused."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one action, and what is to be done about it."""

    outcome: Outcome
    reason: str | None = None
    effects: Effects = NOTHING


def act(
    incident: Incident, action: Action, now: Moment, dispositions: Mapping[str, str] | None = None
) -> Answer:
    """Apply or refuse one action.

    ``dispositions``: the only ones allowed, with the verdict of each; None allows any.
    """
    known = _repeated(incident, action.id, now)
    if known is not None:
        return known
    before = incident.record
    reason = _refusal(incident, action, now, dispositions)
    if reason is not None:
        return Answer(Outcome.REFUSED, reason, incident.refuse(action.id, reason, now))
    return _applied(incident, action, before, now)


def merge(
    incident: Incident, into: Incident | None, action: Action, now: Moment
) -> tuple[Answer, Effects]:
    """``merge`` of ``incident``: its answer, and what it means for ``into`` (rule 10).

    ``into`` is the incident that the action names; None where this gateway owns none of that id.
    """
    known = _repeated(incident, action.id, now)
    if known is not None:
        return known, NOTHING
    before = incident.record
    reason = _no_merge(before, into, action)
    if reason is not None:
        return Answer(Outcome.REFUSED, reason, incident.refuse(action.id, reason, now)), NOTHING
    assert into is not None
    other = into.record
    merging.absorb(into, before, now)
    incident.resolve()
    incident.update(
        state=State.CLOSED,
        disposition=MERGED,
        verdict=VERDICTS[MERGED],
        closed=now.wall,
        merged_into=into.id,
        latched=False,
        active=(),
    )
    return _applied(incident, action, before, now), into.effects(other, now)


def _no_merge(record: IncidentRecord, into: Incident | None, action: Action) -> str | None:
    """Why the incident of ``record`` cannot go on in ``into``."""
    if record.state is State.CLOSED:
        return _closed(record)
    if not isinstance(action.into, str):
        return "a merge must name the incident that goes on"
    if into is None:
        return f"incident {action.into} is not owned by this gateway"
    return merging.why_not(record, into.record)


def _applied(incident: Incident, action: Action, before: IncidentRecord, now: Moment) -> Answer:
    if isinstance(action.note, str) and action.note.strip():
        incident.note(action.by, action.note.strip(), now)
    incident.update(applied=(*incident.record.applied, action.id)[-MAX_APPLIED:])
    return Answer(Outcome.APPLIED, None, incident.effects(before, now))


def _repeated(incident: Incident, action_id: str, now: Moment) -> Answer | None:
    """Rule 1."""
    record = incident.record
    if action_id in record.applied:
        effects = NOTHING
        if action_id not in record.applied[-PUBLISHED_ACTIONS:]:
            others = tuple(one for one in record.applied if one != action_id)
            incident.update(applied=(*others, action_id))
            effects = incident.effects(record, now)
        return Answer(Outcome.REPEATED, None, effects)
    refused = next((one for one in record.refusals if one.id == action_id), None)
    if refused is None:
        return None
    effects = NOTHING
    if record.refused is None or record.refused.id != action_id:
        effects = incident.refuse(action_id, refused.reason, now)
    return Answer(Outcome.REPEATED, refused.reason, effects)


def _refusal(
    incident: Incident, action: Action, now: Moment, dispositions: Mapping[str, str] | None
) -> str | None:
    """Do it, or say why not."""
    state = incident.record.state
    if state is State.CLOSED:
        return _closed(incident.record)
    if action.action == "close":
        return _close(incident, action, now, dispositions)
    if state is State.RESOLVED and action.action not in _ALLOWED_WHEN_RESOLVED:
        return "the incident is resolved"
    return _DEEDS[action.action](incident, action, now)


def _closed(record: IncidentRecord) -> str:
    if record.merged_into is None:
        return "the incident is closed"
    return f"the incident is closed; it goes on in {record.merged_into}"


def _receipt(incident: Incident, action: Action, now: Moment) -> str | None:
    record = incident.record
    if not isinstance(action.page, str):
        return "a receipt must name its page"
    page = delivery.find(record.pages, action.page)
    if page is None:
        return f"page {action.page} is not one of this incident"
    if action.group is not None and action.group != page.group:
        return f"page {action.page} was not for group {action.group}"
    incident.update(pages=delivery.receive(record.pages, page.id))
    group = record.groups[page.group]
    if page == delivery.newest(record.pages, page.group) and group.received is None:
        paged = group.state is Progress.PAGED
        incident.update_group(
            page.group,
            received=now.wall,
            state=Progress.RECEIVED if paged else group.state,
        )
    return None


def _forward(to: Progress) -> Callable[[Incident, Action, Moment], str | None]:
    """``ack``, ``en_route``, ``on_scene`` and ``handled`` (rule 3)."""

    def deed(incident: Incident, action: Action, now: Moment) -> str | None:
        reason = _no_group(incident, action)
        if reason is not None:
            return reason
        assert action.group is not None
        record = incident.record
        group = record.groups[action.group]
        if record.state is State.RESOLVED and group.state is Progress.STOOD_DOWN:
            return f"group {action.group} is stood down"
        if group.state in STANDING and _ORDER.index(group.state) >= _ORDER.index(to):
            return None
        expires = record.case.ack_expires if to is Progress.ACKED else None
        incident.update_group(
            action.group,
            state=to,
            acked=now.wall if group.acked is None else group.acked,
            arrived=now.wall if to is Progress.ON_SCENE else group.arrived,
            by=cut(action.by, MAX_NAME),
            ack_due=None if expires is None else now.elapsed + expires,
        )
        incident.update(pages=delivery.stop(incident.record.pages, (action.group,)))
        incident.settle(now)
        return None

    return deed


_ORDER = (Progress.ACKED, Progress.EN_ROUTE, Progress.ON_SCENE, Progress.HANDLED)


def _unack(incident: Incident, action: Action, now: Moment) -> str | None:
    reason = _no_group(incident, action)
    if reason is not None:
        return reason
    assert action.group is not None
    state = incident.record.groups[action.group].state
    if state is Progress.HANDLED:
        return f"group {action.group} has handled it"
    if state not in WORKING:
        return f"group {action.group} has no ack that stands"
    incident.page(action.group, now)
    incident.update_group(action.group, by=cut(action.by, MAX_NAME))
    incident.settle(now)
    return None


def _decline(incident: Incident, action: Action, now: Moment) -> str | None:
    reason = _no_group(incident, action)
    if reason is not None:
        return reason
    assert action.group is not None
    state = incident.record.groups[action.group].state
    if state is Progress.HANDLED:
        return f"group {action.group} has handled it"
    if state is Progress.DECLINED:
        return None
    incident.update_group(
        action.group,
        state=Progress.DECLINED,
        acked=None,
        arrived=None,
        by=cut(action.by, MAX_NAME),
        ack_due=None,
    )
    incident.update(pages=delivery.stop(incident.record.pages, (action.group,)))
    incident.settle(now)
    if state is not Progress.STOOD_DOWN:
        incident.pass_on(action.group, now)
    return None


def _escalate(incident: Incident, action: Action, now: Moment) -> str | None:
    record = incident.record
    levels = len(record.case.steps)
    if not levels:
        return "there is no plan"
    wanted = action.level if isinstance(action.level, int) else record.level + 1
    if record.level >= levels:
        return f"level {record.level} is the last"
    if wanted > levels:
        return f"there is no level {wanted}; the plan has {levels}"
    if wanted <= record.level:
        return f"level {wanted} is not above level {record.level}"
    incident.begin_level(wanted - 1, now)
    return None


def _hand_over(incident: Incident, action: Action, _now: Moment) -> str | None:
    if not isinstance(action.to, str) or not action.to.strip():
        return "a hand-over must say to whom"
    to = cut(action.to.strip(), MAX_NAME)
    if action.group is None:
        incident.update(handler=to)
        return None
    reason = _no_group(incident, action)
    if reason is None:
        incident.update_group(action.group, by=to)
    return reason


def _cancel(incident: Incident, _action: Action, _now: Moment) -> str | None:
    incident.resolve()
    over = WORKING | CALLED
    groups = {
        name: replace(group, state=Progress.STOOD_DOWN) if group.state in over else group
        for name, group in incident.record.groups.items()
    }
    incident.update(groups=groups)
    return None


def _reset(incident: Incident, _action: Action, _now: Moment) -> str | None:
    record = incident.record
    if record.latched and record.active:
        return "the input is still in alarm; it can be reset after its restore"
    incident.update(latched=False)
    return None


def _note(_incident: Incident, action: Action, _now: Moment) -> str | None:
    if not isinstance(action.note, str) or not action.note.strip():
        return "the note is empty"
    return None


def _close(
    incident: Incident, action: Action, now: Moment, dispositions: Mapping[str, str] | None
) -> str | None:
    missing = []
    disposition = action.disposition if isinstance(action.disposition, str) else ""
    disposition = cut(disposition, MAX_NAME)
    if not disposition.strip():
        missing.append("a disposition is missing")
    elif dispositions is not None and disposition not in dispositions:
        missing.append(f"disposition {disposition!r} is none of {', '.join(dispositions)}")
    if incident.record.latched:
        active = incident.record.active
        how = "after its restore, by reset" if active else "by reset"
        missing.append(f"the input is latched; clear it {how}")
    if missing:
        return "; ".join(missing)
    usual = (VERDICTS if dispositions is None else dispositions).get(disposition, "unknown")
    incident.resolve()
    incident.update(
        state=State.CLOSED,
        disposition=disposition,
        verdict=action.verdict if isinstance(action.verdict, str) else usual,
        closed=now.wall,
    )
    return None


def _no_group(incident: Incident, action: Action) -> str | None:
    if action.group is None:
        return f"{action.action} must name its group"
    if action.group not in incident.record.groups:
        return f"group {action.group} is not called to this incident"
    return None


_ALLOWED_WHEN_RESOLVED = frozenset({"receipt", "handled", "reset", "note", "hand_over"})
_DEEDS: dict[str, Callable[[Incident, Action, Moment], str | None]] = {
    "receipt": _receipt,
    "ack": _forward(Progress.ACKED),
    "unack": _unack,
    "decline": _decline,
    "en_route": _forward(Progress.EN_ROUTE),
    "on_scene": _forward(Progress.ON_SCENE),
    "handled": _forward(Progress.HANDLED),
    "escalate": _escalate,
    "cancel": _cancel,
    "reset": _reset,
    "note": _note,
    "hand_over": _hand_over,
}
