"""What a person may ask the running gateway about who would be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.alarm.plans.rehearsal import Question, WrongQuestion
from gateway.control.server import Handler, Session, WrongCall
from gateway.ops.clock import SystemClock
from gateway.requests.words import number_of, text_or_none


class ExplainRequests:
    """``explain``, by the configuration and the positions that the gateway has at this moment."""

    def __init__(self, answer: Callable[[Question], dict[str, Any]], clock: SystemClock) -> None:
        self._answer = answer
        self._clock = clock

    def handlers(self) -> Mapping[str, Handler]:
        return {"explain": self._explain}

    async def _explain(self, request: dict[str, Any], _: Session) -> dict[str, Any]:
        question = Question(
            endpoint=text_or_none(request, "endpoint"),
            site=text_or_none(request, "site"),
            category=text_or_none(request, "category"),
            signal=text_or_none(request, "signal") or "alarm",
            code=text_or_none(request, "code"),
            plan=text_or_none(request, "plan"),
            drill=bool(request.get("drill")),
            at=number_of(request, "at", self._clock.now().wall),
        )
        try:
            return self._answer(question)
        except WrongQuestion as error:
            raise WrongCall(str(error)) from None
