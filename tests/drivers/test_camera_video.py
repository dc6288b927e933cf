"""Cameras that need decoding: an RTSP server that is not ours, films, and FFmpeg going wrong."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.camera import child_protocol, picture_process
from drivers.camera.child_protocol import Source
from drivers.camera.file import FileCamera
from drivers.camera.options import FileOptions, RtspOptions
from drivers.camera.picture_process import PictureProcess
from drivers.camera.rtsp import RtspCamera
from gateway.errors import DriverIOError, DriverOpenError, DriverUnavailable, RemoteProtocolError
from gateway.ports import MAX_PICTURE_BYTES

av = pytest.importorskip("av", reason="the extra `video` is not installed")
from drivers.camera.picture_child import Outlet, Stream  # noqa: E402

SERVER = Path(__file__).with_name("gst_rtsp_server.py")
SYSTEM_PYTHON = "/usr/bin/python3"


def has_gstreamer() -> bool:
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    return (
        Path(SYSTEM_PYTHON).exists()
        and subprocess.run(
            [SYSTEM_PYTHON, "-c", check], check=False, capture_output=True
        ).returncode
        == 0
    )


needs_rtsp = pytest.mark.skipif(not has_gstreamer(), reason="GStreamer's RTSP server is missing")
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


class RtspServer:
    """The camera's side: can be stopped, continued and unplugged."""

    def __init__(self, key_frame_every: int) -> None:
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, SERVER, str(key_frame_every)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.url = f"rtsp://127.0.0.1:{int(self.process.stdout.readline())}/stream"

    def unplug(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def rtsp_server(key_frame_every: int = 25):
    server = RtspServer(key_frame_every)
    try:
        yield server
    finally:
        server.unplug()


@contextlib.asynccontextmanager
async def running(camera):
    """The camera, ready; its task is in ``running.task``."""
    ready = asyncio.Event()
    task = asyncio.create_task(camera.run(ready.set))
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=15, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        assert ready.is_set()
        yield task
    finally:
        waiting.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DriverIOError, DriverOpenError):
            await task


def children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def picture_children() -> list[int]:
    return [
        pid for pid in children() if b"picture_child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def grey(picture: bytes) -> bytes:
    """The picture's brightness, a byte a pixel, by a decoder that is not the product's own path."""
    return subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "-", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
        input=picture,
        capture_output=True,
        check=True,
    ).stdout


@pytest.mark.system
@needs_rtsp
@needs_ffmpeg
@pytest.mark.parametrize("key_frame_every", [5, 250])
async def test_picture_of_a_foreign_rtsp_server_is_newest_and_quick(key_frame_every):
    with rtsp_server(key_frame_every) as server:
        camera = RtspCamera("gate", RtspOptions(url=server.url, max_width_px=320))
        async with running(camera):
            pictures = []
            for _ in range(3):
                await asyncio.sleep(0.2)
                began = time.monotonic()
                pictures.append(await camera.picture())
                assert time.monotonic() - began < 1.0
            assert len(set(pictures)) == 3  # the ball has moved
            seen = grey(pictures[-1])
            assert len(seen) == 320 * 180
            assert max(seen) > 200  # the ball
            assert min(seen) < 30  # what is behind it
    assert picture_children() == []


@dataclass
class Packet:
    number: int
    is_keyframe: bool = False


class Decoder:
    """Shows each packet's number as its picture; ``broken`` ones fail."""

    def __init__(self, *broken: int) -> None:
        self.fed: list[int] = []
        self._broken = broken

    def decode(self, packet: Packet) -> list[int]:
        self.fed.append(packet.number)
        if packet.number in self._broken:
            raise av.error.InvalidDataError(1, "damaged")
        return [packet.number]


def stream(decoder: Decoder) -> Stream:
    source = Source(url="rtsp://x", film=False, transport="tcp", timeout=1, max_width_px=640)
    followed = Stream(source, Outlet())
    followed._decoder = decoder
    return followed


def test_packets_before_the_first_key_frame_are_passed_over():
    followed = stream(Decoder())
    followed.take(Packet(1))
    with pytest.raises(LookupError):
        followed.picture()
    assert not followed.usable
    followed.take(Packet(2, is_keyframe=True))
    assert followed.usable


def test_nothing_is_decoded_until_asked_and_only_from_the_last_key_frame():
    decoder = Decoder()
    followed = stream(decoder)
    for number in range(1, 21):
        followed.take(Packet(number, is_keyframe=number in (1, 11)))
    assert decoder.fed == []
    assert followed.newest() == 20
    assert decoder.fed == list(range(11, 21))
    followed.take(Packet(21))
    assert followed.newest() == 21
    assert decoder.fed == list(range(11, 22))


def test_far_apart_key_frames_are_decoded_in_batches_as_they_come():
    decoder = Decoder()
    followed = stream(decoder)
    for number in range(1, 101):
        followed.take(Packet(number, is_keyframe=number == 1))
        assert number - len(decoder.fed) < 32
    assert decoder.fed == list(range(1, 97))


def test_damaged_packet_costs_its_own_picture_only():
    followed = stream(Decoder(2))
    for number in (1, 2):
        followed.take(Packet(number, is_keyframe=number == 1))
    assert followed.newest() == 1
    followed.take(Packet(3))
    assert followed.newest() == 3


@pytest.mark.system
@needs_rtsp
async def test_stream_whose_camera_stops_is_a_fault_and_delays_nobody():
    with rtsp_server() as server:
        camera = RtspCamera("gate", RtspOptions(url=server.url, timeout_s=0.5))
        async with running(camera) as task:
            server.process.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(DriverIOError):
                    await asyncio.wait_for(task, 0.5 + picture_process.GRACE + 1)
            finally:
                server.process.send_signal(signal.SIGCONT)
            with pytest.raises(DriverIOError, match="not open"):
                await camera.picture()


@pytest.mark.system
@needs_rtsp
async def test_process_that_is_killed_is_a_fault_at_once_and_answers_its_callers():
    with rtsp_server() as server:
        camera = RtspCamera("gate", RtspOptions(url=server.url))
        async with running(camera) as task:
            (child,) = picture_children()
            os.kill(child, signal.SIGSTOP)
            asked = asyncio.create_task(camera.picture())
            await asyncio.sleep(0.05)
            os.kill(child, signal.SIGKILL)
            with pytest.raises(DriverIOError, match="died"):
                await asyncio.wait_for(task, 1)
            with pytest.raises(DriverIOError):
                await asked


@pytest.mark.system
@needs_rtsp
async def test_process_that_hangs_is_killed(monkeypatch):
    with rtsp_server() as server:
        camera = RtspCamera("gate", RtspOptions(url=server.url))
        async with running(camera) as task:
            # Only now: the process needs longer than that to start.
            monkeypatch.setattr(camera._process, "_patience", 1.2)
            await camera.picture()
            await asyncio.sleep(0.6)  # until it has shown again that it lives
            (child,) = picture_children()
            os.kill(child, signal.SIGSTOP)
            with pytest.raises(DriverIOError, match="nothing came"):
                await asyncio.wait_for(task, 3)
            assert picture_children() == []


async def test_absent_stream_is_an_open_error():
    camera = RtspCamera("gate", RtspOptions(url="rtsp://127.0.0.1:1/none", timeout_s=1.0))
    with pytest.raises(DriverOpenError, match="gate"):
        await asyncio.wait_for(camera.run(lambda: None), 10)
    assert picture_children() == []


async def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(picture_process.importlib.util, "find_spec", lambda name: None)
    camera = RtspCamera("gate", RtspOptions(url="rtsp://127.0.0.1/"))
    with pytest.raises(DriverUnavailable, match="video") as caught:
        await camera.run(lambda: None)
    assert (caught.value.module, caught.value.package) == ("av", "av")


@pytest.mark.parametrize("url", ["http://x/", "/etc/passwd", "file:///x", ""])
def test_what_is_no_rtsp_address_is_refused(url):
    with pytest.raises(ValueError):
        RtspOptions(url=url)


def start_gateway(film: Path) -> subprocess.Popen[bytes]:
    program = (
        "import asyncio, sys\n"
        "from drivers.camera.file import FileCamera\n"
        "from drivers.camera.options import FileOptions\n"
        "from pathlib import Path\n"
        "camera = FileCamera('c', FileOptions(path=Path(sys.argv[1])))\n"
        "asyncio.run(camera.run(lambda: print('ready', flush=True)))\n"
    )
    return subprocess.Popen([sys.executable, "-c", program, film], stdout=subprocess.PIPE)


@needs_ffmpeg
async def test_gateway_that_dies_takes_the_process_with_it(tmp_path):
    film(tmp_path / "film.mp4")
    gateway = start_gateway(tmp_path / "film.mp4")
    assert gateway.stdout.readline() == b"ready\n"
    (child,) = [
        int(pid)
        for pid in Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text().split()
    ]
    gateway.kill()
    gateway.wait()
    gateway.stdout.close()
    deadline = time.monotonic() + 2
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert not Path(f"/proc/{child}").exists()


# Files


def film(path: Path, seconds: int = 2) -> None:
    """A film that grows brighter from black to white."""
    subprocess.run(
        [
            *("ffmpeg", "-v", "error", "-y", "-f", "lavfi"),
            *(
                "-i",
                f"color=black:s=64x48:r=10:d={seconds},geq=lum='255*T/{seconds}':cb=128:cr=128",
            ),
            *("-pix_fmt", "yuv420p", str(path)),
        ],
        check=True,
    )


def white_png(path: Path) -> None:
    source = "color=white:s=63x47"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1", str(path)],
        check=True,
    )


JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 100 + b"\xff\xd9"


async def test_jpeg_file_is_handed_over_as_it_is_and_may_be_replaced(tmp_path):
    path = tmp_path / "gate.jpg"
    path.write_bytes(JPEG)
    camera = FileCamera("gate", FileOptions(path=path))
    async with running(camera):
        assert await camera.picture() == JPEG
        path.write_bytes(JPEG.replace(b"picture", b"another"))
        assert await camera.picture() == JPEG.replace(b"picture", b"another")
        assert picture_children() == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (JPEG[:-2], "cut short"),
        (b"\xff\xd8\xff" + b"\0" * MAX_PICTURE_BYTES, "cut short|more than"),
    ],
)
async def test_bad_jpeg_file_is_a_driver_error(tmp_path, content, why):
    (tmp_path / "gate.jpg").write_bytes(content)
    camera = FileCamera("gate", FileOptions(path=tmp_path / "gate.jpg"))
    async with running(camera):
        with pytest.raises(DriverIOError, match=why):
            await camera.picture()


async def test_absent_file_is_an_open_error(tmp_path):
    camera = FileCamera("gate", FileOptions(path=tmp_path / "absent.jpg"))
    with pytest.raises(DriverOpenError, match=r"absent\.jpg"):
        await camera.run(lambda: None)


@needs_ffmpeg
async def test_film_is_played_round_at_its_own_pace(tmp_path):
    film(tmp_path / "film.mp4", seconds=1)
    camera = FileCamera("gate", FileOptions(path=tmp_path / "film.mp4"))
    shots = []
    async with running(camera):
        for _ in range(8):
            began = time.monotonic()
            picture = await camera.picture()
            shots.append((began, time.monotonic(), picture))
            await asyncio.sleep(0.2)
    # How far the film was, told by how bright it was: it goes from 0 to 1 in a second.
    far = [sum(seen) / len(seen) / 255 for seen in (grey(shot[2]) for shot in shots)]
    first_began, first_ended, _ = shots[0]
    for (began, ended, _), position in zip(shots, far, strict=True):
        slack = (ended - began) + (first_ended - first_began) + 0.2  # ten frames a second
        gone = (began - first_began) - (position - far[0])
        assert abs(gone - round(gone)) < slack
    assert min(far) < 0.3
    assert max(far) > 0.6
    assert picture_children() == []


@needs_ffmpeg
async def test_png_becomes_a_jpeg(tmp_path):
    white_png(tmp_path / "gate.png")
    camera = FileCamera("gate", FileOptions(path=tmp_path / "gate.png"))
    async with running(camera):
        seen = grey(await camera.picture())
        assert len(seen) == 62 * 46
        assert min(seen) > 250


async def test_file_that_is_no_picture_is_a_driver_error_and_the_next_is_still_answered(tmp_path):
    (tmp_path / "notes.png").write_bytes(b"these are notes" * 100)
    camera = FileCamera("gate", FileOptions(path=tmp_path / "notes.png"))
    async with running(camera):
        for _ in range(2):
            with pytest.raises(DriverIOError, match="no picture"):
                await camera.picture()


@needs_ffmpeg
async def test_caller_that_gives_up_does_not_get_the_next_one_a_wrong_answer(tmp_path):
    film(tmp_path / "film.mp4")
    camera = FileCamera("gate", FileOptions(path=tmp_path / "film.mp4"))
    async with running(camera):
        (child,) = picture_children()
        os.kill(child, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(camera.picture(), 0.05)
        others = [asyncio.create_task(camera.picture()) for _ in range(20)]
        await asyncio.sleep(0.05)
        os.kill(child, signal.SIGCONT)
        results = await asyncio.gather(*others, return_exceptions=True)
        pictures = [result for result in results if isinstance(result, bytes)]
        assert len(pictures) == picture_process.MAX_ASKED - 1
        assert all("too many" in str(result) for result in results if result not in pictures)


@needs_ffmpeg
async def test_film_whose_process_hangs_is_a_fault_even_if_nobody_waits_any_more(
    tmp_path, monkeypatch
):
    film(tmp_path / "film.mp4")
    source = Source(
        url=str(tmp_path / "film.mp4"), film=True, transport="", timeout=0.2, max_width_px=640
    )
    camera = PictureProcess("gate", source)
    async with running(camera) as task:
        monkeypatch.setattr(camera, "_patience", 0.3)
        os.kill(picture_children()[0], signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(camera.picture(), 0.05)
        with pytest.raises(DriverIOError, match="died"):
            await asyncio.wait_for(task, 2)


def test_frame_of_the_child_survives_the_wire_and_garbage_is_refused():
    frame = child_protocol.to_bytes(child_protocol.PICTURE, b"x" * 300)
    assert frame[:5] == b"P\x00\x00\x01\x2c"
    assert child_protocol.parse_head(frame[:5]) == (child_protocol.PICTURE, 300)
    for head in (b"\x00\x00\x00\x00\x00", b"P\xff\xff\xff\xff"):
        with pytest.raises(RemoteProtocolError):
            child_protocol.parse_head(head)
    source = Source(url="rtsp://x", film=False, transport="tcp", timeout=1.5, max_width_px=640)
    assert Source.from_bytes(source.to_bytes()) == source
