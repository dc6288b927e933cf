"""Options that many commands share."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Configuration of the running gateway. Default: ./baiying.yaml, then /etc/baiying/baiying.yaml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print machine-readable results.")]
ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who acts. Default: the user's login name."),
]


def who(by: str | None) -> str:
    """Whom an action is signed by."""
    return by or getpass.getuser()
