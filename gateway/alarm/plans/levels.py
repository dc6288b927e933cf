"""Whom the levels of a plan call by name and by what they are. Pure.

Rules (contract, section 2):

Rule 1. Widening only adds: a level calls all that the levels before it call, and its own.
Rule 2. A level is answered as its own ``answered_by`` says, else as the newest before it; without
        any, a single ack answers.
Rule 3. A drill calls only groups that are marked for drills.

What rotas and ``nearest`` add is not known before a level starts (`gateway.alarm.plans.choosing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gateway.alarm.incidents.record import Step
from gateway.alarm.plans.plan import ANY, AT_SITE, GroupFacts, Level, Plan, Quorum, SiteFacts, Where


class Groups(Mapping[str, GroupFacts]):
    """All groups in their order, found by what they are without looking at each."""

    def __init__(self, groups: Mapping[str, GroupFacts]) -> None:
        self._groups = dict(groups)
        self._order = {name: number for number, name in enumerate(groups)}
        self._having: dict[tuple[str, str], set[str]] = {}
        for name, group in groups.items():
            for feature in _features(group):
                self._having.setdefault(feature, set()).add(name)

    @classmethod
    def of(cls, groups: Mapping[str, GroupFacts]) -> Groups:
        """``groups`` with their index, made only where they have none yet."""
        return groups if isinstance(groups, Groups) else cls(groups)

    def __getitem__(self, name: str) -> GroupFacts:
        return self._groups[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def of_party(self, parties: Iterable[str]) -> Iterator[GroupFacts]:
        """The groups of any of ``parties``; all groups where none is named."""
        return self.chosen_by(Where(party=tuple(parties)))

    def count(self, parties: tuple[str, ...]) -> int:
        """How many groups are of any of ``parties``; all where none is named."""
        if not parties:
            return len(self._groups)
        return sum(len(self._having.get(("party", party), ())) for party in set(parties))

    def chosen_by(self, where: Where, site: SiteFacts | None = None) -> Iterator[GroupFacts]:
        """The groups that match, in order; ``site`` is what `AT_SITE` stands for."""
        asked = [self._with_any(key, values) for key, values in _wanted(where, site) if values]
        if not asked:
            return iter(self._groups.values())
        found = set.intersection(*sorted(asked, key=len))
        return (self._groups[name] for name in sorted(found, key=self._order.__getitem__))

    def _with_any(self, key: str, values: tuple[str, ...]) -> set[str]:
        found = [self._having.get((key, value), set()) for value in values]
        return found[0] if len(found) == 1 else set.union(*found)


def _features(group: GroupFacts) -> Iterator[tuple[str, str]]:
    single = (
        ("street", group.street),
        ("grid", group.grid),
        ("class", group.class_),
        ("party", group.party),
    )
    yield from ((key, value) for key, value in single if value is not None)
    yield from (("tag", tag) for tag in group.tags)


def _wanted(where: Where, site: SiteFacts | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (
        ("street", _at_site(where.street, site.street if site else None)),
        ("grid", _at_site(where.grid, site.grid if site else None)),
        ("class", _at_site(where.class_, site.class_ if site else None)),
        ("party", where.party),
        ("tag", where.tag),
    )


def _at_site(wanted: tuple[str, ...], own: str | None) -> tuple[str, ...]:
    """With `AT_SITE` replaced by the site's own value; a site without one matches no group."""
    if own is None:
        return wanted  # no group can have AT_SITE itself
    return tuple(own if value == AT_SITE else value for value in wanted)


def own_groups(
    level: Level, groups: Groups, site: SiteFacts | None = None, *, drill: bool = False
) -> tuple[str, ...]:
    """The groups that a level itself names, by ``page`` first and then by ``page_where``.

    One that ``groups`` does not have is left out.
    """
    called = dict.fromkeys(name for name in level.page if name in groups)
    if level.page_where is not None:
        found = groups.chosen_by(level.page_where, site)
        called.update(dict.fromkeys(group.name for group in found))
    return tuple(name for name in called if not drill or groups[name].drills)


def spared_groups(level: Level, groups: Groups, site: SiteFacts | None = None) -> tuple[str, ...]:
    """The groups that a level itself names and that a drill must not call (rule 3)."""
    return tuple(name for name in own_groups(level, groups, site) if not groups[name].drills)


def level_groups(
    plan: Plan,
    index: int,
    groups: Groups,
    site: SiteFacts | None = None,
    *,
    drill: bool = False,
) -> tuple[str, ...]:
    """All groups called by level ``index`` (from 0), in order of first call (rule 1)."""
    return tuple(_called(plan.levels[: index + 1], groups, site, drill=drill))


def added_groups(
    plan: Plan, index: int, groups: Groups, site: SiteFacts | None = None
) -> tuple[str, ...]:
    """The groups that level ``index`` (from 0) calls and no level before it does."""
    before = _called(plan.levels[:index], groups, site)
    return tuple(
        name for name in own_groups(plan.levels[index], groups, site) if name not in before
    )


def _called(
    levels: Iterable[Level], groups: Groups, site: SiteFacts | None, *, drill: bool = False
) -> dict[str, None]:
    called: dict[str, None] = {}
    for level in levels:
        called.update(dict.fromkeys(own_groups(level, groups, site, drill=drill)))
    return called


def steps_of(
    plan: Plan, groups: Groups, site: SiteFacts | None, *, drill: bool
) -> tuple[Step, ...]:
    """The levels of a plan as an incident at ``site`` keeps them (rules 1 to 3)."""
    called: dict[str, None] = {}
    steps = []
    for index, level in enumerate(plan.levels):
        called.update(dict.fromkeys(own_groups(level, groups, site, drill=drill)))
        steps.append(
            Step(
                name=level.name,
                groups=tuple(called),
                spared=spared_groups(level, groups, site) if drill else (),
                patch=level.patch,
                hot_mic=level.hot_mic,
                announce=level.announce,
                quorum=quorum(plan, index),
                ack_within=level.ack_within,
                rotas=level.page_rota,
                nearest=level.nearest,
            )
        )
    return tuple(steps)


def quorum(plan: Plan, index: int) -> Quorum:
    """When level ``index`` (from 0) is answered (rule 2)."""
    for level in reversed(plan.levels[: index + 1]):
        if level.answered_by is not None:
            return level.answered_by
    return ANY
