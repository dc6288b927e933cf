"""``baiying shelve``: keep the troubles of an endpoint from raising incidents for a while."""

from __future__ import annotations

import json as json_module
import time
from typing import Annotated

import typer

from gateway.cli.spans import in_words, span_option
from gateway.cli.words import ByOption, ConfigOption, JsonOption, who

app = typer.Typer(
    no_args_is_help=True,
    help="Keep the troubles of an endpoint from raising incidents for a while; never its alarms.",
    epilog="What is shelved is still stored and told. The end is told too, with what still stands then.",
)

EndpointArgument = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Whose troubles.")]


@app.command()
def add(
    endpoint: EndpointArgument,
    lasting: Annotated[
        float,
        typer.Option(
            "--for",
            metavar="TIME",
            parser=span_option,
            help="How long: 90, 30m, 2h, 1d; at most 30 days.",
        ),
    ],
    reason: Annotated[
        str, typer.Option("--reason", "-r", metavar="TEXT", help="Why, for whoever sees it.")
    ] = "",
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Shelve an endpoint's troubles, or change until when they are."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call
    from gateway.errors import BaiyingError

    done = call(
        socket_of(config),
        "shelve.add",
        endpoint=endpoint,
        seconds=lasting,
        reason=reason,
        by=who(by),
    )
    if json:
        print(json_module.dumps(done, ensure_ascii=False))
    if not done["stored"]:
        raise BaiyingError(f"{endpoint} is shelved, but that could not be stored")
    if not json:
        print(f"{endpoint}: troubles shelved for {in_words(lasting)}, until {done['until']}")


@app.command("list")
def list_(config: ConfigOption = None, json: JsonOption = False) -> None:
    """What is shelved, the next to end first."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call
    from gateway.moment import parse_timestamp

    found = call(socket_of(config), "shelve.list")
    if json:
        print(json_module.dumps(found, ensure_ascii=False))
        return
    if not found:
        print("nothing is shelved")
    for one in found:
        left = in_words(max(parse_timestamp(one["until"]) - time.time(), 0.0))
        why = f": {one['reason']}" if one["reason"] else ""
        print(f"{one['endpoint']}: {left} more, by {one['by']}{why}")


@app.command()
def remove(
    endpoint: EndpointArgument,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Take an endpoint off the shelf before its time; troubles that still stand are raised."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call

    done = call(socket_of(config), "shelve.remove", endpoint=endpoint, by=who(by))
    if json:
        print(json_module.dumps(done, ensure_ascii=False))
        return
    print(f"{endpoint}: no longer shelved")
    for text in done["standing"]:
        print(f"still stands: {text}")
