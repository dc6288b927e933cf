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
         stand no longer, groups of later levels are stood down, and rotas and ``nearest`` are asked
         anew.
Rule 9.  It closes only by ``close`` with a disposition and without a latch; then nothing changes it.
Rule 10. The first level reached that patches opens the talkgroup ``incident-<id>``, for good.
Rule 11. Every visible change is a publication with the next ``seq``; so is a refusal, which the
         next change takes away.
Rule 12. A timer fires once, however late; the next one counts from then.
Rule 13. Rotas and ``nearest`` are asked at each start of a level; whom they chose stays called, like
         everybody else. When one of them declines, the next one is called at once; when everybody
         called has declined, or a level leaves nobody called at all, the next one starts at once.
Rule 14. The clocks of the plan's targets run from the raising, or from the alarm that opened it again,
         until a group is so far; a later stage stops the earlier ones' clocks too. One that runs out
         is a breach, once. Quiet incidents have none.
Rule 15. An incident of silence is resolved by the restore: what was silent is heard again.
Rule 16. What is merged into it goes on in it (`gateway.alarm.incidents.merging`).
Rule 17. A group that is stood down is not called: it counts for no quorum, and may be chosen again.
Rule 18. Each start of a level that patches opens the place's microphones for the level's time, on the
         wall clock, unless the incident is covert. Resolved, it closes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.alarm.incidents import deadlines, delivery
from gateway.alarm.incidents.record import (
    MAX_NAME,
    MAX_TEXT,
    STANDING,
    WORKING,
    BreachRecord,
    Case,
    GroupRecord,
    IncidentRecord,
    NoteRecord,
    PageRecord,
    Progress,
    RefusedRecord,
    State,
    Step,
    cut,
)
from gateway.alarm.plans.choice import Choice, Chooser, Nobody
from gateway.alarm.plans.plan import SUPERVISION
from gateway.alarm.signals.contact import Contact
from gateway.moment import Moment

MAX_BREACHES = 64
"""Breaches kept in the state; past it the oldest but the first go. The journal has them all."""
MAX_APPLIED = 256
MAX_REFUSALS = 32
MAX_NOTES = 32
"""Notes kept in the state, the newest; the journal has them all."""
MAX_SHORTFALLS = 32

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

    __slots__ = ("_chooser", "_new_id", "_pages", "_record")

    def __init__(
        self, record: IncidentRecord, new_id: Callable[[], str], chooser: Chooser | None = None
    ) -> None:
        self._record = record
        self._new_id = new_id
        self._chooser = chooser or Nobody()
        self._pages: list[PageRecord] = []

    @classmethod
    def opened(
        cls,
        case: Case,
        contact: Contact | None,
        *,
        latch: bool,
        owner: str,
        now: Moment,
        new_id: Callable[[], str],
        chooser: Chooser | None = None,
    ) -> tuple[Incident, Effects]:
        """Rule 1. An incident without a plan has no groups and no timer, and waits for people.

        ``contact`` is in alarm; None where a person raised it without an input.
        """
        record = IncidentRecord(
            case=case,
            state=State.OPEN,
            level=1,
            saved=now,
            active=() if contact is None else (contact,),
            latched=latch,
            owner=owner,
            seq=1,
            clocks=deadlines.clocks(case, now),
        )
        incident = cls(record, new_id, chooser)
        incident.begin_level(0, now)
        return incident, Effects(changed=True, pages=tuple(incident._pages_to_send()))

    @classmethod
    def restored(
        cls,
        record: IncidentRecord,
        now: Moment,
        new_id: Callable[[], str],
        chooser: Chooser | None = None,
        *,
        same_boot: bool,
        owner: str | None = None,
        above: int = 0,
    ) -> Incident:
        """An incident as the journal has it, owned anew: timers go on where they were.

        ``owner`` has it from now on (None: whoever had it), under a term above the record's and
        ``above``. Within one boot of one kernel deadlines are comparable; else the wall clock carries
        them over, and a wall clock that was set back lengthens none past its full time.
        """
        if record.state is State.CLOSED:
            return cls(record, new_id, chooser)
        if not same_boot:
            record = deadlines.carried_over(record, now)
        # A publication after the stored one may be out; a new term is above whatever it was.
        owned = replace(
            record,
            owner=owner or record.owner,
            owner_term=max(record.owner_term, above) + 1,
            seq=record.seq + 1,
            saved=now,
        )
        return cls(owned, new_id, chooser)

    @property
    def record(self) -> IncidentRecord:
        return self._record

    @property
    def id(self) -> str:
        return self._record.case.id

    def deadline(self) -> float | None:
        """When `tick` is wanted, on `Moment.elapsed`."""
        one = self._record
        candidates = [one.level_due, delivery.deadline(one.pages), *one.clocks.values()]
        candidates += [group.ack_due for group in one.groups.values()]
        return min((due for due in candidates if due is not None), default=None)

    def alarm(
        self,
        contact: Contact | None,
        *,
        latch: bool,
        now: Moment,
        remark: tuple[str, str] | None = None,
    ) -> Effects:
        """A further alarm of the endpoint (rules 7 and 8); ``contact`` None: a person says so.

        ``remark``: who says it, and what.
        """
        before = self._record
        if before.state is State.CLOSED:
            return NOTHING
        if contact is not None and contact not in before.active:
            self.update(active=(*before.active, contact))
        self.update(latched=before.latched or latch)
        if remark is not None:
            self.note(*remark, now)
        if before.state is State.RESOLVED:
            stood_down = {
                name: replace(
                    group, state=Progress.STOOD_DOWN, acked=None, arrived=None, ack_due=None
                )
                for name, group in before.groups.items()
            }
            clocks = deadlines.clocks(before.case, now)
            self.update(state=State.OPEN, groups=stood_down, chosen={}, clocks=clocks, reached={})
            self.begin_level(0, now)
        return self.effects(before, now)

    def restore(self, contact: Contact, now: Moment) -> Effects:
        """Something at the endpoint was restored (rule 7)."""
        before = self._record
        if before.state is not State.CLOSED:
            self.update(active=tuple(one for one in before.active if not contact.restores(one)))
            silence = before.case.category == SUPERVISION
            if silence and not self._record.active and before.state is not State.RESOLVED:
                self.resolve()
        return self.effects(before, now)

    def input_gone(self, gone: Callable[[str], bool], now: Moment) -> Effects:
        """Endpoints are no longer configured: nothing of them can be restored, or be in alarm.

        ``gone`` says of a subject whether it is one of them.
        """
        before = self._record
        if before.state is not State.CLOSED:
            own = before.case.subject
            self.update(active=tuple(one for one in before.active if not gone(one.of or own)))
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
        for stage, runs_out in before.clocks.items():
            if runs_out <= now.elapsed and stage in self._record.clocks:
                self._breach(stage, now)
                self.update(clocks=deadlines.without(self._record.clocks, stage))
        # Asked of the newest record: an ack that expired has started the timer anew.
        due = self._record.level_due
        if due is not None and due <= now.elapsed:
            if self._record.level < len(before.case.steps):
                self.begin_level(self._record.level, now)
            else:
                self._breach(UNANSWERED, now)
                self.begin_level(self._record.level - 1, now)
        return self.effects(before, now)

    # What follows is for `actions`, `merging` and this module; nothing else changes an incident.

    def update(self, **changes: object) -> None:
        self._record = replace(self._record, **changes)

    def update_group(self, name: str, **changes: object) -> None:
        group = replace(self._record.groups[name], **changes)
        self.update(groups={**self._record.groups, name: group})

    def begin_level(self, index: int, now: Moment) -> None:
        """Start level ``index`` (from 0), or start it again: rules 1, 3, 4, 10 and 13.

        What the levels between the present one and it would have added is added with it.
        """
        step = self._step(index)
        if step is None:
            return
        first = min(self._record.level, index)
        self.update(level=index + 1, level_due=now.elapsed + step.ack_within)
        for passed in range(first, index + 1):
            self._choose(passed, now)
            if self._record.case.steps[passed].patch:
                self.patch()
                self._open_microphones(self._record.case.steps[passed].hot_mic, now)
        for name in dict.fromkeys((*step.groups, *self._record.chosen, *self._record.brought)):
            group = self._record.groups.get(name)
            if group is None or group.state not in STANDING:
                self.page(name, now)
        if not self._called() and index + 1 < len(self._record.case.steps):
            self.begin_level(index + 1, now)
        self.settle(now)

    def pass_on(self, declined: str, now: Moment) -> None:
        """``declined`` cannot come: call the next one (rule 13)."""
        record = self._record
        if not record.case.steps or record.state not in (State.OPEN, State.ANSWERED):
            return
        called = self._called()
        choice = self._chooser.instead(record.case, record.level - 1, declined, called, now)
        self._take(choice)
        for name in choice.groups:
            if name not in called:
                self.page(name, now)
        states = {self._record.groups[name].state for name in self._called()}
        if states == {Progress.DECLINED} and record.level < len(record.case.steps):
            self.begin_level(record.level, now)

    def patch(self) -> None:
        """Open its talkgroup (rule 10)."""
        self.update(talkgroup=f"incident-{self.id}")

    def _open_microphones(self, seconds: float, now: Moment) -> None:
        """Rule 18."""
        if seconds > 0 and not self._record.case.covert:
            self.update(hot_mic_until=max(self._record.hot_mic_until or 0.0, now.wall + seconds))

    def note(self, by: str, text: str, now: Moment) -> None:
        """Keep a remark."""
        note = NoteRecord(by=cut(by, MAX_NAME), text=cut(text, MAX_TEXT), time=now.wall)
        self.update(notes=(*self._record.notes, note)[-MAX_NOTES:])

    def page(self, name: str, now: Moment) -> None:
        """Call a group with a new page id; whatever it said before no longer stands."""
        level = self._record.level
        group = GroupRecord(
            party=self._party(name),
            state=Progress.PAGED,
            level=level,
            paged=now.wall,
        )
        pages, page = delivery.add(self._record.pages, self._new_id(), name, level, now.elapsed)
        self.update(groups={**self._record.groups, name: group}, pages=pages)
        self._pages.append(page)

    def settle(self, now: Moment) -> None:
        """Whether it is resolved, answered or open, from what the groups say (rules 2 and 6)."""
        self._stop_clocks(now)
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
            clocks={},
            hot_mic_until=None,
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
        called = (self._record.groups[name] for name in self._called())
        groups = [(group.party, group.state in STANDING) for group in called]
        step = self._step(self._record.level - 1)
        return any(stands for _, stands in groups) if step is None else step.quorum.met(groups)

    def _choose(self, index: int, now: Moment) -> None:
        """Ask for the groups of level ``index`` (from 0); what it lacked at an earlier start is over."""
        one = self._record
        level = f"{one.case.steps[index].name}: "
        kept = tuple(words for words in one.shortfalls if not words.startswith(level))
        self.update(shortfalls=kept)
        self._take(self._chooser.choose(one.case, index, self._called(), now))

    def _take(self, choice: Choice) -> None:
        """Keep whom a chooser chose, and what it could not."""
        one = self._record
        new = tuple(words for words in choice.shortfalls if words not in one.shortfalls)
        self.update(
            chosen={**one.chosen, **choice.groups},
            shortfalls=(*one.shortfalls, *new)[-MAX_SHORTFALLS:],
        )

    def _called(self) -> frozenset[str]:
        groups = self._record.groups.items()
        return frozenset(name for name, group in groups if group.state is not Progress.STOOD_DOWN)

    def _party(self, name: str) -> str:
        record = self._record
        known = record.groups.get(name)
        if known is not None:
            return known.party
        return record.case.parties.get(name) or record.chosen.get(name) or record.brought[name]

    def _stop_clocks(self, now: Moment) -> None:
        """Rule 14: what the groups have reached."""
        stages = deadlines.stages_of(self._record.groups.values())
        new = [stage for stage in stages if stage not in self._record.reached]
        self.reach(dict.fromkeys(new, now.wall))

    def reach(self, stages: Mapping[str, float]) -> None:
        """Rule 14: some group was so far at that time, by stage."""
        one = self._record
        if stages:
            clocks = deadlines.without(one.clocks, *stages)
            self.update(reached={**one.reached, **stages}, clocks=clocks)

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
