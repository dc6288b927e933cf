"""``baiying unkey CONFIG``: the last hand on the transmitters, for systemd's ``ExecStopPost``.

While a keyer runs the devices are its own, and it releases them itself within a second or so of
its daemon's end. This waits for that, then opens each PTT device, which releases it, and closes it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from drivers import registry
from gateway.errors import ConfigError, DriverError
from gateway.keyer.lock import NAME, open_lock, try_lock
from gateway.ports import LineDriver
from gateway.settings.loader import load
from gateway.settings.model import Settings

WAIT = 5.0
"""Seconds to wait for a keyer that sees its lines down: longer than it takes at most."""

_STEP = 0.05


def unkey(config: Path) -> int:
    """Release every PTT; print what was released, and what could not be. The exit status."""
    try:
        settings = load(config, registry).settings
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        lock = open_lock(settings.data_dir / NAME)
    except OSError as error:  # better released without the lock than not at all
        print(f"warning: {settings.data_dir / NAME}: {error.strerror}", file=sys.stderr)
        return _release_all(settings)
    try:
        until = time.monotonic() + WAIT
        while not try_lock(lock):
            if time.monotonic() > until:
                print("a keyer is running and owns the lines; stop the gateway", file=sys.stderr)
                return 1
            time.sleep(_STEP)
        return _release_all(settings)
    finally:
        os.close(lock)


def _release_all(settings: Settings) -> int:
    status = 0
    for name, endpoint in settings.endpoints.items():
        if endpoint.ptt is None:
            continue
        try:
            driver: LineDriver = registry.driver("ptt", endpoint.ptt.driver)(
                name, endpoint.ptt.options, None
            )
            port = driver.open()
            try:
                port.key(False)
            finally:
                port.close()
        except DriverError as error:
            print(error, file=sys.stderr)
            status = 1
        else:
            print(f"{name}: released")
    return status
