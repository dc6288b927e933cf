"""A configuration as text, examined as the command does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers import registry
from gateway.settings.loader import Examined, examine

ROOT = Path(__file__).parents[2]


class Bench:
    """Writes files into a folder of its own and examines the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def examine(self, text: str, **others: str) -> Examined:
        for name, other in others.items():
            self.write(f"{name}.yaml", other)
        return examine(self.write("gateway.yaml", text), registry)

    def lines(self, text: str, **others: str) -> list[str]:
        """Every problem as it is printed, without the folder."""
        found = self.examine(text, **others).problems
        return [str(problem).replace(f"{self.folder}/", "") for problem in found]

    def errors(self, text: str, **others: str) -> list[str]:
        return [line for line in self.lines(text, **others) if not line.startswith("warning:")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def contract() -> str:
    """The configuration of the contract, which every test may break in one place."""
    return (ROOT / "config" / "contract.yaml").read_text(encoding="utf-8")
