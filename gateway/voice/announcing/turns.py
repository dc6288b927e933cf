"""When the announcements of one talkgroup have their turn. Pure; times are seconds.

Rules:

1. A page is announced once, `TurnRules.times` times, with a pause between; never again under its id.
2. Of several, drills come last, then the more severe first, then the older. Who is chosen is asked
   when the floor is granted, so that the worst news of that moment goes first; what is being said is
   said to its end.
3. It asks for the floor. Denied, it asks again when the floor is idle, when the time it was told has
   passed, or after `ASK_AGAIN`: an idle floor may be missed. One that pre-empts asks with a priority
   of its own.
4. Not begun within `TurnRules.within` of its page, or of the time it is due again, it is dropped.
5. Revoked in the middle it begins anew when it has the floor again, within the same time: half a
   sentence tells nobody where to go.
6. Over (the incident is, or the group has acked) it stops at once, in the middle of a word. Groups
   that share the talkgroup share the announcement, which is over once each of them is.
7. Another gateway that has the floor for the same news (incident and level) says it for us too.
8. At most `MAX_WAITING` wait; beyond, the last by rule 2 is dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

ASK_AGAIN = 5.0
"""Seconds after a denial without a time to wait; the floor's idle mostly comes first."""

MAX_WAITING = 16
"""Announcements of one talkgroup: with 6 s each, the last would come after a minute and a half."""

_KNOWN = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRules:
    """How often, and how long it waits; seconds."""

    times: int = 2
    pause: float = 3.0
    within: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One page to be announced; ``raised`` in POSIX seconds."""

    page: str
    incident: str
    group: str
    level: int
    severity: int
    raised: float
    drill: bool = False
    pre_empt: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """Request the floor, pre-empting or not. The answer may come before the action is done."""

    pre_empt: bool


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Release the floor, or take the request back."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Say it now; `Turns.said` when it is done."""

    call: Call


@dataclass(frozen=True, slots=True)
class Stop:
    """Say no more of what is being said."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """It will not be said (any more), and why: a word for a counter."""

    call: Call
    why: str


Action = Ask | GiveBack | Speak | Stop | Dropped


class State(Enum):
    """What the announcer does on this talkgroup."""

    SILENT = auto()
    ASKING = auto()
    WAITING = auto()  # denied
    SPEAKING = auto()


@dataclass(slots=True)
class _Entry:
    call: Call
    left: int
    due: float
    until: float
    groups: set[str]
    begun: bool = False

    @property
    def order(self) -> tuple[bool, int, float, str]:
        return (self.call.drill, self.call.severity, self.call.raised, self.call.page)


class Turns:
    """The announcements of one talkgroup."""

    def __init__(self, rules: TurnRules) -> None:
        self.rules = rules
        self.state = State.SILENT
        self._entries: dict[str, _Entry] = {}
        self._known: OrderedDict[str, None] = OrderedDict()
        self._elsewhere: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._speaking: str | None = None
        self._pre_empts = False
        self._retry_at: float | None = None

    @property
    def empty(self) -> bool:
        """Nothing is left to say."""
        return not self._entries

    def waits_for(self, incident: str) -> bool:
        """Whether there is something to say of ``incident``."""
        return any(entry.call.incident == incident for entry in self._entries.values())

    def add(self, call: Call, now: float) -> list[Action]:
        """A page has come."""
        if call.page in self._known or self.rules.times == 0:
            return []
        _remember(self._known, call.page)
        if (call.incident, call.level) in self._elsewhere:
            return [Dropped(call, "said_by_another")]
        for entry in self._entries.values():
            if (entry.call.incident, entry.call.level) == (call.incident, call.level):
                entry.groups.add(call.group)
                return []
        until = now + self.rules.within
        self._entries[call.page] = _Entry(call, self.rules.times, now, until, {call.group})
        dropped: list[Action] = []
        if len(self._entries) > MAX_WAITING:
            waiting = [one for one in self._entries.values() if one.call.page != self._speaking]
            last = max(waiting, key=lambda entry: entry.order)
            dropped.append(self._drop(last, "too_many"))
        return [*dropped, *self._go(now)]

    def granted(self, now: float) -> list[Action]:
        """The floor is ours."""
        if self.state is State.SPEAKING:
            return []  # the burst goes on under another controller
        entry = self._next(now)
        if entry is None or self.state is State.SILENT:
            self.state = State.SILENT
            return [GiveBack()]
        self.state = State.SPEAKING
        self._speaking = entry.call.page
        entry.begun = True
        return [Speak(entry.call)]

    def refused(self, retry_after: float | None, now: float) -> list[Action]:
        """The floor is somebody else's; ``retry_after`` in seconds, where it was named."""
        if self.state is State.ASKING:
            self.state = State.WAITING
            self._retry_at = now + (ASK_AGAIN if retry_after is None else retry_after)
        return []

    def revoked(self, now: float) -> list[Action]:
        """The floor was taken from us (rule 5)."""
        if self.state is not State.SPEAKING:
            return []
        self._speaking = None
        self.state = State.WAITING
        self._retry_at = now + ASK_AGAIN
        return [Stop()]

    def idle(self, now: float) -> list[Action]:
        """Nobody has the floor any more."""
        if self.state is State.WAITING:
            self.state = State.SILENT
            return self._go(now)
        return []

    def said(self, now: float) -> list[Action]:
        """What was to be said was said to its end."""
        if self.state is not State.SPEAKING or self._speaking is None:
            return []
        entry = self._entries[self._speaking]
        entry.left -= 1
        if entry.left <= 0:
            del self._entries[entry.call.page]
        else:
            entry.due = now + self.rules.pause
            entry.until = entry.due + self.rules.within
        self._speaking = None
        self.state = State.SILENT
        return [GiveBack(), *self._go(now)]

    def over(
        self, incident: str, now: float, groups: Collection[str] | None = None
    ) -> list[Action]:
        """The incident is over, or these groups of it need no more calling (rule 6)."""
        of_it = [one for one in self._entries.values() if one.call.incident == incident]
        for entry in of_it:
            entry.groups.difference_update(entry.groups if groups is None else groups)
        return self._end([entry for entry in of_it if not entry.groups], "over", now)

    def elsewhere(self, incident: str, level: int, now: float) -> list[Action]:
        """Another gateway says it (rule 7)."""
        _remember(self._elsewhere, (incident, level))
        gone = [
            entry
            for entry in self._entries.values()
            if (entry.call.incident, entry.call.level) == (incident, level)
            and entry.call.page != self._speaking
            and not entry.begun
        ]
        return self._end(gone, "said_by_another", now)

    def deadline(self) -> float | None:
        """When `tick` is to be called, if nothing happens before."""
        waiting = [one for one in self._entries.values() if one.call.page != self._speaking]
        times = [entry.until for entry in waiting]
        if self.state is State.SILENT:
            times += [entry.due for entry in waiting]
        if self.state is State.WAITING and self._retry_at is not None:
            times.append(self._retry_at)
        return min(times, default=None)

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        late = [
            entry
            for entry in self._entries.values()
            if now >= entry.until and entry.call.page != self._speaking
        ]
        actions = self._end(late, "no_floor", now)
        if self.state is State.WAITING and self._retry_at is not None and now >= self._retry_at:
            self.state = State.SILENT
        return [*actions, *self._go(now)]

    def _end(self, gone: list[_Entry], why: str, now: float) -> list[Action]:
        if not gone:
            return []
        actions: list[Action] = []
        for entry in gone:
            if entry.call.page == self._speaking:
                actions += [Stop(), GiveBack()]
                self._speaking = None
                self.state = State.SILENT
            actions.append(self._drop(entry, why))
        if self.state in (State.ASKING, State.WAITING) and self._next(now) is None:
            if self.state is State.ASKING:
                actions.append(GiveBack())
            self.state = State.SILENT
        return [*actions, *self._go(now)]

    def _drop(self, entry: _Entry, why: str) -> Dropped:
        del self._entries[entry.call.page]
        return Dropped(entry.call, why)

    def _go(self, now: float) -> list[Action]:
        """Ask, where there is something to say and the floor was not asked for as urgently."""
        pre_empts = any(
            entry.call.pre_empt and entry.due <= now for entry in self._entries.values()
        )
        more = pre_empts and not self._pre_empts
        silent = self.state is State.SILENT and self._next(now) is not None
        if not silent and not (more and self.state in (State.ASKING, State.WAITING)):
            return []
        self.state = State.ASKING
        self._pre_empts = pre_empts
        self._retry_at = None
        return [Ask(pre_empts)]

    def _next(self, now: float) -> _Entry | None:
        """Whose turn it is (rule 2)."""
        due = [entry for entry in self._entries.values() if entry.due <= now]
        return min(due, key=lambda entry: entry.order, default=None)


def _remember(
    known: OrderedDict[str, None] | OrderedDict[tuple[str, int], None], what: object
) -> None:
    known[what] = None  # type: ignore[index]  # each call keeps to one kind of key
    if len(known) > _KNOWN:
        known.popitem(last=False)
