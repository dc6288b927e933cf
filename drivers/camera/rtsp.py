"""The ``rtsp`` camera: keeps the stream open, so that a picture takes no time to set up."""

from __future__ import annotations

from collections.abc import Callable

from drivers.camera.child_protocol import Source
from drivers.camera.options import RtspOptions
from drivers.camera.picture_process import PictureProcess


class RtspCamera:
    """A camera that streams by RTSP (`gateway.ports.Camera`)."""

    def __init__(self, name: str, options: RtspOptions) -> None:
        source = Source(
            url=options.url,
            film=False,
            transport=options.transport,
            timeout=options.timeout_s,
            max_width_px=options.max_width_px,
        )
        self._process = PictureProcess(name, source)

    async def run(self, ready: Callable[[], None]) -> None:
        """Follow the stream until cancelled."""
        await self._process.run(ready)

    async def picture(self) -> bytes:
        """The newest frame, as a JPEG."""
        return await self._process.picture()
