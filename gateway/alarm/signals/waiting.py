"""A signal that waits for its decision, and whoever waits for word that it is stored. Pure.

Rules:

1. A driver hears once whether its signal is on disk: when it is accepted (`gateway.alarm.signals.accepted`) or
   decided, whichever is first on disk. It hears no only when neither will be: while an acceptance is
   under way, a decision that is not stored waits for what comes of that.
2. Only what a driver said is ever accepted: of everything else somebody waits for the decision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.alarm.journal.rows import Row
from gateway.alarm.raised import Done, Raised
from gateway.alarm.signals.contact import Sighting
from gateway.moment import Moment
from gateway.ports import AlarmSignal


@dataclass(slots=True, eq=False)
class Said:
    """What a driver said by the input ``input``; ``told`` hears whether it is on disk."""

    input: str
    signal: AlarmSignal
    told: Callable[[bool], None] | None
    accepting: bool = False
    _failed: bool = False

    def accepted(self, *, stored: bool) -> None:
        """What has come of the acceptance."""
        self.accepting = False
        if stored:
            self._tell(stored=True)
        elif self._failed:
            self._tell(stored=False)

    def decided(self, *, stored: bool) -> None:
        """What has come of the decision."""
        if stored or not self.accepting:
            self._tell(stored=stored)
        else:
            self._failed = True

    def _tell(self, *, stored: bool) -> None:
        told, self.told = self.told, None
        if told is not None:
            told(stored)


@dataclass(slots=True, eq=False)
class Waiting:
    """A signal that waits; ``done`` is told what has come of it, ``rows`` are stored with it.

    ``said`` is set where it is a driver's. ``id`` (its event's) and ``at`` are set from its acceptance
    on, ``taken`` once it is being decided.
    """

    sighting: Sighting
    drill: bool
    done: Done | None = None
    rows: tuple[Row, ...] = ()
    said: Said | None = None
    id: str | None = None
    at: Moment | None = None
    taken: bool = False

    @property
    def subject(self) -> str:
        return self.sighting.subject

    @property
    def source(self) -> str:
        """Its site; of what no endpoint has, the input, which is what the subject begins with."""
        source = self.sighting.source
        return source.site if source is not None else self.sighting.subject.partition(":")[0]

    @property
    def quiet(self) -> bool:
        return self.sighting.quiet

    @property
    def may_be_accepted(self) -> bool:
        """Whether it waits for its decision, and somebody for word of it, and no acceptance is on."""
        said = self.said
        return said is not None and said.told is not None and not (self.taken or said.accepting)

    def decided(self, raised: Raised) -> None:
        """Tell what has come of it."""
        if self.said is not None:
            self.said.decided(stored=raised.stored)
        if self.done is not None:
            self.done(raised)
