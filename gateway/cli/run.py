"""``baiying run``: one gateway until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from drivers import registry
from gateway.errors import BaiyingError, ConfigError
from gateway.ops import logging as log
from gateway.settings.loader import load

_LOGGER = logging.getLogger(__name__)
_LEVELS = ("debug", "info", "warning", "error")


def run(config: Path, log_level: str) -> int:
    """Run the gateway; the exit status."""
    if log_level not in _LEVELS:
        print(f"--log-level: {log_level!r} is none of {', '.join(_LEVELS)}", file=sys.stderr)
        return 2
    try:
        loaded = load(config, registry)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    log.set_up(log_level)
    for warning in loaded.warnings:
        _LOGGER.warning("%s", str(warning).removeprefix("warning: "))
    # The daemon's libraries are loaded only once there is something to run.
    from gateway.app import Gateway

    gateway = Gateway(config, loaded, registry)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(gateway.run())
    except (BaiyingError, BaseExceptionGroup) as error:
        for one in _expected(error):
            _LOGGER.error("%s", one)
        return 1
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _expected(error: BaseException) -> list[BaseException]:
    """What made the daemon end, where all of it are errors of ours; else it is raised again."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    ours, others = error.split(BaiyingError)
    if others is not None or ours is None:
        raise error
    return [leaf for one in ours.exceptions for leaf in _expected(one)]
