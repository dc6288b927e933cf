"""Options of the drivers that need no hardware."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualInputOptions:
    """An alarm input that is pressed by ``baiying press ENDPOINT``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    lines: tuple[str, ...] = ()
    """Names that endpoints may use as their ``line``; none means any."""
