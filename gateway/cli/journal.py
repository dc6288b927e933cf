"""``baiying journal``: the record of everything that happened, verified, written out, watched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.words import ConfigOption, JsonOption

app = typer.Typer(
    no_args_is_help=True,
    help="Verify, write out or watch the journal; the gateway need not run.",
    epilog="Exit status: 0 done and in order, 1 something is wrong with it, 2 the call is wrong.",
)

SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on, as 2026-11-24T05:45:00Z."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Up to before this time.")
]


@app.command()
def verify(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="Journals, archives, exports, or folders of archives. "
            "Default: the gateway's journal and its archives.",
        ),
    ] = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            metavar="SEQ:HASH",
            help="A row that you know from elsewhere, such as the gateway's retained JournalHead.",
        ),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Walk the hash chain over every row, and name the first one that is not as it was stored.

    The chain shows what was changed, put in or taken out. That rows were cut off at the end only a
    head shows that somebody kept: each gateway publishes its own each minute.
    """
    from gateway.cli import journal_files

    raise typer.Exit(journal_files.verify(config, files or (), head or (), as_json=json))


@app.command()
def export(
    since: SinceOption = None,
    until: UntilOption = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write to this file; default: stdout."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write rows as JSON Lines with their hashes, from the journal and its archives.

    `baiying journal verify` reads the file, so whoever gets it can check it without the journal.
    """
    from gateway.cli import journal_files

    journal_files.export(config, since, until, out)


@app.command()
def tail(
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with what is stored from now on.")
    ] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many rows.")] = 20,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show the newest rows, one a line."""
    from gateway.cli import journal_files

    journal_files.tail(config, lines, follow=follow, as_json=json)
