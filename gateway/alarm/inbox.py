"""The responder's side of an incident: pages received, receipts signed, actions sent. Pure.

Rules (contract, section 2 "Alarms and incidents"):

Rule 1. A page is for us when we serve its group. Its id is known for 24 h: the first copy is
        announced and remembered, every later one only asks for its receipt again.
Rule 2. The receipt is signed once the page's id is stored (`Inbox.remembered`), so that a restart
        between the two cannot announce it again; it is one action with one id for the page's life.
Rule 3. An action is sent again, unchanged, each second until the newest IncidentState has it in
        ``applied`` or ``refused``. Its sender may take it back. A receipt also ends when its
        incident is closed, and `RECEIPT_PATIENCE` after the last copy of its page: whoever still
        wants it sends the page again.
Rule 4. Of several IncidentStates of one incident the highest (owner_term, seq) holds.
Rule 5. A page of a closed incident is not announced. How old a page is, is not asked here: the
        clocks of two gateways need not agree, and the broker's expiry needs no clock (60 s).
Rule 6. A closed incident is forgotten 24 h after we heard of it, like its retained copy.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.link.messages import Action, IncidentState, Page
from gateway.moment import Moment, timestamp

KNOWN_FOR = 24 * 3600.0
"""Seconds that a page's id, and a closed incident, are known (contract)."""

REPEAT = 1.0
"""Seconds after which an action that was not answered is sent again (contract)."""

RECEIPT_PATIENCE = 60.0
"""Seconds after a page's last copy that its receipt is repeated for: the page's own expiry."""

MAX_INCIDENTS = 10_000
"""Bound of what a flood of made-up incidents can take of memory; about a month of a district."""


@dataclass(frozen=True, slots=True)
class KnownPage:
    """A page that was received; ``receipt`` is the id of the action that signs for it."""

    page: str
    incident: str
    group: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Announce:
    """A page to be made known to the people of its group."""

    page: Page


@dataclass(frozen=True, slots=True)
class Remember:
    """To be stored; then `Inbox.remembered` is told."""

    known: KnownPage


@dataclass(frozen=True, slots=True)
class Send:
    """An action to be published now."""

    action: Action


@dataclass(frozen=True, slots=True)
class Settled:
    """An action's end: applied, or refused with a reason. ``state`` is the incident then."""

    action: str
    refused: str | None
    state: IncidentState


@dataclass(frozen=True, slots=True)
class Changed:
    """An incident's newest state."""

    state: IncidentState


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that changed nothing; ``why`` is the name of a counter."""

    why: str


Effect = Announce | Remember | Send | Settled | Changed | Ignored


@dataclass(slots=True)
class _Known:
    page: KnownPage
    until: float
    stored: bool


@dataclass(slots=True)
class _Sending:
    action: Action
    due: float
    until: float | None
    """When to stop by itself, for receipts; on `Moment.elapsed`."""


class Inbox:
    """What one gateway received and is sending. ``client`` signs as a machine."""

    def __init__(self, client: str, serves: frozenset[str], new_id: Callable[[], str]) -> None:
        self._client = client
        self._serves = serves
        self._new_id = new_id
        self._known: dict[str, _Known] = {}
        self._sending: dict[str, _Sending] = {}
        self._of_incident: dict[str, dict[str, _Sending]] = {}
        self._due: list[tuple[float, str]] = []  # one entry at least for each that is being sent
        self._states: dict[str, IncidentState] = {}
        self._closed: dict[str, float] = {}

    @property
    def states(self) -> Iterable[IncidentState]:
        """The newest state of each incident, in no order."""
        return self._states.values()

    def find(self, incident: str) -> IncidentState | None:
        return self._states.get(incident)

    def serve(self, groups: frozenset[str]) -> None:
        """Take the pages of these groups from now on."""
        self._serves = groups

    def load(self, pages: Iterable[tuple[float, KnownPage]], now: Moment) -> None:
        """What an earlier run stored: ``(POSIX time, page)``, oldest first."""
        for wall, page in pages:
            # A clock that was set back must not make an id known for ever.
            age = max(now.wall - wall, 0.0)
            self._known[page.page] = _Known(page, now.elapsed + KNOWN_FOR - age, stored=True)

    def page(self, page: Page, now: Moment) -> list[Effect]:
        """A page has arrived (not a retained one)."""
        if page.group not in self._serves:
            return [Ignored("page_of_another_group")]
        self._forget(now)
        known = self._known.get(page.id)
        if known is not None:
            return [Ignored("page_again"), *self._receipt(known, now)]
        fresh = KnownPage(page.id, page.incident, page.group, self._new_id())
        self._known[page.id] = _Known(fresh, now.elapsed + KNOWN_FOR, stored=False)
        state = self._states.get(page.incident)
        if state is not None and state.state == "closed":
            return [Ignored("page_of_closed_incident"), Remember(fresh)]
        return [Announce(page), Remember(fresh)]

    def remembered(self, page: str, now: Moment) -> list[Effect]:
        """The page's id is on disk, or cannot be brought there; now it may be signed for."""
        known = self._known.get(page)
        if known is None:
            return []
        known.stored = True
        return self._receipt(known, now)

    def act(self, action: Action, now: Moment) -> list[Effect]:
        """Send an action until it is applied or refused, or `withdraw` takes it back."""
        return self._begin(action, None, now)

    def withdraw(self, action: str) -> None:
        """Send it no more; it may have been applied, or may still be."""
        self._end(action)

    def state(self, state: IncidentState, now: Moment) -> list[Effect]:
        """An IncidentState has arrived, retained or not."""
        self._forget(now)
        held = self._states.get(state.id)
        if held is None and len(self._states) >= MAX_INCIDENTS:
            return [Ignored("too_many_incidents")]
        if held is not None:
            version, known = (state.owner_term, state.seq), (held.owner_term, held.seq)
            if version < known:
                return [Ignored("older_state")]
            if version == known and state == held:
                return []
        self._states[state.id] = state
        if state.state == "closed":
            self._closed.setdefault(state.id, now.elapsed + KNOWN_FOR)
        return [Changed(state), *self._settle(state)]

    def cleared(self, incident: str, client: str) -> None:
        """The retained state of ``client`` was cleared from the broker."""
        state = self._states.get(incident)
        if state is not None and state.owner == client:
            del self._states[incident]
            self._closed.pop(incident, None)

    def deadline(self) -> float | None:
        """When `tick` is next needed, on `Moment.elapsed`."""
        while self._due:
            due, action = self._due[0]
            sending = self._sending.get(action)
            if sending is not None and sending.due == due:
                return due
            heapq.heappop(self._due)  # it has ended, or begun anew
        return None

    def tick(self, now: Moment) -> list[Effect]:
        """Send again what is due."""
        effects: list[Effect] = []
        while (due := self.deadline()) is not None and due <= now.elapsed:
            _, action = heapq.heappop(self._due)
            sending = self._sending[action]
            if sending.until is not None and now.elapsed >= sending.until:
                self._end(action)
                continue
            # From now, not from what was due: a machine that slept does not send in bursts.
            sending.due = now.elapsed + REPEAT
            heapq.heappush(self._due, (sending.due, action))
            effects.append(Send(sending.action))
        return effects

    def _receipt(self, known: _Known, now: Moment) -> list[Effect]:
        if not known.stored:
            return []
        sending = self._sending.get(known.page.receipt)
        until = now.elapsed + RECEIPT_PATIENCE
        if sending is not None:
            sending.until = until
            return []
        action = Action(
            id=known.page.receipt,
            incident=known.page.incident,
            group=known.page.group,
            by=self._client,
            action="receipt",
            time=timestamp(now.wall),
            page=known.page.page,
        )
        return self._begin(action, until, now)

    def _begin(self, action: Action, until: float | None, now: Moment) -> list[Effect]:
        sending = self._sending[action.id] = _Sending(action, now.elapsed + REPEAT, until)
        self._of_incident.setdefault(action.incident, {})[action.id] = sending
        heapq.heappush(self._due, (sending.due, action.id))
        state = self._states.get(action.incident)
        settled = [] if state is None else self._settle(state)
        return settled if action.id not in self._sending else [Send(action)]

    def _settle(self, state: IncidentState) -> list[Effect]:
        effects: list[Effect] = []
        for sending in tuple(self._of_incident.get(state.id, {}).values()):
            action = sending.action
            refused = None
            if state.refused is not None and state.refused.id == action.id:
                refused = state.refused.reason
            elif action.id not in state.applied:
                if sending.until is not None and state.state == "closed":
                    self._end(action.id)
                continue
            self._end(action.id)
            effects.append(Settled(action.id, refused, state))
        return effects

    def _end(self, action: str) -> None:
        """Send it no more."""
        sending = self._sending.pop(action, None)
        if sending is not None:
            of_incident = self._of_incident[sending.action.incident]
            del of_incident[action]
            if not of_incident:
                del self._of_incident[sending.action.incident]

    def _forget(self, now: Moment) -> None:
        """Drop what is past its time; both tables are in the order of their times, or nearly."""
        for page in _past(((page, known.until) for page, known in self._known.items()), now):
            del self._known[page]
        for incident in _past(self._closed.items(), now):
            del self._closed[incident]
            self._states.pop(incident, None)


def _past(times: Iterable[tuple[str, float]], now: Moment) -> list[str]:
    past = []
    for name, until in times:
        if until > now.elapsed:
            break
        past.append(name)
    return past
