"""Options of the drivers that need no hardware."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import Ge, Le, MultipleOf

from drivers._address import host_and_port


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualInputOptions:
    """An alarm input that is pressed by ``baiying press ENDPOINT``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }
    addressed_by: ClassVar[str] = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpAudioOptions:
    """Audio in UDP datagrams: signed 16-bit little-endian mono PCM, 20 ms in each."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    listen: str | None = None
    """``host:port`` to receive on; what arrives is what the endpoint hears. None captures nothing."""
    send: str | None = None
    """``host:port`` to send to; what is sent is what the endpoint plays. None plays nothing."""
    rate_hz: Annotated[int, Ge(8_000), Le(48_000), MultipleOf(50)] = 16_000
    """Sample rate of both directions. 8, 12, 16, 24 and 48 kHz need no conversion."""

    def __post_init__(self) -> None:
        if self.listen is None and self.send is None:
            raise ValueError("neither listen nor send; give at least one address")
        for address in (self.listen, self.send):
            if address is not None:
                host_and_port(address)

    def occupies(self) -> Iterable[str]:
        return () if self.listen is None else (f"udp {self.listen}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAudioOptions:
    """Audio from and to WAV files, at the pace of real time."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    play: Path | None = None
    """WAV file to capture from (16-bit PCM, mono or stereo); silence follows its end."""
    repeat: bool = False
    """Begin again at the end of ``play`` instead."""
    record: Path | None = None
    """WAV file for what the endpoint plays, without the pauses; an existing file is replaced."""
    rate_hz: Annotated[int, Ge(8_000), Le(48_000), MultipleOf(50)] | None = None
    """Sample rate of both directions; default is that of ``play``, else 16,000."""

    def __post_init__(self) -> None:
        if self.play is None and self.record is None:
            raise ValueError("neither play nor record; name at least one file")

    def occupies(self) -> Iterable[str]:
        return () if self.record is None else (str(self.record),)
