"""``baiying incident``: see incidents, raise them by hand, and act on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.words import ByOption, ConfigOption, JsonOption, who

app = typer.Typer(
    no_args_is_help=True,
    help="See incidents and act on them, through the running gateway.",
    epilog="An action is sent again each second until the incident's owner has applied or refused it.",
)

IncidentArgument = Annotated[
    str, typer.Argument(metavar="INCIDENT", help="Its id, or a beginning of it that only it has.")
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group",
        "-g",
        metavar="GROUP",
        help="Which group acts. Default: the one that this gateway serves.",
    ),
]
NoteOption = Annotated[
    str | None, typer.Option("--note", "-n", metavar="TEXT", help="A remark to keep with it.")
]


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Incidents that this gateway knows of, newest first."""
    from gateway.cli import incidents

    incidents.list_incidents(config, everything=everything, as_json=json)


@app.command()
def show(incident: IncidentArgument, config: ConfigOption = None, json: JsonOption = False) -> None:
    """One incident, whole."""
    from gateway.cli import incidents

    incidents.show(config, incident, as_json=json)


@app.command("raise")
def raise_(
    site: Annotated[str, typer.Option("--site", "-s", metavar="SITE", help="Where it is.")],
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", "-e", metavar="ENDPOINT", help="An endpoint there, such as a camera."
        ),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option(
            "--category", metavar="WORD", help="What it is: panic, fire, assist, dispute ..."
        ),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option("--code", metavar="CODE", help="An event code for the plan to match."),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan", metavar="PLAN", help="The plan to use; default: the first that matches."
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option("--text", "-t", metavar="TEXT", help="What those called are to know."),
    ] = None,
    drill: Annotated[bool, typer.Option("--drill", help="It is a drill.")] = False,
    covert: Annotated[
        bool, typer.Option("--covert", help="Nothing at the place may show or sound it.")
    ] = False,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Raise an incident by hand, at any site. Groups are paged as for a press."""
    from gateway.cli import incidents

    incidents.raise_incident(
        config,
        as_json=json,
        site=site,
        endpoint=endpoint,
        category=category,
        code=code,
        plan=plan,
        text=text,
        drill=drill,
        covert=covert,
        by=who(by),
    )


@app.command()
def roll(
    incident: IncidentArgument,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait for answers this long.")
    ] = 0.0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Roll call: who of those called has answered, who only has the page, who not even that.

    Status 1 while anybody is missing. Waiting ends early once nobody is left to wait for.
    """
    from gateway.cli import incidents

    if not incidents.roll(config, incident, wait=wait, as_json=json):
        raise typer.Exit(1)


@app.command()
def merge(
    incident: IncidentArgument,
    into: Annotated[
        str, typer.Argument(metavar="INTO", help="The incident that goes on for both.")
    ],
    note: NoteOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make two incidents of one event one: INCIDENT is closed into INTO."""
    _act(config, incident, "merge", json=json, by=by, into=into, note=note)


@app.command("hand-over")
def hand_over(
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Who has it from now on.")],
    incident: Annotated[
        str | None, typer.Argument(metavar="[INCIDENT]", help="Which one, unless it is --all.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every one that is not closed, at a change of shift.")
    ] = False,
    group: Annotated[
        str | None,
        typer.Option("--group", "-g", metavar="GROUP", help="Only this group's part of it."),
    ] = None,
    note: NoteOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Hand an incident over to somebody, or at a change of shift all of them."""
    from gateway.cli import incidents

    which = incidents.one_or_all(incident, everything=everything)
    if which is not None:
        _act(config, which, "hand_over", json=json, by=by, group=group, note=note, to=to)
    elif group is not None:
        raise typer.BadParameter("a group has its part of one incident: name it")
    else:
        incidents.hand_over(config, to=to, note=note, by=who(by), as_json=json)


@app.command()
def escalate(
    incident: IncidentArgument,
    level: Annotated[
        int | None,
        typer.Option("--level", metavar="N", min=1, help="To this level; default: the next."),
    ] = None,
    note: NoteOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Start the next level now, or a later one; whom the levels between call is called too."""
    _act(config, incident, "escalate", json=json, by=by, level=level, note=note)


def _action(name: str, action: str, text: str) -> None:
    """Adds ``baiying incident NAME``; all group actions look alike."""

    @app.command(name, help=text)
    def command(
        incident: IncidentArgument,
        group: GroupOption = None,
        note: NoteOption = None,
        by: ByOption = None,
        config: ConfigOption = None,
        json: JsonOption = False,
    ) -> None:
        _act(config, incident, action, json=json, by=by, group=group, note=note)


_action("ack", "ack", "A person of the group has it. Stops its pages.")
_action("unack", "unack", "Take the ack back; the group is paged again.")
_action("decline", "decline", "The group cannot come; the next one is called.")
_action("en-route", "en_route", "The group is on its way.")
_action("on-scene", "on_scene", "The group is there.")
_action("handled", "handled", "The group is done; when all are, the incident is resolved.")
_action(
    "cancel", "cancel", "Stop paging and stand the groups down; the incident still needs `close`."
)
_action("reset", "reset", "Clear the latched input, once the button has been restored.")


@app.command()
def note(
    incident: IncidentArgument,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The remark.")] = None,
    remark: NoteOption = None,
    group: GroupOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Keep a remark with it."""
    said = text or remark
    if not said:
        raise typer.BadParameter("what is the remark?", param_hint="TEXT")
    _act(config, incident, "note", json=json, by=by, group=group, note=said)


@app.command()
def close(
    incident: IncidentArgument,
    disposition: Annotated[
        str,
        typer.Option(
            "--disposition",
            "-d",
            metavar="WORD",
            help="How it ended; must be one of `dispositions`, where those are configured.",
        ),
    ] = "handled",
    verdict: Annotated[
        str | None,
        typer.Option(
            "--verdict",
            metavar="WORD",
            help="Whether the alarm was true, false, a test, or unknown; default: as the disposition says.",
        ),
    ] = None,
    group: GroupOption = None,
    note: NoteOption = None,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Close it with a disposition; refused while an input is latched."""
    _act(
        config,
        incident,
        "close",
        json=json,
        by=by,
        group=group,
        note=note,
        disposition=disposition,
        verdict=verdict,
    )


def _act(
    config: Path | None, incident: str, action: str, *, json: bool, by: str | None, **fields: Any
) -> None:
    from gateway.cli import incidents

    incidents.act(config, incident, action, as_json=json, by=who(by), **fields)
