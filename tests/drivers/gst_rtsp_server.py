"""An RTSP camera that is not ours: GStreamer's server from the distribution.

Run by the system's Python, which has its bindings: ``gst_rtsp_server.py KEY_FRAME_EVERY``. Prints
its port, then serves moving pictures at ``/stream`` until killed.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=25/1 "
    f"! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={int(sys.argv[1])} "
    "! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
# A pipeline for each client: one that is shared crashed the server when four opened it at once.
factory.set_shared(False)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
server.get_mount_points().add_factory("/stream", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
