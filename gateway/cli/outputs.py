"""``baiying outputs``: which lamps, relays and sirens are on."""

from __future__ import annotations

import json as json_module

from gateway.cli.words import ConfigOption, JsonOption


def outputs(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Every output of the running gateway: its lines that are on, and what is wrong with it."""
    from gateway.cli.live import socket_of
    from gateway.control.client import call

    found = call(socket_of(config), "outputs")
    if json:
        print(json_module.dumps(found, ensure_ascii=False))
        return
    if not found:
        print("this gateway has no outputs")
    for name, output in found.items():
        fault = f"; FAULT: {output['fault']}" if output["fault"] else ""
        print(f"{name}: {', '.join(output['on']) or 'all off'}{fault}")
