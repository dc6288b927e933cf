"""JSON that says one thing only. Pure.

Refused: duplicate keys (``json.loads`` lets the last one win), NaN and infinities, numbers beyond
every float, lone surrogates, nesting deeper than `MAX_DEPTH` and more bytes than are allowed.
The checks before the parser are linear in the payload, whatever it holds.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

from gateway.errors import RemoteProtocolError

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_DEPTH = 16


def strict_json(payload: bytes, longest: int = MAX_PAYLOAD_BYTES) -> Any:
    """The value of a JSON payload of at most ``longest`` bytes.

    Raises:
        RemoteProtocolError: it is none, or one of those that this module refuses.
    """
    if len(payload) > longest:
        raise RemoteProtocolError(f"payload of {len(payload)} bytes; at most {longest}")
    _check_depth(payload)
    try:
        value = json.loads(
            payload.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if b"\\u" in payload:
            # An escaped lone surrogate makes a str that no UTF-8 writer takes: refuse it here.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except ValueError as error:  # JSONDecodeError, UnicodeError, and integers beyond all bounds
        raise RemoteProtocolError(f"no JSON: {error}") from error
    return value


# A string, also one that is never closed, so that every quote is met once: linear in the payload.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _check_depth(payload: bytes) -> None:
    """Refuse deep nesting before a recursive parser meets it."""
    if payload.count(b"[") + payload.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for bracket in _STRING.sub(b"", payload).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise RemoteProtocolError(f"nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise RemoteProtocolError(f"key {twice!r} appears twice")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise RemoteProtocolError(f"{digits} is beyond every float")
    return number


def _no_constant(name: str) -> float:
    raise RemoteProtocolError(f"{name} is no JSON number")
