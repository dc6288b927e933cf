"""``baiying drill``: hold drills, see them answered, and prove afterwards that they were drills."""

from __future__ import annotations

import json as json_module
import math
import time
from typing import Annotated

import typer

from gateway.cli.words import ByOption, ConfigOption, JsonOption, who

app = typer.Typer(
    no_args_is_help=True,
    help="Hold drills, see them answered, and prove afterwards that they were drills.",
    epilog="A drill pages only groups, and lights only outputs, that are marked `drills: true`.",
)

_OVER = ("acked", "declined", "en_route", "on_scene", "handled", "stood_down")
"""A group in one of these has answered."""


@app.command("list")
def list_(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Drills that are configured, when the announced ones are next, and which were held."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call

    found = call(socket_of(config), "drill.list")
    if json:
        print(json_module.dumps(found, ensure_ascii=False))
        return
    if not found["drills"] and not found["held"]:
        print("no drill is configured, and none was held")
    for one in found["drills"]:
        when = "at a time that is drawn by lot" if one["unannounced"] else one["next"] or "never"
        print(f"{one['drill']}: {one['endpoint'] or one['site']}, next {when}")
    for one in found["held"]:
        wrong = f"; WRONG: {one['wrong']}" if one["wrong"] else ""
        print(f"{one['when']} {one['drill']}: {one['outcome']}, incident {one['incident']}{wrong}")


@app.command()
def run(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A configured drill, or an endpoint.")
    ],
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="Show answers for this long.")
    ] = 0.0,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Hold a drill now. Only groups marked for drills are paged.

    Status 1 where nobody is called, or, with --wait, where somebody has not answered in time.
    """
    from gateway.cli.live import socket_of
    from gateway.control.client import call

    socket = socket_of(config)
    done = call(socket, "drill.run", name=name, by=who(by))
    called = ", ".join(done["groups"]) or "nobody: no group of its plan is marked for drills"
    if not json:
        print(f"drill: incident {done['incident']} calls {called}")
    told: dict[str, str] = {}
    until = time.monotonic() + wait
    waiting = set(done["groups"])
    while done["incident"] is not None:
        state = call(socket, "incident.show", incident=done["incident"])
        for group, progress in state["groups"].items():
            if told.get(group) != progress["state"] and not json:
                by_whom = f" by {progress['by']}" if progress["by"] else ""
                print(f"{time.strftime('%H:%M:%S')} {group}: {progress['state']}{by_whom}")
            told[group] = progress["state"]
        waiting = {group for group, word in told.items() if word not in _OVER}
        if not waiting or time.monotonic() >= until:
            break
        time.sleep(0.2)
    if json:
        print(json_module.dumps({**done, "answers": told}, ensure_ascii=False))
    raise typer.Exit(1 if not done["groups"] or (wait and waiting) else 0)


@app.command()
def verify(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Check every drill that was sealed against what was revealed; the gateway need not run.

    Status 1 where one of them is not what was sealed.
    """
    import msgspec

    from gateway.alarm import drills
    from gateway.alarm.journal import journal
    from gateway.cli.live import socket_of
    from gateway.moment import timestamp

    path = socket_of(config).parent / "journal.db"
    found = tuple(drills.proofs(journal.scan(path, 0.0, math.inf)))
    if json:
        print(msgspec.json.encode(found).decode())
    else:
        for one in found:
            if one.revealed is None:
                assert one.sealed is not None
                print(f"{one.id}: sealed {timestamp(one.sealed)}, not revealed yet")
                continue
            name = f"{one.told.get('drill')} of {one.told.get('when')}"
            sealed = "was not sealed" if one.sealed is None else f"sealed {timestamp(one.sealed)}"
            print(f"{name}: {one.outcome}, {sealed}{': ' + one.why_not if one.why_not else ''}")
        print(f"{sum(one.why_not is None for one in found)} of {len(found)} drills are in order")
    raise typer.Exit(1 if any(one.why_not for one in found) else 0)
