"""``baiying test``: walk from button to button, and see which have not been tested for too long."""

from __future__ import annotations

import json as json_module
from typing import Annotated, Any

import typer

from gateway.cli.spans import in_words, span_option
from gateway.cli.words import ConfigOption, JsonOption

app = typer.Typer(
    no_args_is_help=True,
    help="Walk from button to button, and see which have not been tested for too long.",
)

ListedSite = Annotated[
    str | None, typer.Option("--site", "-s", metavar="SITE", help="Only those of this site.")
]


@app.command()
def walk(
    endpoints: Annotated[
        list[str] | None,
        typer.Argument(metavar="ENDPOINT", help="Whom to press. Default: every button here."),
    ] = None,
    site: ListedSite = None,
    lasting: Annotated[
        float,
        typer.Option(
            "--for", metavar="TIME", parser=span_option, help="How long: 90, 30m; at most 8h."
        ),
    ] = 600.0,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Press each button once and see it tick off; that press pages nobody.

    A second press of the same button is real, and so is every press after the end. It ends when all
    have been pressed, at its time, or with Ctrl-C. Status 1 where a button is missing then.
    """
    from gateway.cli.live import asked_to_stop, socket_of
    from gateway.control.client import ControlClient

    with ControlClient(socket_of(config)) as client, asked_to_stop(client.end_audio):
        client.ask("test.walk", endpoints=endpoints or [], site=site, seconds=lasting)
        for event in client.frames():
            if isinstance(event, dict):
                print(json_module.dumps(event) if json else _said(event), flush=True)
        done = client.result
    if json:
        print(json_module.dumps(done), flush=True)
    else:
        print(f"the walk test is over ({_ENDS[done['ended']]}); presses are real again")
        for name in done["missing"]:
            print(f"not seen: {name}")
    raise typer.Exit(1 if done["missing"] else 0)


@app.command("list")
def list_(site: ListedSite = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Every endpoint that raises, and when it was last tested; the longest untested first."""
    _list(site, config, json, overdue=False)


@app.command()
def overdue(site: ListedSite = None, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Those that have not been tested for longer than the configuration allows."""
    _list(site, config, json, overdue=True)


_ENDS = {
    "complete": "every button was seen",
    "time": "its time is over",
    "stopped": "stopped by hand",
}


def _said(event: dict[str, Any]) -> str:
    if event["event"] == "begun":
        lines = [f"{name}: left out, it {why}" for name, why in event["left_out"].items()]
        count = len(event["endpoints"])
        lines.append(
            f"press each of {count} button{'s' if count > 1 else ''}, until {event['until']}:"
        )
        return "\n".join([*lines, *(f"  [ ] {name}" for name in event["endpoints"])])
    stored = "" if event["stored"] else " (NOT STORED)"
    return f"  [x] {event['endpoint']} at {event['time']}{stored}; {event['missing']} missing"


def _list(site: str | None, config: Any, json: bool, *, overdue: bool) -> None:
    import time

    from gateway.cli.live import socket_of
    from gateway.control.client import call
    from gateway.moment import parse_timestamp

    found = call(socket_of(config), "test.list", overdue=overdue)
    found = [one for one in found if site is None or one["site"] == site]
    if json:
        print(json_module.dumps(found, ensure_ascii=False))
        return
    if not found:
        print("no test is overdue" if overdue else "nothing here raises alarms")
    for one in found:
        if one["tested"] is None:
            when = "never tested"
        else:
            age = in_words(max(time.time() - parse_timestamp(one["tested"]), 0.0))
            when = f"tested {age} ago" + (", walk test" if one["walk"] else "")
        limit = "" if one["every_days"] is None else f" (every {one['every_days']:g} days)"
        print(f"{one['endpoint']}: {when}{limit}{'; OVERDUE' if one['overdue'] else ''}")
