"""The import rules of docs/architecture.md, and "pure machines read no clock", read off the code."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Modules with a pure surface: no clock, randomness, id, await or log; nothing outside the
# standard library but what is named, and nothing of ours but other pure modules.
PURE = {
    "gateway.moment": set(),
    "gateway.ops.measures": set(),
    "gateway.voice.downlink.hearing": set(),
    "gateway.errors": set(),
    "gateway.control.protocol": set(),
    "gateway.link.incoming": set(),
    "gateway.link.topics": set(),
    "gateway.link.messages": {"msgspec"},
    "gateway.link.roster": set(),
    "gateway.link.backoff": set(),
    "gateway.link.broker_files": set(),
    "gateway.link.outbox": set(),
    "gateway.link.presence": {"msgspec"},
    "gateway.link.retained": set(),
    "gateway.link.strict_json": set(),
    "gateway.link.subscriptions": set(),
    "gateway.alarm.signals.contact": set(),
    "gateway.alarm.signals.folding": set(),
    "gateway.alarm.signals.sensing": set(),
    "gateway.alarm.signals.accepted": {"msgspec"},
    "gateway.alarm.signals.admission": set(),
    "gateway.alarm.signals.fair_queue": set(),
    "gateway.alarm.figures": set(),
    "gateway.alarm.plans.calendars": set(),
    "gateway.alarm.neighbours.cap": set(),
    "gateway.alarm.plans.choosing": set(),
    "gateway.alarm.plans.choice": set(),
    "gateway.alarm.neighbours.cloudevents": set(),
    "gateway.alarm.drills": set(),
    "gateway.alarm.signals.guard": set(),
    "gateway.alarm.indications": set(),
    "gateway.alarm.raised": set(),
    "gateway.alarm.signals.intake": set(),
    "gateway.alarm.signals.shelving": {"msgspec"},
    "gateway.alarm.standby": set(),
    "gateway.alarm.signals.stuck": set(),
    "gateway.alarm.signals.waiting": set(),
    "gateway.alarm.signals.walk": set(),
    "gateway.alarm.signals.held": {"msgspec"},
    "gateway.alarm.neighbours.home_assistant": set(),
    "gateway.alarm.neighbours.options": set(),
    "gateway.alarm.plans.agenda": set(),
    "gateway.alarm.plans.levels": set(),
    "gateway.alarm.plans.nearest": set(),
    "gateway.alarm.plans.places": set(),
    "gateway.alarm.plans.rehearsal": set(),
    "gateway.alarm.plans.plan": set(),
    "gateway.alarm.inbox": set(),
    "gateway.alarm.supervision.presence": set(),
    "gateway.alarm.supervision.availability": {"msgspec"},
    "gateway.alarm.supervision.testing": {"msgspec"},
    "gateway.alarm.supervision.supervision": set(),
    "gateway.alarm.pictures.jpeg": set(),
    "gateway.alarm.journal.rows": set(),
    "gateway.alarm.journal.chain": set(),
    "gateway.alarm.journal.export": {"msgspec"},
    "gateway.alarm.journal.health": set(),
    "gateway.alarm.journal.verify": set(),
    "gateway.alarm.reports.report": {"msgspec"},
    "gateway.alarm.reports.figures": set(),
    "gateway.alarm.reports.incidents": {"msgspec"},
    "gateway.alarm.reports.rates": set(),
    "gateway.alarm.incidents.record": {"msgspec"},
    "gateway.alarm.incidents.delivery": {"msgspec"},
    "gateway.alarm.incidents.deadlines": {"msgspec"},
    "gateway.alarm.incidents.merging": {"msgspec"},
    "gateway.alarm.incidents.order": set(),
    "gateway.alarm.incidents.incident": {"msgspec"},
    "gateway.alarm.incidents.actions": {"msgspec"},
    "gateway.alarm.incidents.docket": set(),
    "gateway.alarm.incidents.cases": set(),
    "gateway.alarm.incidents.wire": set(),
    "gateway.alarm.incidents.snapshot": {"msgspec"},
    "gateway.voice.opus_toc": set(),
    "gateway.voice.recording.ogg": set(),
    "gateway.voice.recording.facts": set(),
    "gateway.voice.recording.opus_file": set(),
    "gateway.voice.recording.ordering": set(),
    "gateway.voice.recording.incidents": set(),
    "gateway.voice.recording.bursts": set(),
    "gateway.voice.recording.retention": set(),
    "gateway.voice.recording.pre_alarm": {"numpy"},
    "gateway.voice.rtp": set(),
    "gateway.voice.bridges.options": set(),
    "gateway.voice.bridges.plain_rtp": set(),
    "gateway.voice.bridges.rtcp": set(),
    "gateway.voice.bridges.sdp": set(),
    "gateway.voice.bridges.outflow": set(),
    "gateway.voice.bridges.inlet": set(),
    "gateway.voice.bridges.inflow": set(),
    "gateway.voice.bridges.usrp": set(),
    "gateway.voice.downlink.jitter": set(),
    "gateway.voice.downlink.lateness": set(),
    "gateway.voice.downlink.pace": set(),
    "gateway.voice.downlink.stretch": {"numpy"},
    "gateway.voice.tones.sounds": {"numpy"},
    "gateway.voice.downlink.drift": set(),
    "gateway.voice.downlink.trim": {"numpy"},
    "gateway.voice.downlink.lane": set(),
    "gateway.voice.downlink.mixing": {"numpy"},
    "gateway.voice.processing.limiter": {"numpy"},
    "gateway.voice.processing.emphasis": {"numpy"},
    "gateway.voice.floor.controller": set(),
    "gateway.voice.floor.participant": set(),
    "gateway.voice.floor.tokens": set(),
    "gateway.voice.floor.election": set(),
    "gateway.voice.downlink.age": set(),
    "gateway.voice.floor.burst": set(),
    "gateway.voice.floor.causes": set(),
    "gateway.voice.floor.control": set(),
    "gateway.voice.floor.control_actions": set(),
    "gateway.voice.floor.actions": set(),
    "gateway.voice.floor.answers": set(),
    "gateway.voice.floor.requests": set(),
    "gateway.voice.floor.participant_actions": set(),
    "gateway.voice.floor.penalties": set(),
    "gateway.voice.floor.request_queue": set(),
    "gateway.voice.floor.leaf": set(),
    "gateway.voice.floor.others": set(),
    "gateway.voice.floor.terms": set(),
    "gateway.voice.tones.tones": {"numpy"},
    "gateway.voice.tones.cues": set(),
    "gateway.voice.floor.wire": {"msgspec"},
    "gateway.voice.keying.ptt": set(),
    "gateway.voice.uplink.uplink": set(),
    "gateway.voice.uplink.actions": set(),
    "gateway.voice.uplink.backlog": {"numpy"},
    "gateway.voice.uplink.squelch": {"numpy"},
    "gateway.voice.processing.recursion": {"numpy"},
    "gateway.voice.processing.designs": {"numpy"},
    "gateway.voice.processing.agc": {"numpy"},
    "gateway.voice.processing.look_ahead": {"numpy"},
    "gateway.voice.processing.chain": {"numpy"},
    "gateway.voice.downlink.downlink": set(),
    "gateway.voice.dsp": {"numpy"},
    "gateway.voice.announcing.covert": set(),
    "gateway.voice.announcing.sound": {"numpy", "soxr"},
    "gateway.voice.announcing.turns": set(),
    "gateway.voice.announcing.wording": set(),
    "gateway.voice.patches.hand_patches": set(),
    "gateway.voice.uplink.hot_mic": set(),
    "gateway.voice.patches.patch": set(),
    "drivers.panel.surgard": set(),
    "gateway.keyer.line": set(),
    "gateway.keyer.readback": set(),
    "drivers.ptt.cm108_reports": set(),
    "gateway.keyer.options": set(),
    "gateway.keyer.protocol": set(),
    "drivers._address": set(),
    "drivers._squelch_lines": {"annotated_types"},
    "drivers.soundcard.devices": set(),
    "drivers.squelch.options": {"annotated_types"},
    "drivers.squelch.vox": {"numpy"},
    "drivers.squelch.noise_floor": {"numpy"},
    "drivers.squelch.ctcss": {"numpy"},
}
IMPURE_CALLS = {
    "time",
    "random",
    "secrets",
    "uuid",
    "asyncio",
    "logging",
    "socket",
    "threading",
    "subprocess",
}
SIDES = (("gateway.alarm", "gateway.voice"), ("gateway.voice", "gateway.alarm"))
"""Packages, and what puts each together: gateway.alarm_side, gateway.voice_side."""


def modules() -> dict[str, Path]:
    found = {}
    for package in ("gateway", "drivers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """Dotted names of everything that a module imports, at any depth, also behind TYPE_CHECKING."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            names.add(module)
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def ours(names: set[str]) -> set[str]:
    known = modules()
    return {name for name in names if name in known and name not in ("gateway", "drivers")}


def family(name: str) -> str:
    return ".".join(name.split(".")[:2])


def breaches(name: str, path: Path) -> list[str]:
    """What one module imports that it may not."""
    found = []
    for target in ours(imports(path)):
        if name.startswith("drivers."):
            private = target.startswith("drivers._")
            same = family(target) == family(name)
            allowed = target in ("gateway.ports", "gateway.errors") or private or same
            if name != "drivers.registry" and not allowed:
                found.append(
                    f"{name} imports {target}: a driver knows ports, errors and its own family"
                )
            continue
        if target.startswith("drivers") and not (
            target == "drivers.registry" and name.startswith("gateway.cli")
        ):
            found.append(f"{name} imports {target}: only gateway.cli imports drivers.registry")
        for side, other in SIDES:
            if name.startswith(side) and target.startswith(other):
                found.append(f"{name} imports {target}: alarm and voice do not know each other")
        settings_users = (
            "gateway.cli",
            "gateway.app",
            "gateway.connections",
            "gateway.alarm_devices",
            "gateway.alarm_gateway",
            "gateway.alarm_pieces",
            "gateway.alarm_side",
            "gateway.voice_side",
            "gateway.pieces",
            "gateway.endpoints",
            "gateway.input_states",
            "gateway.squelches",
            "gateway.shared",
            "gateway.settings",
        )
        if target.startswith("gateway.settings") and not name.startswith(settings_users):
            found.append(f"{name} imports {target}: services get their own pieces of the settings")
        if target.startswith("gateway.cli") and not name.startswith(
            ("gateway.cli", "gateway.__main__")
        ):
            found.append(f"{name} imports {target}: nothing imports the command")
        if target == "gateway.app" and not name.startswith("gateway.cli"):
            found.append(f"{name} imports {target}: only the command starts the daemon")
    return found


def test_every_module_keeps_the_import_rules():
    found = [breach for name, path in modules().items() for breach in breaches(name, path)]
    assert not found, "\n".join(found)


def test_a_breach_would_be_noticed(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from gateway.voice import rtp\nimport drivers.registry\n")
    assert len(breaches("gateway.alarm.desk", bad)) >= 2


@pytest.mark.parametrize("name", PURE)
def test_pure_machine_imports_and_reads_no_clock(name):
    path = modules()[name]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = PURE[name] | sys.stdlib_module_names
    for target in imports(path):
        top = target.split(".")[0]
        if top in ("gateway", "drivers"):
            # `from gateway.alarm import delivery` also names the package, which is empty.
            if target in modules() and modules()[target].name != "__init__.py":
                assert target in PURE or target in ("gateway.ports", "gateway.errors"), (
                    f"{name} imports {target}"
                )
            continue
        assert top in allowed, f"{name} imports {target}"
        assert top not in IMPURE_CALLS, f"{name} imports {target}"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Await | ast.AsyncFunctionDef), (
            f"{name}:{node.lineno} awaits"
        )
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
            owner = ast.unparse(node.value)
            assert "date" not in owner, f"{name}:{node.lineno} reads a clock"
