"""`baiying journal` beside a real gateway, and against the head that it published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system import rig

pytestmark = pytest.mark.system


def test_whoever_keeps_the_published_head_can_verify_the_journal_later(tmp_path: Path):
    with (
        rig.Mosquitto(tmp_path) as broker,
        rig.Panel() as panel,
        rig.Console(broker.port) as console,
    ):
        config = tmp_path / "zju1.yaml"
        config.write_text(
            f"gateway: zju1\nserves: []\nmqtt: {{broker: mqtt://127.0.0.1:{broker.port}}}\n"
            f"{rig.DISTRICT}inputs: {{receiver-1: {{driver: panel, port: {panel.path}}}}}\n"
            f"endpoints:\n{rig.button('003')}",
            "utf-8",
        )
        with rig.Gateway(config) as gateway:
            assert panel.send(rig.contact_id("003")) == rig.ACK
            running = gateway.command("journal", "verify", "--json")
            assert running.status == 0, running.err
            shown = gateway.command("journal", "tail", "-n", "500", "--json")
            kinds = [json.loads(line)["kind"] for line in shown.out.splitlines()]
            assert kinds[0] == "started"
            assert {"signal", "incident"} <= set(kinds)
            before = console.mark
            assert gateway.stop()[0] == 0
        (arrival,) = console.expect(
            lambda one: one.topic == ("gateway", "zju1", "journal"), since=before, what="head"
        )
        head = arrival.body
        known = f"{head['seq']}:{head['hash']}"
        assert head["seq"] >= running.json["rows"] - 1
        assert rig.baiying("journal", "verify", "--config", config, "--head", known).status == 0
        out = tmp_path / "evidence.jsonl"
        assert rig.baiying("journal", "export", "--config", config, "-o", out).status == 0
        assert rig.baiying("journal", "verify", out, "--head", known).status == 0
        lines = out.read_bytes().splitlines(keepends=True)
        out.write_bytes(b"".join(lines[:3]))
        cut = rig.baiying("journal", "verify", out, "--head", known)
        assert (cut.status, "the tail is cut off after row 2" in cut.err) == (1, True)
        assert rig.baiying("journal", "verify", tmp_path / "none.db").status == 2
