"""The deadlines of an incident: those of its targets, and all of them over a reboot. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from gateway.alarm.incidents import delivery
from gateway.alarm.incidents.record import STAGE_OF, Case, GroupRecord, IncidentRecord, Stage
from gateway.moment import Moment


def clocks(case: Case, now: Moment) -> dict[str, float]:
    """The deadlines of the targets from ``now`` on, by `Stage`; a quiet incident has none."""
    if case.quiet:
        return {}
    targets = {stage.value: getattr(case.targets, stage.value) for stage in Stage}
    return {stage: now.elapsed + after for stage, after in targets.items() if after is not None}


def stages_of(groups: Iterable[GroupRecord]) -> tuple[str, ...]:
    """The stages that the furthest of ``groups`` has reached, in order."""
    stages = tuple(stage.value for stage in Stage)
    reached = (STAGE_OF.get(group.state) for group in groups)
    furthest = max((stages.index(stage) for stage in reached if stage is not None), default=-1)
    return stages[: furthest + 1]


def without(clocks: Mapping[str, float], *stages: str) -> dict[str, float]:
    """The clocks that still run once ``stages`` are reached, or over."""
    return {stage: due for stage, due in clocks.items() if stage not in stages}


def carried_over(record: IncidentRecord, now: Moment) -> IncidentRecord:
    """Deadlines of another boot, or of another machine, on this boot's clock, by the wall clock.

    A wall clock that was set back meanwhile lengthens none past its full time.
    """
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
        clocks={
            stage: min(due + shift, now.elapsed + (getattr(case.targets, stage) or 0.0))
            for stage, due in record.clocks.items()
        },
    )
