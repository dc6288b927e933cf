"""Where an endpoint says how incoming speech is noticed: one squelch driver, or several joined.

``{driver: NAME, ...}`` is one of them. ``{all: [..], any: [..], not: ..}`` joins such parts, which
may be joined themselves: it is open while all of ``all`` are, at least one of ``any`` is and ``not``
is not. So of several keys in one mapping every one must hold, and their order says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from gateway.settings.drivers import DriverChoice, DriverOf, again

MAX_DEPTH = 4
"""Combinations within combinations."""
MAX_PARTS = 16
"""Squelches of one endpoint."""

_ALL, _ANY, _NOT = "all", "any", "not"


@dataclass(frozen=True, slots=True)
class SquelchCombination:
    """Squelches joined to one."""

    all: Annotated[tuple[SquelchTree, ...], Field(strict=False)] = ()
    any: Annotated[tuple[SquelchTree, ...], Field(strict=False)] = ()
    none: SquelchTree | None = None
    """What ``not`` says."""


@dataclass(frozen=True, slots=True)
class SquelchOf(DriverOf):
    """Marks a field of type `SquelchTree`."""

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"x-definition": "squelch"}

    def more_keys(self) -> dict[str, Any]:
        """The keys of a mapping that chooses no driver."""
        return {
            _ALL: tuple[SquelchTree, ...],
            _ANY: tuple[SquelchTree, ...],
            _NOT: SquelchTree,
        }

    def _chosen(self, value: object, info: core_schema.ValidationInfo) -> Any:
        if isinstance(value, SquelchCombination):
            return value
        return self._tree(value, info, MAX_DEPTH)

    def _tree(self, value: object, info: core_schema.ValidationInfo, depth: int) -> Any:
        joins = isinstance(value, dict) and not value.keys().isdisjoint((_ALL, _ANY, _NOT))
        if not joins:
            return super(SquelchOf, self)._chosen(value, info)
        assert isinstance(value, dict)
        errors: list[InitErrorDetails] = []
        for key in value.keys() - {_ALL, _ANY, _NOT}:
            if key == "driver":
                raise PydanticCustomError(
                    "squelch_both",
                    "chooses a driver and joins others; write it as one of all: [..]",
                )
            errors.append(InitErrorDetails(type="extra_forbidden", loc=(key,), input=value[key]))
        if depth == 0:
            raise PydanticCustomError("squelch_deep", "is joined within too many others")
        lists: dict[str, tuple[Any, ...]] = {_ALL: (), _ANY: ()}
        for key in (_ALL, _ANY):
            if key in value:
                lists[key] = self._list(value[key], key, info, depth, errors)
        none = None
        if _NOT in value:
            none = self._part(value[_NOT], (_NOT,), info, depth, errors)
        if errors:
            raise ValidationError.from_exception_data(self.family, errors)
        tree = SquelchCombination(lists[_ALL], lists[_ANY], none)
        if sum(1 for _ in leaves(tree)) > MAX_PARTS:
            raise PydanticCustomError(
                "squelch_many", "joins more than {most} squelches", {"most": MAX_PARTS}
            )
        return tree

    def _list(
        self,
        given: object,
        key: str,
        info: core_schema.ValidationInfo,
        depth: int,
        errors: list[InitErrorDetails],
    ) -> tuple[Any, ...]:
        if not isinstance(given, list):
            errors.append(InitErrorDetails(type="list_type", loc=(key,), input=given))
            return ()
        if not given:
            kind = PydanticCustomError("squelch_empty", "joins nothing")
            errors.append(InitErrorDetails(type=kind, loc=(key,), input=given))
        return tuple(
            self._part(part, (key, number), info, depth, errors)
            for number, part in enumerate(given)
        )

    def _part(
        self,
        given: object,
        loc: tuple[str | int, ...],
        info: core_schema.ValidationInfo,
        depth: int,
        errors: list[InitErrorDetails],
    ) -> Any:
        try:
            return self._tree(given, info, depth - 1)
        except PydanticCustomError as error:
            errors.append(InitErrorDetails(type=error, loc=loc, input=given))
        except ValidationError as error:
            errors += [{**detail, "loc": (*loc, *detail.get("loc", ()))} for detail in again(error)]
        return None


SquelchTree = Annotated[DriverChoice | SquelchCombination, SquelchOf("squelch")]
"""One squelch, or several joined."""


def listens(choice: DriverChoice) -> bool:
    """Whether it listens to the audio, as its options say; every other squelch senses a line."""
    return bool(getattr(choice.options, "listens", False))


def leaves(tree: DriverChoice | SquelchCombination | None) -> Iterator[DriverChoice]:
    """The single squelches, in the order they are written: all, any, not."""
    for _, choice in places(tree):
        yield choice


def places(
    tree: DriverChoice | SquelchCombination | None,
) -> Iterator[tuple[tuple[str | int, ...], DriverChoice]]:
    """The single squelches, each with where it stands below the whole."""
    if isinstance(tree, DriverChoice):
        yield (), tree
    elif tree is not None:
        for key, parts in ((_ALL, tree.all), (_ANY, tree.any)):
            for number, part in enumerate(parts):
                for loc, choice in places(part):
                    yield (key, number, *loc), choice
        for loc, choice in places(tree.none):
            yield (_NOT, *loc), choice


def definitions() -> dict[str, Any]:
    """The JSON Schema of a squelch and of a combination."""
    part = {"$ref": "#/definitions/squelch"}
    parts = {"type": "array", "items": part, "minItems": 1}
    return {
        "squelch": {"anyOf": [{"$ref": "#/definitions/driver.squelch"}, {"$ref": _COMBINATION}]},
        "SquelchCombination": {
            "type": "object",
            "description": "Squelches joined to one: it is open while every key given holds. "
            "A part may join others itself.",
            "properties": {
                _ALL: {**parts, "description": "Squelches that must all be open."},
                _ANY: {**parts, "description": "Squelches of which one must be open."},
                _NOT: {
                    "allOf": [part],
                    "description": "A squelch that must be closed.",
                },
            },
            "additionalProperties": False,
            "minProperties": 1,
        },
    }


_COMBINATION = "#/definitions/SquelchCombination"
