"""The control socket: frames, and a real socket between a server and the command's client."""

import asyncio
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.client import (
    ControlClient,
    GatewayAway,
    GatewayRefused,
    GatewayRefusedCall,
    call,
)
from gateway.control.protocol import AUDIO, JSON, MAX_FRAME_BYTES, Frame, FrameReader
from gateway.control.server import ControlServer, RequestError, WrongCall
from gateway.errors import RemoteProtocolError


def test_frame_on_the_wire_is_length_kind_body():
    assert Frame(JSON, b"{}").to_bytes() == b"\x00\x00\x00\x03J{}"


@given(
    st.lists(st.tuples(st.sampled_from([JSON, AUDIO]), st.binary(max_size=50))), st.integers(1, 9)
)
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(frames, size):
    sent = [Frame(kind, body) for kind, body in frames]
    stream = b"".join(frame.to_bytes() for frame in sent)
    reader = FrameReader()
    got = []
    for at in range(0, len(stream), size):
        got += reader.feed(stream[at : at + size])
    assert got == sent


@pytest.mark.parametrize(
    "head", [b"\0\0\0\0J", (MAX_FRAME_BYTES + 1).to_bytes(4, "big") + b"J", b"\0\0\0\1X"]
)
def test_a_frame_that_is_not_allowed_is_refused(head):
    with pytest.raises(RemoteProtocolError):
        FrameReader().feed(head)


@pytest.fixture
async def server(tmp_path):
    async def echo(request, session):
        session.send_event({"event": "asked", "pid": session.pid})
        heard = b""
        while (frame := await session.receive()) is not None:
            heard += frame.body
            session.send_audio(frame.body)
        return {"heard": len(heard), "op": request["op"]}

    async def refuse(request, session):
        raise RequestError("not today")

    async def fail(request, session):
        raise ZeroDivisionError

    async def misname(request, session):
        raise WrongCall("no such endpoint")

    path = tmp_path / "control.sock"
    task = asyncio.create_task(
        ControlServer(
            path, {"echo": echo, "refuse": refuse, "fail": fail, "misname": misname}
        ).run()
    )
    while not path.exists():
        await asyncio.sleep(0)
    yield path
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not path.exists()


async def test_only_its_owner_may_use_the_socket(server):
    assert stat.S_IMODE(server.stat().st_mode) == 0o600


async def test_audio_and_events_pass_both_ways_before_the_answer(server):
    def use():
        with ControlClient(server) as client:
            client.ask("echo")
            client.send_audio(b"abc")
            client.end_audio()
            return list(client.frames()), client.result

    frames, result = await asyncio.to_thread(use)
    assert frames[0]["event"] == "asked"
    assert frames[1] == b"abc"
    assert result == {"heard": 3, "op": "echo"}


@pytest.mark.parametrize("op", ["refuse", "fail", "unheard-of"])
async def test_a_request_that_cannot_be_done_says_so_and_the_server_goes_on(server, op):
    with pytest.raises(GatewayRefused):
        await asyncio.to_thread(call, server, op)
    with pytest.raises(GatewayRefused, match="not today"):
        await asyncio.to_thread(call, server, "refuse")


async def test_a_call_that_names_what_there_is_not_is_told_from_one_that_failed(server):
    with pytest.raises(GatewayRefusedCall, match="no such endpoint"):
        await asyncio.to_thread(call, server, "misname")
    with pytest.raises(GatewayRefused) as failed:
        await asyncio.to_thread(call, server, "refuse")
    assert not isinstance(failed.value, GatewayRefusedCall)


def test_no_gateway_is_a_clear_error(tmp_path):
    with pytest.raises(GatewayAway, match="no gateway is running"), ControlClient(tmp_path / "x"):
        pass


async def test_a_folder_with_a_long_name_still_has_its_socket(tmp_path):
    folder = tmp_path / ("d" * 90)
    folder.mkdir()

    async def ping(request, session):
        return "pong"

    path = folder / "control.sock"
    task = asyncio.create_task(ControlServer(path, {"ping": ping}).run())
    while not path.exists():
        await asyncio.sleep(0)
    assert await asyncio.to_thread(call, path, "ping") == "pong"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
