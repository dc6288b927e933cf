"""One incident (事件), from its first signal to its disposition. A pure machine.

Rules (contract, section 2 "Alarms and incidents"; deliveries: `delivery`; actions: `actions`):

Rule 1.  It opens at level 1: the timer starts and all groups of the level are paged at once.
Rule 2.  It is answered while each party of the level's quorum has a group whose ack stands
         (without a quorum: any group). Answered stops the timer; when an ack falls away and the
         quorum with it, it is open again and the timer starts anew.
Rule 3.  When the timer runs out the next level starts: its groups are added, every called group
         whose ack does not stand is paged once more with a new page id, and the timer starts anew.
Rule 4.  When the last level's timer runs out a breach is recorded, its pages are repeated (with
         new ids: receivers know the old ones) and the timer starts anew.
Rule 5.  One group's ack never silences another's page. A group whose ack stands is never paged;
         ``unack`` or the ack's expiry ends that, and pages it again.
Rule 6.  It is resolved once a group has handled it and none is acked, en route or on scene; or by
         ``cancel``, which stands the groups down. Nobody is paged any more.
Rule 7.  A latching alarm latches it. A restore is recorded; only ``reset`` after it clears the latch.
Rule 8.  An alarm that joins a resolved one opens it again at level 1 and pages again: earlier acks
         stand no longer, and groups of later levels are stood down.
Rule 9.  It closes only by ``close`` with a disposition and without a latch; then nothing changes it.
Rule 10. The first level reached that patches opens the talkgroup ``incident-<id>``, for good.
Rule 11. Every visible change is a publication with the next ``seq``; so is a refusal, which the
         next change takes away.
Rule 12. A timer fires once, however late; the next one counts from then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.alarm import delivery
from gateway.alarm.contact import Contact
from gateway.alarm.record import (
    STANDING,
    WORKING,
    BreachRecord,
    Case,
    GroupRecord,
    IncidentRecord,
    PageRecord,
    Progress,
    RefusedRecord,
    State,
    Step,
)
from gateway.moment import Moment

MAX_BREACHES = 64
"""Breaches kept in the state; past it the oldest but the first go. The journal has them all."""
MAX_APPLIED = 256
MAX_REFUSALS = 32

UNANSWERED = "unanswered"
"""Breach: the last level's timer ran out."""
ACK_EXPIRED = "ack-expired"
"""Breach: a group acked and did nothing more within the plan's time."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What an event asks for: pages to send, and whether there is a new state to store and publish.

    A page with ``sends`` of 1 is new; else it is the same page again.
    """

    changed: bool = False
    pages: tuple[PageRecord, ...] = ()


NOTHING = Effects()


class Incident:
    """The machine. Every method is one event at ``now``; ``record`` is its whole state."""

    __slots__ = ("_new_id", "_pages", "_record")

    def __init__(self, record: IncidentRecord, new_id: Callable[[], str]) -> None:
        self._record = record
        self._new_id = new_id
        self._pages: list[PageRecord] = []

    @classmethod
    def opened(
        cls,
        case: Case,
        contact: Contact,
        *,
        latch: bool,
        owner: str,
        now: Moment,
        new_id: Callable[[], str],
    ) -> tuple[Incident, Effects]:
        """Rule 1. An incident without a plan has no groups and no timer, and waits for people."""
        record = IncidentRecord(
            case=case,
            state=State.OPEN,
            level=1,
            saved=now,
            active=(contact,),
            latched=latch,
            owner=owner,
            seq=1,
        )
        incident = cls(record, new_id)
        incident.begin_level(0, now)
        return incident, Effects(changed=True, pages=tuple(incident._pages_to_send()))

    @classmethod
    def restored(
        cls, record: IncidentRecord, now: Moment, new_id: Callable[[], str], *, same_boot: bool
    ) -> Incident:
        """An incident as the journal has it, owned anew: timers go on where they were.

        Within one boot of the kernel deadlines are comparable; after a reboot the wall clock
        carries them over, and a wall clock that was set back lengthens none past its full time.
        """
        if record.state is State.CLOSED:
            return cls(record, new_id)
        if not same_boot:
            record = _carried_over(record, now)
        # A publication after the stored one may be out; a new term is above whatever it was.
        return cls(
            replace(record, owner_term=record.owner_term + 1, seq=record.seq + 1, saved=now), new_id
        )

    @property
    def record(self) -> IncidentRecord:
        return self._record

    @property
    def id(self) -> str:
        return self._record.case.id

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        one = self._record
        candidates = [one.level_due, delivery.deadline(one.pages)]
        candidates += [group.ack_due for group in one.groups.values()]
        return min((due for due in candidates if due is not None), default=None)

    def alarm(self, contact: Contact, *, latch: bool, now: Moment) -> Effects:
        """A further alarm of the endpoint (rules 7 and 8)."""
        before = self._record
        if before.state is State.CLOSED:
            return NOTHING
        if contact not in before.active:
            self.update(active=(*before.active, contact))
        self.update(latched=before.latched or latch)
        if before.state is State.RESOLVED:
            stood_down = {
                name: replace(
                    group, state=Progress.STOOD_DOWN, acked=None, arrived=None, ack_due=None
                )
                for name, group in before.groups.items()
            }
            self.update(state=State.OPEN, groups=stood_down)
            self.begin_level(0, now)
        return self.effects(before, now)

    def restore(self, contact: Contact, now: Moment) -> Effects:
        """Something at the endpoint was restored (rule 7)."""
        before = self._record
        if before.state is not State.CLOSED:
            self.update(active=tuple(one for one in before.active if not contact.restores(one)))
        return self.effects(before, now)

    def input_gone(self, now: Moment) -> Effects:
        """The endpoint is no longer configured: nothing of it can be restored, or be in alarm."""
        before = self._record
        if before.state is not State.CLOSED:
            self.update(active=())
        return self.effects(before, now)

    def tick(self, now: Moment) -> Effects:
        """Time has passed (rules 3 to 5 and 12)."""
        before = self._record
        # First, so that a group's newest page is the last that it hears.
        pages, again = delivery.take_due(before.pages, now.elapsed)
        self.update(pages=pages)
        self._pages.extend(again)
        for name, group in before.groups.items():
            if group.ack_due is not None and group.ack_due <= now.elapsed:
                self._breach(ACK_EXPIRED, now)
                self.page(name, now)
                self.settle(now)
        # Asked of the newest record: an ack that expired has started the timer anew.
        due = self._record.level_due
        if due is not None and due <= now.elapsed:
            if self._record.level < len(before.case.steps):
                self.begin_level(self._record.level, now)
            else:
                self._breach(UNANSWERED, now)
                self.begin_level(self._record.level - 1, now)
        return self.effects(before, now)

    # What follows is for `actions` and this module; nothing else changes an incident.

    def update(self, **changes: object) -> None:
        self._record = replace(self._record, **changes)  # type: ignore[arg-type]

    def update_group(self, name: str, **changes: object) -> None:
        group = replace(self._record.groups[name], **changes)  # type: ignore[arg-type]
        self.update(groups={**self._record.groups, name: group})

    def begin_level(self, index: int, now: Moment) -> None:
        """Start level ``index`` (from 0), or start it again: rules 1, 3, 4 and 10."""
        step = self._step(index)
        if step is None:
            return
        self.update(level=index + 1, level_due=now.elapsed + step.ack_within)
        if step.patch:
            self.update(talkgroup=f"incident-{self.id}")
        for name in step.groups:
            group = self._record.groups.get(name)
            if group is None or group.state not in STANDING:
                self.page(name, now)
        self.settle(now)

    def page(self, name: str, now: Moment) -> None:
        """Call a group with a new page id; whatever it said before no longer stands."""
        level = self._record.level
        group = GroupRecord(
            party=self._record.case.parties[name],
            state=Progress.PAGED,
            level=level,
            paged=now.wall,
        )
        pages, page = delivery.add(self._record.pages, self._new_id(), name, level, now.elapsed)
        self.update(groups={**self._record.groups, name: group}, pages=pages)
        self._pages.append(page)

    def settle(self, now: Moment) -> None:
        """Whether it is resolved, answered or open, from what the groups say (rules 2 and 6)."""
        one = self._record
        if one.state not in (State.OPEN, State.ANSWERED):
            return
        states = {group.state for group in one.groups.values()}
        if Progress.HANDLED in states and not states & WORKING:
            self.resolve()
        elif self._is_answered():
            self.update(state=State.ANSWERED, level_due=None)
        elif one.state is State.ANSWERED:
            step = self._step(one.level - 1)
            due = now.elapsed + step.ack_within if step else None
            self.update(state=State.OPEN, level_due=due)

    def resolve(self) -> None:
        groups = {name: replace(group, ack_due=None) for name, group in self._record.groups.items()}
        self.update(
            state=State.RESOLVED,
            level_due=None,
            groups=groups,
            pages=delivery.stop(self._record.pages),
        )

    def refuse(self, action_id: str, reason: str, now: Moment) -> Effects:
        """Publish a refusal; nothing else changes (rule 11)."""
        refused = RefusedRecord(id=action_id, reason=reason)
        refusals = (*(one for one in self._record.refusals if one.id != action_id), refused)
        self.update(
            refused=refused,
            refusals=refusals[-MAX_REFUSALS:],
            seq=self._record.seq + 1,
            saved=now,
        )
        return Effects(changed=True)

    def effects(self, before: IncidentRecord, now: Moment) -> Effects:
        """What has come of an event that began at ``before``."""
        pages = tuple(self._pages_to_send())
        if replace(before, pages=()) == replace(self._record, pages=()):
            return Effects(pages=pages)
        self.update(seq=before.seq + 1, saved=now, refused=None)
        return Effects(changed=True, pages=pages)

    def _pages_to_send(self) -> list[PageRecord]:
        # An event may page a group and stop its pages again; only what still runs goes out.
        running = {page.id for page in self._record.pages if page.due is not None}
        pages, self._pages = self._pages, []
        return [page for page in pages if page.id in running]

    def _is_answered(self) -> bool:
        parties = {group.party for group in self._record.groups.values() if group.state in STANDING}
        step = self._step(self._record.level - 1)
        if step is None or step.quorum is None:
            return bool(parties)
        return parties.issuperset(step.quorum)

    def _step(self, index: int) -> Step | None:
        steps = self._record.case.steps
        return steps[index] if index < len(steps) else None

    def _breach(self, kind: str, now: Moment) -> None:
        breaches = (
            *self._record.breaches,
            BreachRecord(kind=kind, level=self._record.level, time=now.wall),
        )
        if len(breaches) > MAX_BREACHES:
            breaches = (breaches[0], *breaches[2:])
        self.update(breaches=breaches)


def _carried_over(record: IncidentRecord, now: Moment) -> IncidentRecord:
    """Deadlines of another boot on this boot's clock, by way of the wall clock."""
    shift = (now.elapsed - now.wall) - (record.saved.elapsed - record.saved.wall)

    def moved(due: float | None, longest: float) -> float | None:
        return None if due is None else min(due + shift, now.elapsed + longest)

    case = record.case
    longest = case.steps[record.level - 1].ack_within if case.steps else 0.0
    return replace(
        record,
        level_due=moved(record.level_due, longest),
        pages=tuple(
            replace(page, due=moved(page.due, delivery.RESEND_AFTER[-1])) for page in record.pages
        ),
        groups={
            name: replace(group, ack_due=moved(group.ack_due, case.ack_expires or 0.0))
            for name, group in record.groups.items()
        },
    )
