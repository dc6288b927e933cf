"""What pydantic found wrong, in the operator's words: ``what`` and ``hint`` of a problem. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from gateway.settings.document import Mapping, Node, Scalar, kind_of, plain

NAME_RULE = "a name has small letters, digits and hyphens, 1 to 64 of them, no hyphen first"

UNKNOWN_KEY = frozenset({"extra_forbidden", "unexpected_keyword_argument"})
MISSING = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})
"""Types of pydantic's errors that are about a key and not about a value."""

WRONG_TYPE = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dataclass_type": "a mapping",
    "dataclass_exact_type": "a mapping",
    "driver_mapping": "a mapping with a driver",
    "tuple_type": "a list",
    "list_type": "a list",
    "path_type": "a path, as text",
}
"""Types of errors that are about the YAML type of a value, and what is wanted instead."""

_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
_LENGTHS = {
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
    "string_too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
}
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")


def suggestion(given: str, known: Iterable[str]) -> str:
    """``did you mean ...``, or empty where nothing is close."""
    names = list(known)
    found = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if not found:  # a difference of case, or a beginning
        folded = given.casefold()
        found = [name for name in names if name.casefold() == folded or name.startswith(given)]
    return f"did you mean {found[0]}?" if found else ""


def closest(given: str, known: Iterable[str]) -> str | None:
    """The name that `suggestion` suggests."""
    text = suggestion(given, known)
    return text.removeprefix("did you mean ").removesuffix("?") or None


def suggestion_or_list(given: str, known: Iterable[str], limit: int = 12) -> str:
    """`suggestion`, else what there is to choose from where that is short enough to read."""
    names = list(known)
    close = suggestion(given, names)
    if close:
        return close
    return f"known: {', '.join(names)}" if 0 < len(names) <= limit else ""


def in_words(error: dict[str, Any], node: Node, known_keys: Iterable[str]) -> tuple[str, str]:
    """What is wrong, and a hint, for one pydantic error.

    Args:
        error: one of ``ValidationError.errors()``.
        node: the value that it is about, or for a missing key the mapping.
        known_keys: the keys that may stand in that mapping, for suggestions.
    """
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    last = str(error["loc"][-1]) if error["loc"] else ""
    if kind in UNKNOWN_KEY:
        return "unknown key", suggestion_or_list(last, known_keys)
    if kind in MISSING:
        return "required key is missing", _misspelt(last, node)
    if kind in WRONG_TYPE:
        return _wrong_type(WRONG_TYPE[kind], node)
    if kind in ("literal_error", "enum"):
        choices = [text.replace("\\'", "'") for text in _QUOTED.findall(context["expected"])]
        choices = choices or re.split(r", | or ", context["expected"])
        given = _shown(node)
        text = str(plain(node)) if isinstance(node, Scalar) else ""
        return f"{given} is not one of {', '.join(choices)}", suggestion(text, choices)
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {_number(context[key])}, not {_shown(node)}", ""
    if kind in _LENGTHS:
        words, key = _LENGTHS[kind]
        if isinstance(node, Scalar):
            unit = "character" if context[key] == 1 else "characters"
        else:
            unit = "entry" if context[key] == 1 else "entries"
        return f"must have {words} {context[key]} {unit}", ""
    if kind == "string_pattern_mismatch":
        return f"{_shown(node)} is no name", NAME_RULE
    if kind == "form_wrong":
        return f"must be {context['wanted']}, not {kind_of(plain(node))}", ""
    if kind == "driver_unknown":
        return _unknown_driver(str(plain(node)), context)
    if kind == "driver_unavailable":
        return f"the driver {_shown(node)} cannot be used: {context['why']}", ""
    if kind in ("value_error", "assertion_error"):
        what, _, hint = str(context["error"]).partition("; ")
        return what, hint
    return error["msg"][:1].lower() + error["msg"][1:], ""


def _misspelt(missing: str, node: Node) -> str:
    """A mapping without its driver has options that nobody knows; one of them may be meant for it."""
    if missing != "driver" or not isinstance(node, Mapping):
        return ""
    given = closest(missing, node.entries)
    return f"is {given} meant for driver?" if given else ""


def _wrong_type(wanted: str, node: Node) -> tuple[str, str]:
    value = plain(node)
    what = f"must be {wanted}, not {kind_of(value)}"
    if not isinstance(node, Scalar):
        return what, ""
    if value is None:
        return what, "write {}, or remove the key" if "mapping" in wanted else "write a value"
    if wanted == "text":
        return what, f'quote it: "{node.text}"'
    if wanted == "a list":
        return what, f"write [{node.text}]"
    if isinstance(value, str) and wanted in ("a number", "a whole number") and _is_number(value):
        return what, "remove the quotes" if value.isdigit() else "write a plain number"
    return what, ""


def _unknown_driver(given: str, context: dict[str, Any]) -> tuple[str, str]:
    family = context["family"]
    what = f"there is no {family} driver {given!r}"
    if context["families"]:
        others = " and ".join(context["families"])
        return what, f"{given} is for {others}; known here: {', '.join(context['known'])}"
    return what, suggestion_or_list(given, context["known"])


def _shown(node: Node) -> str:
    if not isinstance(node, Scalar):
        return kind_of(plain(node))
    if node.value is None:
        return "null"
    text = node.text if len(node.text) <= 60 else f"{node.text[:57]}..."
    return repr(text) if isinstance(node.value, str) else text


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
