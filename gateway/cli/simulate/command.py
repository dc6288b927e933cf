"""``baiying simulate``: the words of the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="Make a district of 2,878 sites and 30,000 devices, and try it."
)


@app.command()
def district(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder to write; made if need be.")
    ],
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="The same seed makes the same files.")
    ] = 1,
    scale: Annotated[
        float,
        typer.Option("--scale", min=0.001, max=1.0, help="A part of the district's size."),
    ] = 1.0,
) -> None:
    """Write a district's configuration: 9 classes, 2,878 sites, 17,000 people, 30,000 devices.

    `gateways/*.yaml` are many gateways that share `shared/*.yaml`, one for each grid cell;
    `single.yaml` is one gateway that has every device. `people.csv` says who is in which group.
    """
    from gateway.cli.simulate.district import make
    from gateway.cli.simulate.files import write

    made = make(seed, scale)
    files = write(made, out)
    print(
        f"{out}: {len(files)} files, seed {seed}: {len(made.sites)} sites in {len(made.streets)}"
        f" streets and {len(made.gateways)} grid cells, {len(made.devices)} devices,"
        f" {made.people} people in {len(made.groups)} groups"
    )
