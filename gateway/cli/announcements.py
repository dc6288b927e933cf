"""``baiying announcements``: what is ready to be spoken, and what became of it."""

from __future__ import annotations

import json as json_module

from gateway.cli.words import ConfigOption, JsonOption


def announcements(config: ConfigOption = None, json: JsonOption = False) -> None:
    """How many phrases are rendered, what is wrong with the voice, and how many pages were spoken."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call

    found = call(socket_of(config), "announcements")
    if json:
        print(json_module.dumps(found, ensure_ascii=False))
        return
    print(f"{found['ready']} of {found['wanted']} phrases are rendered")
    if found["fault"]:
        print(f"FAULT: {found['fault']}")
    for name, count in found["counts"].items():
        print(f"{name.replace('_', ' ')}: {count}")
