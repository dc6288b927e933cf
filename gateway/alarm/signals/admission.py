"""Which of the signals that wait is decided next, and which is refused. Pure.

Rules:

Rule 1. What may page goes before what is quiet (troubles, tests, routine reports).
Rule 2. Among equals it goes round by source (`fair_queue`).
Rule 3. Signals of one subject are decided in the order in which they came. What of a subject waits
        as quiet moves up with its first signal that is not, and so does what follows while that waits.
Rule 4. Each lane holds at most `LANE_LIMIT`, of which one source may hold `SOURCE_LIMIT`. Past that
        a signal is refused: it is not acknowledged, and counted. No device gets there, since each
        waits for the answer to its last signal, and `acceptance` answers fewer than these; only a
        program that does not wait can. What was acknowledged in an earlier run is never refused.
"""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from gateway.alarm.signals.fair_queue import FairQueue

LANE_LIMIT = 49_152
SOURCE_LIMIT = 4_096


class Waiting(Protocol):
    """A signal that waits."""

    @property
    def subject(self) -> str: ...
    @property
    def source(self) -> str:
        """Whom it counts for: its site, or the input that no site has."""

    @property
    def quiet(self) -> bool: ...


W = TypeVar("W", bound=Waiting)


class Admission(Generic[W]):
    """The signals that wait for their decision."""

    def __init__(self, lane_limit: int = LANE_LIMIT, source_limit: int = SOURCE_LIMIT) -> None:
        self._lane_limit = lane_limit
        self._source_limit = source_limit
        self._urgent: FairQueue[W] = FairQueue()
        self._quiet: FairQueue[W] = FairQueue()
        # How many wait of each subject.
        self._subjects_urgent: dict[str, int] = {}
        self._subjects_quiet: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._urgent) + len(self._quiet)

    @property
    def urgent(self) -> int:
        """How many wait that may page."""
        return len(self._urgent)

    @property
    def is_fresh(self) -> bool:
        """Whether the next to be decided may page, and is of a source that was silent."""
        return self._urgent.is_fresh

    def waiting(self, source: str) -> int:
        """How many of a source wait."""
        return self._urgent.waiting(source) + self._quiet.waiting(source)

    def put(self, signal: W, *, refusable: bool = True) -> bool:
        """Let it wait; False: refused (rule 4)."""
        subject, source = signal.subject, signal.source
        urgent = not signal.quiet or subject in self._subjects_urgent
        lane = self._urgent if urgent else self._quiet
        full = len(lane) >= self._lane_limit or lane.waiting(source) >= self._source_limit
        if full and refusable:
            return False
        if not urgent:
            _more(self._subjects_quiet, subject)
        else:
            if subject in self._subjects_quiet:
                self._move_up(subject, source)
            _more(self._subjects_urgent, subject)
        lane.put(source, signal)
        return True

    def take(self) -> W | None:
        """The next to be decided; None where nothing waits."""
        signal = self._urgent.take()
        if signal is not None:
            _less(self._subjects_urgent, signal.subject)
            return signal
        signal = self._quiet.take()
        if signal is not None:
            _less(self._subjects_quiet, signal.subject)
        return signal

    def _move_up(self, subject: str, source: str) -> None:
        for earlier in self._quiet.withdraw(source, lambda one: one.subject == subject):
            self._urgent.put(source, earlier)
            _more(self._subjects_urgent, subject)
        del self._subjects_quiet[subject]


def _more(counts: dict[str, int], subject: str) -> None:
    counts[subject] = counts.get(subject, 0) + 1


def _less(counts: dict[str, int], subject: str) -> None:
    if counts[subject] > 1:
        counts[subject] -= 1
    else:
        del counts[subject]
