"""``baiying recordings``: what was said, and when; found, heard, written out, spoken again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.spans import span_option
from gateway.cli.words import ConfigOption, JsonOption

app = typer.Typer(
    no_args_is_help=True,
    help="Find, hear, write out and replay recordings. Only `replay` and `status` need the gateway to run.",
    epilog="Exit status: 0 done, 1 failed, 2 the configuration or the call is wrong.",
)

TalkgroupOption = Annotated[
    str | None, typer.Option("--talkgroup", "-t", metavar="TALKGROUP", help="Of this talkgroup.")
]
TalkerOption = Annotated[
    str | None,
    typer.Option("--talker", metavar="NAME", help="By this talker: GATEWAY/ENDPOINT, or either."),
]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this time on, as 2026-11-24T05:45:00Z."),
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Up to before this time.")
]
IncidentOption = Annotated[
    str | None, typer.Option("--incident", "-i", metavar="ID", help="Of this incident.")
]
LastOption = Annotated[
    int | None, typer.Option("--last", "-n", min=1, help="Only so many of the newest.")
]
LastOneOption = Annotated[bool, typer.Option("--last", help="The last one, instead of an ID.")]


@app.command("list")
def list_(
    talkgroup: TalkgroupOption = None,
    talker: TalkerOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    incident: IncidentOption = None,
    last: LastOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """List recordings, the oldest first: bursts, and what was heard before alarms."""
    from gateway.cli import recordings_files as files

    asked = files.Asked(talkgroup, talker, since, until, incident, last)
    files.list_(config, asked, as_json=json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="Its id, or as much as is unique.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Say all that is known of one recording, and where its file is."""
    from gateway.cli import recordings_files as files

    files.show(config, name, as_json=json)


@app.command()
def play(
    name: Annotated[str | None, typer.Argument(metavar="[ID]", help="Which one.")] = None,
    last: LastOneOption = False,
    talkgroup: TalkgroupOption = None,
    talker: TalkerOption = None,
    incident: IncidentOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="Write a WAV file, - for standard output."
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Play one on this machine's sound device, or as WAV; with `--last` what you have just missed."""
    from gateway.cli import recordings_files as files

    _one_or_last(name, last=last)
    files.play(config, name, files.Asked(talkgroup, talker, None, None, incident, 1), out)


@app.command()
def export(
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="PATH",
            help="A folder: one file each. FILE.opus or FILE.wav: all in one, with the pauses.",
        ),
    ],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Default: all that match.")
    ] = None,
    talkgroup: TalkgroupOption = None,
    talker: TalkerOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    incident: IncidentOption = None,
    last: LastOption = None,
    wav: Annotated[bool, typer.Option("--wav", help="Into a folder: as WAV.")] = False,
    longest_pause: Annotated[
        float | None,
        typer.Option(
            "--longest-pause",
            metavar="TIME",
            parser=span_option,
            help="All in one: cut longer pauses to this, as 2s; default: all as they were.",
        ),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write recordings out, named by time, talkgroup, talker, incident and loss.

    Ogg Opus is copied, not coded anew. All in one, the talkers are its chapters.
    """
    from gateway.cli import recordings_files as files

    asked = files.Asked(talkgroup, talker, since, until, incident, last)
    files.export(
        config, names or (), asked, out, wav=wav, longest_pause=longest_pause, as_json=json
    )


@app.command()
def replay(
    to: Annotated[str, typer.Option("--to", metavar="TALKGROUP", help="Where it is spoken.")],
    name: Annotated[str | None, typer.Argument(metavar="[ID]", help="Which one.")] = None,
    last: LastOneOption = False,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="TALKGROUP", help="Whose last burst; default: the same."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            metavar="ENDPOINT",
            help="Only to this endpoint, which came too late; it must key no transmitter.",
        ),
    ] = None,
    priority: Annotated[
        int, typer.Option(min=0, max=255, help="Priority of the floor request.")
    ] = 50,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Speak a recording again on a talkgroup, once the floor is granted, as GATEWAY/replay.

    Its packets are sent as they were, nothing is coded anew. Any person takes the floor from it.
    """
    from gateway.cli import recordings_files as files

    _one_or_last(name, last=last)
    files.replay(
        config, name, to=to, source=source, endpoint=endpoint, priority=priority, as_json=json
    )


@app.command()
def status(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Say how many there are, what is being recorded now, and why nothing is if nothing can be."""
    from gateway.cli import recordings_files as files

    files.status(config, as_json=json)


def _one_or_last(name: str | None, *, last: bool) -> None:
    if (name is not None) is last:
        raise typer.BadParameter("name either an ID or --last")
