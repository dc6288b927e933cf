"""What the desk knows of the endpoints' alarm inputs and shelves, shown in their states. No decisions."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping

from gateway.alarm.desk import Desk
from gateway.endpoint_states import EndpointStates
from gateway.ops.pacing import Pace
from gateway.settings.model import Endpoint

HANDFUL = 32
"""Inputs whose state is shown at a time."""


class InputStates:
    """Shows the inputs of ``endpoints``, and what of them is shelved."""

    def __init__(
        self, states: EndpointStates, desk: Desk, endpoints: Mapping[str, Endpoint]
    ) -> None:
        self._states = states
        self._desk = desk
        self._endpoints = endpoints
        self._to_show: OrderedDict[str, None] = OrderedDict()  # a set that keeps its order
        self._pace = Pace(self._show_some, HANDFUL, desk.busy, desk.crowded)

    def configure(self, endpoints: Mapping[str, Endpoint]) -> None:
        """These endpoints from now on; `show_all` shows them."""
        self._endpoints = endpoints

    def show(self, name: str) -> None:
        """Show the state of an input; in a storm a few at a time."""
        self._to_show[name] = None
        self._pace.go()

    def show_all(self) -> None:
        """Show every input and every shelf, at once."""
        for name, endpoint in self._endpoints.items():
            if endpoint.input is None:
                self._states.input(name, None)
            else:
                self._show(name)
        for shelf in self._desk.intake.shelving.shelves:
            self.show_shelf(shelf.endpoint)

    def show_shelf(self, name: str) -> None:
        """Show until when an endpoint is shelved."""
        self._states.shelved(name, self._desk.intake.shelving.until(name))

    def _show_some(self, most: int) -> bool:
        for name in list(itertools.islice(self._to_show, most)):
            del self._to_show[name]
            self._show(name)
        return bool(self._to_show)

    def _show(self, name: str) -> None:
        endpoint = self._endpoints.get(name)
        if endpoint is not None and endpoint.input is not None:
            self._states.input(name, self._desk.input_state(name).value)
