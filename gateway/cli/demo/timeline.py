"""What the demo says while it plays, and what it can prove at the end."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was to happen: whether it was verified, and from what."""

    at_s: float | None
    who: str
    what: str
    verified: bool
    evidence: dict[str, Any] = field(default_factory=dict)


class Timeline:
    """Prints each step as it is verified, with the seconds since the press; keeps them all."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._zero: float | None = None
        self.steps: list[Step] = []

    def say(self, text: str) -> None:
        self._console.print(escape(text))

    def start(self, at: float) -> None:
        """The moment of the press, monotonic: second 0."""
        self._zero = at

    def step(
        self, who: str, what: str, verified: bool, at: float | None = None, **evidence: Any
    ) -> bool:
        """Record one step that happened at ``at`` (monotonic; default now)."""
        moment = time.monotonic() if at is None else at
        since = None if self._zero is None else round(moment - self._zero, 3)
        self.steps.append(Step(since, who, what, verified, evidence))
        shown = "         " if since is None else f"{since:+8.3f} s"
        mark = "[green]ok  [/]" if verified else "[red]FAIL[/]"
        facts = ", ".join(f"{name} {value}" for name, value in evidence.items())
        self._console.print(
            f"{shown}  {mark} [bold]{who:9}[/] {escape(what)}"
            + (f" [dim]({escape(facts)})[/]" if facts else "")
        )
        return verified

    @property
    def verified(self) -> bool:
        return bool(self.steps) and all(step.verified for step in self.steps)

    def to_json(self) -> str:
        return json.dumps([asdict(step) for step in self.steps], ensure_ascii=False, indent=1)
