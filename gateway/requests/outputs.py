"""``outputs``: what a person may ask about lamps, relays and sirens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.alarm.outputs import Outputs
from gateway.control.server import Handler, Session


class OutputRequests:
    """``outputs``."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs

    def handlers(self) -> Mapping[str, Handler]:
        return {"outputs": self._list}

    async def _list(self, _request: dict[str, Any], _: Session) -> dict[str, Any]:
        """Every output, the lines of it that are on, and its fault."""
        return {
            name: {"on": list(output.lit), "fault": output.fault}
            for name, output in self._outputs.now().items()
        }
