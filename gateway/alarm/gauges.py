"""Publishes how busy the alarm side is, while that changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gateway.link.messages import AlarmFigures, encode
from gateway.link.topics import Topics

EACH = 10.0
"""Seconds from one look to the next."""


class Link(Protocol):
    """What is needed of the control connection (`gateway.link.session.ControlLink`)."""

    def set_retained(self, topic: str, payload: bytes, /) -> None: ...


class Gauges:
    """The retained AlarmFigures of one gateway; ``figures`` says them."""

    def __init__(
        self, gateway: str, topics: Topics, link: Link, figures: Callable[[], AlarmFigures]
    ) -> None:
        self._topic = topics.figures(gateway)
        self._link = link
        self._figures = figures
        self._said: AlarmFigures | None = None

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(EACH)

    def look(self) -> None:
        """Publish the figures, if anything but their time has changed."""
        figures = self._figures()
        if self._said is None or replace(figures, time=self._said.time) != self._said:
            self._said = figures
            self._link.set_retained(self._topic, encode(figures))
