"""Actions on the incidents owned here: off the wire, or of a caller on this gateway.

Rules (contract, section 2 "Alarms and incidents"):

1. An action off the wire counts only under its incident's own topic, and never if it is retained.
2. Actions on incidents of other owners are theirs to answer.
3. In a storm the receipts of machines are taken together, a moment later; a person's word never.
4. What was answered before is answered again, and not stored as an action again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.alarm.incidents.actions import Answer, Outcome
from gateway.alarm.incidents.docket import Change, Docket
from gateway.alarm.incidents.saying import action_row
from gateway.alarm.journal.rows import Row
from gateway.alarm.raised import Raised
from gateway.errors import RemoteProtocolError
from gateway.link.incoming import Incoming
from gateway.link.messages import Action, decode, encode
from gateway.link.topics import Topics
from gateway.moment import Moment
from gateway.ops.clock import SystemClock
from gateway.ops.counters import Counters

_LOGGER = logging.getLogger(__name__)

RECEIPTS_TOGETHER = 0.2
"""Seconds for which machines' receipts are collected in a storm; a page is sent again after 1 s."""


class Link(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    def subscribe(self, topic_filter: str, handler: Callable[[Incoming], None], /) -> None: ...
    def unsubscribe(
        self, topic_filter: str, handler: Callable[[Incoming], None] | None = None, /
    ) -> None: ...


class Acting:
    """Used from the event loop only; what is on the wire is heard from `begin` to `end`.

    Nothing is done before ``ready``. ``busy`` says whether signals come in faster than one by one;
    ``carry_out`` stores and says what an action has changed, and returns what comes of that.
    """

    def __init__(
        self,
        topics: Topics,
        link: Link,
        docket: Docket,
        clock: SystemClock,
        counters: Counters,
        ready: asyncio.Event,
        busy: Callable[[], bool],
        carry_out: Callable[[Sequence[Row], Sequence[Change], Moment], asyncio.Future[Raised]],
    ) -> None:
        self._topics = topics
        self._link = link
        self._docket = docket
        self._clock = clock
        self._counters = counters
        self._ready = ready
        self._busy = busy
        self._carry_out = carry_out
        self._receipts: list[Action] = []
        self._receiving: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Hear what is on the wire."""
        self._link.subscribe(self._topics.action("+", "+"), self._arrived)

    def end(self) -> None:
        """Hear nothing more; receipts that were put off come again with their pages."""
        if self._receiving is not None:
            self._receiving.cancel()
        self._link.unsubscribe(self._topics.action("+", "+"), self._arrived)

    async def act(self, action: Action) -> Answer | None:
        """An action of a local caller, which need not reach the broker; None: not ours.

        Raises:
            LocalProtocolError: it is no Action of the contract.
        """
        encode(action)
        await self._ready.wait()
        done = self._act(action)
        if done is None:
            return None
        answer, saying = done
        if saying is not None:
            await saying
        return answer

    def deliver(self, action: Action) -> bool:
        """Take an action without waiting; False: its incident is not ours."""
        return self._ready.is_set() and self._act(action) is not None

    def _arrived(self, incoming: Incoming) -> None:
        if incoming.retain:
            self._counters.add("alarm.actions_retained")
            return
        levels = self._topics.levels(incoming.topic)
        try:
            action = decode(Action, incoming.payload)
        except RemoteProtocolError as error:
            self._counters.add("alarm.actions_malformed")
            _LOGGER.debug("refused: %s: %s", incoming.topic, error)
            return
        if levels is None or levels[1] != action.incident:
            self._counters.add("alarm.actions_malformed")
            return
        if action.action == "receipt" and self._busy():
            self._put_off(action)
        else:
            self.deliver(action)

    def _put_off(self, receipt: Action) -> None:
        """Rule 3: those of one incident, which come together, are then one change of it."""
        self._receipts.append(receipt)
        if self._receiving is None:
            loop = asyncio.get_running_loop()
            self._receiving = loop.call_later(RECEIPTS_TOGETHER, self._receive)

    def _receive(self) -> None:
        self._receiving = None
        receipts, self._receipts = self._receipts, []
        for receipt in receipts:
            self.deliver(receipt)

    def _act(self, action: Action) -> tuple[Answer, asyncio.Future[Raised] | None] | None:
        now = self._clock.now()
        done = self._docket.act(action, now)
        if done is None:
            return None
        changes, answer = done
        self._counters.add(f"alarm.actions_{answer.outcome}")
        # A machine's receipts come by the thousand in a storm; what people do is worth a line.
        level = logging.DEBUG if action.action == "receipt" else logging.INFO
        _LOGGER.log(
            level,
            "incident %s: %s by %s%s %s%s",
            action.incident,
            action.action,
            action.by,
            f" of {action.group}" if action.group else "",
            answer.outcome,
            f": {answer.reason}" if answer.reason else "",
        )
        if not answer.effects.changed:
            return answer, None
        repeated = answer.outcome is Outcome.REPEATED  # rule 4
        rows = () if repeated else (action_row(action, answer.reason),)
        return answer, self._carry_out(rows, changes, now)
