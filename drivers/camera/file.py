"""The ``file`` camera: a picture or a film in place of a camera."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from drivers.camera.child_protocol import Source
from drivers.camera.jpeg import checked, is_jpeg
from drivers.camera.options import FileOptions
from drivers.camera.picture_process import PictureProcess
from gateway.errors import DriverIOError, DriverOpenError, RemoteProtocolError
from gateway.ports import MAX_PICTURE_BYTES

_ANSWER_WITHIN = 5.0
"""Seconds in which a frame of a local film must be found."""
_MAX_WIDTH_PX = 1280


class FileCamera:
    """A picture or a film (`gateway.ports.Camera`). A JPEG is handed over as it is."""

    def __init__(self, name: str, options: FileOptions) -> None:
        self._name = name
        self._path = options.path
        source = Source(
            url=str(options.path),
            film=True,
            transport="",
            timeout=_ANSWER_WITHIN,
            max_width_px=_MAX_WIDTH_PX,
        )
        self._film = PictureProcess(name, source)

    async def run(self, ready: Callable[[], None]) -> None:
        """Keep the film's process, if it is a film, until cancelled."""
        try:
            data = await asyncio.to_thread(self._begin)
        except OSError as error:
            raise DriverOpenError(self._name, f"cannot read {self._path}: {error}") from error
        if not is_jpeg(data):
            await self._film.run(ready)
        ready()
        await asyncio.get_running_loop().create_future()

    async def picture(self) -> bytes:
        """The picture, or the film's frame that is on now."""
        try:
            data = await asyncio.to_thread(self._begin)
            return checked(data) if is_jpeg(data) else await self._film.picture()
        except (OSError, RemoteProtocolError) as error:
            raise DriverIOError(self._name, f"no picture in {self._path}: {error}") from error

    def _begin(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(MAX_PICTURE_BYTES + 1)  # one more, so that too large is seen
