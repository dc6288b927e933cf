"""The `baiying` command: what each word does, and how it ends.

Exit status: 0 done, 1 failed, 2 the configuration or the call is wrong. Imports are inside the
commands, so that `--help` and `press` do not wait for audio libraries.
"""

from __future__ import annotations

import io
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from gateway import __version__
from gateway.cli import (
    announcements,
    drill,
    incident,
    journal,
    outputs,
    patch,
    recordings,
    shelve,
    status,
    test,
)
from gateway.cli.simulate import command as simulate
from gateway.cli.words import ByOption, ConfigOption, JsonOption, who
from gateway.errors import BaiyingError, ConfigError

_EPILOG = "Exit status: 0 done, 1 failed, 2 the configuration or the call is wrong."

app = typer.Typer(
    name="baiying",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
app.add_typer(incident.app, name="incident")
app.add_typer(drill.app, name="drill")
app.add_typer(journal.app, name="journal")
app.add_typer(patch.app, name="patch")
app.add_typer(recordings.app, name="recordings")
app.add_typer(shelve.app, name="shelve")
app.add_typer(simulate.app, name="simulate")
app.add_typer(test.app, name="test")
app.command()(outputs.outputs)
app.command()(announcements.announcements)
app.command()(status.status)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"baiying {__version__}")
        raise typer.Exit


@app.callback()
def baiying(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """**百应 Baiying**: one call, a hundred answers.

    Bridges alarm buttons, visual intercoms and two-way radios into MQTT talkgroups and incidents.
    Begin with `baiying demo`; then write a configuration, `baiying check` it, ask `baiying explain`
    who would be called, and `baiying run` it.
    """


@app.command()
def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The gateway's YAML file.")],
    log_level: Annotated[
        str, typer.Option("--log-level", help="debug, info, warning or error.")
    ] = "info",
) -> None:
    """Run one gateway until SIGTERM; SIGHUP reloads the configuration.

    Logs a line with the word `ready` once inputs, endpoints and keyer are up or reported as
    faulted. A wrong configuration starts nothing; a wrong reload changes nothing.
    """
    from gateway.cli.run import run as run_gateway

    raise typer.Exit(run_gateway(config, log_level))


@app.command()
def demo(
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Play the story once and end; status 0 if every step was verified."
        ),
    ] = False,
    json: JsonOption = False,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Where recordings, journals and the report go."),
    ] = Path("demo-output"),
) -> None:
    """Play the main job on virtual hardware: one press, three groups, one conversation.

    Starts an embedded broker and three gateways as real processes, a panel on a pseudo-terminal,
    radios and an intercom on audio drivers, and a camera. Without `--once` the gateways stay up
    afterwards, so that the other commands can be tried on them, until Ctrl-C.
    """
    from gateway.cli.demo.play import demo as play

    raise typer.Exit(play(once=once, as_json=json, out=out))


@app.command()
def check(
    configs: Annotated[
        list[Path],
        typer.Argument(
            metavar="CONFIG...", help="YAML files; several are checked as one district."
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Check configurations; every problem at once, as `file:line:column: key: what; hint`."""
    from gateway.cli.check import check as check_files

    raise typer.Exit(check_files(configs, as_json=json))


@app.command()
def explain(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The gateway's YAML file.")],
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", "-e", metavar="ENDPOINT", help="What is pressed.")
    ] = None,
    site: Annotated[
        str | None,
        typer.Option("--site", metavar="SITE", help="Where a person raises an incident by hand."),
    ] = None,
    category: Annotated[
        str | None,
        typer.Option("--category", metavar="CATEGORY", help="As what it is raised by hand."),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option("--plan", metavar="PLAN", help="The plan that it is raised by hand with."),
    ] = None,
    signal: Annotated[
        str,
        typer.Option(
            "--signal",
            metavar="SIGNAL",
            help="What it sends: alarm, tamper, fault, battery, lost, test ...",
        ),
    ] = "alarm",
    code: Annotated[
        str | None,
        typer.Option("--code", metavar="CODE", help="A panel's event code, such as E120."),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When, as RFC 3339; default is now.")
    ] = None,
    drill: Annotated[bool, typer.Option("--drill", help="As a drill.")] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="Ask the gateway that runs on CONFIG, which knows where people are."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Say who would be called, by whom, when, at which level and on which talkgroup. Calls nobody.

    Of an `--endpoint` that is pressed, or of a `--site` at which a person raises an incident by hand.
    """
    from gateway.cli.explain import explain as explain_source

    raise typer.Exit(
        explain_source(
            config,
            at=at,
            live=live,
            as_json=json,
            endpoint=endpoint,
            site=site,
            category=category,
            plan=plan,
            signal=signal,
            code=code,
            drill=drill,
        )
    )


@app.command()
def talk(
    talkgroup: Annotated[str, typer.Argument(metavar="TALKGROUP", help="Where to speak.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A WAV file, 16 bit.")],
    priority: Annotated[
        int, typer.Option(min=0, max=255, help="Priority of the floor request.")
    ] = 100,
    emergency: Annotated[
        bool, typer.Option("--emergency", help="Ask for the floor as an emergency.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Speak a recording on a talkgroup, once the floor is granted; says why if it is refused."""
    from gateway.cli import live

    live.talk(config, talkgroup, file, priority=priority, emergency=emergency, as_json=json)


@app.command()
def listen(
    talkgroup: Annotated[str, typer.Argument(metavar="TALKGROUP", help="What to hear.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Record to this WAV file.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0.1, help="End after this long; default is Ctrl-C."),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Follow a talkgroup: who talks, and with `-o` what is said, through the jitter buffer."""
    from gateway.cli import live

    live.listen(config, talkgroup, out, seconds=seconds, as_json=json)


class PressSignal(StrEnum):
    """What `press` can send."""

    ALARM = "alarm"
    RESTORE = "restore"
    TAMPER = "tamper"
    FAULT = "fault"
    BATTERY = "battery"
    LOST = "lost"
    TEST = "test"
    CANCEL = "cancel"


@app.command()
def press(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The button or intercom.")],
    signal: Annotated[
        PressSignal, typer.Option("--signal", help="What it sends.")
    ] = PressSignal.ALARM,
    hold: Annotated[
        bool,
        typer.Option("--hold", help="Leave the button pressed: send no restore after the alarm."),
    ] = False,
    drill: Annotated[
        bool, typer.Option("--drill", help="As a drill: only groups marked for drills are paged.")
    ] = False,
    by: ByOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Press a button as if by hand. Without --drill it is a real alarm: groups are paged."""
    from gateway.cli import live

    live.press(
        config, endpoint, signal=signal.value, hold=hold, drill=drill, by=who(by), as_json=json
    )


@app.command()
def report(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="What was raised from this RFC 3339 time on."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="And before this one.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="WHAT",
            help="Also divided by class, street, grid, site, plan, category, source, group or month;"
            " may be given several times.",
        ),
    ] = None,
    form: Annotated[str, typer.Option("--format", help="text, json, csv or html.")] = "text",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write it to this file.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Count incidents and their clocks, from the journal alone; the gateway need not run.

    `--format html` makes one page with plots that needs nothing else; `csv` has one row for each
    incident.
    """
    from gateway.cli.report import Format
    from gateway.cli.report import report as make_report

    try:
        chosen = Format.JSON if json else Format(form)
    except ValueError:
        raise typer.BadParameter(f"{form} is none of text, json, csv, html") from None
    raise typer.Exit(
        make_report(config, since=since, until=until, by=tuple(by or ()), form=chosen, out=out)
    )


@app.command()
def scenario(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scenario files; see docs/scenarios.md.")
    ],
    real_time: Annotated[
        bool,
        typer.Option(
            "--real-time", help="With real processes and a real broker, as long as it takes."
        ),
    ] = False,
    timeline: Annotated[
        bool, typer.Option("--timeline", "-t", help="Say what was seen, and when, of all of them.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Play scenarios: what is pressed and answered when, and what must be seen of it.

    On a virtual clock a case of 40 minutes takes less than a second. Status 0 if all went as they say.
    """
    from gateway.cli.scenario.command import scenario as play

    raise typer.Exit(play(files, real_time=real_time, timeline=timeline, as_json=json))


@app.command()
def drivers(json: JsonOption = False) -> None:
    """List every driver, whether it can be loaded here, and what is missing where it cannot."""
    from gateway.cli.drivers import drivers as list_drivers

    raise typer.Exit(list_drivers(as_json=json))


@app.command()
def unkey(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The gateway's YAML file.")],
) -> None:
    """Release every PTT of a configuration whose gateway is down; for `ExecStopPost`."""
    from gateway.cli.unkey import unkey as release

    raise typer.Exit(release(config))


def main() -> NoReturn:
    """Entry point of the `baiying` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names in Chinese, on a terminal without it
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="baiying")
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except BaiyingError as error:
        from gateway.cli.live import CallError
        from gateway.control.client import GatewayRefusedCall

        print(f"baiying: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, CallError | GatewayRefusedCall) else 1)
    sys.exit(0)
