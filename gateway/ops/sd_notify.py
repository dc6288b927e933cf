"""Telling systemd: ready, reloading, stopping, alive (sd_notify(3), protocol of NOTIFY_SOCKET)."""

from __future__ import annotations

import os
import socket
import time


class Notifier:
    """Sends to ``$NOTIFY_SOCKET``; does nothing where there is none."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._address = given.get("NOTIFY_SOCKET", "")
        watchdog = given.get("WATCHDOG_USEC", "")
        pid = given.get("WATCHDOG_PID", "")
        asked = watchdog.isdigit() and pid in ("", str(os.getpid()))
        self.watchdog: float | None = int(watchdog) / 1e6 if asked else None
        """Seconds within which systemd wants to hear `alive`; None where it watches nothing."""

    def ready(self, status: str) -> None:
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        # Type=notify-reload wants the time as well; harmless for Type=notify.
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={usec}")

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = self._address
        if address.startswith("@"):  # abstract name space
            address = "\0" + address[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            try:
                sender.connect(address)
                sender.sendall(message.encode())
            except OSError:
                return  # systemd has gone; there is nobody to tell
