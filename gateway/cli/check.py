"""``baiying check``: every problem of one gateway's configuration, or of a district's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from drivers import registry
from gateway.errors import Problem
from gateway.settings.facts import serves_of
from gateway.settings.loader import Examined, examine

MAX_NAMED = 12
"""Groups without a gateway that are named each; one file of a district is fine without the others."""


def check(paths: Sequence[Path], *, as_json: bool) -> int:
    """Print problems on standard error, and on standard output what is fine; the exit status.

    Several files are one district: who serves a group may be in any of them. A file that another
    one includes is a part of that, and not a gateway of its own.
    """
    examined = {path: examine(path, registry) for path in paths}
    parts = {Path(part).resolve() for one in examined.values() for part in one.files[1:]}
    gateways = {path: one for path, one in examined.items() if path.resolve() not in parts}
    gateways = gateways or examined  # files that include one another: a problem of each
    problems = dict.fromkeys(problem for one in gateways.values() for problem in one.problems)
    problems |= dict.fromkeys(_district(list(gateways.values())))
    ok = all(problem.warning for problem in problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    if as_json:
        found = {"ok": ok, "problems": [asdict(one) for one in problems]}
        print(json.dumps(found, ensure_ascii=False))
    elif ok:
        for path, one in gateways.items():
            print(f"{path}: {_summary(one)}")
    return 0 if ok else 2


def _district(gateways: Sequence[Examined]) -> Iterable[Problem]:
    """What only shows when all files are seen together; nothing while one of them is wrong."""
    if any(one.settings is None for one in gateways):
        return
    owners: dict[str, Examined] = {}
    served: set[str] = set()
    for one in gateways:
        assert one.settings is not None
        served |= serves_of(one.settings)
        name = one.settings.gateway
        if name in owners:
            first = owners[name].place("gateway")
            what = f"gateway {name!r} is also in another file"
            yield Problem(*one.place("gateway"), "gateway", what, f"see {first}")
        owners.setdefault(name, one)
    for one in gateways:
        assert one.settings is not None
        missed = [name for name in one.settings.groups if name not in served]
        hint = "add an endpoint on its talkgroup, or serves:, to the gateway it sits at"
        for name in missed[:MAX_NAMED]:
            what = f"no gateway of the files given serves group {name}"
            place = one.place("groups", name)
            yield Problem(*place, f"groups.{name}", what, hint, warning=True)
        if len(missed) > MAX_NAMED:
            what = f"no gateway of the files given serves {len(missed) - MAX_NAMED} more groups"
            yield Problem(*one.place("groups"), "groups", what, hint, warning=True)


def _summary(one: Examined) -> str:
    settings = one.settings
    assert settings is not None
    counts = ", ".join(
        f"{len(entries)} {word if len(entries) != 1 else word.removesuffix('s')}"
        for word, entries in (
            ("sites", settings.sites),
            ("inputs", settings.inputs),
            ("endpoints", settings.endpoints),
            ("talkgroups", settings.talkgroups),
            ("groups", settings.groups),
            ("plans", settings.plans),
        )
    )
    return f"ok: gateway {settings.gateway}, {counts}"
