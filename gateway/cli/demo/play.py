"""``baiying demo`` from beginning to end: stage, story, summary, what is left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.cli.demo import story
from gateway.cli.demo.timeline import Timeline
from gateway.errors import BaiyingError

_MARK = "baiying-demo"
_PARTS = ("config", "hospital", "police", "street", "lines", "log", "recordings")


def demo(*, once: bool, as_json: bool, out: Path) -> int:
    """Play the story; status 0 only if every step was verified from what arrived."""
    timeline = Timeline(quiet=as_json)
    _empty(out)
    began = time.monotonic()
    try:
        asyncio.run(_play(timeline, out.absolute(), once=once))
    except BaiyingError as error:
        timeline.step("demo", str(error), verified=False)
    took = time.monotonic() - began
    _summary(timeline, out, took, as_json=as_json)
    return 0 if timeline.verified else 1


async def _play(timeline: Timeline, out: Path, *, once: bool) -> None:
    async with AsyncExitStack() as stack:
        stage = await story.set_the_stage(stack, out, timeline)
        await story.play(stage)
        if not once:
            timeline.say(
                "\nThe gateways stay up; Ctrl-C ends them. Try, from another terminal:\n"
                f"  baiying incident list --all --config {out}/config/police.yaml\n"
                f"  baiying press south-gate-button --config {out}/config/hospital.yaml\n"
                f"  baiying listen hospital-security --config {out}/config/hospital.yaml"
            )
            await _interrupted()
    stopped = all(process.stopped_cleanly for process in stage.gateways.values())
    timeline.step("gateways", "stopped within 5 s, every PTT released", stopped)
    await asyncio.to_thread(_report, timeline, out)


async def _interrupted() -> None:
    wanted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, wanted.set)
    await wanted.wait()


def _report(timeline: Timeline, out: Path) -> None:
    """The owner's report, from its journal alone."""
    command = (
        sys.executable,
        "-m",
        "gateway",
        "report",
        "--config",
        str(out / "config/hospital.yaml"),
    )
    text = subprocess.run(command, capture_output=True, text=True, check=False)
    data = subprocess.run((*command, "--json"), capture_output=True, text=True, check=False)
    (out / "report.txt").write_text(text.stdout + text.stderr, "utf-8")
    (out / "report.json").write_text(data.stdout, "utf-8")
    try:
        figures = json.loads(data.stdout)
    except ValueError:
        figures = {}
    timeline.step(
        "journal",
        "the report, recomputed from the journal alone, has the incident closed",
        figures.get("real", {}).get("closed") == 1,
    )


def _empty(out: Path) -> None:
    """Make ``out`` ready; only what an earlier demo left there is removed.

    Raises:
        BaiyingError: the folder has files of somebody else, or cannot be written.
    """
    mark = out / _MARK
    try:
        if out.exists() and any(out.iterdir()) and not mark.exists():
            raise BaiyingError(
                f"{out} is not empty and not a demo's; name another folder with --out"
            )
        out.mkdir(parents=True, exist_ok=True)
        for part in _PARTS:
            shutil.rmtree(out / part, ignore_errors=True)
        mark.write_text(
            "made by `baiying demo`, which empties this folder when it runs again\n", "utf-8"
        )
    except OSError as error:
        raise BaiyingError(
            f"{out} cannot be used: {error.strerror}; name another folder with --out"
        ) from error


def _summary(timeline: Timeline, out: Path, took: float, *, as_json: bool) -> None:
    good = sum(step.verified for step in timeline.steps)
    result = {
        "verified": timeline.verified,
        "steps_verified": good,
        "steps": len(timeline.steps),
        "took_s": round(took, 1),
        "out": str(out),
        "timeline": json.loads(timeline.to_json()),
    }
    (out / "timeline.json").write_text(json.dumps(result, ensure_ascii=False, indent=1), "utf-8")
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
        return
    timeline.say(
        f"\n{good} of {len(timeline.steps)} steps verified from what arrived, in {took:.0f} s.\n"
        f"In {out}: recordings/ (what was said, what was heard, the picture), hospital/journal.db,\n"
        "report.txt, report.json, timeline.json, log/, and the gateways' files in config/."
    )
