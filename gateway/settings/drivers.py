"""The places of a configuration where a driver is chosen: ``{driver: NAME, ...its own options}``.

A driver's options are a plain dataclass of its own (`gateway.ports`); they are validated here by
the same rules as everything else, so that a wrong option is reported at its line and column.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from pydantic import (
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    core_schema,
    to_json,
)

from gateway.errors import DriverUnavailable


class DriverCatalogue(Protocol):
    """What settings ask about drivers; the module `drivers.registry` is one."""

    def families(self) -> tuple[str, ...]:
        """What a driver can be for."""

    def names(self, family: str) -> tuple[str, ...]:
        """The drivers of a family."""

    def options(self, family: str, name: str) -> type:
        """The options dataclass. Raises DriverUnavailable where it cannot be had."""


@dataclass(frozen=True, slots=True)
class DriverChoice:
    """``driver: NAME`` with that driver's own options, already validated.

    ``options`` is an instance of the driver's options dataclass; nobody but the driver looks in.
    ``required`` says that a gateway without this device must not start.
    """

    driver: str
    options: object
    required: bool = False


@dataclass(frozen=True, slots=True)
class DriverOf:
    """Marks a field of type `DriverChoice` with the family that its driver is of."""

    family: str

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._chosen)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"x-driver-family": self.family}  # `gateway.settings.schema` puts the drivers in

    def more_keys(self) -> dict[str, Any]:
        """Keys, with annotations, that may stand in place of ``driver``."""
        return {}

    def _chosen(self, value: object, info: core_schema.ValidationInfo) -> Any:
        if isinstance(value, DriverChoice):
            return value
        if not isinstance(value, dict):
            raise PydanticCustomError("driver_mapping", "not a mapping")
        catalogue: DriverCatalogue = (info.context or {})["drivers"]
        given = dict(value)
        name, required = given.pop("driver", None), given.pop("required", False)
        errors: list[InitErrorDetails] = []
        if "driver" not in value:
            errors.append(InitErrorDetails(type="missing", loc=("driver",), input=value))
        elif not isinstance(name, str):
            errors.append(InitErrorDetails(type="string_type", loc=("driver",), input=name))
        if not isinstance(required, bool):
            errors.append(InitErrorDetails(type="bool_type", loc=("required",), input=required))
        options: object = None
        if isinstance(name, str):
            try:
                options = self._options(catalogue, name, given)
            except PydanticCustomError as error:
                errors.append(InitErrorDetails(type=error, loc=("driver",), input=name))
            except ValidationError as error:
                errors.extend(again(error))
        if errors:
            raise ValidationError.from_exception_data(self.family, errors)
        assert isinstance(name, str)
        return DriverChoice(name, options, required)

    def _options(self, catalogue: DriverCatalogue, name: str, given: dict[str, Any]) -> object:
        if name not in catalogue.names(self.family):
            others = [family for family in catalogue.families() if name in catalogue.names(family)]
            raise PydanticCustomError(
                "driver_unknown",
                "unknown driver",
                {
                    "family": self.family,
                    "known": list(catalogue.names(self.family)),
                    "families": others,
                },
            )
        try:
            adapter = _adapter(catalogue.options(self.family, name))
        except DriverUnavailable as error:
            raise _unavailable(error.what) from error
        except PydanticUserError as error:
            raise _unavailable(f"its options are none: {error.message}") from error
        # JSON, because strict validation of Python values takes no mapping for a dataclass.
        return adapter.validate_json(to_json(given))


def _unavailable(why: str) -> PydanticCustomError:
    return PydanticCustomError("driver_unavailable", "driver cannot be used", {"why": why})


@functools.cache
def _adapter(options: type) -> TypeAdapter[Any]:
    return TypeAdapter(options)


_KNOWN = frozenset(get_args(core_schema.ErrorType))
"""pydantic's own types of errors; of others the text is kept."""


def again(error: ValidationError) -> list[InitErrorDetails]:
    """The same errors, to be raised with others."""
    details = []
    for line in error.errors(include_url=False):
        context = line.get("ctx", {})
        # A known type keeps its context; "value_error" carries the exception of __post_init__.
        kind: str | PydanticCustomError = line["type"]
        if kind == "assertion_error":
            kind = "value_error"
        elif kind not in _KNOWN:
            kind = PydanticCustomError(line["type"], line["msg"], context)
        details.append(
            InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=context)
        )
    return details
