"""YAML text into plain values, without the places of them: what is fine is read fast. Pure.

Measured with 30,000 endpoints: a tree in which every value knows its place takes five times as long
as the YAML parser itself, and 300 MB. So a text is first read here, and `gateway.settings.document`
reads it again only where there is something to tell. Both say the same of every text that this one
reads, which `tests/settings/test_plain_reader.py` holds them to.

Rule: what might be a problem, or needs more than one look (a tag, an anchor, a merge key, a key set
twice, nesting and sizes near the bounds), is `Unclear`; so is what is no YAML.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

from gateway.settings.document import MAX_DEPTH, MAX_NODES, resolve


class Unclear(Exception):
    """The text has to be read with its places."""


def values(text: str) -> dict[str, Any]:
    """One YAML document that is a mapping, as dicts, lists and scalars.

    Raises:
        Unclear: there may be something to tell about it.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        parser = loader(text)
        try:
            return _document(parser.get_event)
        finally:
            parser.dispose()
    except (yaml.YAMLError, UnicodeError) as error:
        raise Unclear from error


def _document(event_after: Callable[[], Any]) -> dict[str, Any]:
    event_after()  # stream start
    if type(event_after()) is not yaml.DocumentStartEvent:
        raise Unclear
    if type(event_after()) is not yaml.MappingStartEvent:
        raise Unclear
    root = _mapping(event_after)
    event_after()  # document end
    if type(event_after()) is not yaml.StreamEndEvent:
        raise Unclear
    return root


def _mapping(event_after: Callable[[], Any]) -> dict[str, Any]:
    """What is in a mapping whose start was read, and the mapping.

    One loop without a call for each value: a district has half a million of them.
    """
    meanings: dict[str, Any] = {}
    root: dict[str, Any] = {}
    mapping: dict[str, Any] = root
    key: str | None = None
    sequence: list[Any] | None = None
    """Where values go: to ``sequence``, or else to ``mapping``, whose key is read first."""
    above: list[tuple[dict[str, Any], list[Any] | None]] = []
    value: Any
    for _ in range(MAX_NODES):
        event = event_after()
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.tag is not None or event.anchor is not None:
                raise Unclear
            value = event.value
            if event.implicit[0]:
                if sequence is None and key is None and value == "<<":
                    raise Unclear
                try:
                    value = meanings[value]
                except KeyError:
                    value = meanings[value] = _meaning(value)
            elif not value.isascii():
                value.encode()  # half a surrogate pair, by an escape, raises UnicodeEncodeError
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            if not above:
                return root
            mapping, sequence = above.pop()
            continue
        else:
            if kind is not yaml.MappingStartEvent and kind is not yaml.SequenceStartEvent:
                raise Unclear  # an alias
            if event.tag is not None or event.anchor is not None or len(above) >= MAX_DEPTH - 1:
                raise Unclear
            value = {} if kind is yaml.MappingStartEvent else []
        if sequence is not None:
            sequence.append(value)
        elif key is None:
            if type(value) is not str or value in mapping:
                raise Unclear
            key = value
            continue
        else:
            mapping[key] = value
            key = None
        if kind is not yaml.ScalarEvent:
            above.append((mapping, sequence))
            if kind is yaml.MappingStartEvent:
                mapping, sequence = value, None
            else:
                sequence = value
    raise Unclear


def _meaning(text: str) -> str | float | bool | None:
    value, wrong, _ = resolve(text)
    if wrong:
        raise Unclear
    return value
