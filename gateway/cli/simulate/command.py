"""``baiying simulate``: the words of the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.words import JsonOption

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


@app.command()
def load(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `simulate district` wrote.")],
    street: Annotated[
        list[str] | None, typer.Option("--street", metavar="NAME", help="Only this street.")
    ] = None,
    grid: Annotated[
        list[str] | None, typer.Option("--grid", metavar="NAME", help="Only this grid cell.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option("--site", metavar="NAME", help="Only this site.")
    ] = None,
    single: Annotated[
        bool, typer.Option("--single", help="On the one gateway that has every device.")
    ] = False,
    running: Annotated[
        bool,
        typer.Option("--running", help="Start nothing: the gateways run already, on DIR's files."),
    ] = False,
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker",
            metavar="URL",
            help="An MQTT broker that admits clients by name. Default: one of our own.",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0.001, max=2000, help="Signals a second, on average.")
    ] = 2.0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="For how long signals begin.")
    ] = 60.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of all chance in it.")] = 1,
    haste: Annotated[
        float, typer.Option("--haste", min=0.1, max=100, help="How much faster people are.")
    ] = 1.0,
    json: JsonOption = False,
) -> None:
    """Press buttons by chance and answer the pages, in any part of a district, and count.

    Panels send lines to the gateways' receivers; responders are MQTT clients that sign, ack, go,
    handle and close. Ends when everything is closed, or by Ctrl-C; status 1 if a line was not
    acknowledged.
    """
    from gateway.cli.simulate.load import Options
    from gateway.cli.simulate.load import load as play

    options = Options(
        folder=folder,
        streets=tuple(street or ()),
        grids=tuple(grid or ()),
        sites=tuple(site or ()),
        single=single,
        running=running,
        broker=broker,
        rate=rate,
        seconds=seconds,
        seed=seed,
        haste=haste,
    )
    raise typer.Exit(play(options, as_json=json))
