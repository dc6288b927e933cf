"""A scenario file: gateways, people and steps, every problem at its line and column.

``docs/scenarios.md`` describes the language. Reading blocks: ``config`` may name further files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from gateway.cli.scenario.expectation import WITHIN as EXPECT_WITHIN
from gateway.cli.scenario.expectation import Names, read_expect, read_never
from gateway.cli.scenario.reader import Reader, clock
from gateway.cli.scenario.vocabulary import (
    GROUP_ACTIONS,
    KEYS,
    SIGNALS,
    WORLD,
    GatewayPart,
    Scenario,
    Step,
)
from gateway.cli.scenario.world import Disk
from gateway.errors import ConfigError, Problem
from gateway.link.messages import Verdict
from gateway.moment import parse_timestamp
from gateway.ports import SignalKind
from gateway.settings.document import Entry, Node, Place, Scalar, dotted, parse, plain
from gateway.settings.document import Mapping as Tree
from gateway.settings.include import Source
from gateway.settings.include import read as read_config
from gateway.settings.loader import examined
from gateway.settings.model import Settings
from gateway.shared import Drivers


def load(path: Path, drivers: Drivers) -> Scenario:
    """The scenario in a file.

    Raises:
        ConfigError: it is none; with every problem, each at its place.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError((Problem(str(path), 0, 0, "file", f"cannot be read: {error}"),)) from None
    return read(text, str(path), drivers)


def read(text: str, file: str, drivers: Drivers) -> Scenario:
    """The scenario in a text; paths in it are relative to ``file``.

    Raises:
        ConfigError: it is none; with every problem, each at its place.
    """
    tree, problems = parse(text, file)
    reading = _Reading(Reader(problems), file, drivers)
    scenario = None if tree is None else reading.scenario(tree)
    found = reading.reader.problems
    if scenario is None or found:
        raise ConfigError(tuple(dict.fromkeys(sorted(found))))
    return scenario


class _Reading:
    """Reads one file."""

    def __init__(self, reader: Reader, file: str, drivers: Drivers) -> None:
        self.reader = reader
        self._file = file
        self._drivers = drivers
        self._gateways: dict[str, GatewayPart] = {}
        self._names = Names((), (), (), ())

    def scenario(self, node: Node) -> Scenario | None:
        known = ("name", "about", "start", "config", "gateways", "deaf", "steps")
        tree = self.reader.mapping(node, "file", known)
        if tree is None:
            return None
        for key in ("name", "steps"):
            if key not in tree.entries:
                self.reader.problem(tree, key, "is missing")
        head = self.reader.each(
            tree,
            "file",
            {"name": self.reader.text, "about": self.reader.text, "start": self._wall},
        )
        self._configure(tree)
        if not self._gateways:
            return None  # nothing is known of the names that steps use
        deaf: tuple[str, ...] = ()
        if "deaf" in tree.entries:
            deaf = self.reader.names(tree.entries["deaf"].node, "deaf", self._names.groups, "group")
        steps = tuple(self._steps(tree.entries["steps"].node)) if "steps" in tree.entries else ()
        return Scenario(
            name=str(head.get("name", "")),
            file=self._file,
            start=head.get("start"),
            gateways=self._gateways,
            deaf=frozenset(deaf),
            steps=steps,
        )

    def _wall(self, node: Node, key: str) -> Any:
        text = self.reader.text(node, key)
        if text is None:
            return None
        try:
            return parse_timestamp(text)
        except ValueError as error:
            hint = 'write "2026-11-24T08:00:00+08:00"'
            self.reader.problem(node, key, f"is no time: {error}", hint)
            return None

    # Configuration

    def _configure(self, tree: Tree) -> None:
        shared = Source(Tree(Place(self._file, 1, 1)))
        config = tree.entries.get("config")
        if config is not None:
            shared = self._config(config.node)
        several = tree.entries.get("gateways")
        if several is None:
            if config is None:
                self.reader.problem(tree, "config", "is missing", "write config: or gateways:")
                return
            self._gateway(shared.tree, shared)
        else:
            parts = self.reader.mapping(several.node, "gateways")
            for name, entry in () if parts is None else parts.entries.items():
                own = Tree(entry.place, {"gateway": Entry(entry.place, Scalar(entry.place, name))})
                if not (isinstance(entry.node, Scalar) and entry.node.value is None):
                    part = self.reader.mapping(entry.node, f"gateways.{name}")
                    if part is None:
                        continue
                    own.entries.update(part.entries)
                self._gateway(merged(shared.tree, own), shared)
        settings = [part.settings for part in self._gateways.values()]
        self._names = Names(
            gateways=tuple(self._gateways),
            endpoints={name for one in settings for name in one.endpoints},
            groups={name for one in settings for name in one.groups},
            sites={name for one in settings for name in one.sites},
            lines={line for one in settings for line in _lines_of(one)},
        )

    def _config(self, node: Node) -> Source:
        if isinstance(node, Tree):
            return Source(node, files=[self._file])
        source = Source(Tree(node.place), complete=False)
        name = self.reader.text(node, "config")
        if name is not None:
            source = read_config(str(Path(self._file).parent / name))
            self.reader.problems += source.problems
            source.problems.clear()
        return source

    def _gateway(self, tree: Tree, source: Source) -> None:
        settings = self._settings(tree, source)
        if settings is not None:
            self._gateways[settings.gateway] = GatewayPart(
                name=settings.gateway, tree=tree, settings=settings, reloads={}
            )

    def _settings(self, tree: Tree, source: Source) -> Settings | None:
        found = examined(Source(tree, files=source.files, complete=source.complete), self._drivers)
        self.reader.problems += [one for one in found.problems if not one.warning]
        return found.settings

    # Steps

    def _steps(self, node: Node) -> Iterator[Step]:
        now = 0.0
        for index, item in self.reader.items(node):
            key = f"steps[{index}]"
            tree = self.reader.mapping(item, key)
            if tree is None:
                continue
            at = now
            if "at" in tree.entries:
                at = self.reader.at(tree.entries["at"].node, f"{key}.at", now)
            if at < now:
                what = f"is before the step above it, at {clock(now)}"
                self.reader.problem(tree.entries["at"].node, f"{key}.at", what)
            now = max(now, at)
            step = self._step(tree, key, now)
            if step is not None:
                yield step

    def _step(self, tree: Tree, key: str, at: float) -> Step | None:
        given = [name for name in tree.entries if name != "at"]
        verbs = [name for name in given if name in KEYS]
        if "note" in verbs and len(verbs) == 2:  # beside another action it is a detail
            verbs.remove("note")
        if "signal" in given and not verbs:
            self.reader.problem(tree, key, "has no verb", "write press: ENDPOINT beside signal")
            return None
        if len(verbs) != 1:
            hint = ""
            if not verbs and given:
                close = Reader()
                close.mapping(Tree(tree.place, {given[0]: tree.entries[given[0]]}), key, KEYS)
                hint = close.problems[0].hint if close.problems else ""
            what = f"has more than one verb: {', '.join(verbs)}" if verbs else "has no verb"
            self.reader.problem(tree, key, what, hint)
            return None
        verb = verbs[0]
        self.reader.mapping(tree, key, {"at", verb, *KEYS[verb]})
        value = tree.entries[verb].node
        here = f"{key}.{verb}"
        details = self.reader.each(
            tree, key, {k: r for k, r in self._details().items() if k != verb}
        )
        expect = None
        subject: Any = None
        if verb == "expect":
            expect = read_expect(self.reader, value, here, self._names, at)
            details.setdefault("within", EXPECT_WITHIN)
        elif verb == "never":
            expect = read_never(self.reader, value, here, self._names)
        else:
            subject = self._subject(verb, value, here, tree)
        return Step(
            place=tree.place, at=at, verb=verb, subject=subject, details=details, expect=expect
        )

    def _details(self) -> dict[str, Callable[[Node, str], Any]]:
        """How each key beside a verb is read."""
        reader, names = self.reader, self._names
        signals = [kind.value for kind in SignalKind]
        return {
            "signal": lambda node, key: reader.name(node, key, signals, "signal"),
            "code": reader.text,
            "zone": reader.text,
            "drill": reader.truth,
            "covert": reader.truth,
            "stored": reader.truth,
            "once": reader.truth,
            "by": reader.text,
            "via": lambda node, key: reader.name(node, key, names.gateways, "gateway"),
            "times": reader.whole,
            "every": reader.length,
            "endpoint": lambda node, key: reader.name(node, key, names.endpoints, "endpoint"),
            "category": reader.text,
            "plan": reader.text,
            "text": reader.text,
            "note": reader.text,
            "refused": reader.text,
            "of": reader.text,
            "group": lambda node, key: reader.name(node, key, names.groups, "group"),
            "verdict": lambda node, key: reader.name(node, key, get_args(Verdict), "verdict"),
            "groups": lambda node, key: reader.names(node, key, names.groups, "group"),
            "on_duty": reader.truth,
            "position": self._position,
            "interval": reader.length,
            "fix_age": reader.length,
            "with": lambda node, _: plain(node),
            "name": reader.text,
            "within": reader.length,
            "for": reader.length,
        }

    def _subject(self, verb: str, node: Node, key: str, tree: Tree) -> Any:
        reader, names = self.reader, self._names
        nothing = isinstance(node, Scalar) and node.value is None
        if verb == "press" or verb in SIGNALS:
            return reader.names(node, key, names.endpoints, "endpoint")
        if verb == "raise":
            return reader.name(node, key, names.sites, "site")
        if verb in GROUP_ACTIONS or verb in ("deaf", "hearing"):
            return reader.names(node, key, names.groups, "group")
        if verb == "reload":
            return self._reload(node, key, tree)
        if verb in WORLD:
            return self._gateway_named(node, key, nothing)
        if verb == "broker":
            return reader.name(node, key, ("up", "down"), "broker state")
        if verb == "disk":
            return reader.name(node, key, get_args(Disk), "disk state")
        if verb == "clock":
            return self._clock_step(node, key)
        if verb in ("cancel", "reset"):
            if not nothing:
                reader.problem(node, key, "takes no value", "name the incident with of:")
            return None
        if verb == "escalate":
            return None if nothing else reader.whole(node, key)
        return reader.text(node, key)

    def _gateway_named(self, node: Node, key: str, nothing: bool) -> str | None:
        if nothing and len(self._gateways) == 1:
            return next(iter(self._gateways))
        return self.reader.name(node, key, self._names.gateways, "gateway")

    def _reload(self, node: Node, key: str, tree: Tree) -> str | None:
        nothing = isinstance(node, Scalar) and node.value is None
        name = self._gateway_named(node, key, nothing)
        if name is None:
            return None
        part = self._gateways[name]
        _, (before, _) = max(
            part.reloads.items(), default=(0, (part.tree, part.settings)), key=lambda one: one[0]
        )
        after = before
        if "with" in tree.entries:
            more = self.reader.mapping(tree.entries["with"].node, f"{dotted((key,))}.with")
            after = before if more is None else merged(before, more)
        settings = self._settings(after, Source(after, files=[self._file]))
        if settings is not None:
            part.reloads[tree.place.line] = after, settings
        return name

    def _clock_step(self, node: Node, key: str) -> float | None:
        """Seconds by which the wall clock is set on, or with a minus set back."""
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value[:1] == "-":
            back = self.reader.length(Scalar(node.place, node.value[1:].strip()), key)
            return None if back is None else -back
        if (
            isinstance(node, Scalar)
            and isinstance(node.value, int | float)
            and not isinstance(node.value, bool)
        ):
            return float(node.value)
        return self.reader.length(node, key)

    def _position(self, node: Node, key: str) -> tuple[float, float] | None:
        value = plain(node)
        if (
            isinstance(value, list)
            and len(value) == 2
            and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)
        ):
            return float(value[0]), float(value[1])
        self.reader.problem(node, key, "is no position", "write [30.2573, 120.1776]")
        return None


def _lines_of(settings: Settings) -> Iterator[str]:
    for name, choice in settings.outputs.items():
        yield from (f"{name}/{line}" for line in getattr(choice.options, "lines", ()))


def merged(one: Tree, other: Tree) -> Tree:
    """``one`` with everything that ``other`` sets, mappings merged; null takes a key out."""
    entries = dict(one.entries)
    for key, entry in other.entries.items():
        known = entries.get(key)
        if isinstance(entry.node, Scalar) and entry.node.value is None and known is not None:
            del entries[key]
        elif known is not None and isinstance(known.node, Tree) and isinstance(entry.node, Tree):
            entries[key] = Entry(entry.place, merged(known.node, entry.node))
        else:
            entries[key] = entry
    return Tree(one.place, entries)
