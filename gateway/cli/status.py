"""``baiying status``: how the running gateway stands, once or as a view that follows it."""

from __future__ import annotations

import json as json_module
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.words import ConfigOption, JsonOption

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

EACH = 0.5
"""Seconds from one look of the live view to the next."""
LOUDEST_DBOV, SOFTEST_DBOV = 6, 60
"""Below overload: a full bar, and none."""
BAR = 20
MAX_ROWS = 40
"""Endpoints shown; of more, those that are keyed, open, at fault or in alarm come first."""


def status(
    once: Annotated[bool, typer.Option("--once", help="Print it once and end.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show talkgroups with their talkers, levels and queues, endpoints, incidents and faults.

    In a terminal the view follows the gateway until Ctrl-C; elsewhere, and with --once, it is printed
    once.
    """
    from gateway.cli.live import socket_of
    from gateway.control.client import call

    socket = socket_of(config)
    if json:
        print(json_module.dumps(call(socket, "status"), ensure_ascii=False))
        return
    from rich.console import Console

    console = Console()
    if once or not console.is_terminal:
        console.print(view(call(socket, "status")))
        return
    _follow(console, lambda: call(socket, "status"))


def _follow(console: Any, ask: Callable[[], dict[str, Any]]) -> None:
    from rich.live import Live
    from rich.text import Text

    from gateway.errors import BaiyingError

    shown = view(ask())
    with Live(shown, console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(shown, refresh=True)
                time.sleep(EACH)
                try:
                    shown = view(ask())
                except BaiyingError as error:  # it may be starting again
                    shown = Text(f"{error}; trying again", style="red")
        except KeyboardInterrupt:
            sys.exit(0)


def view(now: dict[str, Any]) -> RenderableType:
    """The whole view of one answer."""
    from rich.console import Group
    from rich.text import Text

    broker = now["broker"]
    lost = [name for name, connected in broker.items() if not connected]
    head = Text.assemble(
        (now["gateway"], "bold"),
        f"  {now['version']}  since {now['since'][:19]}  broker ",
        ("connected", "green") if not lost else (f"lost: {', '.join(lost)}", "bold red"),
    )
    parts: list[RenderableType] = [head, _talkgroups(now), _endpoints(now)]
    if now["incidents"]:
        parts.append(_incidents(now))
    parts.append(_figures(now))
    return Group(*parts)


def bar(level_dbov: int | None) -> str:
    """A loudness as a bar; empty where nobody speaks."""
    if level_dbov is None:
        return ""
    share = (SOFTEST_DBOV - level_dbov) / (SOFTEST_DBOV - LOUDEST_DBOV)
    return "█" * max(1, round(min(max(share, 0.0), 1.0) * BAR))


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _talkgroups(now: dict[str, Any]) -> RenderableType:
    table = _table("talkgroup", "floor", "talker", "level", "queue", "controller", "here")
    for one in now["talkgroups"]:
        table.add_row(
            one["talkgroup"],
            one["state"],
            one["talker"] or "",
            bar(one["level_dbov"]),
            " ".join(one["queue"]),
            one["controller"] or "",
            " ".join(one["members"]),
            style="bold" if one["talker"] else None,
        )
    return table


def _endpoints(now: dict[str, Any]) -> RenderableType:
    table = _table("endpoint", "kind", "speaks on", "hears", "", "faults")
    busy = [one for one in now["endpoints"] if _urgent(one)]
    voice = [one for one in now["endpoints"] if not _urgent(one) and one["talkgroup"]]
    rows = (busy + voice)[:MAX_ROWS]
    for one in rows:
        signs = [
            word
            for word, on in (
                ("PTT", one["ptt"]),
                ("COS", one["squelch_open"]),
                ((one["input"] or "").upper(), one["input"] not in (None, "normal")),
            )
            if on
        ]
        table.add_row(
            one["endpoint"],
            one["kind"],
            one["talkgroup"] or "",
            " ".join(one["hears"]),
            " ".join(signs),
            "; ".join(one["faults"]),
            style="red" if one["faults"] else None,
        )
    left = len(now["endpoints"]) - len(rows)
    if left:
        table.add_row(f"and {left} more that are well", "", "", "", "", "")
    return table


def _urgent(one: dict[str, Any]) -> bool:
    active = one["ptt"] or one["squelch_open"] or one["faults"]
    return bool(active or one["input"] not in (None, "normal"))


def _incidents(now: dict[str, Any]) -> RenderableType:
    table = _table("incident", "state", "level", "category", "site", "endpoint", "raised")
    for one in now["incidents"][:MAX_ROWS]:
        table.add_row(
            one["id"],
            one["state"],
            str(one["level"]),
            f"{one['category']}{' (drill)' if one['drill'] else ''}",
            one["site"] or "",
            one["endpoint"] or "",
            one["raised"][11:19],
            style="bold red" if one["state"] == "open" and not one["drill"] else None,
        )
    return table


def _figures(now: dict[str, Any]) -> RenderableType:
    from rich.text import Text

    alarms = now["alarms"]
    words = [
        f"{alarms['standing']} incidents stand",
        f"{alarms['alarms_10min']} alarms in 10 minutes{' (flood)' if alarms['flood'] else ''}",
        f"{alarms['waiting']} signals wait",
    ]
    if now["floor"]:
        words.append(
            "floor: " + ", ".join(f"{count} {kind}" for kind, count in now["floor"].items())
        )
    for name, labels in now["kpis"].items():
        number = sum(one["number"] for one in labels.values())
        mean = sum(one["mean_s"] * one["number"] for one in labels.values()) / number
        words.append(f"{name.partition('.')[2].replace('_', ' ')} {mean * 1000:.0f} ms")
    return Text("  ·  ".join(words), style="dim")
