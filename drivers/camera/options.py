"""Options of the cameras."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from drivers.camera.http_message import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RtspOptions:
    """A camera that streams by RTSP; needs the extra ``video``."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    url: str
    """Address of the stream, ``rtsp://`` or ``rtsps://``, with user and password if need be."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How the video travels; ``tcp`` inside the RTSP connection loses no pictures."""
    timeout_s: Annotated[float, Ge(0.5), Le(60)] = 5.0
    """Seconds without a picture after which the stream is opened again."""
    max_width_px: Annotated[int, Ge(160), Le(3840)] = 1280
    """Wider pictures are made smaller."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("rtsp://", "rtsps://")):
            raise ValueError(f"url {self.url!r} is no rtsp:// or rtsps:// address")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """A camera, or a visual intercom, that gives one JPEG at an HTTP address."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    url: str
    """Address of the picture, ``http://`` or ``https://``."""
    username: str | None = None
    """User name; digest or basic authentication, as the camera asks."""
    password: str | None = None
    """Password, quoted; ``password_file`` keeps it out of the configuration."""
    password_file: Path | None = None
    """File whose first line is the password."""
    ca_file: Path | None = None
    """PEM file of authorities to trust for ``https``; default is the system's."""
    timeout_s: Annotated[float, Ge(0.1), Le(60)] = 2.0
    """Seconds for one picture, all in all."""

    def __post_init__(self) -> None:
        Address.from_url(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """A picture or a film in place of a camera."""

    __pydantic_config__: ClassVar[dict[str, object]] = {
        "extra": "forbid",
        "strict": True,
        "use_attribute_docstrings": True,
    }

    path: Path
    """A JPEG, or with the extra ``video`` any other picture or a film; a film is played round."""
