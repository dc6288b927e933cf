"""Log lines for a journal or a terminal."""

from __future__ import annotations

import logging
import os
import sys

# sd-daemon(3): "<N>" before a line gives its syslog level.
_PREFIX = {
    logging.DEBUG: "<7>",
    logging.INFO: "<6>",
    logging.WARNING: "<4>",
    logging.ERROR: "<3>",
    logging.CRITICAL: "<2>",
}


class _JournalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = _PREFIX.get(record.levelno, "<6>")
        return level + super().format(record).replace("\n", f"\n{level}")


def set_up(level: str) -> None:
    """Log to standard error at ``level``; under systemd with its level prefixes and no time."""
    handler = logging.StreamHandler(sys.stderr)
    if "JOURNAL_STREAM" in os.environ:
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(
            logging.Formatter(
                "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"
            )
        )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # The MQTT client's own chatter repeats what the link reports.
    logging.getLogger("mqtt").setLevel(logging.CRITICAL)
