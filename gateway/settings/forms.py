"""A value that may take one of several forms: a word, a number, a list or a mapping.

A plain union would put the names of its members into the place of an error; here the form that the
value has says by which of them it is checked, so that every problem keeps its line and column.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import (
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.settings.drivers import again


@dataclass(frozen=True, slots=True)
class Forms:
    """Marks a union of which each member has another YAML form; ``wanted`` says them in words."""

    wanted: str

    def __get_pydantic_core_schema__(
        self, source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            functools.partial(self._checked, get_args(source)),
            metadata={"forms": get_args(source)},
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        members = schema["metadata"]["forms"]
        return {"anyOf": [_adapter(member).json_schema() for member in members]}

    def _checked(self, members: tuple[Any, ...], value: object) -> object:
        form = _form_of(value)
        for member in members:
            if _form(member) == form:
                try:
                    return _adapter(member).validate_python(value)
                except ValidationError as error:
                    raise ValidationError.from_exception_data("forms", again(error)) from None
        raise PydanticCustomError("form_wrong", "must be {wanted}", {"wanted": self.wanted})


@functools.cache
def _adapter(member: Any) -> TypeAdapter[Any]:
    return TypeAdapter(member, config=ConfigDict(strict=True))


def _form(member: Any) -> str:
    while get_origin(member) is Annotated:
        member = get_args(member)[0]
    origin = get_origin(member)
    if origin is tuple:
        return "list"
    if origin is dict:
        return "mapping"
    return "number" if member is int else "text"


def _form_of(value: object) -> str:
    match value:
        case bool():
            return "truth"
        case int():
            return "number"
        case str():
            return "text"
        case list() | tuple():
            return "list"
        case Mapping():
            return "mapping"
    return "nothing"
