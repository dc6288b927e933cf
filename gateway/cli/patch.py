"""``baiying patch``: join talkgroups and endpoints by hand, for a time."""

from __future__ import annotations

import json as json_module
import time
from typing import Annotated, Any

import typer

from gateway.cli.spans import in_words, span_option
from gateway.cli.words import ByOption, ConfigOption, JsonOption, who

app = typer.Typer(
    no_args_is_help=True,
    help="Join talkgroups and endpoints by hand, for a time.",
    epilog="Whoever is joined speaks on the patch's talkgroup and hears its own as well. An incident's patch goes first.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")]


def _names(text: str) -> str:
    if not all(part.strip() for part in text.split(",")):
        raise typer.BadParameter(f"{text!r} is no list of names; write a,b")
    return text


@app.command()
def create(
    name: NameArgument,
    talkgroups: Annotated[
        str | None,
        typer.Option(
            "--talkgroups",
            "-t",
            metavar="A,B",
            help="Every endpoint of these.",
            callback=lambda v: v and _names(v),
        ),
    ] = None,
    endpoints: Annotated[
        str | None,
        typer.Option(
            "--endpoints",
            "-e",
            metavar="X,Y",
            help="These too; of another gateway as GATEWAY/ENDPOINT.",
            callback=lambda v: v and _names(v),
        ),
    ] = None,
    lasting: Annotated[
        float,
        typer.Option(
            "--for",
            metavar="TIME",
            parser=span_option,
            help="How long: 90, 10m, 2h, 1d; at most 7 days.",
        ),
    ] = 3600.0,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Join talkgroups and endpoints, on this gateway and every other."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call
    from gateway.errors import BaiyingError

    done = call(
        socket_of(config),
        "patch.create",
        name=name,
        talkgroups=_list(talkgroups),
        endpoints=_list(endpoints),
        seconds=lasting,
        by=who(by),
    )
    if json:
        print(json_module.dumps(done, ensure_ascii=False))
    else:
        print(
            f"{name}: joined on {done['talkgroup']} for {in_words(lasting)}, until {done['until']}"
        )
        print(f"of this gateway: {', '.join(done['joined_here']) or 'nobody'}")
    if not done["stored"]:
        raise BaiyingError(f"{name} is joined, but could not be stored: a restart ends it")


@app.command("list")
def list_(config: ConfigOption = None, json: JsonOption = False) -> None:
    """What is joined by hand, the next to end first; also by other gateways."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call

    found = call(socket_of(config), "patch.list")
    if json:
        print(json_module.dumps(found, ensure_ascii=False))
        return
    if not found:
        print("nothing is patched by hand")
    for one in found:
        print(_line(one))


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, or how its id begins.")],
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """End a patch before its time, at the gateway at which it was made."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call
    from gateway.errors import BaiyingError

    done = call(socket_of(config), "patch.remove", name=name, by=who(by))
    if json:
        print(json_module.dumps(done, ensure_ascii=False))
    else:
        print(f"{done['name']}: no longer joined")
    if not done["stored"]:
        raise BaiyingError(f"{done['name']} is ended, but that could not be stored")


def _list(text: str | None) -> list[str]:
    return [] if text is None else [part.strip() for part in text.split(",")]


def _line(one: dict[str, Any]) -> str:
    from gateway.moment import parse_timestamp

    left = in_words(max(parse_timestamp(one["until"]) - time.time(), 0.0))
    members = ", ".join((*one["talkgroups"], *one["endpoints"]))
    return f"{one['name']}: {members}; {left} more, by {one['by']} at {one['gateway']}; {one['id']}"
