"""`baiying scenario`: plays scenario files and says which did not go as they should."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from drivers import registry
from gateway.cli.scenario import real_world, virtual_world
from gateway.cli.scenario.language import load
from gateway.cli.scenario.player import Outcome
from gateway.cli.scenario.vocabulary import Scenario
from gateway.errors import ConfigError


def scenario(files: Iterable[Path], *, real_time: bool, timeline: bool, as_json: bool) -> int:
    """Play each file; 0 if all went as they should, 1 if one did not, 2 if one is no scenario."""
    # What a gateway logs is for its operator; here the time line says what came of it.
    logging.getLogger("gateway").addHandler(logging.NullHandler())
    status = 0
    results = []
    for path in files:
        try:
            read = load(path, registry)
        except ConfigError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        began = time.monotonic()
        outcome = _played(read, real_time=real_time)
        took = time.monotonic() - began
        if not outcome.passed:
            status = max(status, 1)
        if as_json:
            results.append(_result(outcome, took))
        else:
            _say(outcome, took, timeline=timeline)
    if as_json:
        print(json.dumps(results, ensure_ascii=False, indent=2))
    return status


def _played(read: Scenario, *, real_time: bool) -> Outcome:
    return real_world.run(read) if real_time else virtual_world.run(read, registry)


def _say(outcome: Outcome, took: float, *, timeline: bool) -> None:
    verdict = "passed" if outcome.passed else "FAILED"
    print(f"{verdict}  {outcome.scenario.name}  ({outcome.lasted:.1f} s played in {took:.2f} s)")
    for failure in outcome.failures:
        print(f"  {failure}")
    if timeline or not outcome.passed:
        for line in outcome.timeline:
            print(f"    {line}")


def _result(outcome: Outcome, took: float) -> dict[str, object]:
    return {
        "name": outcome.scenario.name,
        "file": outcome.scenario.file,
        "passed": outcome.passed,
        "failures": list(outcome.failures),
        "timeline": list(outcome.timeline),
        "lasted_s": round(outcome.lasted, 3),
        "took_s": round(took, 3),
    }
