"""Every scenario file plays as it says, on the virtual clock."""

from pathlib import Path

import pytest

from drivers import registry
from gateway.cli.scenario import virtual_world
from gateway.cli.scenario.language import load

FOLDER = Path(__file__).parents[1] / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario_plays_as_it_says(path):
    outcome = virtual_world.run(load(path, registry), registry)
    assert outcome.passed, "\n".join((*outcome.failures, *outcome.timeline))
