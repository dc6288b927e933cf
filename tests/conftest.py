"""What every test may use."""

import pytest

DURABILITY = ("test_crash", "test_power_cut")
"""Never tried again: one loss is one too many."""


def pytest_collection_modifyitems(items):
    """A machine with other work may miss what was played; that says nothing of the gateway. A rerun is shown."""
    for item in items:
        if item.get_closest_marker("realtime"):
            item.add_marker(pytest.mark.flaky(reruns=2))
        elif item.path.stem.startswith(DURABILITY):
            continue
        elif item.get_closest_marker("system") or item.get_closest_marker("vm"):
            item.add_marker(pytest.mark.flaky(reruns=1))
