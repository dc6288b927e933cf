"""What every test may use."""

import pytest


def pytest_collection_modifyitems(items):
    """A machine with other work may miss what was played; that says nothing of the gateway. A rerun is shown."""
    for item in items:
        if item.get_closest_marker("realtime"):
            item.add_marker(pytest.mark.flaky(reruns=2))
        elif item.get_closest_marker("system"):
            item.add_marker(pytest.mark.flaky(reruns=1))
